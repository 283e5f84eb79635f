//! From calls to events: each call that is recorded becomes an event of the history, and waits for delivery to the trails that
//! select it.
//!
//! A call is handed on when its answer is known and written a moment later, with others, so that nobody waits for it; a process that is
//! killed in that moment (some milliseconds) loses it. Whoever asks for the history or stops the cloud waits until all is written.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::store::{Order, Read, Snapshot, Table, Tx};
use undercast_kernel::{Cx, Failure, Keeper, Kernel, Record, Result, Service, Trails};

use crate::api::kept::InsightSelector;
use crate::lake::enrich::Form;
use crate::lake::ingest::{self, Kept};
use crate::lake::store::{STORES, State, Store};
use crate::name::TrailName;
use crate::rows::{HISTORY, PENDING, Seen, TRAILS, Trail};
use crate::selectors::Selectors;
use crate::series::{self, Counted};
use crate::{PRINCIPAL, deliver, history, insights};

/// The history goes back so far, in milliseconds.
pub(crate) const HISTORY_SPAN: i64 = 90 * 24 * 60 * 60 * 1000;
/// So many calls are written at once.
const AT_ONCE: usize = 256;
/// The history of an account and region has so many events at most, so that somebody who polls for weeks does not fill a disk. AWS has no
/// such limit.
const MOST: i64 = 200_000;

/// Account, region: how many events the history has.
static COUNTS: Table<i64> = Table::new("cloudtrail.counts");

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
struct Known;

impl Trails for Known {
    fn log(&self, from: &Snapshot, service: &dyn Service, record: &Record) -> Result<bool> {
        let event = Event::new(from, service, record);
        // Members of an organization are logged by its trails as well, which is nothing to EventBridge here.
        let trails = TRAILS.all(from, &(record.account.as_str(),))?;
        for entry in trails {
            if event.is_logged_by(&Watching::new(entry.row)?) {
                return Ok(true);
            }
        }
        Ok(false)
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
        kernel.trail().tell(Arc::new(Listener { to, data_logged: kernel.trail().data_logged() }));
        kernel.trail().set_trails(Arc::new(Known));
        kernel.spawn(take(kernel.clone(), from));
    }

    /// Waits until all calls that ended by now are written.
    pub(crate) async fn settle(&self) {
        let Some(to) = self.0.get() else { return };
        let (done, waits) = oneshot::channel();
        if to.send(Told::Asked(done)).is_ok() {
            // It ends with the cloud at the latest.
            let _ = waits.await;
        }
    }
}

/// Sets the flags by which calls for data are recorded, if a trail or a store of any account selects some, and by which condition
/// keys and tags are, if a store has some with its events.
pub(crate) fn flag_data(kernel: &Kernel) -> Result<()> {
    let (mut any, mut enriched) = (false, false);
    for entry in TRAILS.all(&kernel.database().read(), &())? {
        any = any || (entry.row.logging && entry.row.selectors()?.has_data());
    }
    for entry in STORES.all(&kernel.database().read(), &())? {
        let enabled = entry.row.state == State::Enabled;
        any = any || (enabled && entry.row.selectors()?.has_data());
        enriched = enriched || (enabled && entry.row.context.is_some());
    }
    kernel.trail().enriched().store(enriched, Ordering::Release);
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

/// A call as an event of an account, with what its trails are chosen by.
struct Event<'a> {
    record: &'a Record,
    /// Whose event it is: who made the call, or who owns what it touched.
    account: &'a str,
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
            account: &record.account,
            record,
        }
    }

    /// The events of a call: that of its account, and those of the accounts whose resources it touched.
    fn all(kernel: &Kernel, from: &Snapshot, service: &dyn Service, record: &'a Record) -> Vec<Self> {
        let mut own = Self::new(from, service, record);
        if record.owners.is_empty() || matches!(record.who.kind, PrincipalKind::Service { .. }) {
            return vec![own];
        }
        own.json["sharedEventID"] = json!(kernel.random().uuid());
        let shared = record.owners.iter().map(|owner| own.shared(owner, &kernel.random().uuid()));
        let shared: Vec<Self> = shared.collect();
        std::iter::once(own).chain(shared).collect()
    }

    /// The same call as the account sees it that owns what it touched: of who made it, the account is told alone.
    ///
    /// Source: "sharedEventID" in "CloudTrail record contents", and "Finding your service's CloudTrail event for AssumeRole" in the
    /// user guide.
    fn shared(&self, owner: &'a str, id: &str) -> Self {
        let mut json = self.json.clone();
        json["eventID"] = json!(id);
        json["recipientAccountId"] = json!(owner);
        let who = &self.record.who;
        // Who has no account is told of as they are.
        if !who.account.is_empty() {
            json["userIdentity"] = json!({"type": "AWSAccount", "principalId": who.user_id, "accountId": who.account});
        }
        Event { record: self.record, account: owner, json, ..*self }
    }

    fn id(&self) -> &str {
        self.json["eventID"].as_str().unwrap_or_default()
    }

    /// What the history calls whoever made it.
    fn username(&self) -> Option<String> {
        if self.account == self.record.account { history::username(self.record) } else { None }
    }

    fn region(&self) -> &str {
        self.json["awsRegion"].as_str().unwrap_or_default()
    }

    /// How it is counted, for the trails of its account that log it.
    fn counted(&self, logging: &[&Watching], keeping: &[&Keeping]) -> Vec<Counted> {
        let own = logging.iter().filter(|watching| watching.trail.account == self.account);
        let kept = keeping.iter().filter(|keeping| keeping.store.account == self.account);
        let chosen = own.flat_map(|watching| &watching.insights).chain(kept.flat_map(|keeping| &keeping.insights));
        let category = if self.data { "Data" } else { "Management" };
        let kinds = insights::kinds(chosen, category);
        series::of(&self.json, self.account, self.region(), self.at(), &kinds)
    }

    fn at(&self) -> i64 {
        self.record.time.as_millisecond()
    }

    fn is_kept_by(&self, keeping: &Keeping) -> bool {
        let store = &keeping.store;
        (store.region == self.region() || store.multi_region) && keeping.selectors.select(&self.json)
    }

    fn is_logged_by(&self, watching: &Watching) -> bool {
        let trail = &watching.trail;
        let here = trail.region == self.region() || trail.multi_region;
        let delivery =
            self.record.source == PRINCIPAL && ["PutObject", "PutLogEvents"].contains(&self.record.operation);
        let wanted = trail.logging && here && (trail.global_events || !self.global) && (trail.recursive || !delivery);
        wanted && watching.selectors.select(&self.json)
    }
}

