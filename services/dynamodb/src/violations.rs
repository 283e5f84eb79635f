//! What DynamoDB says of requests that break the constraints of its model, where that is not what others say.

use undercast_wire::AwsError;
use undercast_wire::check::{self, Constraint, Violation};
use undercast_wire::schema::Operation;

/// DynamoDB lists the values of an enum in orders of its own.
const ORDERS: [&[&str]; 7] = [
    &["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"],
    &["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"],
    &["INDEXES", "TOTAL", "NONE"],
    &["SIZE", "NONE"],
    &["ALL_OLD", "NONE"],
    &["HASH", "RANGE"],
    &["B", "N", "S"],
];

/// The answer to a request that breaks constraints.
pub(crate) fn invalid(operation: &'static Operation, violations: &[Violation]) -> AwsError {
    let message = match violations {
        [Violation { path, constraint: Constraint::Required, .. }]
            if path == "tableName" && operation.name == "CreateTable" =>
        {
            "The parameter 'TableName' is required but was not present in the request".to_owned()
        }
        [Violation { path, constraint: Constraint::MinLength(1), value: Some(value) }]
            if path == "requestItems" && value == "{}" =>
        {
            format!("The requestItems parameter is required for {}", operation.name)
        }
        all => check::message(&all.iter().map(ordered).collect::<Vec<_>>()),
    };
    AwsError::new("ValidationException", 400, message)
}

fn ordered(violation: &Violation) -> Violation {
    let mut violation = violation.clone();
    if let Constraint::Values(values) = violation.constraint {
        let same = |order: &&&[&str]| order.len() == values.len() && values.iter().all(|value| order.contains(value));
        violation.constraint = Constraint::Values(ORDERS.iter().find(same).copied().unwrap_or(values));
    }
    violation
}
