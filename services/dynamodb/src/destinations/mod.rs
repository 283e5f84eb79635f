//! Streams of Kinesis to which the writes of a table go: EnableKinesisStreamingDestination and its kin.
//!
//! A table with destinations keeps a feed, whose records are those of a stream (`streams::store`) with both images. `deliver` puts
//! them into the streams, each at least once, as the account in whose service-linked role AWS does it; what cannot be delivered
//! for a day is lost.
//!
//! Source: "Using Kinesis Data Streams to capture changes to DynamoDB" in the developer guide; refusals as other emulators
//! recorded them. Limits: a table has two destinations at most.

pub(crate) mod cfn;
mod deliver;
mod form;

use crate::DynamoDb;
use crate::api::output::KinesisDataStreamDestination;
use crate::api::{
    DescribeKinesisStreamingDestinationOutput, DisableKinesisStreamingDestinationInput,
    DisableKinesisStreamingDestinationOutput, EnableKinesisStreamingDestinationInput,
    UpdateKinesisStreamingDestinationInput, UpdateKinesisStreamingDestinationOutput, output,
};
use crate::error::{Error, Result};
use crate::request::scope;
use crate::rows;
use crate::streams::store::{self, Latest, View};
use crate::table::Table;
pub(crate) use deliver::Pumps;
use minicbor::{Decode, Encode};
use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::{Access, Cx, Failure};
use undercast_store::Tx;

/// A table has at most so many.
const MOST: usize = 2;
/// In whose name streams are looked at.
const PRINCIPAL: &str = "dynamodb.amazonaws.com";
const MICROSECOND: &str = "MICROSECOND";

/// Where the writes of a table go besides.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Destinations {
    /// Under which its writes are kept until they are delivered.
    #[n(0)]
    pub feed: Latest,
    /// The streams, also those to which nothing goes any more.
    #[n(1)]
    pub all: Vec<Destination>,
}

/// A stream of Kinesis.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Destination {
    /// Its ARN.
    #[n(0)]
    pub stream: String,
    /// Whether writes go there.
    #[n(1)]
    pub status: Status,
    /// Why they do not.
    #[n(2)]
    pub why: Option<String>,
    /// Moments are told in microseconds.
    #[n(3)]
    pub microseconds: bool,
    /// The position of the first record of the feed that goes there.
    #[n(4)]
    pub since: u64,
}

/// What becomes of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// They will be delivered, once the stream is known to take them.
    #[n(0)]
    Enabling,
    /// They are delivered.
    #[n(1)]
    Active,
    /// They are delivered in another form from now on.
    #[n(2)]
    Updating,
    /// They are not delivered any more.
    #[n(3)]
    Disabling,
    /// The same, for good.
    #[n(4)]
    Disabled,
    /// The stream does not take them.
    #[n(5)]
    Failed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Enabling => "ENABLING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Disabling => "DISABLING",
            Self::Disabled => "DISABLED",
            Self::Failed => "ENABLE_FAILED",
        }
    }
}

impl Destination {
    /// Whether it is still being worked on.
    fn is_live(&self) -> bool {
        !matches!(self.status, Status::Disabled | Status::Failed)
    }

    fn takes(&self) -> bool {
        matches!(self.status, Status::Enabling | Status::Active | Status::Updating)
    }

    fn precision(&self) -> String {
        if self.microseconds { MICROSECOND } else { "MILLISECOND" }.to_owned()
    }

    fn show(&self) -> KinesisDataStreamDestination {
        KinesisDataStreamDestination {
            stream_arn: Some(self.stream.clone()),
            destination_status: Some(self.status.name().to_owned()),
            destination_status_description: self.why.clone(),
            approximate_creation_date_time_precision: Some(self.precision()),
        }
    }
}

impl Destinations {
    /// The feed to which writes are added, if they go anywhere.
    pub fn feed(&self) -> Option<&Latest> {
        self.all.iter().any(Destination::takes).then_some(&self.feed)
    }

    fn of(&mut self, stream: &str) -> Option<&mut Destination> {
        self.all.iter_mut().find(|destination| destination.stream == stream)
    }
}

/// The topic that is rung when a table's feed has grown, or where it goes has changed.
fn topic(table: &str) -> String {
    format!("dynamodb.feed:{table}")
}

