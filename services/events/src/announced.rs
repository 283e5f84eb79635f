//! What other services tell: it goes on the default bus of the account and region in which it happened.

use undercast_kernel::{Announcement, Cx, Failure, Next, Result, Task};

use crate::Events;
use crate::event::Event;
use crate::name::{BusName, DEFAULT};

/// Puts what was announced on the bus. Its deliveries are stored with the end of the task, so that it is told of once.
pub(crate) async fn run(service: &Events, cx: &Cx, task: &Task) -> Result<Next> {
    let told: Announcement = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let event = of(cx, &task.id, told);
    let plan = service.plan(cx, &cx.read(), &BusName::new(cx, DEFAULT), &event, None)?;
    if plan.is_empty() {
        return Ok(Next::Done);
    }
    cx.write(|tx| {
        plan.write(cx, tx)?;
        cx.tasks().cancel(tx, &task.service, &task.id)
    })
    .await?;
    Ok(Next::Done)
}

/// The event of an announcement.
pub(crate) fn of(cx: &Cx, id: &str, told: Announcement) -> Event {
    Event {
        id: id.to_owned(),
        detail_type: told.detail_type,
        source: told.source,
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        time: told.time.div_euclid(1000),
        resources: told.resources,
        detail: told.detail.to_string(),
        ingested: cx.now_millis(),
        trace: None,
        hop: None,
        replay: None,
    }
}
