//! The ARNs of what is to be done.

use super::fields::Reader;

const NO_ARN: &str = "Value is not a valid resource ARN";

/// Checks the resource of a `Task`. Whether a service has the action is known to who runs machines.
pub(super) fn check(resource: &str, at: &str, reader: &mut Reader) {
    // arn:partition:service:region:account:resource
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let [arn, partition, service, region, account, rest] = parts[..] else {
        return reader.schema(NO_ARN, at);
    };
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if arn != "arn" || partition.is_empty() || !plain(partition) || service.is_empty() || rest.is_empty() {
        return reader.schema(NO_ARN, at);
    }
    match service {
        "states" if rest.starts_with("activity:") => {
            if region.is_empty() || account.is_empty() {
                return reader.schema(NO_ARN, at);
            }
            if reader.limits.express {
                reader.schema("Express state machine does not support Activity ARN", at);
            }
        }
        "states" => integration(rest, at, reader),
        "lambda" if rest.starts_with("function:") && !region.is_empty() && !account.is_empty() => {}
        _ => reader.schema(NO_ARN, at),
    }
}

/// `lambda:invoke.waitForTaskToken`, `aws-sdk:s3:getObject`.
fn integration(rest: &str, at: &str, reader: &mut Reader) {
    let parts: Vec<&str> = rest.split(':').collect();
    let legal = match parts[..] {
        ["aws-sdk", service, action] => !service.is_empty() && !action.is_empty(),
        // `.sync:2` has a colon of its own.
        [service, action] => !service.is_empty() && !action.is_empty(),
        [service, action, "2"] => !service.is_empty() && action.ends_with(".sync"),
        _ => false,
    };
    if !legal {
        return reader.schema(NO_ARN, at);
    }
    if !reader.limits.express {
        return;
    }
    for pattern in [".waitForTaskToken", ".sync"] {
        if rest.ends_with(pattern) || pattern == ".sync" && rest.ends_with(".sync:2") {
            // The space at the end is the service's.
            let message = format!("Express state machine does not support '{pattern}' service integration ");
            reader.schema(message, at);
        }
    }
}
