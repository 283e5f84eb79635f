//! The helpers, above all the sandbox's init, as a program of its own: small, so that it starts in less time than a large binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    undercast_engines::run_if_helper();
    // Only a sandbox launcher has a use for this program.
    ExitCode::FAILURE
}
