//! What is said to requests that are let in no more.
//!
//! Source: "Diagnosing throttling" and "Error handling with DynamoDB" in the developer guide, and the messages that the API reference lists
//! for the reasons of cancelled transactions. Capacity that is provisioned is exceeded with
//! `ProvisionedThroughputExceededException`, also where only one partition is; what is paid for by request with
//! `ThrottlingException`, and beyond what the account allows with `RequestLimitExceeded`.

use super::Side;
use super::gauge::Limit;
use crate::error::Error;
use crate::request::table_arn;
use crate::table::{Index, Table};
use serde_json::json;
use undercast_kernel::{AwsError, Cx, Failure};

const PROVISIONED: &str = "ProvisionedThroughputExceededException";
const THROTTLED: &str = "ThrottlingException";
const ACCOUNT: &str = "RequestLimitExceeded";

impl Limit {
    /// The end of the name of the reason.
    fn reason(self) -> &'static str {
        match self {
            Self::Provisioned => "ProvisionedThroughputExceeded",
            Self::KeyRange => "KeyRangeThroughputExceeded",
            Self::MostOnDemand => "MaxOnDemandThroughputExceeded",
            Self::Account => "AccountLimitExceeded",
        }
    }

    /// The end of the name of the metric that counts it.
    pub(super) fn metric(self) -> &'static str {
        match self {
            Self::Provisioned => "ProvisionedThroughputThrottleEvents",
            Self::KeyRange => "KeyRangeThroughputThrottleEvents",
            Self::MostOnDemand => "MaxOnDemandThroughputThrottleEvents",
            Self::Account => "AccountLimitThrottleEvents",
        }
    }
}

/// The refusal of a request that meets a limit of a table, or of one of its global indexes.
pub(super) fn throttled(
    cx: &Cx,
    table: &Table,
    index: Option<&Index>,
    side: Side,
    limit: Limit,
    provisioned: bool,
) -> Error {
    let arn = table_arn(cx, &table.name);
    let (kind, resource) = match index {
        None => ("Table", arn),
        Some(index) => ("Index", format!("{arn}/index/{}", index.name)),
    };
    let (code, message) = match (limit, provisioned, index) {
        (Limit::Account, ..) => (
            ACCOUNT,
            "Throughput exceeds the current throughput limit for your account. To request a limit increase, contact AWS \
             Support at https://aws.amazon.com/support.",
        ),
        (Limit::MostOnDemand, ..) => {
            (THROTTLED, "Throughput exceeds the maximum OnDemandThroughput configured on table or index")
        }
        (_, true, None) => (
            PROVISIONED,
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
             provisioning level with the UpdateTable API.",
        ),
        // The table's own writes that an index holds up, and what is read of the index itself.
        (_, true, Some(_)) if side == Side::Write => (
            PROVISIONED,
            "The level of configured provisioned throughput for one or more global secondary indexes of the table was \
             exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the \
             UpdateTable API",
        ),
        (_, true, Some(_)) => {
            (PROVISIONED, "The level of configured provisioned throughput for the index was exceeded")
        }
        (_, false, Some(_)) if side == Side::Write => (
            THROTTLED,
            "Throughput exceeds the current capacity for one or more global secondary indexes. DynamoDB is automatically \
             scaling your index so please try again shortly.",
        ),
        (_, false, _) => (
            THROTTLED,
            "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or \
             index so please try again shortly. If exceptions persist, check if you have a hot key: \
             https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html",
        ),
    };
    let reason = format!("{kind}{}{}", side.word(), limit.reason());
    // The model writes the member of the one exception small.
    let member = if code == THROTTLED { "throttlingReasons" } else { "ThrottlingReasons" };
    let error = AwsError::new(code, 400, message).with(member, json!([{"reason": reason, "resource": resource}]));
    Error::Aws(Box::new(error))
}

/// The code in the reasons of a transaction, and of a statement of a batch, for an exception of this name; `None` for one that
/// says something else than that too much is asked.
pub(crate) fn reason_code(code: &str) -> Option<&'static str> {
    match code {
        PROVISIONED => Some("ProvisionedThroughputExceeded"),
        THROTTLED => Some("ThrottlingError"),
        ACCOUNT => Some("RequestLimitExceeded"),
        _ => None,
    }
}

/// Whether it says that too much is asked.
pub(crate) fn is_throttled(error: &Error) -> bool {
    match error {
        Error::Aws(error) | Error::Kernel(Failure::Aws(error)) => reason_code(&error.code).is_some(),
        _ => false,
    }
}