/// Rings for whoever delivers the writes of a table.
pub(crate) fn announce(cx: &Cx, table: &Table) {
    if table.destinations.is_some() {
        cx.signals().ring(&topic(&table.id));
    }
}

/// AWS's refusal of a change that does not fit what a destination is.
fn not_in_state(word: &str, wanted: &str, operation: &str) -> Failure {
    Error::validation(format_args!(
        "Table is not in a valid state to {word} Kinesis Streaming Destination: KinesisStreamingDestination must be {wanted} to perform {operation} operation."
    ))
    .into()
}

/// Refuses a stream that the caller may not have written to, or that is not there: AWS says the same of both.
async fn check_stream(cx: &Cx, arn: &str) -> Result<()> {
    let parsed = Arn::parse(arn).filter(|arn| arn.service == "kinesis" && arn.resource.starts_with("stream/"));
    let Some(parsed) = parsed else { return Err(Error::validation(format_args!("Invalid StreamArn: {arn}"))) };
    let refused = || Error::validation("User does not have a permission to use kinesis stream");
    if parsed.account != cx.account() || parsed.region != cx.region() {
        return Err(refused());
    }
    if cx.denied(&Access::new("kinesis:PutRecords", arn))?.is_some() {
        return Err(refused());
    }
    match cx.through(PRINCIPAL).call("kinesis", "DescribeStreamSummary", json!({"StreamARN": arn})).await {
        Ok(_) => Ok(()),
        Err(Failure::Aws(_)) => Err(refused()),
        Err(other) => Err(other.into()),
    }
}

fn is_microseconds(given: Option<&str>) -> bool {
    given == Some(MICROSECOND)
}

impl DynamoDb {
    /// Where the writes of a table go besides.
    ///
    /// # Errors
    /// When there is no such table, and when the store fails.
    pub(crate) fn describe_destinations(
        &self,
        cx: &Cx,
        given: &str,
    ) -> Result<DescribeKinesisStreamingDestinationOutput> {
        let table = self.table_of(cx, &cx.read(), given)?;
        let all = table.destinations.iter().flat_map(|destinations| &destinations.all);
        Ok(DescribeKinesisStreamingDestinationOutput {
            table_name: Some(table.name.clone()),
            kinesis_data_stream_destinations: Some(all.map(Destination::show).collect()),
        })
    }

    /// Changes where the writes of a table go, and sees to it that they go there.
    async fn change_destinations(
        &self,
        cx: &Cx,
        given: &str,
        change: impl Fn(&mut Tx<'_>, &mut Table) -> undercast_kernel::Result<()> + Send + Sync,
    ) -> Result<Table> {
        let table = cx
            .write(|tx| {
                let mut table = (*self.settled(cx, tx, given)?).clone();
                change(tx, &mut table)?;
                rows::put_table(tx, scope(cx), &table);
                Ok(table)
            })
            .await?;
        self.pumps.begin(cx.kernel(), (cx.account(), cx.region()), &table);
        announce(cx, &table);
        Ok(table)
    }

    /// Has the writes of a table go to a stream from now on.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn enable_destination(
        &self,
        cx: &Cx,
        input: EnableKinesisStreamingDestinationInput,
    ) -> Result<DisableKinesisStreamingDestinationOutput> {
        self.settled(cx, &cx.read(), &input.table_name)?;
        check_stream(cx, &input.stream_arn).await?;
        let configuration = input.enable_kinesis_streaming_configuration;
        let precision = configuration.and_then(|given| given.approximate_creation_date_time_precision);
        let (stream, id) = (&input.stream_arn, cx.random().uuid());
        let table = self
            .change_destinations(cx, &input.table_name, |tx, table| {
                let feed =
                    || Latest { label: String::new(), id: id.clone(), view: View::NewAndOldImages, enabled: true };
                let mut destinations =
                    table.destinations.take().unwrap_or_else(|| Destinations { feed: feed(), all: Vec::new() });
                if destinations.of(stream).is_some_and(|there| there.is_live()) {
                    return Err(not_in_state("enable", "DISABLED or ENABLE_FAILED", "ENABLE"));
                }
                if destinations.all.iter().filter(|other| other.is_live()).count() >= MOST {
                    let message = format!("A table can have at most {MOST} Kinesis Data Streams destinations.");
                    return Err(Error::limit_exceeded(message).into());
                }
                let since = store::next(tx, scope(cx), &destinations.feed.id)?;
                destinations.all.retain(|other| other.stream != *stream);
                destinations.all.push(Destination {
                    stream: stream.clone(),
                    status: Status::Enabling,
                    why: None,
                    microseconds: is_microseconds(precision.as_deref()),
                    since,
                });
                table.destinations = Some(destinations);
                Ok(())
            })
            .await?;
        Ok(shown(&table, stream, Status::Enabling, precision))
    }

