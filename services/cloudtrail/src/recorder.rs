//! From calls to events: each call that is recorded becomes an event of the history, and waits for delivery to the trails that
//! select it.
//!
//! A call is handed on when its answer is known and written a moment later, with others, so that nobody waits for it; a process that is
//! killed in that moment (some milliseconds) loses it. Whoever asks for the history or stops the cloud waits until all is written.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use futures_core::future::BoxFuture;
use serde_json::Value as Json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use undercast_kernel::store::{Order, Read, Snapshot, Tx};
use undercast_kernel::{Cx, Failure, Keeper, Kernel, Record, Result, Service, Trails};

use crate::name::TrailName;
use crate::rows::{HISTORY, PENDING, Seen, TRAILS, Trail};
use crate::series::{self, Counted};
use crate::{PRINCIPAL, deliver, history, insights};

/// The history goes back so far, in milliseconds.
pub(crate) const HISTORY_SPAN: i64 = 90 * 24 * 60 * 60 * 1000;
/// So many calls are written at once.
const AT_ONCE: usize = 256;
/// So many events that are too old go with each write.
const OLD: usize = 2 * AT_ONCE;

/// What is handed on.
enum Told {
    Call(Box<Record>),
    /// Somebody waits until all that came before is written.
    Asked(oneshot::Sender<()>),
}

/// The way from calls to events.
#[derive(Default)]
pub(crate) struct Recorder(OnceLock<UnboundedSender<Told>>);

/// Hands calls on. It is kept by the kernel, and so keeps nothing of it.
struct Listener {
    to: UnboundedSender<Told>,
    data_logged: Arc<std::sync::atomic::AtomicBool>,
}

impl Keeper for Listener {
    fn wants(&self, data: bool) -> bool {
        !data || self.data_logged.load(Ordering::Acquire)
    }

    fn keep(&self, record: &Record) {
        // When the other side has gone, the cloud has.
        let _ = self.to.send(Told::Call(Box::new(record.clone())));
    }
}

/// What the kernel asks.
struct Known(UnboundedSender<Told>);

impl Trails for Known {
    fn log(&self, from: &Snapshot, service: &dyn Service, record: &Record) -> Result<bool> {
        let event = Event::new(from, service, record);
        // Members of an organization are logged by its trails as well, which is nothing to EventBridge here.
        let trails = TRAILS.all(from, &(record.account.as_str(),))?;
        for entry in trails {
            if event.is_logged_by(&entry.row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn keep<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(settled(&self.0))
    }
}

async fn settled(to: &UnboundedSender<Told>) {
    let (done, waits) = oneshot::channel();
    if to.send(Told::Asked(done)).is_ok() {
        // It ends with the cloud at the latest.
        let _ = waits.await;
    }
}

impl Recorder {
    /// Begins to record.
    pub(crate) fn start(&self, kernel: &Kernel) {
        let (to, from) = unbounded_channel();
        if self.0.set(to.clone()).is_err() {
            return;
        }
        // A flag that could not be set costs nothing: each change of a trail sets it again.
        if let Err(error) = flag_data(kernel) {
            tracing::error!(error = &error as &dyn std::error::Error, "trails could not be read");
        }
        kernel.trail().tell(Arc::new(Listener { to: to.clone(), data_logged: kernel.trail().data_logged() }));
        kernel.trail().set_trails(Arc::new(Known(to)));
        kernel.spawn(take(kernel.clone(), from));
    }

    /// Waits until all calls that ended by now are written.
    pub(crate) async fn settle(&self) {
        if let Some(to) = self.0.get() {
            settled(to).await;
        }
    }
}

/// Sets the flag by which calls for data are recorded, if a trail of any account selects some.
pub(crate) fn flag_data(kernel: &Kernel) -> Result<()> {
    let mut any = false;
    for entry in TRAILS.all(&kernel.database().read(), &())? {
        any = any || (entry.row.logging && entry.row.selectors()?.has_data());
    }
    kernel.trail().data_logged().store(any, Ordering::Release);
    Ok(())
}

async fn take(kernel: Kernel, mut from: UnboundedReceiver<Told>) {
    let mut all = Vec::with_capacity(AT_ONCE);
    while from.recv_many(&mut all, AT_ONCE).await > 0 {
        let (mut records, mut waiting) = (Vec::new(), Vec::new());
        for told in all.drain(..) {
            match told {
                Told::Call(record) => records.push(record),
                Told::Asked(done) => waiting.push(done),
            }
        }
        if !records.is_empty()
            && let Err(error) = write(&kernel, &records).await
        {
            tracing::error!(
                calls = records.len(),
                error = &error as &dyn std::error::Error,
                "calls are missing in the event history"
            );
        }
        for done in waiting {
            // Who waited may have gone.
            let _ = done.send(());
        }
    }
}

/// A call as an event, with what its trails are chosen by.
struct Event<'a> {
    record: &'a Record,
    json: Json,
    /// Its service is the same in all regions.
    global: bool,
    data: bool,
}

impl<'a> Event<'a> {
    fn new(from: &Snapshot, service: &dyn Service, record: &'a Record) -> Self {
        Self {
            json: record.cloudtrail(service, from),
            global: service.api().global,
            data: service.data_events().contains(&record.operation),
            record,
        }
    }

    fn region(&self) -> &str {
        self.json["awsRegion"].as_str().unwrap_or_default()
    }

