//! The Amazon States Language: what a state machine is, whether a definition is one, and what its states make of data.
//!
//! **Knows:** the language, JSONPath with its intrinsic functions, JSONata.
//! **Must not know:** a clock, chance, a network, a store; who runs machines, and how. What moment it is and what chance gives
//! reaches it through [`Outside`].
//!
//! Start with [`Machine::parse`] and [`Scope`].
//!
//! Source: "Amazon States Language" and "Processing input and output" in the developer guide of Step Functions, and the
//! language's own specification; for words of errors, what the service is known to have answered.

mod chance;
mod choice;
mod diagnostic;
mod failure;
mod flow;
mod intrinsic;
mod items;
mod jsonata;
mod map;
mod moment;
mod path;
mod retry;
mod scope;
mod template;
mod tree;
mod validate;
mod variables;

pub use diagnostic::{Code, Diagnostic, Severity, refusal};
pub use failure::{Failure, name};
pub use flow::{Caught, Chosen, Done, Effective};
pub use intrinsic::{BadCall, Call};
pub use items::{Manifest, ManifestFile, batches, items_of, manifest, read_items};
pub use jsonata::{BadExpression, Expression};
pub use path::{BadPath, Found, Missing, Path, Root};
pub use scope::{Outside, Scope, Variables};
pub use template::{Lookup, Template};
pub use tree::*;
pub use validate::{Limits, read, validate};
