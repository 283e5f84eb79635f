//! Wakes those who wait for something to appear: a message, a record, a change of state.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

/// One bell a topic. A topic is any text that both sides make the same way.
#[derive(Default)]
pub struct Signals(Mutex<HashMap<String, Weak<Notify>>>);

impl Signals {
    /// The bell of a topic. Ask for it before looking whether there is something, so that no ring is missed:
    /// `let bell = signals.of(t); let heard = bell.notified(); look; heard.await`.
    pub fn of(&self, topic: &str) -> Arc<Notify> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = all.get(topic).and_then(Weak::upgrade) {
            return bell;
        }
        // Now and then the bells that nobody holds are cleared away.
        if all.len() % 256 == 255 {
            all.retain(|_, bell| bell.strong_count() > 0);
        }
        let bell = Arc::new(Notify::new());
        all.insert(topic.to_owned(), Arc::downgrade(&bell));
        bell
    }

    /// Wakes all who wait on a topic.
    pub fn ring(&self, topic: &str) {
        let bell = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(topic).and_then(Weak::upgrade);
        if let Some(bell) = bell {
            bell.notify_waiters();
        }
    }
}
