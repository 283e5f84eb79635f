//! Targets: how a batch is given to each, by its batch operation where it has one.
//!
//! Source: "Amazon EventBridge Pipes targets" and "… batching and concurrency" in the user guide.

use serde_json::{Map, Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Cx, Failure, Result};
use undercast_sources::queue_url;

use crate::api::kept::PipeTargetParameters;
use crate::definition::Target;
use crate::enrichment;
use crate::template::{look_up, value};

/// An event on its way to a target.
pub(crate) struct Outgoing {
    /// As it came to the stage: parameters that are paths look into it.
    pub(crate) event: Json,
    /// As the target gets it: a text, which may be JSON.
    pub(crate) text: String,
}

impl Outgoing {
    /// As JSON: what is none is a text.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| Json::from(self.text.as_str()))
    }
}

/// What became of a batch.
pub(crate) struct Sent {
    pub(crate) request: Json,
    pub(crate) response: Json,
    /// The places of those that the target did not take.
    pub(crate) failed: Vec<usize>,
    /// The answer of a function that was waited for.
    pub(crate) answer: Option<Json>,
}

/// A pipe's target, and how it is called.
pub(crate) struct Caller<'a> {
    pub(crate) role: &'a Cx,
    pub(crate) pipe: &'a str,
    pub(crate) arn: &'a Arn,
    pub(crate) parameters: &'a PipeTargetParameters,
}

