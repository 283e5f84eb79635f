//! What a mapping may be told: of every source, of queues, of streams.

use minicbor::{Decode, Encode};
use undercast_kernel::{Cx, Failure, Result};
use undercast_pattern::Pattern;

use crate::api::{CreateEventSourceMappingInput, UpdateEventSourceMappingInput, input, output};
use crate::error;
use undercast_sources::Kind;

/// A mapping has so many filters at most.
const MOST_FILTERS: usize = 5;
/// A batch of more than so many, from a queue, needs time to fill.
const AT_ONCE: i32 = 10;
/// Records get so old in seconds, if they do at all.
const AGES: std::ops::RangeInclusive<i32> = 60..=604_800;

/// Where a stream's shards are read from at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Start {
    /// The oldest record.
    #[n(0)]
    Horizon,
    /// What came after the mapping was made, in milliseconds since 1970.
    #[n(1)]
    Latest(#[n(0)] i64),
    /// What came at this time or later.
    #[n(2)]
    At(#[n(0)] i64),
}

impl Start {
    fn name(self) -> &'static str {
        match self {
            Self::Horizon => "TRIM_HORIZON",
            Self::Latest(_) => "LATEST",
            Self::At(_) => "AT_TIMESTAMP",
        }
    }
}

/// What a mapping of a stream has beside what all have. -1 stands for no limit.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Streaming {
    #[n(0)]
    pub(crate) start: Start,
    #[n(1)]
    pub(crate) bisect: bool,
    /// Seconds.
    #[n(2)]
    pub(crate) most_age: i32,
    #[n(3)]
    pub(crate) most_retries: i32,
    /// Batches of a shard at a time.
    #[n(4)]
    pub(crate) parallel: i32,
    /// Seconds of a tumbling window; 0: there is none.
    #[n(5)]
    pub(crate) tumbling: i32,
    /// Where it is told of records that are given up.
    #[n(6)]
    pub(crate) on_failure: Option<String>,
}

impl From<&Streaming> for undercast_sources::Streaming {
    fn from(streaming: &Streaming) -> Self {
        let start = match streaming.start {
            Start::Horizon => undercast_sources::Start::Horizon,
            // A shard that is younger than the mapping begins later anyhow.
            Start::Latest(since) | Start::At(since) => undercast_sources::Start::At(since),
        };
        Self {
            start,
            bisect: streaming.bisect,
            most_age: streaming.most_age,
            most_retries: streaming.most_retries,
            parallel: usize::try_from(streaming.parallel).unwrap_or(1),
            tumbling: streaming.tumbling,
        }
    }
}

/// What a call says of a stream's mapping, when it is made and when it is changed.
pub(crate) struct Said<'a> {
    bisect: Option<bool>,
    most_age: Option<i32>,
    most_retries: Option<i32>,
    parallel: Option<i32>,
    tumbling: Option<i32>,
    destinations: Option<&'a input::DestinationConfig>,
}

impl<'a> From<&'a CreateEventSourceMappingInput> for Said<'a> {
    fn from(input: &'a CreateEventSourceMappingInput) -> Self {
        Self {
            bisect: input.bisect_batch_on_function_error,
            most_age: input.maximum_record_age_in_seconds,
            most_retries: input.maximum_retry_attempts,
            parallel: input.parallelization_factor,
            tumbling: input.tumbling_window_in_seconds,
            destinations: input.destination_config.as_ref(),
        }
    }
}

impl<'a> From<&'a UpdateEventSourceMappingInput> for Said<'a> {
    fn from(input: &'a UpdateEventSourceMappingInput) -> Self {
        Self {
            bisect: input.bisect_batch_on_function_error,
            most_age: input.maximum_record_age_in_seconds,
            most_retries: input.maximum_retry_attempts,
            parallel: input.parallelization_factor,
            tumbling: input.tumbling_window_in_seconds,
            destinations: input.destination_config.as_ref(),
        }
    }
}

impl Said<'_> {
    /// The first thing said that a queue knows nothing of.
    fn of_streams(&self) -> Option<&'static str> {
        [
            (self.bisect.is_some(), "BisectBatchOnFunctionError"),
            (self.most_age.is_some(), "MaximumRecordAgeInSeconds"),
            (self.most_retries.is_some(), "MaximumRetryAttempts"),
            (self.parallel.is_some(), "ParallelizationFactor"),
            (self.tumbling.is_some(), "TumblingWindowInSeconds"),
            (self.destinations.is_some(), "DestinationConfig"),
        ]
        .into_iter()
        .find_map(|(said, name)| said.then_some(name))
    }

    /// Refuses what a queue knows nothing of.
    pub(crate) fn check_queue(&self) -> Result<()> {
        match self.of_streams() {
            Some(name) => Err(error::invalid(format!("Unsupported {name} for given event source type"))),
            None => Ok(()),
        }
    }
}

