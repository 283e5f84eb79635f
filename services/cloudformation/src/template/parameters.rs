//! Parameters: what a template declares, and whether given values satisfy it.

use fancy_regex::RegexBuilder;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::error::{FormatFault, ParameterFault, TemplateError};
use super::function::text;
use super::sections::Template;

/// How much a pattern may go back and forth over one value before it counts as unusable.
const BACKTRACK_LIMIT: usize = 100_000;

/// The type of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterType {
    /// One value.
    One(ScalarType),
    /// Several, separated by commas.
    List(ScalarType),
    /// `AWS::SSM::Parameter::…`: what is given is the name of a parameter of Systems Manager.
    Ssm {
        /// Of which type the value is that the parameter has. `None`: the name itself is wanted.
        value: Option<Box<ParameterType>>,
    },
}

/// The type of a single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalarType {
    /// `String`
    Text,
    /// `Number`
    Number,
    /// Such as `AWS::EC2::VPC::Id`: something that must exist. That is for the caller to check.
    Existing {
        /// As written, without `List<…>`.
        name: String,
    },
}

/// One member of `Parameters`.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// `Type` as written.
    pub type_name: String,
    /// `Type`
    pub parameter_type: ParameterType,
    /// `Default`
    pub default: Option<String>,
    /// `Description`
    pub description: Option<String>,
    /// `NoEcho`: the value is shown as `****`.
    pub no_echo: bool,
    /// `AllowedValues`
    pub allowed_values: Vec<String>,
    /// `AllowedPattern`
    pub allowed_pattern: Option<String>,
    /// `ConstraintDescription`
    pub constraint_description: Option<String>,
    /// `MinLength`
    pub min_length: Option<u64>,
    /// `MaxLength`
    pub max_length: Option<u64>,
    /// `MinValue`, as written.
    pub min_value: Option<String>,
    /// `MaxValue`, as written.
    pub max_value: Option<String>,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// What `Ref` gives for single values: text, also for numbers.
    One(String),
    /// What `Ref` gives for lists.
    List(Vec<String>),
}

impl ParameterValue {
    /// As `Ref` gives it.
    pub fn to_value(&self) -> Value {
        match self {
            Self::One(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(String::as_str).collect(),
        }
    }
}

/// The values of all parameters of a template.
pub type ParameterValues = IndexMap<String, ParameterValue>;

const EXISTING: [&str; 10] = [
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::VPC::Id",
    "AWS::EC2::Volume::Id",
    "AWS::Route53::HostedZone::Id",
];

pub(super) fn read(value: &Value) -> Result<Parameter, TemplateError> {
    let map = value.as_object().ok_or(FormatFault::MemberNotObject { section: "Parameters" })?;
    let type_name = map.get("Type").and_then(Value::as_str).ok_or(FormatFault::NoParameterType)?;
    let parameter_type =
        parameter_type(type_name).ok_or_else(|| FormatFault::ParameterType { name: type_name.to_owned() })?;
    let scalar = |element| scalar(map, element);
    let length = |element| -> Result<Option<u64>, TemplateError> {
        let value = scalar(element)?;
        value.map(|value| value.parse().map_err(|_| FormatFault::NotNumber { element }.into())).transpose()
    };
    let bound = |element| match scalar(element)? {
        Some(limit) if number(&limit).is_none() => Err(TemplateError::from(FormatFault::NotNumber { element })),
        limit => Ok(limit),
    };
    let allowed_values = match map.get("AllowedValues") {
        None => Some(Vec::new()),
        Some(values) => values.as_array().and_then(|values| values.iter().map(text).collect()),
    };
    Ok(Parameter {
        type_name: type_name.to_owned(),
        parameter_type,
        default: scalar("Default")?,
        description: scalar("Description")?,
        no_echo: scalar("NoEcho")?.is_some_and(|value| value.eq_ignore_ascii_case("true")),
        allowed_values: allowed_values.ok_or(FormatFault::NotText { element: "AllowedValues" })?,
        allowed_pattern: scalar("AllowedPattern")?,
        constraint_description: scalar("ConstraintDescription")?,
        min_length: length("MinLength")?,
        max_length: length("MaxLength")?,
        min_value: bound("MinValue")?,
        max_value: bound("MaxValue")?,
    })
}

fn scalar(map: &Map<String, Value>, element: &'static str) -> Result<Option<String>, TemplateError> {
    map.get(element).map(|value| text(value).ok_or_else(|| FormatFault::NotText { element }.into())).transpose()
}

fn parameter_type(name: &str) -> Option<ParameterType> {
    if let Some(kind) = name.strip_prefix("AWS::SSM::Parameter::") {
        return of_store(kind);
    }
    if name == "CommaDelimitedList" {
        return Some(ParameterType::List(ScalarType::Text));
    }
    let inner = name.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>'));
    let scalar = match inner.unwrap_or(name) {
        // There is no `List<String>`.
        "String" if inner.is_none() => ScalarType::Text,
        "Number" => ScalarType::Number,
        existing if EXISTING.contains(&existing) => ScalarType::Existing { name: existing.to_owned() },
        _ => return None,
    };
    Some(if inner.is_some() { ParameterType::List(scalar) } else { ParameterType::One(scalar) })
}

/// What follows `AWS::SSM::Parameter::`.
fn of_store(kind: &str) -> Option<ParameterType> {
    if kind == "Name" {
        return Some(ParameterType::Ssm { value: None });
    }
    let inner = kind.strip_prefix("Value<").and_then(|rest| rest.strip_suffix('>'))?;
    let value = match inner {
        "List<String>" => ParameterType::List(ScalarType::Text),
        // There are no numbers in Parameter Store.
        "Number" | "List<Number>" => return None,
        other => parameter_type(other)?,
    };
    Some(ParameterType::Ssm { value: Some(Box::new(value)) })
}

impl Template {
    /// The same as [`Template::parameters_with`] of a template that wants nothing from Parameter Store.
    ///
    /// # Errors
    /// As there.
    pub fn parameters(&self, given: &IndexMap<String, String>) -> Result<ParameterValues, TemplateError> {
        self.parameters_with(given, &IndexMap::new())
    }

