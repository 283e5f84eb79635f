//! The IAM policy language: parse a policy once, share it by [`std::sync::Arc`], ask it about many requests.
//!
//! **Knows:** the grammar of policy documents, matching of actions, resources, principals and conditions, and the
//! order in which AWS weighs the policies of one request ([`decide`]).
//! **Must not know:** any service by name, HTTP, a clock, a store. Time, source address and tags reach it as
//! condition keys through [`Context`]; which policies apply is the caller's to say in [`Inputs`].
//!
//! Reading order: [`Document`] (what was written) → [`Policy`] (compiled form) → [`decide`] (the flow) →
//! [`denied_message`] (AWS's sentence). The documentation followed is the IAM User Guide: "Policy evaluation logic",
//! "Cross-account policy evaluation logic", "Condition operators" and "Troubleshoot access denied error messages".

mod arn;
mod condition;
mod context;
mod decide;
mod document;
mod error;
mod message;
mod parse;
mod pattern;
mod policy;
mod principal;
mod public;
mod trace;
mod value;

pub use context::{Context, MapContext, NoContext, Values};
pub use decide::{AllowedBy, Decision, Inputs, NamedPolicy, PolicyType, Reason, ResourceRule, decide};
pub use document::{
    ConditionEntry, Document, Effect, Element, PrincipalElement, PrincipalType, Principals, Statement, Version,
};
pub use error::{Fault, MalformedPolicy};
pub use message::{denied_because, denied_message, explained};
pub use parse::PolicyKind;
pub use pattern::{Glob, Wildcard, globs};
pub use policy::{Miss, Policy, Request, Verdict};
pub use principal::{Grade, PrincipalFacts, PrincipalKind};
pub use public::{fixes, narrowing};
pub use trace::{Step, StepOutcome};
pub use value::{address_range, date};
