//! What a mapping does with a batch: its function is run with it, and says what failed.

use std::sync::{Arc, Mutex};

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::store::Table;
use undercast_kernel::{Cx, Kernel, Result, Timestamp};
use undercast_sources::{Batch, Checkpoint, Consumer, Filter, GivenUp, Kind, Taken, Window, reported};

use crate::function::Function;
use crate::invoke;
use crate::mapping::Mapping;
use crate::report::{Call, Done};
use crate::sources::{CHECKPOINTS, discarded};
use crate::state::{State, locked};

/// What a function keeps of a window may be so long.
const MOST_STATE: usize = 1024 * 1024;

/// A mapping at work.
pub(super) struct Taker {
    state: Arc<State>,
    kernel: Kernel,
    pub(super) mapping: Mapping,
    filter: Filter,
    /// The function as it was when something was read last.
    function: Mutex<Option<Function>>,
}

impl Taker {
    pub(super) fn new(state: &Arc<State>, kernel: &Kernel, mapping: &Mapping) -> Self {
        Self {
            state: Arc::clone(state),
            kernel: kernel.clone(),
            filter: Filter::new(&mapping.filters),
            mapping: mapping.clone(),
            function: Mutex::default(),
        }
    }

    /// The version of the function that is to run now. `None`: it is gone.
    fn find(&self) -> Result<Option<Function>> {
        match self.mapping.function().find_to_run(&self.cx(), &self.kernel.database().read()) {
            Err(failure) if failure.code() == Some("ResourceNotFoundException") => Ok(None),
            found => found.map(Some),
        }
    }

    pub(super) fn function(&self) -> Option<Function> {
        locked(&self.function).clone()
    }

    pub(super) fn role(&self, function: &Function) -> Cx {
        self.cx().as_role("lambda.amazonaws.com", &function.role, &function.name)
    }

    /// Runs the function once. `None`: there is no place for it just now.
    async fn invoke(&self, function: &Function, event: &Json) -> Result<Option<Done>> {
        let cx = self.cx();
        let call = Call {
            request_id: cx.request_id().to_owned(),
            payload: event.to_string().into(),
            client_context: None,
            arn: self.mapping.function().qualified_arn(&cx),
            pieces: None,
        };
        match invoke::run(&self.state, &cx, function, call).await {
            Ok(done) => Ok(Some(done)),
            Err(failure) if failure.code() == Some("TooManyRequestsException") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The places of a batch that failed: all where the function failed, or where what it reports makes no sense.
    fn failed(&self, done: &Done, ids: &[&str]) -> Vec<usize> {
        let all = || (0..ids.len()).collect();
        match (done.failed, self.mapping.reports) {
            (true, _) => all(),
            (false, false) => Vec::new(),
            (false, true) => reported(&done.payload, ids).unwrap_or_else(all),
        }
    }

    async fn run(&self, batch: Batch<'_>) -> Result<Taken> {
        // It may be made again under its name.
        let Some(function) = self.find()? else { return Ok(Taken::Throttled) };
        let event = self.in_window(batch, json!({"Records": batch.events}));
        let Some(done) = self.invoke(&function, &event).await? else { return Ok(Taken::Throttled) };
        let last = batch.window.is_some_and(|window| window.last);
        let mut failed = self.failed(&done, batch.ids);
        let state = batch.window.and_then(|_| state(&done));
        // The end of a window has no records of which one could fail.
        let is_lost = batch.window.is_some() && !last && state.is_none();
        if failed.is_empty() && (is_lost || (last && done.failed)) {
            failed.push(0);
        }
        if batch.shard.is_some() && !last {
            let result = if failed.is_empty() { "OK" } else { "PROBLEM: Function call failed" };
            self.state.set_last_result(&self.mapping.id, result);
        }
        Ok(if failed.is_empty() { Taken::Done(state) } else { Taken::Failed(failed) })
    }

    /// An event with what belongs to its window.
    fn in_window(&self, batch: Batch<'_>, mut event: Json) -> Json {
        let Some(Window { start, end, state, last }) = batch.window else { return event };
        let moment =
            |millis| Timestamp::from_millisecond(millis).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        event["window"] = json!({"start": moment(start), "end": moment(end)});
        event["state"] = serde_json::from_str(state).unwrap_or_else(|_| json!({}));
        event["shardId"] = json!(batch.shard);
        event["eventSourceARN"] = json!(self.mapping.source);
        event["isFinalInvokeForWindow"] = json!(last);
        event["isWindowTerminatedEarly"] = json!(false);
        event
    }
}

/// What the function made of a window so far.
fn state(done: &Done) -> Option<String> {
    let answer: Json = serde_json::from_slice(&done.payload).unwrap_or_default();
    let state = answer.get("state").filter(|state| state.is_object()).map(Json::to_string);
    state.filter(|state| state.len() <= MOST_STATE)
}

impl Consumer for Taker {
    fn id(&self) -> &str {
        &self.mapping.id
    }

    fn cx(&self) -> Cx {
        self.kernel.cx_for(&self.mapping.account, &self.mapping.region)
    }

    fn reader(&self) -> Result<Option<Cx>> {
        let found = self.find()?;
        let reader = found.as_ref().map(|function| self.role(function));
        *locked(&self.function) = found;
        Ok(reader)
    }

    fn message(&self, shown: Json) -> Option<Json> {
        self.filter.wants(&shown, "body").then_some(shown)
    }

    fn record(&self, kind: Kind, shard: &str, given: &Json) -> (Json, bool) {
        if kind == Kind::Kinesis {
            let event = self.of_kinesis(shard, given);
            let wanted = self.filter.wants_encoded(&event["kinesis"], "data");
            return (event, wanted);
        }
        let event = self.of_table(given);
        let wanted = self.filter.wants(&event, "");
        (event, wanted)
    }

    fn take<'a>(&'a self, batch: Batch<'a>) -> BoxFuture<'a, Result<Taken>> {
        Box::pin(self.run(batch))
    }

    fn give_up<'a>(&'a self, given_up: GivenUp<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(discarded::tell(self, given_up))
    }

    fn checkpoints(&self) -> &'static Table<Checkpoint> {
        &CHECKPOINTS
    }
}

/// Records as functions see them.
impl Taker {
    fn of_kinesis(&self, shard: &str, given: &Json) -> Json {
        let sequence = given["SequenceNumber"].as_str().unwrap_or_default();
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": given["PartitionKey"],
                "sequenceNumber": sequence,
                "data": given["Data"],
                "approximateArrivalTimestamp": given["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard}:{sequence}"),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": locked(&self.function).as_ref().map(|function| function.role.clone()),
            "awsRegion": self.mapping.region,
            "eventSourceARN": self.mapping.source,
        })
    }

    fn of_table(&self, given: &Json) -> Json {
        let mut event = given.clone();
        if let Some(identity) = given.get("userIdentity").filter(|identity| identity.is_object()) {
            event["userIdentity"] = json!({"type": identity["Type"], "principalId": identity["PrincipalId"]});
        }
        event["eventSourceARN"] = json!(self.mapping.source);
        event
    }
}
