//! AWS CloudFormation.
//!
//! [`template`] is the template language, without any input or output: what a template says, whether it is well
//! formed, in which order its resources come, and what their properties are once parameters and the attributes of
//! other resources are known. The stacks that carry it out build on it.

pub mod template;
