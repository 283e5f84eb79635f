//! The Amazon States Language: what a state machine is, whether a definition is one, and what its states make of data.
//!
//! **Knows:** the language, JSONPath with its intrinsic functions, JSONata.
//! **Must not know:** a clock, chance, a network, a store; who runs machines, and how. What moment it is and what chance gives
//! reaches it through [`Outside`].
//!
//! Start with [`Machine::parse`] and [`Scope`].
//!
//! [`validate`] tells what is wrong with a definition, [`refusal`] in the words of `CreateStateMachine`. A [`Machine`] is read of a
//! definition in which no error is told. What its states make of data are methods of [`State`], on plain JSON: `effective_input`,
//! `complete`, `leave`, `choose`, `catch`, `retrier`; a [`Map`] has its `items`; [`Scope`] reckons what a definition gives or says
//! where it is. What fails is a [`Failure`]: the name that retriers and catchers know, and a cause in words.
//!
//! Source: "Amazon States Language", "Processing input and output" and "Transforming data with JSONata" in the developer guide of
//! Step Functions, and the language's own specification; for words of errors, what the service is known to have answered.
//!
//! What the guide leaves open, or the service does otherwise, is decided so:
//! - A path that finds nothing in `Parameters` or `ResultSelector`, and a `Choice` of which no rule holds, fail with `States.Runtime`,
//!   which nothing catches. The guide has names for these errors that the service is not seen to give.
//! - An array that is not as long as a path's index gives `null` where the path stands alone in a field, and is an error elsewhere.
//! - `ResultPath` puts the result into the state's input as it came, not into what `InputPath` takes of it.
//! - The states in a `Map` or a `Parallel` have the language of the whole machine, not that of the state they are in.
//! - JSONata's numbers are exact up to 2^53. A larger whole number that an expression passes on comes out as it went in; if two that
//!   went in are the same number to JSONata, the expression fails.
//! - An expression has five seconds, a hundred levels (two hundred where what it builds is measured), and values of some seven
//!   million bytes. The service is seen to have a hundred, and as many bytes.
//! - The seeds of `States.MathRandom` and `$random` give the same number again, and not the number that the service would.

mod chance;
mod choice;
mod diagnostic;
mod failure;
mod flow;
mod given;
mod intrinsic;
mod items;
mod json;
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
pub use flow::{Caught, Chosen, Done, Effective, Selected};
pub use intrinsic::{BadCall, Call};
pub use items::{Manifest, ManifestFile, batches, items_of, manifest, read_items};
pub use json::{BadJson, parse_json};
pub use jsonata::{BadExpression, Expression};
pub use path::{BadPath, Path, Root};
pub use scope::{Outside, Scope, Variables};
pub use template::{Lookup, Template};
pub use tree::*;
pub use validate::{Limits, read, validate};
