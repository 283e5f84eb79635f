//! What becomes of records before they are written: they are unpacked, taken apart, transformed by a function, asked for the keys of their
//! partitions, and ended with a delimiter, in this order.
//!
//! Source: "Transform source data in Amazon Data Firehose" and "Understand dynamic partitioning" in the developer guide.

mod function;
mod query;
mod split;
mod unpack;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Result};
use undercast_wire::text;

use crate::api::kept::{ProcessingConfiguration, Processor};
use crate::buffer::{Origin, Record};
use crate::error::invalid;
use crate::stream::Stream;

pub(crate) use function::Function;
pub(crate) use query::Query;
use split::Split;

/// What is told of records that could not be processed, as prefixes name it.
pub(crate) const FAILED: &str = "processing-failed";
/// The processor of what CloudWatch Logs sends.
pub(crate) const DECOMPRESSION: &str = "Decompression";

/// The steps of a stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    unpacks: bool,
    /// Only the messages of what CloudWatch Logs sends.
    messages: bool,
    split: Option<Split>,
    pub(crate) function: Option<Function>,
    pub(crate) query: Option<Query>,
    delimiter: Option<Vec<u8>>,
}

/// A record on its way.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) data: Vec<u8>,
    /// When it came, in milliseconds since 1970.
    pub(crate) arrived: i64,
    pub(crate) origin: Option<Origin>,
    /// The keys of its partition.
    pub(crate) from_query: BTreeMap<String, String>,
    pub(crate) from_function: BTreeMap<String, String>,
}

/// A record that is given up.
#[derive(Debug, Clone)]
pub(crate) struct Lost {
    /// As prefixes name it.
    pub(crate) kind: &'static str,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) attempts: u32,
    pub(crate) arrived: i64,
    pub(crate) raw: Vec<u8>,
    /// What else is told of it.
    pub(crate) more: Vec<(&'static str, Json)>,
}

impl Lost {
    pub(crate) fn of(item: Item, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind: FAILED,
            code: code.to_owned(),
            message: message.into(),
            attempts: 1,
            arrived: item.arrived,
            raw: item.data,
            more: Vec::new(),
        }
    }

    /// Its line in a file of what failed.
    pub(crate) fn line(&self, now: i64) -> String {
        let mut line = json!({
            "attemptsMade": self.attempts,
            "arrivalTimestamp": self.arrived,
            "errorCode": self.code,
            "errorMessage": self.message,
            "attemptEndingTimestamp": now,
            "rawData": text::base64(&self.raw),
        });
        for (name, value) in &self.more {
            line[*name] = value.clone();
        }
        format!("{line}\n")
    }
}

/// The parameters of a processor, by name.
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn of(processor: &Processor, known: &[&str]) -> Result<Self> {
        let mut all = BTreeMap::new();
        for parameter in processor.parameters.iter().flatten() {
            let name = parameter.parameter_name.as_str();
            if !known.contains(&name) {
                return Err(invalid(format!("Parameter {name} is not supported for processor {}.", processor.type_)));
            }
            all.insert(name.to_owned(), parameter.parameter_value.clone());
        }
        Ok(Self(all))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn need(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| invalid(format!("Parameter {name} of a processor must be specified.")))
    }

    fn number(&self, name: &str, (least, most): (f64, f64), default: f64) -> Result<f64> {
        let Some(given) = self.get(name) else { return Ok(default) };
        let number = given.parse::<f64>().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| invalid(format!("Parameter {name} of a processor must be between {least} and {most}.")))
    }
}

