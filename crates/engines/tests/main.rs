//! Sandboxes and servers from the outside: what a program in a sandbox can see, reach and use, what is left of
//! it afterwards, and the same again without root.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and some print what they measure")]

mod boundaries;
mod doors;
mod endings;
mod escapes;
mod limits;
mod roles;
mod runtimes;
mod servers;
mod setup;
mod speed;
