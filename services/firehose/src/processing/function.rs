//! Records that a function transforms.
//!
//! Source: "Transform source data in Amazon Data Firehose", "Required parameters for data transformation", "Handle failure in data
//! transformation" and the tables of "Monitor Amazon Data Firehose using CloudWatch Logs" in the developer guide.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Failure, Result};
use undercast_wire::text;

use super::{Item, Lost, Parameters};
use crate::api::kept::Processor;
use crate::metrics::{float, observe};
use crate::prefix::uuid;
use crate::stream::Stream;
use crate::{PRINCIPAL, buffer::Origin};

/// What a function is given at once, where nothing else is said, in MiB.
const BUFFER: f64 = 1.0;
/// It is called again so often, where nothing else is said.
const RETRIES: f64 = 3.0;

/// A function that transforms records.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    arn: String,
    pub(crate) role: Option<String>,
    retries: u32,
    /// Bytes of records that are given at once.
    most: usize,
}

/// Why a call came to nothing.
struct Unanswered {
    code: &'static str,
    message: String,
    /// Another try may come to something.
    again: bool,
}

impl Function {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both are checked to be small")]
    pub(super) fn of(processor: &Processor) -> Result<Self> {
        let known = ["LambdaArn", "NumberOfRetries", "RoleArn", "BufferSizeInMBs", "BufferIntervalInSeconds"];
        let given = Parameters::of(processor, &known)?;
        // All that is delivered together is transformed then: there is nothing to wait for before.
        given.number("BufferIntervalInSeconds", (0.0, 900.0), 60.0)?;
        Ok(Self {
            arn: given.need("LambdaArn")?.to_owned(),
            role: given.get("RoleArn").map(ToOwned::to_owned),
            retries: given.number("NumberOfRetries", (0.0, 300.0), RETRIES)? as u32,
            most: (given.number("BufferSizeInMBs", (0.2, 3.0), BUFFER)? * 1024.0 * 1024.0) as usize,
        })
    }

    /// Gives records to the function, a part at a time.
    pub(super) async fn transform(
        &self,
        cx: &Cx,
        stream: &Stream,
        delivery: &str,
        items: Vec<Item>,
        lost: &mut Vec<Lost>,
    ) -> Result<Vec<Item>> {
        let mut out = Vec::with_capacity(items.len());
        let mut rest = items.into_iter().peekable();
        let mut part = 0;
        while rest.peek().is_some() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while let Some(item) = rest.next_if(|item| batch.is_empty() || bytes + item.data.len() <= self.most) {
                bytes += item.data.len();
                batch.push(item);
            }
            out.extend(self.batch(cx, stream, &format!("{delivery}/{part}"), batch, lost).await?);
            part += 1;
        }
        Ok(out)
    }

    async fn batch(
        &self,
        cx: &Cx,
        stream: &Stream,
        seed: &str,
        batch: Vec<Item>,
        lost: &mut Vec<Lost>,
    ) -> Result<Vec<Item>> {
        let ids: Vec<String> = (0..batch.len()).map(|at| uuid(&format!("{seed}/{at}"))).collect();
        let event = event(cx, stream, seed, &ids, &batch);
        let began = Instant::now();
        let mut attempts = 0;
        let answer = loop {
            attempts += 1;
            match self.call(cx, stream, &event).await? {
                Err(why) if why.again && attempts <= self.retries => {}
                other => break other,
            }
        };
        let millis = began.elapsed().as_secs_f64() * 1000.0;
        observe(cx, stream, "ExecuteProcessing.Duration", "Milliseconds", millis);
        observe(cx, stream, "ExecuteProcessing.Success", "Count", if answer.is_ok() { 1.0 } else { 0.0 });
        let results = match answer.and_then(|answer| results(answer, &ids)) {
            Ok(results) => results,
            Err(why) => {
                lost.extend(batch.into_iter().map(|item| self.lost(item, why.code, &why.message, attempts)));
                return Ok(Vec::new());
            }
        };
        let mut out = Vec::new();
        for (item, id) in batch.into_iter().zip(&ids) {
            let Some(result) = results.get(id.as_str()) else {
                let message = "The record is missing from the answer of the function.";
                lost.push(self.lost(item, "Lambda.MissingRecordId", message, attempts));
                continue;
            };
            match result["result"].as_str() {
                Some("Ok") => match result["data"].as_str().and_then(text::unbase64) {
                    Some(data) => out.push(Item { data, from_function: keys(result), ..item }),
                    None => lost.push(self.lost(item, "Lambda.InvalidResult", "The data is not base64.", attempts)),
                },
                Some("Dropped") => {}
                _ => {
                    let message = "ProcessingFailed status set for record";
                    lost.push(self.lost(item, "Lambda.ProcessingFailedStatus", message, attempts));
                }
            }
        }
        let bytes = out.iter().map(|item| item.data.len()).sum();
        observe(cx, stream, "SucceedProcessing.Records", "Count", float(out.len()));
        observe(cx, stream, "SucceedProcessing.Bytes", "Bytes", float(bytes));
        Ok(out)
    }

    fn lost(&self, item: Item, code: &str, message: &str, attempts: u32) -> Lost {
        Lost { attempts, more: vec![("lambdaArn", json!(self.arn))], ..Lost::of(item, code, message) }
    }

    /// One call.
    async fn call(&self, cx: &Cx, stream: &Stream, event: &Json) -> Result<std::result::Result<Json, Unanswered>> {
        let role = self.role.clone().map_or_else(|| Ok(stream.destination()?.role_arn), Ok::<_, Failure>)?;
        let lambda = cx.as_role(PRINCIPAL, &role, "firehose");
        let input = json!({"FunctionName": self.arn, "InvocationType": "RequestResponse",
            "Payload": text::base64(event.to_string().as_bytes())});
        let answer = match lambda.call("lambda", "Invoke", input).await {
            Ok(answer) => answer,
            Err(Failure::Aws(error)) => {
                let code = match error.code.as_ref() {
                    "AccessDeniedException" => "Lambda.InvokeAccessDenied",
                    "TooManyRequestsException" => "Lambda.InvokeLimitExceeded",
                    "ResourceNotFoundException" => "Lambda.FunctionNotFound",
                    _ => "Lambda.FunctionError",
                };
                let again = code == "Lambda.InvokeLimitExceeded" || error.status >= 500;
                return Ok(Err(Unanswered { code, message: error.message.clone(), again }));
            }
            Err(failure) => return Err(failure),
        };
        let payload = answer["Payload"].as_str().and_then(text::unbase64).unwrap_or_default();
        if answer["FunctionError"].is_string() {
            let message = "The Lambda function was successfully invoked but it returned an error result.";
            let message = format!("{message} {}", String::from_utf8_lossy(&payload));
            return Ok(Err(Unanswered { code: "Lambda.FunctionError", message, again: true }));
        }
        Ok(serde_json::from_slice(&payload).map_err(|why| Unanswered {
            code: "Lambda.JsonProcessingException",
            message: format!("The answer of the function is not JSON: {why}"),
            again: false,
        }))
    }
}

