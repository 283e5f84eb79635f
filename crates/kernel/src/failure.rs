//! Why a call has no answer: three kinds, never mixed.

use undercast_wire::{AwsError, Service};

/// The result of a handler.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What AWS itself would answer.
    #[error("{0}")]
    Aws(Box<AwsError>),
    /// What Undercast does not do. The answer is 501, and says so.
    #[error("{what} is not built")]
    NotBuilt {
        /// The operation, member or value, as a user knows it: `sqs.ListMessageMoveTasks`, `Runtime dotnet8`.
        what: String,
    },
    /// A fault rule cut the connection.
    #[error("the connection was cut by a fault rule")]
    Cut,
    /// Something broke here. The answer is 500 with an id; the chain goes to the log.
    #[error("internal failure")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// Something is not built.
    pub fn not_built(what: impl Into<String>) -> Self {
        Self::NotBuilt { what: what.into() }
    }

    /// Something broke here.
    pub fn broken(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(source.into())
    }

    /// An operation's number that its service does not have: a defect of the caller.
    pub fn no_such_operation(service: &Service, operation: usize) -> Self {
        Self::broken(format!("{} has no operation number {operation}", service.name))
    }

    /// AWS's code, when it is AWS's error.
    pub fn code(&self) -> Option<&str> {
        if let Self::Aws(error) = self { Some(&error.code) } else { None }
    }

    /// As the error that goes over the wire. `request_id` is named where the failure is ours.
    pub fn into_error(self, request_id: &str) -> AwsError {
        match self {
            Self::Aws(error) => *error,
            Self::NotBuilt { what } => {
                AwsError::new("NotImplemented", 501, format!("Undercast has not built this: {what}"))
            }
            Self::Cut => AwsError::new("ServiceUnavailable", 503, "The connection was cut by a fault rule."),
            Self::Broken(_) => AwsError::new(
                "InternalFailure",
                500,
                format!("Something broke inside Undercast. The log has the reason under request id {request_id}."),
            ),
        }
    }
}

impl From<AwsError> for Failure {
    fn from(error: AwsError) -> Self {
        Self::Aws(Box::new(error))
    }
}

impl From<undercast_store::Error> for Failure {
    fn from(error: undercast_store::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}
