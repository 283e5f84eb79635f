//! What CloudFormation says of a template. All but [`TemplateError::NotBuilt`], [`TemplateError::NotYet`] and the
//! ones marked as our words are AWS's sentences, answered as `ValidationError`.

use thiserror::Error;

/// A template, or a use of it, that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// The template asks for something we do not do.
    #[error("{what} is not built in Undercast")]
    NotBuilt {
        /// What is missing.
        what: String,
    },
    /// A parameter whose value Parameter Store should have.
    #[error("Unable to fetch parameters [{name}] from parameter store for this account.")]
    NotFetched {
        /// What was asked for.
        name: String,
    },
    /// A reference to something that is not known yet; the engine asked too early.
    #[error("the value of {what} is not known yet")]
    NotYet {
        /// `Name` or `Name.Attribute`.
        what: String,
    },

    /// Bad JSON.
    #[error("Template format error: JSON not well-formed. (line {line}, column {column})")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Bad YAML, or a tag that is no function.
    #[error("Template format error: YAML not well-formed. (line {line}, column {column})")]
    Yaml {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the parser minds; not part of AWS's sentence.
        detail: String,
    },
    /// `*alias`
    #[error("Template error: YAML aliases are not allowed in CloudFormation templates")]
    Alias,
    /// More nesting than any template needs. Our words: AWS's limit is not documented.
    #[error("Template format error: the template is nested more than {limit} levels deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Too long for a request.
    #[error(
        "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to {limit}"
    )]
    BodyTooLong {
        /// In bytes.
        limit: usize,
    },
    /// Too long even from S3.
    #[error("Template may not exceed {limit} bytes in size.")]
    TooLong {
        /// In bytes.
        limit: usize,
    },
    /// Not a map.
    #[error("Template format error: unsupported structure.")]
    Structure,
    /// Unknown sections.
    #[error("Invalid template property or properties [{}]", .names.join(", "))]
    UnknownSections {
        /// In the order written.
        names: Vec<String>,
    },
    /// A null somewhere.
    #[error("[{path}] 'null' values are not allowed in templates")]
    Null {
        /// Such as `/Resources/A/Properties/B`.
        path: String,
    },
    /// `AWSTemplateFormatVersion` is not 2010-09-09.
    #[error("Template format error: unsupported value for AWSTemplateFormatVersion.")]
    FormatVersion,
    /// Any sentence of the form `Template format error: …` about the shape of a section.
    #[error("Template format error: {0}")]
    Format(FormatFault),
    /// Any sentence of the form `Template error: …` about a function.
    #[error("Template error: {0}")]
    Function(FunctionFault),
    /// A transform without a name.
    #[error("Key Name of transform definition must be a string.")]
    TransformName,
    /// An attribute of a resource that there is not.
    #[error("Invalid template resource property '{name}'")]
    ResourceAttribute {
        /// The attribute.
        name: String,
    },
    /// A function in place of all properties.
    #[error("Encountered unsupported property {name}")]
    UnsupportedProperty {
        /// The function.
        name: String,
    },
    /// Names in `Outputs` that are nothing.
    #[error("Unresolved resource dependencies [{}] in the Outputs block of the template", .names.join(", "))]
    UnresolvedInOutputs {
        /// The names.
        names: Vec<String>,
    },
    /// Resources that wait for each other.
    #[error("Circular dependency between resources: [{}]", .names.join(", "))]
    Circular {
        /// In the order of the template.
        names: Vec<String>,
    },
    /// Conditions that wait for each other.
    #[error("Circular dependency between conditions: [{}]", .names.join(", "))]
    CircularConditions {
        /// In the order of the template.
        names: Vec<String>,
    },
    /// Parameters without value and default.
    #[error("Parameters: [{}] must have values", .names.join(", "))]
    MissingParameters {
        /// In the order of the template.
        names: Vec<String>,
    },
    /// Values for parameters that there are not.
    #[error("Parameters: [{}] do not exist in the template", .names.join(", "))]
    UnknownParameters {
        /// In the order given.
        names: Vec<String>,
    },
    /// A value that a parameter does not allow.
    #[error("Parameter '{name}' {fault}")]
    Parameter {
        /// The parameter.
        name: String,
        /// What is wrong with the value.
        fault: ParameterFault,
    },
    /// `Fn::ImportValue` of nothing.
    #[error("No export named {name} found.")]
    NoExport {
        /// The export.
        name: String,
    },
    /// An assertion of `Rules` that fails.
    #[error("Template validation error: Rule {rule} failed to satisfy assertion: {assertion}")]
    Rule {
        /// The rule.
        rule: String,
        /// Its `AssertDescription`, or its place.
        assertion: String,
    },
}

