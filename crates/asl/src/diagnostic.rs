//! What is wrong with a definition, as `ValidateStateMachineDefinition` tells it.

use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No state machine can be made of the definition.
    Error,
    /// One can, which may not do what its author meant.
    Warning,
}

impl Severity {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
        }
    }
}

/// What kind of thing is wrong: "List of error codes" of `ValidateStateMachineDefinitionDiagnostic` in the API reference,
/// and what the page leaves out and the service gives: the two of JSONata, and the one of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The text is no JSON.
    InvalidJsonDescription,
    /// There is no text, or it says `null`.
    MissingDescription,
    /// A field is missing, unknown, of the wrong type or out of its range.
    SchemaValidationFailed,
    /// The resource of a task is none.
    InvalidResource,
    /// Nothing ends the machine.
    MissingEndState,
    /// Two states have one name.
    DuplicateStateName,
    /// A state's name is not what a name may be.
    InvalidStateName,
    /// A state is named that is none, or none leads to it.
    MissingTransitionTarget,
    /// A variable has the name of one further out.
    DuplicateVariableName,
    /// A JSONata expression cannot be read.
    InvalidJsonataExpression,
    /// A JSONata expression uses what Step Functions does not have.
    UnsupportedJsonataExpression,
    /// A value looks like a path, and the field's name does not end with `.$`.
    NoDollar,
    /// A value looks like a path, and the field's name does not end with `Path`.
    NoPath,
    /// The result of a `Pass` looks as if it held paths.
    PassResultIsStatic,
}

impl Code {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJsonDescription => "INVALID_JSON_DESCRIPTION",
            Self::MissingDescription => "MISSING_DESCRIPTION",
            Self::SchemaValidationFailed => "SCHEMA_VALIDATION_FAILED",
            Self::InvalidResource => "INVALID_RESOURCE",
            Self::MissingEndState => "MISSING_END_STATE",
            Self::DuplicateStateName => "DUPLICATE_STATE_NAME",
            Self::InvalidStateName => "INVALID_STATE_NAME",
            Self::MissingTransitionTarget => "MISSING_TRANSITION_TARGET",
            Self::DuplicateVariableName => "DUPLICATE_VARIABLE_NAME",
            Self::InvalidJsonataExpression => "INVALID_JSONATA_EXPRESSION",
            Self::UnsupportedJsonataExpression => "UNSUPPORTED_JSONATA_EXPRESSION",
            Self::NoDollar => "NO_DOLLAR",
            Self::NoPath => "NO_PATH",
            Self::PassResultIsStatic => "PASS_RESULT_IS_STATIC",
        }
    }

    /// How bad what has this code is.
    pub fn severity(self) -> Severity {
        match self {
            Self::NoDollar | Self::NoPath | Self::PassResultIsStatic => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of thing.
    pub code: Code,
    /// What it is, in words.
    pub message: String,
    /// Where: `/States/First/Catch[0]/Next`. What is of the whole definition has none.
    pub location: Option<String>,
}

impl Diagnostic {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl fmt::Display for Diagnostic {
    /// As it stands in an `InvalidDefinition`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The service writes `null` where there is no location.
        let location = self.location.as_deref().unwrap_or("null");
        write!(f, "{}: {} at {location}", self.code.as_str(), self.message)
    }
}

/// The message of the `InvalidDefinition` with which `CreateStateMachine` refuses a definition.
pub fn refusal(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.severity() == Severity::Error).map(ToString::to_string);
    format!("Invalid State Machine Definition: '{}'", errors.collect::<Vec<_>>().join(", "))
}
