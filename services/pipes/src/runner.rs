//! A pipe at work: who takes from its source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::store::{Order, Table};
use undercast_kernel::{Cx, Kernel, Result};
use undercast_sources::{Batch, Checkpoint, Consumer, Filter, GivenUp, Kind, Running, Taken};

use crate::parameters::Parameters;
use crate::rows::{CHECKPOINTS, PIPES, Pipe};
use crate::{PRINCIPAL, definition, discarded, execution, metrics};

/// What lives only as long as the program.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) running: Running,
    /// Executions under way, by account.
    at_once: Mutex<HashMap<String, usize>>,
}

impl State {
    fn count(&self, account: &str, change: impl Fn(usize) -> usize) {
        let mut all = self.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(account.to_owned()).or_default();
        *count = change(*count);
    }
}

/// A pipe, as it was when it was started.
pub(crate) struct Runner {
    state: Arc<State>,
    kernel: Kernel,
    account: String,
    region: String,
    pipe: Pipe,
    kind: Kind,
    parameters: Parameters,
    filter: Filter,
}

/// Begins to take from the source of a pipe.
///
/// # Errors
/// When the role may not open the parameters, or the pipe cannot be.
pub(crate) async fn begin(state: &Arc<State>, cx: &Cx, pipe: &Pipe) -> Result<()> {
    let role = cx.as_role(PRINCIPAL, &pipe.role, &pipe.name);
    let parameters = Parameters::open(&role, &pipe.arn(cx), &pipe.parameters).await?;
    let settings = definition::settings(pipe, &parameters)?;
    let runner = Runner {
        state: Arc::clone(state),
        kernel: cx.kernel().clone(),
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        kind: definition::source_kind(&pipe.source)?,
        filter: Filter::new(&parameters.patterns()),
        pipe: pipe.clone(),
        parameters,
    };
    state.running.start(cx.kernel(), settings, Arc::new(runner));
    Ok(())
}

/// Goes on with what an earlier run of the program left.
pub(crate) fn resume(state: &Arc<State>, kernel: &Kernel) {
    let (state, work) = (Arc::clone(state), kernel.clone());
    kernel.spawn(async move {
        let rows = PIPES.page(&work.database().read(), &(), None::<&()>, Order::Ascending, usize::MAX);
        let rows = rows.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the pipes cannot be read");
            Vec::new()
        });
        for entry in rows.iter().filter(|entry| entry.row.takes) {
            let Some((account, region, _)) = entry.key::<(String, String, String)>() else { continue };
            if let Err(failure) = begin(&state, &work.cx_for(&account, &region), &entry.row).await {
                let pipe = &entry.row.name;
                tracing::error!(pipe, error = &failure as &dyn std::error::Error, "a pipe could not go on");
            }
        }
    });
}

impl Runner {
    pub(crate) fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub(crate) fn own(&self) -> Cx {
        self.kernel.cx_for(&self.account, &self.region)
    }

    pub(crate) fn role(&self) -> Cx {
        self.own().as_role(PRINCIPAL, &self.pipe.role, &self.pipe.name)
    }

    /// Executions under way in the account.
    pub(crate) fn at_once(&self) -> f64 {
        let all = self.state.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        metrics::float(all.get(&self.account).copied().unwrap_or(0))
    }
}

impl Consumer for Runner {
    fn id(&self) -> &str {
        &self.pipe.id
    }

    fn cx(&self) -> Cx {
        self.own()
    }

    fn reader(&self) -> Result<Option<Cx>> {
        // A role that lets pipes in no more is not taken on.
        let own = self.own();
        let good = own.is_assumable(PRINCIPAL, &self.pipe.role, Some(&self.pipe.arn(&own)))?;
        Ok(good.then(|| self.role()))
    }

    fn message(&self, shown: Json) -> Option<Json> {
        self.filter.wants(&shown, "body").then_some(shown)
    }

    fn record(&self, kind: Kind, shard: &str, given: &Json) -> (Json, bool) {
        if kind == Kind::Kinesis {
            let sequence = given["SequenceNumber"].as_str().unwrap_or_default();
            let event = json!({
                "kinesisSchemaVersion": "1.0", "partitionKey": given["PartitionKey"], "sequenceNumber": sequence,
                "data": given["Data"], "approximateArrivalTimestamp": given["ApproximateArrivalTimestamp"],
                "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("{shard}:{sequence}"),
                "eventName": "aws:kinesis:record", "invokeIdentityArn": self.pipe.role, "awsRegion": self.region,
                "eventSourceARN": self.pipe.source,
            });
            let wanted = self.filter.wants_encoded(&event, "data");
            return (event, wanted);
        }
        let mut event = given.clone();
        if let Some(identity) = given.get("userIdentity").filter(|identity| identity.is_object()) {
            event["userIdentity"] = json!({"type": identity["Type"], "principalId": identity["PrincipalId"]});
        }
        event["eventSourceARN"] = json!(self.pipe.source);
        let wanted = self.filter.wants(&event, "");
        (event, wanted)
    }

    fn take<'a>(&'a self, batch: Batch<'a>) -> BoxFuture<'a, Result<Taken>> {
        Box::pin(async move {
            if batch.events.is_empty() {
                return Ok(Taken::Done(None));
            }
            self.state.count(&self.account, |count| count + 1);
            let taken = execution::run(self, batch).await;
            self.state.count(&self.account, |count| count.saturating_sub(1));
            taken
        })
    }

    fn give_up<'a>(&'a self, given_up: GivenUp<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(discarded::tell(self, given_up))
    }

    fn checkpoints(&self) -> &'static Table<Checkpoint> {
        &CHECKPOINTS
    }
}
