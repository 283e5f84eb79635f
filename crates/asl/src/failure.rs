//! Why a state cannot do what it says: the error's name, by which retriers and catchers know it, and its cause in words.

use std::fmt;

/// The reserved names of errors ("Error names" in the developer guide).
pub mod name {
    /// Matches all names but [`RUNTIME`] and [`DATA_LIMIT_EXCEEDED`].
    pub const ALL: &str = "States.ALL";
    /// A branch failed.
    pub const BRANCH_FAILED: &str = "States.BranchFailed";
    /// A payload is larger than it may be. Nothing catches it but its own name.
    pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
    /// More items of a `Map` failed than may.
    pub const EXCEED_TOLERATED_FAILURE_THRESHOLD: &str = "States.ExceedToleratedFailureThreshold";
    /// No heartbeat came in time.
    pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
    /// A call to an HTTP endpoint failed.
    pub const HTTP_SOCKET: &str = "States.Http.Socket";
    /// An intrinsic function could not be reckoned.
    pub const INTRINSIC_FAILURE: &str = "States.IntrinsicFailure";
    /// The items of a `Map` could not be read.
    pub const ITEM_READER_FAILED: &str = "States.ItemReaderFailed";
    /// No rule of a `Choice` holds, and it has no default.
    pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
    /// A path of a `Parameters` field finds nothing.
    pub const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
    /// The role of the machine may not do something.
    pub const PERMISSIONS: &str = "States.Permissions";
    /// A JSONata expression fails, or gives what its field cannot take.
    pub const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
    /// A result cannot be put where `ResultPath` says.
    pub const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
    /// The results of a `Map` could not be written.
    pub const RESULT_WRITER_FAILED: &str = "States.ResultWriterFailed";
    /// What no retrier and no catcher helps with.
    pub const RUNTIME: &str = "States.Runtime";
    /// Matches all names but [`TIMEOUT`].
    pub const TASK_FAILED: &str = "States.TaskFailed";
    /// A task, or the execution, took too long.
    pub const TIMEOUT: &str = "States.Timeout";
}

/// An error's name and its cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// The name: one of [`name`], or a task's own.
    pub error: String,
    /// The cause.
    pub cause: String,
    /// The field that could not be reckoned (`Arguments/Input/x`), which an `EvaluationFailed` event tells.
    pub location: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.cause)
    }
}

impl Failure {
    /// An error with a name and a cause.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into(), location: None }
    }

    /// A `States.Runtime`.
    pub fn runtime(cause: impl Into<String>) -> Self {
        Self::new(name::RUNTIME, cause)
    }

    /// A `States.QueryEvaluationError` of the expression of a field.
    pub(crate) fn query(cause: impl Into<String>, location: &str) -> Self {
        Self { location: Some(location.to_owned()), ..Self::new(name::QUERY_EVALUATION_ERROR, cause) }
    }

    /// The cause as a history tells it: which state failed, and by which event it was entered.
    #[must_use]
    pub fn in_state(mut self, state: &str, entered: i64) -> Self {
        self.cause = format!(
            "An error occurred while executing the state '{state}' (entered at the event id #{entered}). {}",
            self.cause
        );
        self
    }

    /// Whether a retrier or a catcher that lists `names` is for this error.
    pub fn matches(&self, names: &[String]) -> bool {
        matches(&self.error, names)
    }
}

/// Whether one of the names of a retrier or a catcher is for the error ("Error names" in the developer guide).
pub(crate) fn matches(error: &str, names: &[String]) -> bool {
    names.iter().any(|listed| match listed.as_str() {
        name::ALL => error != name::RUNTIME && error != name::DATA_LIMIT_EXCEEDED,
        name::TASK_FAILED => {
            error == name::TASK_FAILED
                || !matches!(error, name::TIMEOUT | name::HEARTBEAT_TIMEOUT | name::RUNTIME | name::DATA_LIMIT_EXCEEDED)
        }
        // No heartbeat in time is also a task that took too long.
        name::TIMEOUT => error == name::TIMEOUT || error == name::HEARTBEAT_TIMEOUT,
        listed => listed == error && error != name::RUNTIME,
    })
}