    /// Checks the values given for parameters, and puts defaults in for those not given.
    ///
    /// # Errors
    /// When a value is missing, unknown, or not allowed.
    pub fn parameters_with(
        &self,
        given: &IndexMap<String, String>,
        fetched: &IndexMap<String, String>,
    ) -> Result<ParameterValues, TemplateError> {
        let names: Vec<String> = given.keys().filter(|name| !self.parameters.contains_key(*name)).cloned().collect();
        if !names.is_empty() {
            return Err(TemplateError::UnknownParameters { names });
        }
        let missing = |(name, parameter): (&String, &Parameter)| {
            (!given.contains_key(name) && parameter.default.is_none()).then(|| name.clone())
        };
        let names: Vec<String> = self.parameters.iter().filter_map(missing).collect();
        if !names.is_empty() {
            return Err(TemplateError::MissingParameters { names });
        }
        let mut values = ParameterValues::new();
        for (name, parameter) in &self.parameters {
            let Some(raw) = given.get(name).or(parameter.default.as_ref()) else { continue };
            values.insert(name.clone(), parameter.accept(name, raw, fetched.get(name))?);
        }
        Ok(values)
    }
}

impl Parameter {
    fn accept(&self, name: &str, raw: &str, fetched: Option<&String>) -> Result<ParameterValue, TemplateError> {
        let check = |scalar: &ScalarType, item: &str| {
            self.check(scalar, item)
                .map_err(|fault| TemplateError::Parameter { name: name.to_owned(), fault: self.in_own_words(fault) })
        };
        match &self.parameter_type {
            ParameterType::One(scalar) => {
                check(scalar, raw)?;
                Ok(ParameterValue::One(raw.to_owned()))
            }
            ParameterType::List(scalar) => {
                let items: Vec<String> = raw.split(',').map(|item| item.trim().to_owned()).collect();
                items.iter().try_for_each(|item| check(scalar, item))?;
                Ok(ParameterValue::List(items))
            }
            ParameterType::Ssm { value } => {
                // Constraints are those of the name.
                check(&ScalarType::Text, raw)?;
                let fetched = fetched.ok_or_else(|| TemplateError::NotFetched { name: raw.to_owned() })?;
                Ok(match value.as_deref() {
                    None => ParameterValue::One(raw.to_owned()),
                    Some(ParameterType::List(_)) => {
                        ParameterValue::List(fetched.split(',').map(|item| item.trim().to_owned()).collect())
                    }
                    Some(_) => ParameterValue::One(fetched.clone()),
                })
            }
        }
    }

    /// A template's own words replace those for a constraint, but not those for the type.
    fn in_own_words(&self, fault: ParameterFault) -> ParameterFault {
        match &self.constraint_description {
            Some(description) if fault != ParameterFault::NotNumber => {
                ParameterFault::Described { description: description.clone() }
            }
            _ => fault,
        }
    }

    fn check(&self, scalar: &ScalarType, item: &str) -> Result<(), ParameterFault> {
        if *scalar == ScalarType::Number {
            self.check_bounds(item)?;
        } else {
            let length = item.chars().count() as u64;
            if let Some(limit) = self.min_length.filter(|least| length < *least) {
                return Err(ParameterFault::TooShort { limit });
            }
            if let Some(limit) = self.max_length.filter(|most| length > *most) {
                return Err(ParameterFault::TooLong { limit });
            }
        }
        if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|allowed| allowed == item) {
            return Err(ParameterFault::AllowedValues);
        }
        self.allowed_pattern.as_ref().map_or(Ok(()), |pattern| whole_match(pattern, item))
    }

    fn check_bounds(&self, item: &str) -> Result<(), ParameterFault> {
        let number = number(item).ok_or(ParameterFault::NotNumber)?;
        if let Some(limit) =
            self.min_value.as_ref().filter(|least| self::number(least).is_some_and(|least| number < least))
        {
            return Err(ParameterFault::TooSmall { limit: limit.clone() });
        }
        if let Some(limit) = self.max_value.as_ref().filter(|most| self::number(most).is_some_and(|most| number > most))
        {
            return Err(ParameterFault::TooLarge { limit: limit.clone() });
        }
        Ok(())
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The pattern must match the whole value, as Java's `matches` has it.
fn whole_match(pattern: &str, item: &str) -> Result<(), ParameterFault> {
    let unusable = || ParameterFault::BadPattern { pattern: pattern.to_owned() };
    let anchored = format!(r"\A(?:{pattern})\z");
    let regex = RegexBuilder::new(&anchored).backtrack_limit(BACKTRACK_LIMIT).build().map_err(|_| unusable())?;
    match regex.is_match(item) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ParameterFault::Pattern { pattern: pattern.to_owned() }),
        Err(_) => Err(unusable()),
    }
}