/// What the function is given.
fn event(cx: &Cx, stream: &Stream, seed: &str, ids: &[String], batch: &[Item]) -> Json {
    let record = |(item, id): (&Item, &String)| {
        let mut record = json!({"recordId": id, "approximateArrivalTimestamp": item.arrived,
            "data": text::base64(&item.data)});
        if let Some(Origin { shard, partition_key, sequence }) = &item.origin {
            record["kinesisRecordMetadata"] = json!({"shardId": shard, "partitionKey": partition_key,
                "approximateArrivalTimestamp": item.arrived, "sequenceNumber": sequence, "subsequenceNumber": ""});
        }
        record
    };
    let records: Vec<Json> = batch.iter().zip(ids).map(record).collect();
    let mut event = json!({"invocationId": uuid(seed), "deliveryStreamArn": stream.arn(cx), "region": cx.region(),
        "records": records});
    if let crate::stream::Source::Kinesis { arn, .. } = &stream.source {
        event["sourceKinesisStreamArn"] = json!(arn);
    }
    event
}

/// The keys of its partition that a function gave a record.
fn keys(result: &Json) -> BTreeMap<String, String> {
    let keys = result["metadata"]["partitionKeys"].as_object().into_iter().flatten();
    keys.map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)))
        .collect()
}

/// The records of an answer, by their ids.
fn results(mut answer: Json, ids: &[String]) -> std::result::Result<HashMap<String, Json>, Unanswered> {
    let wrong = |code: &'static str, message: &str| Unanswered { code, message: message.to_owned(), again: false };
    let Json::Array(records) = answer["records"].take() else {
        return Err(wrong("Lambda.JsonProcessingException", "The answer has no records."));
    };
    let known: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let mut found = HashMap::new();
    for record in records {
        let id = record["recordId"].as_str().filter(|id| known.contains(id)).map(ToOwned::to_owned);
        let id =
            id.ok_or_else(|| wrong("Lambda.MissingRecordId", "The answer has a record that was not asked for."))?;
        if found.insert(id, record).is_some() {
            return Err(wrong("Lambda.DuplicatedRecordId", "Multiple records were returned with the same record ID."));
        }
    }
    Ok(found)
}