/// `Template format error: …`
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatFault {
    /// No resources.
    #[error("At least one Resources member must be defined.")]
    NoResources,
    /// A section that is no map.
    #[error("{section} must be a map.")]
    SectionNotMap {
        /// Its name.
        section: &'static str,
    },
    /// A member of a section that is no map.
    #[error("Any {section} member must be an object.")]
    MemberNotObject {
        /// The section.
        section: &'static str,
    },
    /// A resource without type.
    #[error("[/Resources/{name}] Every Resources object must contain a Type member.")]
    NoType {
        /// The resource.
        name: String,
    },
    /// A parameter without type.
    #[error("Every Parameters object must contain a Type member.")]
    NoParameterType,
    /// A parameter type that there is not.
    #[error("Unrecognized parameter type: {name}")]
    ParameterType {
        /// As written.
        name: String,
    },
    /// A name with other characters than letters and digits.
    #[error("{kind} name {name} is non alphanumeric.")]
    Name {
        /// `Resource`, `Parameter`, `Output`, `Mapping`, `Condition`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// More members than allowed.
    #[error("Number of {kind}, {count}, is greater than maximum allowed, {limit}")]
    TooMany {
        /// `resources`, `parameters`, …
        kind: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An element that must be text.
    #[error("Every {element} member must be a string.")]
    NotText {
        /// The element.
        element: &'static str,
    },
    /// An element that must be a number.
    #[error("Every {element} member must be a number.")]
    NotNumber {
        /// The element.
        element: &'static str,
    },
    /// A description of more than 1,024 bytes.
    #[error("'Description' length is greater than 1024.")]
    DescriptionTooLong,
    /// A mapping that is no map.
    #[error("Every Mappings member {name} must be a map")]
    MappingNotMap {
        /// The mapping.
        name: String,
    },
    /// A key of a mapping that holds something else than attributes.
    #[error("[/Mappings/{name}] Every Mappings attribute must be a String or a List.")]
    MappingAttribute {
        /// `Mapping/Key`.
        name: String,
    },
    /// An output without value.
    #[error("Every Outputs member must contain a Value object")]
    NoOutputValue,
    /// An export without a usable name.
    #[error(
        "Output {name} is malformed. The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or hyphens."
    )]
    ExportName {
        /// The output.
        name: String,
    },
    /// `DependsOn` that is neither text nor a list of text.
    #[error("DependsOn must be a string or list of strings.")]
    DependsOn,
    /// A deletion or replacement policy that there is not.
    #[error("Unrecognized {element} {value} for resource {resource}")]
    Policy {
        /// `DeletionPolicy` or `UpdateReplacePolicy`.
        element: &'static str,
        /// As written.
        value: String,
        /// The resource.
        resource: String,
    },
    /// Names that are nothing.
    #[error("Unresolved resource dependencies [{}] in the Resources block of the template", .names.join(", "))]
    Unresolved {
        /// The names.
        names: Vec<String>,
    },
    /// Resources named where only parameters may be.
    #[error(
        "Unresolved dependencies [{}]. Cannot reference resources in the Conditions block of the template", .names.join(", ")
    )]
    UnresolvedInConditions {
        /// The names.
        names: Vec<String>,
    },
    /// A condition that there is not.
    #[error("Unresolved condition dependency {name} in the {section} block of the template")]
    UnresolvedCondition {
        /// The condition.
        name: String,
        /// The section.
        section: &'static str,
    },
    /// A condition that is no boolean function.
    #[error("Conditions can only be boolean operations on parameters and other conditions")]
    NotBoolean,
}

