//! Running real things: sandboxed programs, the interpreters to run them, and supervised server processes.
//!
//! This floor knows processes, namespaces, files and ports. It must never know the cloud's vocabulary: what a
//! function, a queue or an account is, is the services' affair above.
//!
//! Linux only: isolation here is made of Linux namespaces, and there is no honest substitute for them elsewhere.

pub mod sandbox;
