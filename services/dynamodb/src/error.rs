//! Refusals in AWS's words, and what can break here.

use crate::compact::Corrupt;
use crate::expression::key_condition::KeyConditionError;
use crate::expression::update::UpdateError;
use crate::expression::{EvaluationError, ExpressionError, PlaceholderError};
use crate::number::NumberError;
use crate::value::ValueError;
use std::fmt::Display;
use undercast_kernel::Failure;
use undercast_wire::AwsError;

/// Why an operation did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What AWS answers.
    #[error(transparent)]
    Aws(#[from] Box<AwsError>),
    /// What is not built.
    #[error("{0} is not built")]
    NotBuilt(&'static str),
    /// The key of an encrypted table is not at hand: a defect of whoever did not ask for it.
    #[error("the key of an encrypted DynamoDB table is not at hand")]
    Locked,
    /// What the kernel says.
    #[error(transparent)]
    Kernel(#[from] Failure),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] undercast_store::Error),
    /// A stored item cannot be read.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// A stored table cannot be read.
    #[error("the stored description of a DynamoDB table cannot be read")]
    Table(#[from] minicbor::decode::Error),
}

/// The result of what may be refused or break.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(error) => Self::Aws(error),
            Error::NotBuilt(what) => Self::not_built(format!("dynamodb: {what}")),
            Error::Kernel(failure) => failure,
            broken => Self::broken(broken),
        }
    }
}

impl Error {
    /// The same, what AWS answers being seen as that though it came out of a transaction of the store.
    pub(crate) fn unwrapped(self) -> Self {
        match self {
            Self::Kernel(Failure::Aws(error)) => Self::Aws(error),
            other => other,
        }
    }

    fn aws(code: &'static str, message: impl Into<String>) -> Self {
        Self::Aws(Box::new(AwsError::new(code, 400, message)))
    }

    /// `ValidationException`: the request makes no sense.
    pub fn validation(message: impl Display) -> Self {
        Self::aws("ValidationException", message.to_string())
    }

    /// `ValidationException` with the words that AWS puts before most of its reasons.
    pub fn invalid(reason: impl Display) -> Self {
        Self::validation(format_args!("One or more parameter values were invalid: {reason}"))
    }

    /// `ResourceNotFoundException` as the operations on items say it.
    pub fn resource_not_found() -> Self {
        Self::aws("ResourceNotFoundException", "Requested resource not found")
    }

    /// `ResourceNotFoundException` as the operations on tables say it.
    pub fn table_not_found(name: &str) -> Self {
        Self::aws("ResourceNotFoundException", format!("Requested resource not found: Table: {name} not found"))
    }

    /// `TableNotFoundException`, which the operations on backups say.
    pub fn table_of_backups_not_found(name: &str) -> Self {
        Self::aws("TableNotFoundException", format!("Table not found: {name}"))
    }

    /// `ResourceNotFoundException` as the operations on tags say it.
    pub fn arn_not_found(arn: &str) -> Self {
        Self::aws("ResourceNotFoundException", format!("Requested resource not found: ResourcArn: {arn} not found"))
    }

    /// `ResourceInUseException`: a table of this name exists.
    pub fn table_exists(name: &str) -> Self {
        Self::aws("ResourceInUseException", format!("Table already exists: {name}"))
    }

    /// `ResourceInUseException`: the table is being made.
    pub fn table_in_creation(name: &str) -> Self {
        let message = format!("Attempt to change a resource which is still in use: Table is being created: {name}");
        Self::aws("ResourceInUseException", message)
    }

    /// `ContinuousBackupsUnavailableException`: the table is being made.
    pub fn backups_not_yet(name: &str) -> Self {
        let message = format!("Backups are being enabled for the table: {name}. Please retry later");
        Self::aws("ContinuousBackupsUnavailableException", message)
    }

    /// `ResourceInUseException`: something of the table is being changed.
    pub fn in_use(what: &str) -> Self {
        Self::aws("ResourceInUseException", format!("Attempt to change a resource which is still in use: {what}"))
    }

    /// `ResourceInUseException`, as changes to global tables say it.
    pub fn in_use_plainly(message: &str) -> Self {
        Self::aws("ResourceInUseException", message)
    }

    /// `ReplicatedWriteConflictException`: the item is being written in another region.
    pub fn replicated_write_conflict() -> Self {
        let message = "One or more items in this request are being modified in another Region.";
        Self::aws("ReplicatedWriteConflictException", message)
    }

    /// `GlobalTableNotFoundException`
    pub fn global_table_not_found(name: &str) -> Self {
        Self::global_table("", name)
    }

    /// The same with something said before it.
    pub fn global_table(before: &str, name: &str) -> Self {
        let message = format!("{before}Global table with name: '{name}' does not exist.");
        Self::aws("GlobalTableNotFoundException", message)
    }

    /// `InternalServerError`, which AWS answers where KMS refuses what nobody thought of.
    pub fn internal(message: impl Display) -> Self {
        Self::Aws(Box::new(AwsError::new("InternalServerError", 500, message.to_string())))
    }

    /// `LimitExceededException`.
    pub fn limit_exceeded(message: impl Into<String>) -> Self {
        Self::aws("LimitExceededException", message)
    }

    /// `ConditionalCheckFailedException`, with the item if it was asked for.
    pub fn conditional_check_failed(item: Option<serde_json::Value>) -> Self {
        let error = AwsError::new("ConditionalCheckFailedException", 400, "The conditional request failed");
        Self::Aws(Box::new(match item {
            Some(item) => error.with("Item", item),
            None => error,
        }))
    }

