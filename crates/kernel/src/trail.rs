//! What happened: one record a call, in a ring, and for whoever asks to be told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio::sync::broadcast;

use crate::Timestamp;

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
    /// What kind of principal: Root, IAMUser, AssumedRole, AWSService, Unknown.
    pub principal_type: &'static str,
    /// Where it came from: an address, or the service that made it.
    pub source: String,
    /// User agent.
    pub user_agent: String,
    /// It changes nothing.
    pub readonly: bool,
    /// HTTP status.
    pub status: u16,
    /// Code and message of its error.
    pub error: Option<(String, String)>,
    /// How long it took, in microseconds.
    pub microseconds: u64,
    /// What it asked for, where it changes something.
    pub parameters: Option<Json>,
    /// How its authorisation was decided, where it was denied.
    pub decision: Option<Json>,
    /// Members that it set and that are not honoured.
    pub ignored: Vec<&'static str>,
}

impl Record {
    /// In CloudTrail's own form, `eventVersion` 1.11.
    pub fn cloudtrail(&self, event_source: &str) -> Json {
        let mut event = json!({
            "eventVersion": "1.11",
            "userIdentity": {"type": self.principal_type, "arn": self.principal, "accountId": self.account},
            "eventTime": undercast_wire::text::timestamp(
                Timestamp::from_second(self.time.as_second()).unwrap_or(self.time), undercast_wire::schema::TimestampFormat::Iso8601),
            "eventSource": format!("{event_source}.amazonaws.com"),
            "eventName": self.operation,
            "awsRegion": self.region,
            "sourceIPAddress": self.source,
            "userAgent": self.user_agent,
            "requestParameters": self.parameters,
            "requestID": self.request_id,
            "eventID": self.request_id,
            "readOnly": self.readonly,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": self.account,
            "eventCategory": "Management",
        });
        if let (Some((code, message)), Some(map)) = (&self.error, event.as_object_mut()) {
            map.insert("errorCode".to_owned(), json!(code));
            map.insert("errorMessage".to_owned(), json!(message));
        }
        event
    }
}

/// The records of late.
pub struct Trail {
    ring: Mutex<VecDeque<Record>>,
    live: broadcast::Sender<Record>,
}

/// So many records are kept.
const KEPT: usize = 1000;

impl Default for Trail {
    fn default() -> Self {
        Self { ring: Mutex::default(), live: broadcast::Sender::new(256) }
    }
}

impl Trail {
    /// Adds a record.
    pub fn add(&self, record: Record) {
        if self.live.receiver_count() > 0 {
            // Nobody may listen any more; then there is nobody to tell.
            let _ = self.live.send(record.clone());
        }
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(record);
    }

    /// The newest records, oldest first.
    pub fn latest(&self, count: usize) -> Vec<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().skip(ring.len().saturating_sub(count)).cloned().collect()
    }

    /// The record of a request.
    pub fn find(&self, request_id: &str) -> Option<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().rev().find(|r| r.request_id == request_id).cloned()
    }

    /// Records as they come.
    pub fn follow(&self) -> broadcast::Receiver<Record> {
        self.live.subscribe()
    }
}
