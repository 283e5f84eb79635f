//! The metrics of `AWS/SQS`: what is sent, received and deleted, and what waits.
//!
//! Source: "Available CloudWatch metrics for Amazon SQS" in the developer guide.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use undercast_kernel::store::{Order, Snapshot};
use undercast_kernel::{Cx, Kernel, Metric, Result};

use crate::fair;
use crate::message::{BODIES, MESSAGES};
use crate::queue::{Placed, QUEUES, Queue};

/// Metrics of a queue go on for so long after anything was done with it (ms).
const ACTIVE_MILLIS: i64 = 6 * 3_600_000;

/// So many messages are looked at at a time.
const PAGE: usize = 5_000;

fn observe(cx: &Cx, queue: &str, name: &str, unit: &str, value: f64) {
    cx.observe(&Metric { namespace: "AWS/SQS", name, dimensions: &[("QueueName", queue)], unit }, value);
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Where a queue's metrics are.
fn place(cx: &Cx, queue: &Queue) -> Cx {
    cx.elsewhere(&queue.account, &queue.region)
}

/// A message of so many bytes was sent.
pub(crate) fn sent(cx: &Cx, queue: &Queue, size: usize) {
    let cx = place(cx, queue);
    observe(&cx, &queue.name, "NumberOfMessagesSent", "Count", 1.0);
    observe(&cx, &queue.name, "SentMessageSize", "Bytes", float(size));
}

/// A message was sent once more under its deduplication id, and not taken.
pub(crate) fn deduplicated(cx: &Cx, queue: &Queue) {
    observe(&place(cx, queue), &queue.name, "NumberOfDeduplicatedSentMessages", "Count", 1.0);
}

/// So many messages were received by one call.
pub(crate) fn received(cx: &Cx, queue: &Queue, count: usize) {
    let cx = place(cx, queue);
    if count == 0 {
        observe(&cx, &queue.name, "NumberOfEmptyReceives", "Count", 1.0);
    } else {
        observe(&cx, &queue.name, "NumberOfMessagesReceived", "Count", float(count));
    }
}

/// A message was deleted.
pub(crate) fn deleted(cx: &Cx, queue: &Queue) {
    observe(&place(cx, queue), &queue.name, "NumberOfMessagesDeleted", "Count", 1.0);
}

/// When anything was last done with each queue, in memory alone: after a start every queue is active.
#[derive(Default)]
pub(crate) struct Active(Mutex<HashMap<String, i64>>);

/// Something is done with a queue.
pub(crate) fn touch(cx: &Cx, queue: &Queue) {
    let active = cx.kernel().memory::<Active>();
    active.0.lock().unwrap_or_else(PoisonError::into_inner).insert(queue.tag(), cx.now_millis());
}

/// How many messages wait, in which way; of quiet groups as well, where a queue is fair.
#[derive(Debug, Default)]
struct Waiting {
    visible: usize,
    in_flight: usize,
    delayed: usize,
    /// When the oldest was sent (ms).
    oldest: Option<i64>,
}

impl Waiting {
    fn add(&mut self, visible: bool, received: bool, sent: i64) {
        match (visible, received) {
            (true, _) => self.visible += 1,
            (false, true) => self.in_flight += 1,
            (false, false) => self.delayed += 1,
        }
        self.oldest = Some(self.oldest.map_or(sent, |oldest| oldest.min(sent)));
    }

    fn observe(&self, cx: &Cx, queue: &str, of: &str) {
        for (name, count) in [("Visible", self.visible), ("NotVisible", self.in_flight), ("Delayed", self.delayed)] {
            observe(cx, queue, &format!("ApproximateNumberOfMessages{name}{of}"), "Count", float(count));
        }
        let age = self.oldest.map_or(0, |oldest| (cx.now_millis() - oldest).max(0) / 1_000);
        let age = f64::from(u32::try_from(age).unwrap_or(u32::MAX));
        observe(cx, queue, &format!("ApproximateAgeOfOldestMessage{of}"), "Seconds", age);
    }
}

/// Measures every queue with which something was done lately.
pub(crate) fn measure(kernel: &Kernel) -> Result<()> {
    let read = kernel.database().read();
    let active = kernel.memory::<Active>();
    for entry in QUEUES.all(&read, &())? {
        let queue = entry.row;
        let cx = kernel.cx_for(&queue.account, &queue.region);
        let now = cx.now_millis();
        let last = *active.0.lock().unwrap_or_else(PoisonError::into_inner).entry(queue.tag()).or_insert(now);
        if now - last > ACTIVE_MILLIS {
            continue;
        }
        let (waiting, of_group) = look(&read, &queue, now)?;
        waiting.observe(&cx, &queue.name, "");
        if queue.is_fifo() {
            let busy = of_group.values().filter(|group| group.in_flight > 0).count();
            observe(&cx, &queue.name, "ApproximateNumberOfGroupsWithInflightMessages", "Count", float(busy));
        } else if !of_group.is_empty() {
            let counts = of_group.iter().map(|(name, group)| (name.clone(), group.in_flight)).collect();
            quiet(&cx, &queue, &of_group, &fair::noisy(&counts));
        }
    }
    Ok(())
}

/// What waits in a queue, and of each of its groups.
fn look(read: &Snapshot, queue: &Queue, now: i64) -> Result<(Waiting, HashMap<String, Waiting>)> {
    let grouped = queue.is_fifo() || fair::is_grouped(read, queue)?;
    let (mut waiting, mut of_group) = (Waiting::default(), HashMap::<String, Waiting>::new());
    let mut after = None;
    loop {
        let page = MESSAGES.page(read, &queue.place(), after.as_ref(), Order::Ascending, PAGE)?;
        for entry in &page {
            let Some((_, number)) = entry.key::<(Placed, u64)>() else { continue };
            after = Some((queue.place(), number));
            let standing = &entry.row;
            if queue.is_over(standing, now) {
                continue;
            }
            let (visible, received) = (standing.visible <= now, standing.receives > 0);
            waiting.add(visible, received, standing.sent);
            if grouped && let Some(group) = BODIES.get(read, &(queue.place(), number))?.and_then(|m| m.group) {
                of_group.entry(group).or_default().add(visible, received, standing.sent);
            }
        }
        if page.len() < PAGE {
            return Ok((waiting, of_group));
        }
    }
}

/// What waits of the groups of a fair queue that are not noisy.
fn quiet(cx: &Cx, queue: &Queue, of_group: &HashMap<String, Waiting>, noisy: &HashSet<String>) {
    let mut all = Waiting::default();
    for (_, group) in of_group.iter().filter(|(name, _)| !noisy.contains(*name)) {
        all.visible += group.visible;
        all.in_flight += group.in_flight;
        all.delayed += group.delayed;
        all.oldest = [all.oldest, group.oldest].into_iter().flatten().min();
    }
    all.observe(cx, &queue.name, "InQuietGroups");
    observe(cx, &queue.name, "ApproximateNumberOfNoisyGroups", "Count", float(noisy.len()));
}