    /// How it is counted, for the trails that log it.
    fn counted(&self, logging: &[&Trail]) -> Result<Vec<Counted>> {
        let own: Vec<&Trail> = logging.iter().copied().filter(|trail| trail.account == self.record.account).collect();
        let kinds = insights::kinds(&own, if self.data { "Data" } else { "Management" })?;
        let at = self.record.time.as_millisecond();
        Ok(series::of(&self.json, &self.record.account, self.region(), at, &kinds))
    }

    fn waiting(&self, trail: &Trail, text: &str) -> Waiting {
        Waiting {
            trail: trail.named(),
            account: self.record.account.clone(),
            region: self.region().to_owned(),
            at: self.record.time.as_millisecond(),
            id: self.record.event_id.clone(),
            text: text.to_owned(),
        }
    }

    fn is_logged_by(&self, trail: &Trail) -> Result<bool> {
        let here = trail.region == self.region() || trail.multi_region;
        let delivery =
            self.record.source == PRINCIPAL && ["PutObject", "PutLogEvents"].contains(&self.record.operation);
        let wanted = trail.logging && here && (trail.global_events || !self.global) && (trail.recursive || !delivery);
        Ok(wanted && trail.selectors()?.select(&self.json))
    }
}

/// An event that is to be delivered to a trail.
struct Waiting {
    trail: TrailName,
    account: String,
    region: String,
    at: i64,
    id: String,
    text: String,
}

/// The trails that may log calls of an account: its own, and those of the organization that it belongs to.
fn trails_of(kernel: &Kernel, from: &Snapshot, account: &str) -> Result<Vec<Trail>> {
    let rows = |account: &str| -> Result<Vec<Trail>> {
        Ok(TRAILS.all(from, &(account,))?.into_iter().map(|entry| entry.row).collect())
    };
    let mut all = rows(account)?;
    if let Some(known) = kernel.organizations().filter(|known| known.any())
        && let Some(of) = known.membership(from, account)?
    {
        // Trails of an organization may be those of a delegated administrator as well.
        let whole = TRAILS.all(from, &())?.into_iter().map(|entry| entry.row);
        all.extend(whole.filter(|trail| {
            trail.account != account && trail.organization_id.as_deref() == Some(of.organization.as_str())
        }));
    }
    Ok(all)
}

async fn write(kernel: &Kernel, records: &[Box<Record>]) -> Result<()> {
    let from = kernel.database().read();
    let mut seen: Vec<(&Record, String, Seen)> = Vec::new();
    let mut pending: Vec<Waiting> = Vec::new();
    let mut counted = Vec::new();
    let mut trails: Vec<(String, Vec<Trail>)> = Vec::new();
    for record in records {
        let Some(service) = kernel.service(record.service) else { continue };
        let event = Event::new(&from, &**service, record);
        let text = serde_json::to_string(&event.json).map_err(Failure::broken)?;
        if !event.data {
            seen.push((record, event.region().to_owned(), history::of(record, &event.json, text.clone())));
        }
        if !trails.iter().any(|(account, _)| *account == record.account) {
            trails.push((record.account.clone(), trails_of(kernel, &from, &record.account)?));
        }
        let of = trails.iter().find(|(account, _)| *account == record.account).map(|(_, of)| of);
        let mut logging = Vec::new();
        for trail in of.into_iter().flatten() {
            if event.is_logged_by(trail)? {
                pending.push(event.waiting(trail, &text));
                logging.push(trail);
            }
        }
        counted.extend(event.counted(&logging)?);
    }
    if seen.is_empty() && pending.is_empty() {
        return Ok(());
    }
    let cx = kernel.cx_for(&records[0].account, &records[0].region);
    cx.write(|tx| {
        for (record, region, row) in &seen {
            HISTORY.put(tx, &(&record.account, region, row.at, &row.id), row);
            forget(tx, &record.account, region, row.at)?;
        }
        for waiting in &pending {
            let trail = &waiting.trail;
            PENDING.put(tx, &(trail.key(), &waiting.account, &waiting.region, waiting.at, &waiting.id), &waiting.text);
            deliver::schedule(&kernel.cx_for(&trail.account, &trail.region), tx, trail)?;
        }
        counted.iter().try_for_each(|one| insights::note(kernel, tx, one))?;
        Ok(())
    })
    .await
}

/// Forgets what the history is too short for.
fn forget(tx: &mut Tx<'_>, account: &str, region: &str, now: i64) -> Result<()> {
    let place = (account, region);
    let first = HISTORY.page(tx, &place, None::<&()>, Order::Ascending, 1)?;
    if first.iter().all(|entry| now - entry.row.at < HISTORY_SPAN) {
        return Ok(());
    }
    for entry in HISTORY.page(tx, &place, None::<&()>, Order::Ascending, OLD)? {
        if now - entry.row.at >= HISTORY_SPAN {
            HISTORY.delete(tx, &(account, region, entry.row.at, &entry.row.id));
        }
    }
    Ok(())
}

/// The newest events of this account and region from `before` back, as far as `limit`.
pub(crate) fn newest(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    before: Option<(i64, &str)>,
    limit: usize,
) -> Result<Vec<Seen>> {
    let place = (cx.account(), cx.region());
    let after = before.map(|(at, id)| (cx.account(), cx.region(), at, id));
    let page = HISTORY.page(from, &place, after.as_ref(), Order::Descending, limit)?;
    Ok(page.into_iter().map(|entry| entry.row).collect())
}