/// A trail with what it chooses, read out of its row.
struct Watching {
    trail: Trail,
    selectors: Selectors,
    insights: Vec<InsightSelector>,
}

impl Watching {
    fn new(trail: Trail) -> Result<Self> {
        Ok(Self { selectors: trail.selectors()?, insights: insights::chosen(&trail)?, trail })
    }
}

/// A store with what it chooses, read out of its row.
struct Keeping {
    store: Store,
    selectors: Selectors,
    insights: Vec<InsightSelector>,
    form: Form,
}

impl Keeping {
    fn new(store: Store) -> Result<Self> {
        let insights = store.insight_selectors()?;
        Ok(Self { selectors: store.selectors()?, insights, form: Form::of(&store)?, store })
    }
}

/// Where the events of an account may go: its own trails and stores, and those of the organization that it belongs to.
struct Destinations {
    trails: Vec<Watching>,
    stores: Vec<Keeping>,
}

impl Destinations {
    fn of(kernel: &Kernel, from: &Snapshot, account: &str) -> Result<Self> {
        let known = kernel.organizations().filter(|known| known.any());
        let of = known.map(|known| known.membership(from, account)).transpose()?.flatten();
        let organization = of.as_ref().map(|of| of.organization.as_str());
        // Those of an organization may be a delegated administrator's as well.
        let (trails, stores) = match organization {
            Some(_) => (TRAILS.all(from, &())?, STORES.all(from, &())?),
            None => (TRAILS.all(from, &(account,))?, STORES.all(from, &(account,))?),
        };
        let is_for = |owner: &str, whole: Option<&str>| owner == account || (whole.is_some() && whole == organization);
        let trails = trails.into_iter().map(|entry| entry.row);
        let trails = trails.filter(|trail| is_for(&trail.account, trail.organization_id.as_deref()));
        let stores = stores.into_iter().map(|entry| entry.row).filter(|store| store.state == State::Enabled);
        let stores = stores.filter(|store| is_for(&store.account, store.organization.as_deref()));
        Ok(Self {
            trails: trails.map(Watching::new).collect::<Result<_>>()?,
            stores: stores.map(Keeping::new).collect::<Result<_>>()?,
        })
    }
}

/// What is written of some calls.
#[derive(Default)]
struct Batch {
    /// What the history keeps, by account and region.
    seen: BTreeMap<(String, String), Vec<Seen>>,
    /// Account, region, time, id and text, by the trails to which they are delivered.
    pending: BTreeMap<TrailName, Vec<(String, String, i64, String, String)>>,
    counted: Vec<Counted>,
    /// What stores keep, by their ARNs.
    kept: BTreeMap<String, (Store, Vec<ingest::Event>)>,
}

