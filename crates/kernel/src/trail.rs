//! What happened: one record a call, in a ring, and for whoever asks to be told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::broadcast;
use undercast_policy::PrincipalFacts;
use undercast_store::Snapshot;
use undercast_wire::schema::Operation;

use crate::{Origin, Result, Service, Timestamp, cloudtrail};

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// When it came.
    pub time: Timestamp,
    /// Its id, as the answer named it.
    pub request_id: String,
    /// Service.
    pub service: &'static str,
    /// Operation.
    pub operation: &'static str,
    /// Account it went to.
    pub account: String,
    /// Region it went to.
    pub region: String,
    /// ARN of who made it.
    pub principal: String,
    /// What kind of principal, in CloudTrail's words: Root, IAMUser, AssumedRole, AWSService.
    pub principal_type: &'static str,
    /// All that is known of who made it.
    #[serde(skip)]
    pub who: Arc<PrincipalFacts>,
    /// Where it came from: an address, or the service that made it.
    pub source: String,
    /// User agent.
    pub user_agent: String,
    /// The host that it asked.
    pub host: String,
    /// It changes nothing.
    pub readonly: bool,
    /// HTTP status.
    pub status: u16,
    /// Code and message of its error.
    pub error: Option<(String, String)>,
    /// How long it took, in microseconds.
    pub microseconds: u64,
    /// What it asked for, where it changes something or somebody keeps it.
    pub parameters: Option<Json>,
    /// What it was answered, where it changed something and somebody keeps it.
    #[serde(skip)]
    pub answer: Option<Json>,
    /// The id of its event, where somebody keeps it; the call's own otherwise.
    #[serde(skip)]
    pub event_id: String,
    /// The access key that it was signed with.
    #[serde(skip)]
    pub access_key: Option<String>,
    /// The version of TLS that it came by.
    #[serde(skip)]
    pub tls: Option<&'static str>,
    /// How its authorisation was decided, where it was denied.
    pub decision: Option<Json>,
    /// The accounts other than the one that it went to whose resources it was let touch.
    #[serde(skip)]
    pub owners: Vec<String>,
    /// The condition keys that it had and the tags of its resources and of who made it, where somebody keeps them.
    #[serde(skip)]
    pub context: Option<Json>,
    /// Members that it set and that are not honoured.
    pub ignored: Vec<&'static str>,
}

/// A call as the ring keeps it: what the call had in hand, shared. A [`Record`] is made of it when somebody asks.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) time: Timestamp,
    pub(crate) request_id: Arc<str>,
    pub(crate) service: &'static str,
    pub(crate) operation: &'static Operation,
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) principal: Arc<PrincipalFacts>,
    pub(crate) origin: Arc<Origin>,
    pub(crate) status: u16,
    pub(crate) error: Option<(String, String)>,
    pub(crate) microseconds: u64,
    pub(crate) parameters: Option<Json>,
    pub(crate) answer: Option<Json>,
    /// Its own id, where somebody keeps it.
    pub(crate) event_id: Option<String>,
    pub(crate) decision: Option<Json>,
    pub(crate) owners: Vec<String>,
    pub(crate) context: Option<Json>,
    pub(crate) ignored: Vec<&'static str>,
}

impl Entry {
    fn record(&self) -> Record {
        let address = || self.origin.address.map_or_else(String::new, |a| a.to_string());
        Record {
            time: self.time,
            request_id: self.request_id.to_string(),
            service: self.service,
            operation: self.operation.name,
            account: self.account.to_string(),
            region: self.region.to_string(),
            principal: self.principal.arn.clone(),
            principal_type: cloudtrail::kind(&self.principal),
            who: self.principal.clone(),
            source: self.origin.service.as_ref().map_or_else(address, |s| s.0.clone()),
            user_agent: self.origin.user_agent.clone(),
            host: self.origin.host.clone(),
            readonly: self.operation.readonly,
            status: self.status,
            error: self.error.clone(),
            microseconds: self.microseconds,
            parameters: self.parameters.clone(),
            answer: self.answer.clone(),
            event_id: self.event_id.clone().unwrap_or_else(|| self.request_id.to_string()),
            access_key: self.origin.access_key.clone(),
            tls: self.origin.tls,
            decision: self.decision.clone(),
            owners: self.owners.clone(),
            context: self.context.clone(),
            ignored: self.ignored.clone(),
        }
    }
}

