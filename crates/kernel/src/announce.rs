//! What services tell of themselves: an object was created, an alarm changed its state. Whoever has the buses on which such
//! events go hears of it by a task, which is stored with the change that it tells of, so that none is lost and none made up.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use undercast_store::Tx;

use crate::{Cx, Failure, Result};

/// The service that has the buses.
const BUSES: &str = "events";
/// The kind of the task by which it is told.
pub const ANNOUNCED: &str = "announced";

/// Something that happened to a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// `aws.s3`
    pub source: String,
    /// `Object Created`
    pub detail_type: String,
    /// ARNs of what it happened to.
    pub resources: Vec<String>,
    /// What the service says of it: an object.
    pub detail: Json,
    /// When it happened, in milliseconds since 1970.
    pub time: i64,
}

impl Announcement {
    /// One of something that happens now.
    pub fn new(cx: &Cx, source: &str, detail_type: &str, resource: String, detail: Json) -> Self {
        let (source, detail_type) = (source.to_owned(), detail_type.to_owned());
        Self { source, detail_type, resources: vec![resource], detail, time: cx.now_millis() }
    }
}

impl Cx {
    /// Whether anybody would hear an announcement.
    pub fn has_listeners(&self) -> bool {
        self.kernel().service(BUSES).is_some()
    }

    /// Tells of something in this account and region, with the writes of a transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub fn announce(&self, tx: &mut Tx<'_>, announcement: &Announcement) -> Result<()> {
        if !self.has_listeners() {
            return Ok(());
        }
        let payload = serde_json::to_string(announcement).map_err(Failure::broken)?;
        self.tasks().schedule(self, tx, BUSES, &self.random().uuid(), ANNOUNCED, payload, self.now())
    }
}
