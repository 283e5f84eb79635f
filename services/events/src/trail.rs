//! `AWS API Call via CloudTrail`: calls of other services as events on the default bus.
//!
//! Nobody listens to the trail until a rule could want its calls, for whoever listens costs every call a little. What EventBridge
//! calls for its rules is not told of, or a rule could go round in a circle.
//!
//! Source: "AWS service events delivered via AWS CloudTrail" in the user guide: calls that a trail logs; of management calls those
//! that change something, and all of them for rules whose state says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use undercast_kernel::{Announcement, Cx, Keeper, Kernel, Record, Result};

use crate::announced;
use crate::index::Indexes;
use crate::invoke::PRINCIPAL;
use crate::name::{BusName, DEFAULT};
use crate::rule::{self, RULES};
use crate::{Events, accept};

/// What such events are called.
pub(crate) const KIND: &str = "AWS API Call via CloudTrail";
/// Those that tell of what a service did by itself.
const OF_SERVICES: &str = "AWS Service Event via CloudTrail";

/// Whether somebody listens to the trail: then where records go.
#[derive(Debug, Default)]
pub(crate) struct Listening(Mutex<bool>);

/// Hands records on. It is kept by the kernel, and so keeps nothing of it.
struct Listener {
    to: UnboundedSender<Record>,
    /// Data events are logged somewhere: no others of them come here.
    data_logged: Arc<AtomicBool>,
}

impl Keeper for Listener {
    fn wants(&self, data: bool) -> bool {
        !data || self.data_logged.load(Ordering::Acquire)
    }

    fn keep(&self, record: &Record) {
        if record.source != PRINCIPAL {
            // When the other side has gone, the cloud has.
            let _ = self.to.send(record.clone());
        }
    }
}

/// Whether a pattern could want a call.
fn may_want_calls(pattern: &str) -> bool {
    let Ok(Json::Object(fields)) = serde_json::from_str(pattern) else { return false };
    let could = |name: &str, is: &dyn Fn(&str) -> bool| match fields.get(name) {
        Some(Json::Array(values)) => values.iter().any(|value| value.as_str().is_none_or(is)),
        _ => true,
    };
    could("detail-type", &|kind| kind == KIND || kind == OF_SERVICES)
        && could("source", &|source| source.starts_with("aws."))
}

impl Events {
    /// Begins to listen to the trail if a pattern could want its calls.
    pub(crate) fn listen_for(&self, cx: &Cx, pattern: &str) {
        if may_want_calls(pattern) {
            self.listen(cx.kernel());
        }
    }

    /// Begins to listen to the trail, unless it listens already.
    fn listen(&self, kernel: &Kernel) {
        let mut listening = self.listening.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *listening, true) {
            return;
        }
        let (sender, receiver) = unbounded_channel();
        kernel.trail().tell(Arc::new(Listener { to: sender, data_logged: kernel.trail().data_logged() }));
        kernel.spawn(take(kernel.clone(), receiver));
    }

    /// Listens to the trail if a rule of any account could want its calls.
    pub(crate) fn listen_for_rules(&self, kernel: &Kernel) -> Result<()> {
        let all = RULES.all(&kernel.database().read(), &())?;
        if all.iter().filter_map(|entry| entry.row.pattern.as_deref()).any(may_want_calls) {
            self.listen(kernel);
        }
        Ok(())
    }
}

/// Makes events of records, one after the other.
async fn take(kernel: Kernel, mut records: UnboundedReceiver<Record>) {
    let indexes = Indexes::default();
    while let Some(record) = records.recv().await {
        if let Err(error) = tell(&kernel, &indexes, &record).await {
            let operation = record.operation;
            tracing::error!(operation, error = &error as &dyn std::error::Error, "a call is not told of");
        }
    }
}

async fn tell(kernel: &Kernel, indexes: &Indexes, record: &Record) -> Result<()> {
    let Some(service) = kernel.service(record.service) else { return Ok(()) };
    let cx = kernel.cx_for(&record.account, &record.region);
    let (from, bus) = (cx.read(), BusName::new(&cx, DEFAULT));
    let logged = match kernel.trail().trails() {
        Some(trails) => trails.log(&from, &**service, record)?,
        // Where there are no trails at all there is nobody to ask.
        None => !service.data_events().contains(&record.operation),
    };
    if !logged {
        return Ok(());
    }
    if rule::changes(&from, &bus)? == 0 {
        return Ok(());
    }
    let detail = record.cloudtrail(&**service, &from);
    let source = detail["eventSource"].as_str().and_then(|source| source.strip_suffix(".amazonaws.com"));
    let told = Announcement {
        source: format!("aws.{}", source.unwrap_or(record.service)),
        detail_type: if record.is_service_event(&**service) { OF_SERVICES } else { KIND }.to_owned(),
        resources: Vec::new(),
        time: record.time.as_millisecond(),
        detail,
    };
    let event = announced::of(&cx, &cx.random().uuid(), told);
    let plan = accept::plan(indexes, &cx, &from, &bus, &event, None)?;
    if plan.is_empty() {
        return Ok(());
    }
    cx.write(|tx| plan.write(&cx, tx)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_could_want_calls() {
        for pattern in [
            r#"{"detail": {"eventName": ["CreateQueue"]}}"#,
            r#"{"source": ["aws.sqs"]}"#,
            r#"{"source": [{"prefix": "aws."}], "detail-type": ["x", "AWS API Call via CloudTrail"]}"#,
            r#"{"$or": [{"source": ["a"]}, {"source": ["b"]}]}"#,
        ] {
            assert!(may_want_calls(pattern), "{pattern}");
        }
        for pattern in [r#"{"source": ["shop"]}"#, r#"{"source": ["aws.s3"], "detail-type": ["Object Created"]}"#, "x"]
        {
            assert!(!may_want_calls(pattern), "{pattern}");
        }
    }
}