/// `Template error: …`
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FunctionFault {
    /// `Ref` of something else than text.
    #[error("every Ref object must have a single String value.")]
    Ref,
    /// `Fn::GetAtt` without two names.
    #[error("every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")]
    GetAtt,
    /// `Fn::GetAtt` of a resource that there is not.
    #[error("instance of Fn::GetAtt references undefined resource {name}")]
    GetAttUndefined {
        /// The resource.
        name: String,
    },
    /// `${Name.Attribute}` of a resource that there is not.
    #[error("instance of Fn::Sub references invalid resource attribute {name}")]
    SubUndefined {
        /// `Name.Attribute`.
        name: String,
    },
    /// An attribute that the resource does not have.
    #[error("resource {resource} does not support attribute type {attribute} in Fn::GetAtt")]
    NoAttribute {
        /// The resource.
        resource: String,
        /// The attribute.
        attribute: String,
    },
    /// `Fn::Sub` with other arguments.
    #[error(
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string"
    )]
    Sub,
    /// `${a b}`
    #[error(
        "variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"
    )]
    SubVariable,
    /// `Fn::Join` with other arguments.
    #[error(
        "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
    )]
    Join,
    /// `Fn::Split` with other arguments.
    #[error(
        "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split."
    )]
    Split,
    /// `Fn::Select` with other arguments.
    #[error("Fn::Select requires a list argument with two elements: an integer index and a list")]
    Select,
    /// `Fn::Select` past the end.
    #[error("Fn::Select cannot select nonexistent value at index {index}")]
    SelectIndex {
        /// The index.
        index: String,
    },
    /// `Fn::FindInMap` with other arguments.
    #[error(
        "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"
    )]
    FindInMap,
    /// A mapping that there is not.
    #[error("Mapping named '{name}' is not present in the 'Mappings' section of template.")]
    NoMapping {
        /// The mapping.
        name: String,
    },
    /// A key that the mapping does not have.
    #[error("Unable to get mapping for {map}::{top}::{second}")]
    NoMappingValue {
        /// The mapping.
        map: String,
        /// The first key.
        top: String,
        /// The second key.
        second: String,
    },
    /// `Fn::If` with other arguments.
    #[error("Fn::If requires a list argument with three elements")]
    If,
    /// `Fn::If` whose first argument is no name.
    #[error("Fn::If requires a list argument with the first element being a condition")]
    IfCondition,
    /// A condition that there is not.
    #[error("unresolved condition dependency {name} in {function}")]
    NoCondition {
        /// The condition.
        name: String,
        /// `Fn::If` or `Condition`.
        function: &'static str,
    },
    /// `Fn::Equals` with other arguments.
    #[error("every Fn::Equals object requires a list of 2 string parameters.")]
    Equals,
    /// `Fn::And` or `Fn::Or` with other arguments.
    #[error("every {function} object requires a list of at least 2 and at most 10 boolean parameters.")]
    AndOr {
        /// The function.
        function: &'static str,
    },
    /// `Fn::Not` with other arguments.
    #[error("every Fn::Not object requires a list with exactly 1 boolean parameter.")]
    Not,
    /// A boolean function where a value is wanted.
    #[error("{function} cannot be partially collapsed")]
    BooleanAsValue {
        /// The function.
        function: &'static str,
    },
    /// `Fn::ImportValue` of something else than text.
    #[error("the attribute in Fn::ImportValue must be a string or a function that returns a string")]
    ImportValue,
    /// `Fn::Base64` of something else than text.
    #[error("every Fn::Base64 object must have a String-typed value.")]
    Base64,
    /// `Fn::GetAZs` of something else than a region.
    #[error("every Fn::GetAZs object must have a String-typed value.")]
    GetAzs,
    /// `Fn::Cidr` with other arguments. Our words.
    #[error(
        "every Fn::Cidr object requires three parameters, (1) a CIDR block, (2) a count of blocks from 1 to 256 and (3) the number of subnet bits"
    )]
    Cidr,
    /// More blocks than fit. Our words.
    #[error("Fn::Cidr cannot fit {count} blocks with {bits} subnet bits into {block}")]
    CidrTooMany {
        /// How many are wanted.
        count: u32,
        /// How long.
        bits: u32,
        /// Out of what.
        block: String,
    },
    /// `Fn::Length` of something else than a list.
    #[error("every Fn::Length object must have a list, or a function that returns a list.")]
    Length,
    /// `Fn::ToJsonString` of something else than a list or a map.
    #[error("every Fn::ToJsonString object must have a map or a list.")]
    ToJsonString,
    /// A function of `Rules` with other arguments. Our words.
    #[error("{function} requires a list of two lists or a list and a string")]
    RuleFunction {
        /// The function.
        function: &'static str,
    },
    /// A function that there is not.
    #[error("Encountered unsupported function: {name}")]
    Unknown {
        /// As written.
        name: String,
    },
    /// A function with keys beside it, which would be lost. Our words.
    #[error("{name} must be the only key of its object")]
    NotAlone {
        /// The function.
        name: String,
    },
}

/// `Parameter 'X' …`
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParameterFault {
    /// Not one of those allowed.
    #[error("must be one of AllowedValues")]
    AllowedValues,
    /// Not of the pattern.
    #[error("must match pattern {pattern}")]
    Pattern {
        /// As written.
        pattern: String,
    },
    /// A pattern that is none, or too slow to try.
    #[error("has an AllowedPattern that cannot be used: {pattern}")]
    BadPattern {
        /// As written.
        pattern: String,
    },
    /// Not a number.
    #[error("must be a number.")]
    NotNumber,
    /// Less than allowed.
    #[error("must be a number not less than {limit}")]
    TooSmall {
        /// As written.
        limit: String,
    },
    /// More than allowed.
    #[error("must be a number not greater than {limit}")]
    TooLarge {
        /// As written.
        limit: String,
    },
    /// Shorter than allowed.
    #[error("must contain at least {limit} characters")]
    TooShort {
        /// As written.
        limit: u64,
    },
    /// Longer than allowed.
    #[error("must contain at most {limit} characters")]
    TooLong {
        /// As written.
        limit: u64,
    },
    /// Any of these, where the template gives its own words.
    #[error("failed to satisfy constraint: {description}")]
    Described {
        /// The `ConstraintDescription`.
        description: String,
    },
}

impl From<FormatFault> for TemplateError {
    fn from(fault: FormatFault) -> Self {
        Self::Format(fault)
    }
}

impl From<FunctionFault> for TemplateError {
    fn from(fault: FunctionFault) -> Self {
        Self::Function(fault)
    }
}
