//! The policy language from outside: what is refused and how, what matches, what is decided.

mod conditions;
mod corpus;
mod decisions;
mod documents;
mod fuzzed;
mod independent;
mod properties;
mod support;