    /// `TransactionCanceledException` with the reasons in the order of the actions.
    pub fn transaction_cancelled(codes: &[&str], reasons: Vec<serde_json::Value>) -> Self {
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        let error = AwsError::new("TransactionCanceledException", 400, message).with("CancellationReasons", reasons);
        Self::Aws(Box::new(error))
    }

    /// `DuplicateItemException`: an INSERT found an item with its key.
    pub fn duplicate_item() -> Self {
        Self::aws("DuplicateItemException", "Duplicate primary key exists in table")
    }

    /// `AccessDeniedException`, as the answer of one statement among several.
    pub fn access_denied(message: String) -> Self {
        Self::aws("AccessDeniedException", message)
    }

    /// `BackupNotFoundException`
    pub fn backup_not_found(arn: &str) -> Self {
        Self::aws("BackupNotFoundException", format!("Backup not found: {arn}"))
    }

    /// `TableAlreadyExistsException`, which the operations that restore say.
    pub fn target_exists(name: &str) -> Self {
        Self::aws("TableAlreadyExistsException", format!("Table already exists: {name}"))
    }

    /// `PointInTimeRecoveryUnavailableException`
    pub fn no_recovery(table: &str) -> Self {
        let message = format!("Point in time recovery is not enabled for table '{table}'");
        Self::aws("PointInTimeRecoveryUnavailableException", message)
    }

    /// `InvalidExportTimeException`
    pub fn invalid_export_time(message: impl Display) -> Self {
        Self::aws("InvalidExportTimeException", message.to_string())
    }

    /// `ExportConflictException`: the token was used with another request.
    pub fn export_conflict() -> Self {
        let message = "Export conflict: Duplicate request detected with conflicting parameters";
        Self::aws("ExportConflictException", message)
    }

    /// `ExportNotFoundException`
    pub fn export_not_found(what: impl Display) -> Self {
        Self::aws("ExportNotFoundException", format!("Export not found: {what}"))
    }

    /// `ImportConflictException`: the token was used with another table.
    pub fn import_conflict() -> Self {
        let message = "Import conflict: Duplicate request detected with conflicting parameters";
        Self::aws("ImportConflictException", message)
    }

    /// `ImportNotFoundException`
    pub fn import_not_found(what: impl Display) -> Self {
        Self::aws("ImportNotFoundException", format!("Import not found: {what}"))
    }

    /// `InvalidRestoreTimeException`: the moment that is wanted, and the first and last that there are.
    pub fn invalid_restore_time(wanted: impl Display, first: impl Display, last: impl Display) -> Self {
        let message = format!(
            "RestoreDateTime '{wanted}' must be within EarliestRestorableDateTime '{first}' and LatestRestorableDateTime '{last}'"
        );
        Self::aws("InvalidRestoreTimeException", message)
    }

    /// `ResourceNotFoundException` as the operations on streams say it.
    pub fn stream_not_found(arn: &str) -> Self {
        Self::aws("ResourceNotFoundException", format!("Requested resource not found: Stream: {arn} not found"))
    }

    /// `ResourceNotFoundException`: the stream has no such shard.
    pub fn shard_not_found() -> Self {
        Self::aws("ResourceNotFoundException", "Requested resource not found: Shard does not exist")
    }

    /// `ResourceNotFoundException`: a table has no stream with this label.
    pub fn stream_of_table_not_found(label: &str, table: &str) -> Self {
        let message = format!("Requested resource not found: Stream: {label} not found for Table: {table}");
        Self::aws("ResourceNotFoundException", message)
    }

    /// `ResourceNotFoundException`: a table has no global index of this name.
    pub fn index_of_table_not_found(index: &str, table: &str) -> Self {
        let message = format!("Requested resource not found: Index: {index} not found for table: {table}");
        Self::aws("ResourceNotFoundException", message)
    }

    /// `PolicyNotFoundException`: there is no policy, or it has another revision; `what` is the ARN, or says which.
    pub fn policy_not_found(what: &str) -> Self {
        let message = format!("Resource-based policy not found for the provided ResourceArn: {what}");
        Self::aws("PolicyNotFoundException", message)
    }

    /// `ExpiredIteratorException`: the iterator is too old.
    pub fn expired_iterator() -> Self {
        Self::aws("ExpiredIteratorException", "The shard iterator has expired. Get another with GetShardIterator.")
    }

    /// `TrimmedDataAccessException`: what was asked for is no longer kept.
    pub fn trimmed() -> Self {
        let message = "The operation attempted to read past the oldest stream record in a shard.";
        Self::aws("TrimmedDataAccessException", message)
    }

    /// `IdempotentParameterMismatchException`: the token was used with another request.
    pub fn idempotent_parameter_mismatch() -> Self {
        Self::aws(
            "IdempotentParameterMismatchException",
            "The provided client token has already been used with different request parameters",
        )
    }
}

/// What is said of requests that make no sense is said as `ValidationException`.
macro_rules! validation {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::validation(error)
            }
        })*
    };
}

validation!(ValueError, NumberError, ExpressionError, PlaceholderError, KeyConditionError, UpdateError);

impl From<EvaluationError> for Error {
    fn from(error: EvaluationError) -> Self {
        match error {
            EvaluationError::Update(error) => error.into(),
            EvaluationError::Corrupt(error) => error.into(),
        }
    }
}

impl From<crate::partiql::StatementProblem> for Error {
    fn from(problem: crate::partiql::StatementProblem) -> Self {
        Self::validation(problem)
    }
}