impl Batch {
    fn add(&mut self, event: &Event<'_>, destinations: &Destinations) -> Result<()> {
        let (account, region, at, id) =
            (event.account.to_owned(), event.region().to_owned(), event.at(), event.id().to_owned());
        let text = serde_json::to_string(&event.json).map_err(Failure::broken)?;
        let logging: Vec<&Watching> = destinations.trails.iter().filter(|one| event.is_logged_by(one)).collect();
        let keeping: Vec<&Keeping> = destinations.stores.iter().filter(|one| event.is_kept_by(one)).collect();
        self.counted.extend(event.counted(&logging, &keeping));
        for watching in logging {
            let waiting = (account.clone(), region.clone(), at, id.clone(), text.clone());
            self.pending.entry(watching.trail.named()).or_default().push(waiting);
        }
        for Keeping { store, form, .. } in keeping {
            let (_, events) = self.kept.entry(store.arn()).or_insert_with(|| (store.clone(), Vec::new()));
            let text = form.text(&event.json, event.record.context.as_ref());
            events.push(ingest::Event { at, id: id.clone(), text });
        }
        if !event.data {
            let place = self.seen.entry((account, region)).or_default();
            place.push(history::of(event.record, &event.json, text, event.username()));
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.seen.is_empty() && self.pending.is_empty() && self.kept.is_empty()
    }

    /// What stores keep, sealed where they have keys. What cannot be sealed is kept nowhere.
    async fn seal(&mut self, cx: &Cx) -> Vec<(Store, Vec<Kept>)> {
        let mut all = Vec::new();
        for (arn, (store, events)) in std::mem::take(&mut self.kept) {
            let count = events.len();
            match ingest::prepare(cx, &store, events).await {
                Ok(kept) => all.push((store, kept)),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(store = arn, events = count, error, "events are missing in an event data store");
                }
            }
        }
        all
    }

    fn write(&self, kernel: &Kernel, tx: &mut Tx<'_>, kept: &[(Store, Vec<Kept>)], now: i64) -> Result<()> {
        for ((account, region), events) in &self.seen {
            remember(tx, account, region, events)?;
        }
        for (trail, waiting) in &self.pending {
            for (account, region, at, id, text) in waiting {
                PENDING.put(tx, &(trail.key(), account, region, *at, id), text);
            }
            deliver::schedule(&kernel.cx_for(&trail.account, &trail.region), tx, trail)?;
        }
        self.counted.iter().try_for_each(|one| insights::note(kernel, tx, one))?;
        for (store, events) in kept {
            events.iter().try_for_each(|event| ingest::put(tx, store, event, now))?;
        }
        Ok(())
    }
}

async fn write(kernel: &Kernel, records: &[Box<Record>]) -> Result<()> {
    let from = kernel.database().read();
    let mut batch = Batch::default();
    let mut destinations: BTreeMap<&str, Destinations> = BTreeMap::new();
    for record in records {
        let Some(service) = kernel.service(record.service) else { continue };
        for event in Event::all(kernel, &from, &**service, record) {
            if !destinations.contains_key(event.account) {
                destinations.insert(event.account, Destinations::of(kernel, &from, event.account)?);
            }
            if let Some(of) = destinations.get(event.account) {
                batch.add(&event, of)?;
            }
        }
    }
    let Some(first) = records.first().filter(|_| !batch.is_empty()) else { return Ok(()) };
    let cx = kernel.cx_for(&first.account, &first.region);
    let kept = batch.seal(&cx).await;
    cx.write(|tx| batch.write(kernel, tx, &kept, cx.now_millis())).await
}

/// Keeps events in the history, and forgets what is too old for it or too many.
fn remember(tx: &mut Tx<'_>, account: &str, region: &str, events: &[Seen]) -> Result<()> {
    let place = (account, region);
    let mut count = COUNTS.get(tx, &place)?.unwrap_or_default();
    let mut newest = i64::MIN;
    for event in events {
        HISTORY.put(tx, &(account, region, event.at, &event.id), event);
        (count, newest) = (count + 1, newest.max(event.at));
    }
    let is_over = |count: i64, old: &Seen| count > MOST || newest - old.at >= HISTORY_SPAN;
    let oldest = HISTORY.page(tx, &place, None::<&()>, Order::Ascending, 1)?;
    // Two go for each that comes, so that a long history grows short in time.
    let leaving = oldest.first().filter(|old| is_over(count, &old.row)).map_or(0, |_| 2 * events.len());
    for old in HISTORY.page(tx, &place, None::<&()>, Order::Ascending, leaving)? {
        if is_over(count, &old.row) {
            HISTORY.delete(tx, &(account, region, old.row.at, &old.row.id));
            count -= 1;
        }
    }
    COUNTS.put(tx, &place, &count);
    Ok(())
}

/// The newest events that a table has of this account and region from `before` back, as far as `limit`.
pub(crate) fn newest(
    table: &Table<Seen>,
    cx: &Cx,
    from: &(impl Read + ?Sized),
    before: Option<(i64, &str)>,
    limit: usize,
) -> Result<Vec<Seen>> {
    let place = (cx.account(), cx.region());
    let after = before.map(|(at, id)| (cx.account(), cx.region(), at, id));
    let page = table.page(from, &place, after.as_ref(), Order::Descending, limit)?;
    Ok(page.into_iter().map(|entry| entry.row).collect())
}
