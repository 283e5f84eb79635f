//! Intrinsic functions: `States.Format('{}', $.a)`.

mod evaluate;
mod functions;
mod parse;

use crate::path::Path;

pub use parse::BadCall;

/// A call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    text: String,
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    /// A text, a number, `true`, `false` or `null`.
    Value(serde_json::Value),
    Path(Path),
    Call(Call),
}

/// The functions: "Intrinsics for JSONPath states" in the developer guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Format,
    StringToJson,
    JsonToString,
    Array,
    ArrayPartition,
    ArrayContains,
    ArrayRange,
    ArrayGetItem,
    ArrayLength,
    ArrayUnique,
    Base64Encode,
    Base64Decode,
    Hash,
    JsonMerge,
    MathRandom,
    MathAdd,
    StringSplit,
    Uuid,
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "States.Format" => Self::Format,
            "States.StringToJson" => Self::StringToJson,
            "States.JsonToString" => Self::JsonToString,
            "States.Array" => Self::Array,
            "States.ArrayPartition" => Self::ArrayPartition,
            "States.ArrayContains" => Self::ArrayContains,
            "States.ArrayRange" => Self::ArrayRange,
            "States.ArrayGetItem" => Self::ArrayGetItem,
            "States.ArrayLength" => Self::ArrayLength,
            "States.ArrayUnique" => Self::ArrayUnique,
            "States.Base64Encode" => Self::Base64Encode,
            "States.Base64Decode" => Self::Base64Decode,
            "States.Hash" => Self::Hash,
            "States.JsonMerge" => Self::JsonMerge,
            "States.MathRandom" => Self::MathRandom,
            "States.MathAdd" => Self::MathAdd,
            "States.StringSplit" => Self::StringSplit,
            "States.UUID" => Self::Uuid,
            _ => return None,
        })
    }

    /// How many arguments it takes.
    fn takes(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Format => 1..=usize::MAX,
            Self::Array => 0..=usize::MAX,
            Self::Uuid => 0..=0,
            Self::MathRandom => 2..=3,
            Self::ArrayRange | Self::JsonMerge => 3..=3,
            Self::ArrayPartition
            | Self::ArrayContains
            | Self::ArrayGetItem
            | Self::Hash
            | Self::MathAdd
            | Self::StringSplit => 2..=2,
            _ => 1..=1,
        }
    }
}

impl Call {
    /// Reads a call.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, BadCall> {
        parse::call(text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the variables that it reads.
    pub fn variables<'a>(&'a self, into: &mut Vec<&'a str>) {
        for argument in &self.arguments {
            match argument {
                Argument::Path(path) => path.variables(into),
                Argument::Call(call) => call.variables(into),
                Argument::Value(_) => {}
            }
        }
    }
}
