//! Which maps are calls of functions.

use serde_json::{Map, Value};

use super::error::{FunctionFault, TemplateError};

macro_rules! functions {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// The functions of the language. `Condition` is one only where booleans stand.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function {
            $($variant),+
        }

        impl Function {
            /// As written in the long form.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

functions! {
    And "Fn::And",
    Base64 "Fn::Base64",
    Cidr "Fn::Cidr",
    Contains "Fn::Contains",
    EachMemberEquals "Fn::EachMemberEquals",
    EachMemberIn "Fn::EachMemberIn",
    Equals "Fn::Equals",
    FindInMap "Fn::FindInMap",
    GetAtt "Fn::GetAtt",
    GetAzs "Fn::GetAZs",
    If "Fn::If",
    ImportValue "Fn::ImportValue",
    Join "Fn::Join",
    Length "Fn::Length",
    Not "Fn::Not",
    Or "Fn::Or",
    Ref "Ref",
    Select "Fn::Select",
    Split "Fn::Split",
    Sub "Fn::Sub",
    ToJsonString "Fn::ToJsonString",
    Transform "Fn::Transform",
}

/// The function a map calls and its argument; `None` when the map is a plain map.
///
/// # Errors
/// When a key says `Fn::` and is no function, or stands beside other keys.
pub(super) fn call(map: &Map<String, Value>) -> Result<Option<(Function, &Value)>, TemplateError> {
    let Some((name, argument)) = map.iter().find(|(name, _)| name.starts_with("Fn::") || *name == "Ref") else {
        return Ok(None);
    };
    if map.len() > 1 {
        // A property may well be called `Ref`; none is called `Fn::…`.
        return match map.keys().find(|name| name.starts_with("Fn::")) {
            None => Ok(None),
            Some(name) if name == "Fn::Transform" => Err(not_built(name)),
            Some(name) => Err(FunctionFault::NotAlone { name: name.clone() }.into()),
        };
    }
    match Function::of(name) {
        Some(Function::Transform) => Err(not_built(name)),
        Some(function) => Ok(Some((function, argument))),
        None if name.starts_with("Fn::ForEach") => Err(not_built("Fn::ForEach")),
        None => Err(FunctionFault::Unknown { name: name.clone() }.into()),
    }
}

pub(super) fn not_built(what: &str) -> TemplateError {
    TemplateError::NotBuilt { what: what.to_owned() }
}

/// A scalar as the text CloudFormation passes on.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The two names of an argument of `Fn::GetAtt`; the second may be a function.
pub(super) fn get_att(argument: &Value) -> Result<(&str, &Value), TemplateError> {
    let pair = argument.as_array().map(Vec::as_slice);
    let Some([Value::String(resource), attribute]) = pair else { return Err(FunctionFault::GetAtt.into()) };
    if resource.is_empty() || attribute.as_str().is_some_and(str::is_empty) {
        return Err(FunctionFault::GetAtt.into());
    }
    Ok((resource, attribute))
}

/// The three parts of an argument of `Fn::If`.
pub(super) fn if_parts(argument: &Value) -> Result<(&str, &Value, &Value), TemplateError> {
    match argument.as_array().map(Vec::as_slice) {
        Some([Value::String(condition), yes, no]) => Ok((condition, yes, no)),
        Some([_, _, _]) => Err(FunctionFault::IfCondition.into()),
        _ => Err(FunctionFault::If.into()),
    }
}
