//! How calls name streams and consumers.

use std::borrow::Cow;

use serde_json::{Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::is_account;
use undercast_kernel::{Cx, Record, Result, regions};
use undercast_wire::Fields;

use crate::{error, iterator, operations};

/// A stream's name, and the account that it is in. The region is that of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamName {
    pub(crate) account: String,
    pub(crate) name: String,
}

/// A consumer's ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerName {
    pub(crate) stream: StreamName,
    pub(crate) name: String,
    /// The second in which it was registered.
    pub(crate) created: i64,
}

/// What is named by an ARN of this region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    Stream(StreamName),
    Consumer(ConsumerName),
}

impl StreamName {
    pub(crate) fn new(cx: &Cx, name: &str) -> Self {
        Self { account: cx.account().to_owned(), name: name.to_owned() }
    }

    /// The stream of a call that names it by name, by ARN, or by both.
    pub(crate) fn of(cx: &Cx, name: Option<&str>, arn: Option<&str>) -> Result<Self> {
        match (name, arn) {
            (None, None) => Err(error::invalid("Either StreamName or StreamARN should be provided.").into()),
            (Some(name), None) => Ok(Self::new(cx, name)),
            (name, Some(arn)) => {
                let found = Self::from_arn(cx, arn)?;
                if name.is_some_and(|name| name != found.name) {
                    let message = "StreamName and StreamARN that are provided do not name the same stream.";
                    return Err(error::invalid(message).into());
                }
                Ok(found)
            }
        }
    }

    /// The stream of an ARN, which is in the call's region.
    pub(crate) fn from_arn(cx: &Cx, arn: &str) -> Result<Self> {
        match Resource::parse(cx, arn)? {
            Resource::Stream(name) => Ok(name),
            Resource::Consumer(_) => Err(error::invalid(format!("{arn} is not the ARN of a stream.")).into()),
        }
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:kinesis:{}:{}:stream/{}", cx.partition(), cx.region(), self.account, self.name)
    }
}

impl ConsumerName {
    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("{}/consumer/{}:{}", self.stream.arn(cx), self.name, self.created)
    }

    pub(crate) fn from_arn(cx: &Cx, arn: &str) -> Result<Self> {
        match Resource::parse(cx, arn)? {
            Resource::Consumer(name) => Ok(name),
            Resource::Stream(_) => Err(error::invalid(format!("{arn} is not the ARN of a consumer.")).into()),
        }
    }
}

impl Resource {
    pub(crate) fn parse(cx: &Cx, arn: &str) -> Result<Self> {
        let wrong = || error::invalid(format!("Invalid ARN: {arn}"));
        let parsed = Arn::parse(arn).filter(|a| a.service == "kinesis" && is_account(&a.account)).ok_or_else(wrong)?;
        let (account, partition) = (parsed.account, parsed.partition);
        let rest = parsed.resource.strip_prefix("stream/").ok_or_else(wrong)?;
        let (name, consumer) = rest.split_once('/').map_or((rest, None), |(name, rest)| (name, Some(rest)));
        let stream = StreamName { account, name: name.to_owned() };
        // A stream of another region is none here.
        if partition != cx.partition() || parsed.region != cx.region() {
            return Err(error::no_stream(&stream).into());
        }
        let Some(consumer) = consumer else { return Ok(Self::Stream(stream)) };
        let (name, created) =
            consumer.strip_prefix("consumer/").and_then(|rest| rest.rsplit_once(':')).ok_or_else(wrong)?;
        let created = created.parse().map_err(|_| wrong())?;
        Ok(Self::Consumer(ConsumerName { stream, name: name.to_owned(), created }))
    }

    pub(crate) fn stream(&self) -> &StreamName {
        match self {
            Self::Stream(name) => name,
            Self::Consumer(consumer) => &consumer.stream,
        }
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        match self {
            Self::Stream(name) => name.arn(cx),
            Self::Consumer(consumer) => consumer.arn(cx),
        }
    }
}

/// What a call is about, if it names it: by ARN, by name, or by an iterator.
pub(crate) fn named(cx: &Cx, input: &Fields) -> Option<Resource> {
    let arn = ["StreamARN", "ConsumerARN", "ResourceARN"].iter().find_map(|member| input.text(member));
    if let Some(arn) = arn {
        return Resource::parse(cx, arn).ok();
    }
    if let Some(name) = input.text("StreamName") {
        return Some(Resource::Stream(StreamName::new(cx, name)));
    }
    input.text("ShardIterator").and_then(iterator::stream_of).map(Resource::Stream)
}

/// The stream or consumer that CloudTrail's event of a call on data names.
pub(crate) fn event_resources(record: &Record, given: &Json) -> Vec<Json> {
    if !operations::DATA.contains(&record.operation) {
        return Vec::new();
    }
    let text = |name: &str| given.get(name).and_then(Json::as_str);
    let stream_arn = |account: &str, name: &str| {
        format!("arn:{}:kinesis:{}:{account}:stream/{name}", regions::partition(&record.region), record.region)
    };
    let by_name = text("StreamName").map(|name| stream_arn(&record.account, name));
    let by_iterator =
        || text("ShardIterator").and_then(iterator::stream_of).map(|of| stream_arn(&of.account, &of.name));
    let (kind, arn) = match text("ConsumerARN") {
        Some(arn) => ("AWS::Kinesis::StreamConsumer", Some(arn.to_owned())),
        None => ("AWS::Kinesis::Stream", text("StreamARN").map(ToOwned::to_owned).or(by_name).or_else(by_iterator)),
    };
    let account = |arn: &str| Arn::parse(arn).map_or(String::new(), |arn| arn.account);
    arn.map(|arn| json!({"accountId": account(&arn), "type": kind, "ARN": arn})).into_iter().collect()
}

/// Where the work of a call is done: here, or in the account of what it names.
pub(crate) fn home<'a>(cx: &'a Cx, input: &Fields) -> Cow<'a, Cx> {
    match named(cx, input) {
        Some(found) if found.stream().account != cx.account() => {
            Cow::Owned(cx.elsewhere(&found.stream().account, cx.region()))
        }
        _ => Cow::Borrowed(cx),
    }
}
