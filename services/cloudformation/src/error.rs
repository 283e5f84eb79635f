//! Errors in CloudFormation's words.

use undercast_kernel::{AwsError, Failure};

use crate::template::TemplateError;

pub(crate) fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", 400, message)
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::NotBuilt { what } => Self::not_built(format!("cloudformation templates with {what}")),
            other => validation(other.to_string()).into(),
        }
    }
}

/// Why a resource failed, as its event tells it.
pub(crate) fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Aws(error) => format!("{} (Status Code: {}, Error Code: {})", error.message, error.status, error.code),
        Failure::NotBuilt { what } => format!("Undercast has not built this: {what}"),
        Failure::Cut => "The connection was cut by a fault rule".to_owned(),
        Failure::Broken(_) => "Something broke inside Undercast; the log has the reason".to_owned(),
    }
}