/// Is told of calls, in the order in which they end: where records are kept for longer than the ring does.
pub trait Keeper: Send + Sync {
    /// Whether it wants to be told of a call. `data`: CloudTrail takes it for a data event. What nobody wants costs nothing.
    fn wants(&self, data: bool) -> bool {
        let _ = data;
        true
    }

    /// Keeps a record. The call's answer waits for it, so that what takes long is handed on.
    fn keep(&self, record: &Record);
}

/// Who knows which calls are logged by a trail: EventBridge hears of no others.
pub trait Trails: Send + Sync {
    /// Whether a trail of its account logs the call.
    ///
    /// # Errors
    /// When the store fails.
    fn log(&self, from: &Snapshot, service: &dyn Service, record: &Record) -> Result<bool>;
}

/// The records of late.
pub struct Trail {
    ring: Mutex<VecDeque<Entry>>,
    live: broadcast::Sender<Record>,
    keepers: RwLock<Vec<Arc<dyn Keeper>>>,
    /// There are some: asked on every call.
    kept: AtomicBool,
    /// Data events are logged somewhere.
    data_logged: Arc<AtomicBool>,
    /// Somebody keeps condition keys and tags with the records.
    enriched: Arc<AtomicBool>,
    trails: OnceLock<Arc<dyn Trails>>,
}

/// So many records are kept.
const KEPT: usize = 1000;

impl Default for Trail {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            live: broadcast::Sender::new(256),
            keepers: RwLock::default(),
            kept: AtomicBool::new(false),
            data_logged: Arc::default(),
            enriched: Arc::default(),
            trails: OnceLock::new(),
        }
    }
}

impl Trail {
    /// Has calls from now on told to `keeper`, with the parameters of those that change nothing, too.
    pub fn tell(&self, keeper: Arc<dyn Keeper>) {
        self.keepers.write().unwrap_or_else(PoisonError::into_inner).push(keeper);
        self.kept.store(true, Ordering::Release);
    }

    /// Says who knows which calls are logged.
    pub fn set_trails(&self, trails: Arc<dyn Trails>) {
        // The first one stays: there is one service of trails in a cloud.
        let _ = self.trails.set(trails);
    }

    /// Who knows which calls are logged; `None`: there are no trails in this cloud.
    pub fn trails(&self) -> Option<&dyn Trails> {
        self.trails.get().map(AsRef::as_ref)
    }

    /// Whether data events are logged somewhere: those who would be told of them otherwise for nothing look at it.
    pub fn data_logged(&self) -> Arc<AtomicBool> {
        self.data_logged.clone()
    }

    /// Whether somebody keeps condition keys and tags with the records: whoever does says so here.
    pub fn enriched(&self) -> Arc<AtomicBool> {
        self.enriched.clone()
    }

    /// Whether condition keys and tags are to be told.
    pub(crate) fn is_enriched(&self) -> bool {
        self.enriched.load(Ordering::Acquire)
    }

    /// Whether somebody wants to be told of a call of this operation.
    pub(crate) fn is_wanted(&self, service: &dyn Service, operation: &Operation) -> bool {
        if !self.kept.load(Ordering::Acquire) {
            return false;
        }
        let data = service.data_events().contains(&operation.name);
        self.keepers.read().unwrap_or_else(PoisonError::into_inner).iter().any(|keeper| keeper.wants(data))
    }

    /// Adds a call. `data`: CloudTrail takes it for a data event.
    pub(crate) fn add(&self, entry: Entry, data: bool) {
        // Who began to keep while the call was on its way is told of the next one.
        if entry.event_id.is_some() {
            let record = entry.record();
            let keepers = self.keepers.read().unwrap_or_else(PoisonError::into_inner);
            keepers.iter().filter(|keeper| keeper.wants(data)).for_each(|keeper| keeper.keep(&record));
        }
        if self.live.receiver_count() > 0 {
            // Nobody may listen any more; then there is nobody to tell.
            let _ = self.live.send(entry.record());
        }
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if ring.len() >= KEPT { ring.pop_front() } else { None };
        ring.push_back(entry);
        drop(ring);
        // What it held is given back without keeping the next call waiting.
        drop(oldest);
    }

    /// The newest records, oldest first.
    pub fn latest(&self, count: usize) -> Vec<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().skip(ring.len().saturating_sub(count)).map(Entry::record).collect()
    }

    /// The record of a request.
    pub fn find(&self, request_id: &str) -> Option<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().rev().find(|r| *r.request_id == *request_id).map(Entry::record)
    }

    /// Records as they come.
    pub fn follow(&self) -> broadcast::Receiver<Record> {
        self.live.subscribe()
    }
}
