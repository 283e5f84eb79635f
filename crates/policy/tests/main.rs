//! The policy language from outside: what is refused and how, what matches, what is decided.

mod conditions;
mod decisions;
mod documents;
mod independent;
mod properties;
mod support;
