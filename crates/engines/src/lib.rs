//! Running real things: sandboxed programs, the interpreters to run them, and supervised server processes.
//!
//! This floor knows processes, namespaces, files and ports. It must never know the cloud's vocabulary: what a
//! function, a queue or an account is, is the services' affair above.
//!
//! Linux only: isolation here is made of Linux namespaces, and there is no honest substitute for them elsewhere.

pub mod runtimes;
pub mod sandbox;
pub mod server;

/// Becomes one of this crate's helper processes, and never returns, if the program was started as such.
///
/// A program that launches sandboxes or servers, with itself as the helper, must call this as the first thing
/// in `main`, before any thread is started.
pub fn run_if_helper() {
    sandbox::run_if_init();
    server::run_if_keeper();
}
