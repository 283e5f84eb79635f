//! Sandboxes from the outside: what a program in one can see, reach and use, and what is left of it.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and prints its measures")]

mod sandbox;