impl Streaming {
    pub(crate) fn new(cx: &Cx, kind: Kind, input: &CreateEventSourceMappingInput) -> Result<Self> {
        let start = match (input.starting_position.as_deref(), input.starting_position_timestamp) {
            (None, _) => {
                return Err(error::invalid(
                    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
                ));
            }
            (Some("AT_TIMESTAMP"), _) if kind == Kind::Table => {
                return Err(error::invalid("Unsupported starting position for given event source type: AT_TIMESTAMP"));
            }
            (Some("AT_TIMESTAMP"), Some(at)) => Start::At(at.as_millisecond()),
            (Some("AT_TIMESTAMP"), None) => {
                return Err(error::invalid("StartingPositionTimestamp must be provided for AT_TIMESTAMP"));
            }
            (Some(_), Some(_)) => {
                return Err(error::invalid("StartingPositionTimestamp is only supported for AT_TIMESTAMP"));
            }
            (Some("LATEST"), None) => Start::Latest(cx.now_millis()),
            (Some(_), None) => Start::Horizon,
        };
        let mut streaming =
            Self { start, bisect: false, most_age: -1, most_retries: -1, parallel: 1, tumbling: 0, on_failure: None };
        streaming.change(&Said::from(input))?;
        Ok(streaming)
    }

    /// Takes over what a call says.
    pub(crate) fn change(&mut self, said: &Said<'_>) -> Result<()> {
        self.bisect = said.bisect.unwrap_or(self.bisect);
        self.most_age = said.most_age.unwrap_or(self.most_age);
        self.most_retries = said.most_retries.unwrap_or(self.most_retries);
        self.parallel = said.parallel.unwrap_or(self.parallel);
        self.tumbling = said.tumbling.unwrap_or(self.tumbling);
        if let Some(destinations) = said.destinations {
            if destinations.on_success.as_ref().is_some_and(|d| d.destination.is_some()) {
                return Err(error::invalid("Unsupported DestinationConfig.OnSuccess for given event source type"));
            }
            self.on_failure = destinations.on_failure.as_ref().and_then(|d| d.destination.clone());
        }
        if self.most_age != -1 && !AGES.contains(&self.most_age) {
            return Err(error::invalid(format!(
                "Maximum record age must be -1 or between {} and {} seconds",
                AGES.start(),
                AGES.end()
            )));
        }
        if self.parallel > 1 && self.tumbling > 0 {
            return Err(Failure::not_built("tumbling windows with several batches of a shard at a time"));
        }
        let services = ["sqs", "sns", "s3"];
        match self.on_failure.as_deref().map(|arn| (arn, undercast_kernel::arn::Arn::parse(arn))) {
            Some((_, Some(arn))) if services.contains(&arn.service.as_str()) => Ok(()),
            Some((arn, _)) => Err(error::invalid(format!("The destination ARN {arn} is not supported"))),
            None => Ok(()),
        }
    }

    /// Writes it into an answer.
    pub(crate) fn show(&self, out: &mut output::EventSourceMappingConfiguration) {
        out.starting_position = Some(self.start.name().to_owned());
        if let Start::At(at) = self.start {
            out.starting_position_timestamp = undercast_kernel::Timestamp::from_millisecond(at).ok();
        }
        out.bisect_batch_on_function_error = Some(self.bisect);
        out.maximum_record_age_in_seconds = Some(self.most_age);
        out.maximum_retry_attempts = Some(self.most_retries);
        out.parallelization_factor = Some(self.parallel);
        out.tumbling_window_in_seconds = Some(self.tumbling);
        let destination = |destination| output::OnFailure { destination: Some(destination) };
        out.destination_config =
            Some(output::DestinationConfig { on_success: None, on_failure: self.on_failure.clone().map(destination) });
    }
}

/// Refuses batches that a source cannot give.
pub(crate) fn check_batch(kind: Kind, source: &str, batch: i32, window: i32) -> Result<()> {
    let most = match kind {
        Kind::Queue if source.ends_with(".fifo") => {
            if window > 0 {
                return Err(error::invalid("Batching window is not supported for FIFO queues."));
            }
            if batch > AT_ONCE {
                return Err(error::invalid("Batch size for FIFO queues must be between 1 and 10."));
            }
            AT_ONCE
        }
        Kind::Queue if batch > AT_ONCE && window == 0 => {
            return Err(error::invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
            ));
        }
        Kind::Queue | Kind::Kinesis | Kind::Table => 10_000,
    };
    if batch > most { Err(error::invalid(format!("Batch size must be between 1 and {most}."))) } else { Ok(()) }
}

/// The patterns of filters, each read once to see that it is one.
pub(crate) fn filters(given: Option<&input::FilterCriteria>) -> Result<Vec<String>> {
    let given = given.and_then(|criteria| criteria.filters.as_deref()).unwrap_or_default();
    if given.len() > MOST_FILTERS {
        return Err(error::invalid(format!(
            "Exceeded maximum number of allowed filters. Maximum number of allowed filters: {MOST_FILTERS}"
        )));
    }
    let patterns = given.iter().filter_map(|filter| filter.pattern.clone());
    patterns
        .map(|pattern| match Pattern::parse(&pattern) {
            Ok(_) => Ok(pattern),
            Err(_) => Err(error::invalid("Invalid filter pattern definition.")),
        })
        .collect()
}
