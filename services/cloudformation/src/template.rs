//! The template language of CloudFormation. Pure: text and facts in, trees and errors out.
//!
//! The way of a template:
//! 1. [`Template::parse`]: JSON or YAML to one ordered tree, sections, static checks.
//! 2. [`Template::parameters`]: given values to checked values ([`ParameterValues`]).
//! 3. [`Stack::new`]: conditions decide which resources exist; [`Stack::levels`] is the order of creation.
//! 4. [`Stack::properties`] as attributes become known ([`Attributes`]), or [`Stack::planned_properties`] for a
//!    change set, where what is not known yet stays marked.
//! 5. [`diff`] of two sets of resolved resources.
//!
//! Macros and transforms are listed ([`Template::transforms`]), not run; dynamic references are listed
//! ([`dynamic_references`]), not fetched. The caller refuses or resolves them.

mod check;
mod cidr;
mod conditions;
mod diff;
mod dynamic;
mod error;
mod function;
mod graph;
mod parameters;
mod references;
mod resolve;
mod sections;
mod source;
mod stack;
mod sub;
mod yaml;

pub use diff::{Action, PropertyPath, ResolvedResource, ResourceChange, diff};
pub use dynamic::{DynamicReference, dynamic_references, replace_dynamic_references};
pub use error::{FormatFault, FunctionFault, ParameterFault, TemplateError};
pub use parameters::{Parameter, ParameterType, ParameterValue, ParameterValues, ScalarType};
pub use resolve::{Attributes, KNOWN_AFTER_APPLY, Known};
pub use sections::{DeletionPolicy, Export, Output, Resource, Template};
pub use source::{MAX_BODY_BYTES, MAX_URL_BYTES};
pub use stack::{Pseudo, Stack};