impl Steps {
    /// The steps of a configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of(given: &ProcessingConfiguration) -> Result<Self> {
        let mut steps = Self::default();
        let mut seen = Vec::new();
        for processor in given.processors.iter().flatten() {
            if seen.contains(&processor.type_.as_str()) {
                return Err(invalid(format!("There is more than one processor of type {}.", processor.type_)));
            }
            seen.push(processor.type_.as_str());
            steps.add(processor)?;
        }
        if steps.messages && !steps.unpacks {
            return Err(invalid("CloudWatchLogProcessing is only supported together with Decompression."));
        }
        Ok(steps)
    }

    fn add(&mut self, processor: &Processor) -> Result<()> {
        match processor.type_.as_str() {
            DECOMPRESSION => {
                let given = Parameters::of(processor, &["CompressionFormat"])?;
                if given.get("CompressionFormat").is_some_and(|format| format != "GZIP") {
                    return Err(invalid("CompressionFormat of the Decompression processor must be GZIP."));
                }
                self.unpacks = true;
            }
            "CloudWatchLogProcessing" => {
                let given = Parameters::of(processor, &["DataMessageExtraction"])?;
                self.messages = given.get("DataMessageExtraction") == Some("true");
            }
            "RecordDeAggregation" => {
                let given = Parameters::of(processor, &["SubRecordType", "Delimiter"])?;
                self.split = Some(Split::of(given.need("SubRecordType")?, given.get("Delimiter"))?);
            }
            "Lambda" => self.function = Some(Function::of(processor)?),
            "MetadataExtraction" => {
                let given = Parameters::of(processor, &["MetadataExtractionQuery", "JsonParsingEngine"])?;
                if given.need("JsonParsingEngine")? != "JQ-1.6" {
                    return Err(invalid("JsonParsingEngine must be JQ-1.6."));
                }
                self.query = Some(Query::of(given.need("MetadataExtractionQuery")?)?);
            }
            "AppendDelimiterToRecord" => {
                let given = Parameters::of(processor, &["Delimiter"])?;
                // Templates and the console write the two signs of an escape.
                let delimiter = given.get("Delimiter").unwrap_or("\\n").replace("\\n", "\n");
                self.delimiter = Some(delimiter.into_bytes());
            }
            other => return Err(invalid(format!("The processor {other} is not supported."))),
        }
        Ok(())
    }

    /// Takes records through all steps.
    ///
    /// # Errors
    /// When something broke; what a record is to blame for is told with it.
    pub(crate) async fn run(
        &self,
        cx: &Cx,
        stream: &Stream,
        delivery: &str,
        records: Vec<Record>,
    ) -> Result<(Vec<Item>, Vec<Lost>)> {
        let mut lost = Vec::new();
        let mut items = Vec::with_capacity(records.len());
        for record in records {
            let item = Item {
                data: record.data,
                arrived: record.arrived,
                origin: record.origin,
                from_query: BTreeMap::new(),
                from_function: BTreeMap::new(),
            };
            match self.taken_apart(item) {
                Ok(parts) => items.extend(parts),
                Err(why) => lost.push(why),
            }
        }
        if let Some(function) = &self.function {
            items = function.transform(cx, stream, delivery, items, &mut lost).await?;
        }
        if let Some(query) = &self.query {
            items = query.ask(items, &mut lost)?;
        }
        if let Some(delimiter) = &self.delimiter {
            items.iter_mut().for_each(|item| item.data.extend_from_slice(delimiter));
        }
        Ok((items, lost))
    }

    fn taken_apart(&self, mut item: Item) -> std::result::Result<Vec<Item>, Lost> {
        if self.unpacks {
            match unpack::gzip(&item.data, self.messages) {
                Ok(Some(data)) => item.data = data,
                Ok(None) => return Ok(Vec::new()),
                Err(why) => return Err(Lost::of(item, "Decompression.Failed", why)),
            }
        }
        let Some(split) = &self.split else { return Ok(vec![item]) };
        match split.apart(&item.data) {
            Ok(parts) => Ok(parts.into_iter().map(|data| Item { data, ..item.clone() }).collect()),
            Err(why) => Err(Lost::of(item, "RecordDeAggregation.Failed", why)),
        }
    }
}