impl Caller<'_> {
    /// Gives a batch to the target.
    ///
    /// # Errors
    /// When it took none of it.
    pub(crate) async fn send(&self, batch: &[Outgoing]) -> Result<Sent> {
        match Target::of(self.arn)? {
            Target::Function => self.to_function(batch).await,
            Target::Queue => self.to_queue(batch).await,
            Target::Topic => self.to_topic(batch).await,
            Target::Stream => self.to_stream(batch).await,
            Target::Delivery => self.to_delivery(batch).await,
            Target::Bus => self.to_bus(batch).await,
            Target::LogGroup => self.to_logs(batch).await,
        }
    }

    async fn call(&self, service: &str, operation: &str, request: &Json) -> Result<Json> {
        self.role.elsewhere(&self.arn.account, &self.arn.region).call(service, operation, request.clone()).await
    }

    /// A parameter, or what is found where it points to.
    fn parameter(name: &str, written: &str, event: &Json) -> Result<String> {
        value(written, event).ok_or_else(|| {
            let message = format!("Nothing is found at {written}, to which {name} points.");
            AwsError::new("ValidationException", 400, message).into()
        })
    }

    async fn to_function(&self, batch: &[Outgoing]) -> Result<Sent> {
        let payload: Json = batch.iter().map(Outgoing::json).collect();
        let function = self.arn.to_string();
        let kind = self.parameters.lambda_function_parameters.as_ref().and_then(|p| p.invocation_type.as_deref());
        if kind != Some("FIRE_AND_FORGET") {
            let answered = enrichment::invoke(self.role, &function, &payload).await?;
            let response = answered.answer.clone();
            return Ok(Sent { request: answered.request, response, failed: Vec::new(), answer: Some(answered.answer) });
        }
        let sent = text::base64(payload.to_string().as_bytes());
        let input = json!({"FunctionName": function, "InvocationType": "Event", "Payload": sent});
        let response = self.call("lambda", "Invoke", &input).await?;
        let request = json!({"FunctionName": function, "InvocationType": "Event", "Payload": payload});
        Ok(Sent { request, response, failed: Vec::new(), answer: None })
    }

    async fn to_queue(&self, batch: &[Outgoing]) -> Result<Sent> {
        let parameters = self.parameters.sqs_queue_parameters.as_ref();
        let entry = |(place, outgoing): (usize, &Outgoing)| {
            let mut entry = json!({"Id": place.to_string(), "MessageBody": outgoing.text});
            let group = parameters.and_then(|p| p.message_group_id.as_deref()).filter(|text| !text.is_empty());
            let deduplication =
                parameters.and_then(|p| p.message_deduplication_id.as_deref()).filter(|text| !text.is_empty());
            for (name, written) in [("MessageGroupId", group), ("MessageDeduplicationId", deduplication)] {
                if let Some(written) = written {
                    entry[name] = json!(Self::parameter(name, written, &outgoing.event)?);
                }
            }
            Ok(entry)
        };
        let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<Json>>>()?;
        let request = json!({"QueueUrl": queue_url(self.role.kernel(), self.arn), "Entries": entries});
        let response = self.call("sqs", "SendMessageBatch", &request).await?;
        Ok(Sent { failed: by_id(&response), request, response, answer: None })
    }

    async fn to_topic(&self, batch: &[Outgoing]) -> Result<Sent> {
        let entry = |(place, outgoing): (usize, &Outgoing)| json!({"Id": place.to_string(), "Message": outgoing.text});
        let entries: Vec<Json> = batch.iter().enumerate().map(entry).collect();
        let request = json!({"TopicArn": self.arn.to_string(), "PublishBatchRequestEntries": entries});
        let response = self.call("sns", "PublishBatch", &request).await?;
        Ok(Sent { failed: by_id(&response), request, response, answer: None })
    }

    async fn to_stream(&self, batch: &[Outgoing]) -> Result<Sent> {
        let key = self.parameters.kinesis_stream_parameters.as_ref().map_or("", |p| p.partition_key.as_str());
        let record = |outgoing: &Outgoing| {
            let key = Self::parameter("PartitionKey", key, &outgoing.event)?;
            Ok(json!({"PartitionKey": key, "Data": text::base64(outgoing.text.as_bytes())}))
        };
        let records = batch.iter().map(record).collect::<Result<Vec<Json>>>()?;
        let request = json!({"StreamARN": self.arn.to_string(), "Records": records});
        let response = self.call("kinesis", "PutRecords", &request).await?;
        Ok(Sent { failed: by_place(&response["Records"]), request, response, answer: None })
    }

    async fn to_delivery(&self, batch: &[Outgoing]) -> Result<Sent> {
        let record = |outgoing: &Outgoing| json!({"Data": text::base64(outgoing.text.as_bytes())});
        let records: Vec<Json> = batch.iter().map(record).collect();
        let name = self.arn.resource.strip_prefix("deliverystream/");
        let request = json!({"DeliveryStreamName": name, "Records": records});
        let response = self.call("firehose", "PutRecordBatch", &request).await?;
        Ok(Sent { failed: by_place(&response["RequestResponses"]), request, response, answer: None })
    }

    async fn to_bus(&self, batch: &[Outgoing]) -> Result<Sent> {
        let parameters = self.parameters.event_bridge_event_bus_parameters.as_ref();
        let entry = |outgoing: &Outgoing| {
            let event = &outgoing.event;
            let mut entry = Map::new();
            entry.insert("EventBusName".to_owned(), json!(self.arn.to_string()));
            entry.insert("Detail".to_owned(), json!(outgoing.text));
            let kind = match parameters.and_then(|p| p.detail_type.as_deref()) {
                Some(written) => Self::parameter("DetailType", written, event)?,
                None => format!("Event from {}", event["eventSource"].as_str().unwrap_or("pipe")),
            };
            let source = match parameters.and_then(|p| p.source.as_deref()) {
                Some(written) => Self::parameter("Source", written, event)?,
                None => format!("Pipe {}", self.pipe),
            };
            entry.insert("DetailType".to_owned(), json!(kind));
            entry.insert("Source".to_owned(), json!(source));
            if let Some(written) = parameters.and_then(|p| p.resources.as_ref()) {
                let each = written.iter().map(|one| Self::parameter("Resources", one, event));
                entry.insert("Resources".to_owned(), json!(each.collect::<Result<Vec<String>>>()?));
            }
            if let Some(written) = parameters.and_then(|p| p.time.as_deref()) {
                entry.insert("Time".to_owned(), look_up(event, written).unwrap_or(Json::Null));
            }
            Ok(Json::Object(entry))
        };
        let request = json!({"Entries": batch.iter().map(entry).collect::<Result<Vec<Json>>>()?});
        let response = self.call("events", "PutEvents", &request).await?;
        Ok(Sent { failed: by_place(&response["Entries"]), request, response, answer: None })
    }

    async fn to_logs(&self, batch: &[Outgoing]) -> Result<Sent> {
        let parameters = self.parameters.cloud_watch_logs_parameters.as_ref();
        let stream = parameters.and_then(|p| p.log_stream_name.as_deref()).unwrap_or("");
        let now = self.role.kernel().clock().now().as_millisecond();
        let event = |outgoing: &Outgoing| {
            let at = match parameters.and_then(|p| p.timestamp.as_deref()) {
                None => now,
                Some(written) => {
                    let found = Self::parameter("Timestamp", written, &outgoing.event)?;
                    let number = found.parse().map_err(|_| format!("{found} at {written} is no time in milliseconds."));
                    number.map_err(|message| AwsError::new("ValidationException", 400, message))?
                }
            };
            Ok(json!({"timestamp": at, "message": outgoing.text}))
        };
        let mut events = batch.iter().map(event).collect::<Result<Vec<Json>>>()?;
        // The operation takes them in their order only.
        events.sort_by_key(|event| event["timestamp"].as_i64());
        let name = self.arn.resource.strip_prefix("log-group:").unwrap_or(&self.arn.resource);
        let name = name.strip_suffix(":*").unwrap_or(name);
        let request = json!({"logGroupName": name, "logStreamName": stream, "logEvents": events});
        let response = self.call("logs", "PutLogEvents", &request).await?;
        // What is too old or too new is told, and would not be taken later either.
        Ok(Sent { request, response, failed: Vec::new(), answer: None })
    }
}

/// The entries that failed, where each is told by the id that is its place.
fn by_id(response: &Json) -> Vec<usize> {
    let failed = response["Failed"].as_array().into_iter().flatten();
    failed.filter_map(|entry| entry["Id"].as_str()?.parse().ok()).collect()
}

/// The entries that failed, where each is answered in its place.
fn by_place(answers: &Json) -> Vec<usize> {
    let answers = answers.as_array().into_iter().flatten().enumerate();
    answers.filter(|(_, answer)| answer["ErrorCode"].is_string()).map(|(place, _)| place).collect()
}

/// What is told where a target took nothing at all of a batch.
pub(crate) fn took_nothing(sent: &Sent) -> Failure {
    let of_entry = |entry: &Json| {
        let text = |name: &str| entry[name].as_str().map(ToOwned::to_owned);
        let code = text("Code").or_else(|| text("ErrorCode"))?;
        Some((code, text("Message").or_else(|| text("ErrorMessage")).unwrap_or_else(String::new)))
    };
    let lists = ["Failed", "Records", "RequestResponses", "Entries"]
        .into_iter()
        .filter_map(|name| sent.response[name].as_array());
    let (code, message) = lists.flatten().find_map(of_entry).unwrap_or_else(|| ("Failed".to_owned(), String::new()));
    AwsError::new(code, 400, message).into()
}
