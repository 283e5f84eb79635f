//! `KinesisStreamSpecification` of `AWS::DynamoDB::Table`.

use serde_json::{Value as Json, json};
use std::time::Duration;
use undercast_kernel::{AwsError, Cx, Failure, Result};

/// What is changed is looked at so often, by the machine's time, and so many times.
const BETWEEN: Duration = Duration::from_millis(20);
const LOOKS: u32 = 500;

fn stream(given: Option<&Json>) -> Option<&str> {
    given?.get("StreamArn")?.as_str()
}

fn precision(given: Option<&Json>) -> &str {
    const DEFAULT: &str = "MILLISECOND";
    let named = given.and_then(|given| given.get("ApproximateCreationDateTimePrecision"));
    named.and_then(Json::as_str).unwrap_or(DEFAULT)
}

/// Waits until a destination is what it shall be.
async fn until(cx: &Cx, table: &str, stream: &str, wanted: &str) -> Result<()> {
    for _ in 0..LOOKS {
        let cx = cx.refreshed();
        let told = cx.call("dynamodb", "DescribeKinesisStreamingDestination", json!({"TableName": table})).await?;
        let all = told["KinesisDataStreamDestinations"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|one| one["StreamArn"] == stream).unwrap_or_default();
        match found["DestinationStatus"].as_str() {
            Some(status) if status == wanted => return Ok(()),
            Some("ENABLE_FAILED") => {
                let why = found["DestinationStatusDescription"].as_str().unwrap_or("ENABLE_FAILED").to_owned();
                return Err(AwsError::new("ValidationException", 400, why).into());
            }
            _ => tokio::time::sleep(BETWEEN).await,
        }
    }
    Err(Failure::broken("a destination does not become what it shall be"))
}

/// Has the writes of a table go where a template says.
pub(crate) async fn direct(cx: &Cx, table: &str, before: Option<&Json>, now: Option<&Json>) -> Result<()> {
    let (old, new) = (stream(before), stream(now));
    if old != new {
        if let Some(old) = old {
            let input = json!({"TableName": table, "StreamArn": old});
            cx.refreshed().call("dynamodb", "DisableKinesisStreamingDestination", input).await?;
            until(cx, table, old, "DISABLED").await?;
        }
        if let Some(new) = new {
            let configuration = json!({"ApproximateCreationDateTimePrecision": precision(now)});
            let input =
                json!({"TableName": table, "StreamArn": new, "EnableKinesisStreamingConfiguration": configuration});
            cx.refreshed().call("dynamodb", "EnableKinesisStreamingDestination", input).await?;
            until(cx, table, new, "ACTIVE").await?;
        }
        return Ok(());
    }
    if let Some(stream) = new.filter(|_| precision(before) != precision(now)) {
        let configuration = json!({"ApproximateCreationDateTimePrecision": precision(now)});
        let input =
            json!({"TableName": table, "StreamArn": stream, "UpdateKinesisStreamingConfiguration": configuration});
        cx.refreshed().call("dynamodb", "UpdateKinesisStreamingDestination", input).await?;
        until(cx, table, stream, "ACTIVE").await?;
    }
    Ok(())
}
