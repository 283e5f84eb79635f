//! `undercast`: AWS on your own machine.
//!
//! Knows: the command line, the environment, which services there are. Must not know: how anything is done.

mod client;
mod command;
mod services;
mod settings;
mod up;

use std::process::ExitCode;

use clap::Parser as _;

/// A call makes and drops some dozens of small things, on whichever thread is free.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A helper process of a sandbox is this same program; it must be told apart before any thread begins.
    undercast_engines::run_if_helper();
    let cli = command::Cli::parse();
    match command::run(cli) {
        Ok(code) => code,
        Err(error) => {
            command::complain(&*error);
            ExitCode::FAILURE
        }
    }
}
