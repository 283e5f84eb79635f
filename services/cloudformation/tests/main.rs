//! The template language from outside: what is refused and how, what is resolved, in which order, what changes.

mod differences;
mod functions;
mod parameters;
mod properties;
mod sections;
mod stacks;
mod support;
