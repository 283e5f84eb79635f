//! Discoverers: targets that learn what the events of a bus look like.
//!
//! An event gets to one by a task of the service that has the discoverers, which is stored with what acknowledges the event: as with
//! archives, none is left out and nothing is tried again. The service makes the rule itself, which nobody else may change.

use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Result};

use crate::event::Event;

/// The service that has the discoverers.
const SERVICE: &str = "schemas";
/// The kind of the task by which it is shown an event.
const DISCOVER: &str = "discover";

/// The discoverer that a target is, if it is one.
pub(crate) fn behind(arn: &str) -> Option<&str> {
    let is_one = Arn::parse(arn).is_some_and(|arn| arn.service == SERVICE && arn.resource.starts_with("discoverer/"));
    arn.rsplit('/').next().filter(|_| is_one)
}

/// Shows an event to a discoverer. `home`: the account and the region of the rule.
pub(crate) fn show(home: &Cx, tx: &mut Tx<'_>, id: &str, event: &Event) -> Result<()> {
    // A cloud may be begun again with fewer services.
    if home.kernel().service(SERVICE).is_none() {
        return Ok(());
    }
    let payload = json!({"discoverer": id, "event": event.json()}).to_string();
    home.tasks().schedule(home, tx, SERVICE, &home.random().uuid(), DISCOVER, payload, home.now())
}