    /// Has them go there no more.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn disable_destination(
        &self,
        cx: &Cx,
        input: DisableKinesisStreamingDestinationInput,
    ) -> Result<DisableKinesisStreamingDestinationOutput> {
        let configuration = input.enable_kinesis_streaming_configuration;
        let precision = configuration.and_then(|given| given.approximate_creation_date_time_precision);
        let stream = &input.stream_arn;
        let table = self
            .change_destinations(cx, &input.table_name, |_, table| {
                let there = table.destinations.as_mut().and_then(|all| all.of(stream));
                match there.filter(|there| matches!(there.status, Status::Active | Status::Enabling)) {
                    Some(there) => there.status = Status::Disabling,
                    None => return Err(not_in_state("disable", "ACTIVE", "DISABLE")),
                }
                Ok(())
            })
            .await?;
        Ok(shown(&table, stream, Status::Disabling, precision))
    }

    /// Has moments be told in another precision from now on.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn update_destination(
        &self,
        cx: &Cx,
        input: UpdateKinesisStreamingDestinationInput,
    ) -> Result<UpdateKinesisStreamingDestinationOutput> {
        let configuration = input.update_kinesis_streaming_configuration;
        let precision = configuration.and_then(|given| given.approximate_creation_date_time_precision);
        let Some(precision) = precision else {
            return Err(Error::validation(
                "Streaming destination cannot be updated with given parameters: UpdateKinesisStreamingConfiguration cannot be null or contain only null values",
            ));
        };
        let stream = &input.stream_arn;
        let table = self
            .change_destinations(cx, &input.table_name, |_, table| {
                let id = table.id.clone();
                let there = table.destinations.as_mut().and_then(|all| all.of(stream));
                let there = there.filter(|there| there.status == Status::Active);
                let there = there.ok_or_else(|| not_in_state("update", "ACTIVE", "UPDATE"))?;
                if there.precision() == precision {
                    return Err(Error::validation(format_args!(
                        "Invalid Request: Precision is already set to the desired value of {precision} for tableId: {id}, kdsArn: {stream}"
                    ))
                    .into());
                }
                there.microseconds = is_microseconds(Some(&precision));
                there.status = Status::Updating;
                Ok(())
            })
            .await?;
        Ok(UpdateKinesisStreamingDestinationOutput {
            table_name: Some(table.name),
            stream_arn: Some(stream.clone()),
            destination_status: Some(Status::Updating.name().to_owned()),
            update_kinesis_streaming_configuration: Some(output::UpdateKinesisStreamingConfiguration {
                approximate_creation_date_time_precision: Some(precision),
            }),
        })
    }

    /// Ends what a table delivers, which is being deleted.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn end_destinations(&self, cx: &Cx, tx: &mut Tx<'_>, table: &mut Table) -> Result<()> {
        let Some(destinations) = table.destinations.take() else { return Ok(()) };
        self.schedule_history_trimming(cx, tx, table, &destinations.feed.id, cx.now())
    }
}

fn shown(
    table: &Table,
    stream: &str,
    status: Status,
    precision: Option<String>,
) -> DisableKinesisStreamingDestinationOutput {
    DisableKinesisStreamingDestinationOutput {
        table_name: Some(table.name.clone()),
        stream_arn: Some(stream.to_owned()),
        destination_status: Some(status.name().to_owned()),
        enable_kinesis_streaming_configuration: precision.map(|precision| {
            output::EnableKinesisStreamingConfiguration { approximate_creation_date_time_precision: Some(precision) }
        }),
    }
}
