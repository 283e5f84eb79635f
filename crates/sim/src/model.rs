//! What SQS promises, kept in plain lists: slow, and short enough to be seen to be right. Times are milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::{ACCOUNT, REGION};

/// A deduplication id, and an attempt to receive, are remembered for so long.
pub(crate) const REMEMBERED: i64 = 300_000;
/// A name is not free, and a queue is not purged again, for so long.
const MINUTE: i64 = 60_000;
/// A message is not hidden longer than this after a receive.
const HIDDEN: i64 = 43_200_000;

/// What a queue was told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) fifo: bool,
    pub(crate) visibility: i64,
    pub(crate) delay: i64,
    pub(crate) retention: i64,
    /// Dead-letter queue, and after how many receives.
    pub(crate) redrive: Option<(String, u32)>,
    pub(crate) by_content: bool,
    pub(crate) by_group: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Its place in its queue, counted from 1.
    pub(crate) number: u64,
    /// `None` when a move task made it and nobody has seen it since.
    pub(crate) id: Option<String>,
    pub(crate) body: String,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
    pub(crate) sent: i64,
    pub(crate) visible: i64,
    /// In this queue.
    pub(crate) receives: u32,
    /// In the queues that it was in before.
    pub(crate) earlier: u32,
    pub(crate) first_received: i64,
    pub(crate) received: i64,
    /// The newest one.
    pub(crate) handle: Option<String>,
    pub(crate) dead_letter_of: Option<String>,
}

/// What is to be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) body: String,
    pub(crate) delay: Option<i64>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
}

/// What is to be received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) most: usize,
    pub(crate) visibility: Option<i64>,
    pub(crate) attempt: Option<String>,
}

#[derive(Debug, Clone)]
struct Accepted {
    scope: Option<String>,
    deduplication: String,
    id: String,
    number: u64,
    at: i64,
}

#[derive(Debug, Clone)]
struct Attempt {
    at: i64,
    /// Number and handle of each message.
    messages: Vec<(u64, Option<String>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) settings: Settings,
    /// In the order in which they came.
    pub(crate) messages: Vec<Message>,
    /// Which queue of its name it is.
    generation: u64,
    next: u64,
    accepted: Vec<Accepted>,
    attempts: BTreeMap<String, Attempt>,
    purged: Option<i64>,
}

/// A move task that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) source: String,
    pub(crate) destination: Option<String>,
    pub(crate) started: i64,
    pub(crate) moved: u64,
    pub(crate) status: String,
}

/// The model of one account's queues.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) queues: BTreeMap<String, Queue>,
    deleted: BTreeMap<String, i64>,
    /// Handle → queue, which of that name, number.
    issued: BTreeMap<String, (String, u64, u64)>,
    /// Ids of messages that are no more, and why.
    pub(crate) gone: BTreeMap<String, &'static str>,
    ids: BTreeSet<String>,
    generations: u64,
    pub(crate) moves: Vec<Move>,
    /// How often what is interesting came about.
    pub(crate) seen: BTreeMap<&'static str, u64>,
}

/// `arn:aws:sqs:us-east-1:000000000000:name`
pub(crate) fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}

impl Queue {
    /// Received too often, as far as this queue is asked.
    pub(crate) fn over(&self, message: &Message) -> bool {
        self.settings.redrive.as_ref().is_some_and(|(_, most)| message.receives >= *most)
    }

    fn by_number(&mut self, number: u64) -> Option<&mut Message> {
        self.messages.iter_mut().find(|m| m.number == number)
    }

    fn add(&mut self, mut message: Message, visible: i64) -> u64 {
        message.number = self.next;
        self.next += 1;
        message.visible = visible;
        message.receives = 0;
        message.first_received = 0;
        message.received = 0;
        message.handle = None;
        self.messages.push(message);
        self.next - 1
    }

    /// Whether a draft is refused, and with what.
    pub(crate) fn refuses(&self, draft: &Draft) -> Option<&'static str> {
        if draft.delay.is_some_and(|d| !(0..=900_000).contains(&d)) {
            return Some("InvalidParameterValue");
        }
        if self.settings.fifo {
            if draft.group.is_none() {
                return Some("MissingParameter");
            }
            let named = self.settings.by_content || draft.deduplication.is_some();
            return (!named || draft.delay.is_some_and(|d| d != 0)).then_some("InvalidParameterValue");
        }
        draft.deduplication.is_some().then_some("InvalidParameterValue")
    }
}

/// The groups that wait in a standard queue until the others have been served: those with more than an even share of what
/// is in flight.
fn noisy(messages: &[Message], now: i64) -> BTreeSet<String> {
    let mut in_flight: BTreeMap<String, usize> = BTreeMap::new();
    for message in messages.iter().filter(|m| m.visible <= now || m.receives > 0) {
        if let Some(group) = &message.group {
            *in_flight.entry(group.clone()).or_default() += usize::from(message.visible > now);
        }
    }
    let (total, groups) = (in_flight.values().sum::<usize>(), in_flight.len());
    in_flight.into_iter().filter(|(_, count)| groups > 1 && count * groups > total).map(|(group, _)| group).collect()
}

impl Model {
    /// What is over at `now` is no more.
    pub(crate) fn expire(&mut self, now: i64) {
        for queue in self.queues.values_mut() {
            let (over, kept): (Vec<Message>, Vec<Message>) =
                std::mem::take(&mut queue.messages).into_iter().partition(|m| m.sent + queue.settings.retention <= now);
            queue.messages = kept;
            *self.seen.entry("expired").or_default() += u64::try_from(over.len()).unwrap_or(0);
            self.gone.extend(over.into_iter().filter_map(|m| Some((m.id?, "its time was over"))));
        }
    }

    pub(crate) fn create(&mut self, name: &str, settings: Settings, now: i64) -> Result<(), &'static str> {
        if self.queues.contains_key(name) {
            return Ok(());
        }
        if self.deleted.get(name).is_some_and(|at| at + MINUTE > now) {
            return Err("QueueDeletedRecently");
        }
        self.generations += 1;
        let queue = Queue {
            settings,
            messages: Vec::new(),
            generation: self.generations,
            next: 1,
            accepted: Vec::new(),
            attempts: BTreeMap::new(),
            purged: None,
        };
        self.queues.insert(name.to_owned(), queue);
        Ok(())
    }

    /// A queue was told otherwise.
    pub(crate) fn set(&mut self, name: &str, settings: Settings, now: i64) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        // A FIFO queue's delay goes for what is in it already, too.
        if settings.fifo && settings.delay != queue.settings.delay {
            for message in queue.messages.iter_mut().filter(|m| m.receives == 0) {
                message.visible = message.sent + settings.delay;
            }
        }
        queue.settings = settings;
        self.expire(now);
    }

    pub(crate) fn delete_queue(&mut self, name: &str, now: i64) {
        let Some(queue) = self.queues.remove(name) else { return };
        self.gone.extend(queue.messages.into_iter().filter_map(|m| Some((m.id?, "its queue was deleted"))));
        self.deleted.insert(name.to_owned(), now);
        self.moves.retain(|m| m.source != name);
    }

    pub(crate) fn purge(&mut self, name: &str, now: i64) -> Result<(), &'static str> {
        let Some(queue) = self.queues.get_mut(name) else { return Err("QueueDoesNotExist") };
        if queue.purged.is_some_and(|at| at + MINUTE > now) {
            return Err("PurgeQueueInProgress");
        }
        queue.purged = Some(now);
        let purged = std::mem::take(&mut queue.messages);
        self.gone.extend(purged.into_iter().filter_map(|m| Some((m.id?, "it was purged"))));
        Ok(())
    }

    /// A draft was accepted, and answered with this id. The answer is the number that its message has.
    pub(crate) fn send(&mut self, name: &str, draft: &Draft, id: &str, now: i64) -> Result<u64, String> {
        let Some(queue) = self.queues.get_mut(name) else { return Err("sent to a queue that is not there".to_owned()) };
        let settings = &queue.settings;
        // By content, the body stands for its hash: two bodies are the same exactly when their hashes are.
        let by_content = || settings.by_content.then(|| format!("content of {}", draft.body));
        let named = if settings.fifo { draft.deduplication.clone().or_else(by_content) } else { None };
        let scope = draft.group.clone().filter(|_| settings.by_group);
        if let Some(named) = &named {
            let same = |a: &&Accepted| a.scope == scope && a.deduplication == *named && a.at + REMEMBERED > now;
            if let Some(before) = queue.accepted.iter().rev().find(same) {
                if before.id != id {
                    return Err(format!("deduplication: {id} was made, and {} was accepted before", before.id));
                }
                *self.seen.entry("duplicate").or_default() += 1;
                return Ok(before.number);
            }
        }
        if !self.ids.insert(id.to_owned()) {
            return Err(format!("the message id {id} was given before"));
        }
        let message = Message {
            number: 0,
            id: Some(id.to_owned()),
            body: draft.body.clone(),
            group: draft.group.clone(),
            deduplication: named.clone(),
            sent: now,
            visible: 0,
            receives: 0,
            earlier: 0,
            first_received: 0,
            received: 0,
            handle: None,
            dead_letter_of: None,
        };
        let visible = now + draft.delay.unwrap_or(queue.settings.delay);
        let number = queue.add(message, visible);
        if let Some(deduplication) = named {
            queue.accepted.push(Accepted { scope, deduplication, id: id.to_owned(), number, at: now });
        }
        Ok(number)
    }

    /// The messages that a receiver gets, by number. They are received by this.
    pub(crate) fn receive(&mut self, name: &str, ask: &Ask, now: i64) -> Vec<u64> {
        if let Some(again) = self.repeated(name, ask, now) {
            *self.seen.entry("attempt repeated").or_default() += 1;
            return again;
        }
        let Some(queue) = self.queues.get(name) else { return Vec::new() };
        let fifo = queue.settings.fifo;
        let hide = ask.visibility.unwrap_or(queue.settings.visibility);
        let mut looked_at: Vec<Message> = queue.messages.clone();
        if !fifo {
            let noisy = noisy(&queue.messages, now);
            looked_at.sort_by_key(|m| (m.group.as_ref().is_some_and(|g| noisy.contains(g)), m.visible, m.number));
        }
        let (mut given, mut blocked) = (Vec::new(), BTreeSet::new());
        for message in looked_at {
            if given.len() == ask.most {
                break;
            }
            if fifo && blocked.contains(&message.group) {
                continue;
            }
            if message.visible > now {
                blocked.insert(message.group);
                continue;
            }
            if self.bury(name, &message, now) {
                continue;
            }
            given.push(message.number);
            if let Some(message) = self.queues.get_mut(name).and_then(|q| q.by_number(message.number)) {
                message.visible = now + hide;
                message.receives += 1;
                message.received = now;
                message.handle = None;
                if message.receives == 1 {
                    message.first_received = now;
                }
            }
        }
        given
    }

    /// What an attempt of the same id got, if nothing has changed since.
    fn repeated(&self, name: &str, ask: &Ask, now: i64) -> Option<Vec<u64>> {
        let queue = self.queues.get(name)?;
        let attempt = queue.attempts.get(ask.attempt.as_ref()?).filter(|a| a.at + REMEMBERED > now)?;
        let same = |(number, handle): &(u64, Option<String>)| {
            queue.messages.iter().any(|m| m.number == *number && m.handle == *handle && m.visible > now)
        };
        let whole = !attempt.messages.is_empty() && attempt.messages.iter().all(same);
        whole.then(|| attempt.messages.iter().map(|(number, _)| *number).collect())
    }

    /// Remembers an attempt, once the handles are known.
    pub(crate) fn attempted(&mut self, name: &str, ask: &Ask, numbers: &[u64], now: i64) {
        let (Some(id), None) = (&ask.attempt, self.repeated(name, ask, now)) else { return };
        let Some(queue) = self.queues.get_mut(name) else { return };
        let handle = |n: &u64| queue.messages.iter().find(|m| m.number == *n).and_then(|m| m.handle.clone());
        let messages = numbers.iter().map(|n| (*n, handle(n))).collect();
        queue.attempts.insert(id.clone(), Attempt { at: now, messages });
    }

    /// Moves a message to its dead-letter queue, if it was received too often and there is one.
    fn bury(&mut self, name: &str, message: &Message, now: i64) -> bool {
        let Some(queue) = self.queues.get_mut(name) else { return false };
        let Some((target, _)) = queue.settings.redrive.clone().filter(|_| queue.over(message)) else { return false };
        if !self.queues.contains_key(&target) {
            return false;
        }
        self.take(name, message.number);
        if let Some(target) = self.queues.get_mut(&target) {
            let sent = if target.settings.fifo { now } else { message.sent };
            let earlier = message.earlier + message.receives;
            let dead_letter_of = Some(arn(name));
            target.add(Message { sent, earlier, dead_letter_of, ..message.clone() }, now);
            *self.seen.entry("dead letter").or_default() += 1;
        }
        self.expire(now);
        true
    }

    fn take(&mut self, name: &str, number: u64) -> Option<Message> {
        let queue = self.queues.get_mut(name)?;
        let at = queue.messages.iter().position(|m| m.number == number)?;
        Some(queue.messages.remove(at))
    }

    /// A message was received under a handle. Says whether the handle is a new one.
    pub(crate) fn issue(&mut self, name: &str, number: u64, id: &str, handle: &str) -> bool {
        let Some(queue) = self.queues.get_mut(name) else { return false };
        let generation = queue.generation;
        if let Some(message) = queue.by_number(number) {
            message.handle = Some(handle.to_owned());
            message.id = Some(id.to_owned());
            self.ids.insert(id.to_owned());
        }
        self.issued.insert(handle.to_owned(), (name.to_owned(), generation, number)).is_none()
    }

    /// The number behind a handle, if it is a handle of this queue.
    fn number(&self, name: &str, handle: &str) -> Result<u64, &'static str> {
        let queue = self.queues.get(name).ok_or("QueueDoesNotExist")?;
        match self.issued.get(handle) {
            Some((of, generation, number)) if of == name && *generation == queue.generation => Ok(*number),
            _ => Err("ReceiptHandleIsInvalid"),
        }
    }

    pub(crate) fn delete(&mut self, name: &str, handle: &str, now: i64) -> Result<(), &'static str> {
        let number = self.number(name, handle)?;
        let Some(queue) = self.queues.get_mut(name) else { return Err("QueueDoesNotExist") };
        let fifo = queue.settings.fifo;
        let Some(message) = queue.by_number(number) else { return Ok(()) };
        let newest = message.handle.as_deref() == Some(handle);
        if !newest {
            *self.seen.entry("stale handle").or_default() += 1;
        }
        if fifo && (!newest || message.visible <= now) {
            return Err("InvalidParameterValue");
        }
        if newest && let Some(Message { id: Some(id), .. }) = self.take(name, number) {
            self.gone.insert(id, "it was deleted");
        }
        Ok(())
    }

    pub(crate) fn change(&mut self, name: &str, handle: &str, hide: i64, now: i64) -> Result<(), &'static str> {
        let number = self.number(name, handle)?;
        let found = self.queues.get_mut(name).and_then(|q| q.by_number(number));
        let Some(message) = found.filter(|m| m.handle.as_deref() == Some(handle) && m.visible > now) else {
            return Err("MessageNotInflight");
        };
        if now + hide - message.received > HIDDEN {
            return Err("InvalidParameterValue");
        }
        message.visible = now + hide;
        Ok(())
    }

    /// How many can be seen, are in flight, are delayed.
    pub(crate) fn counts(&self, name: &str, now: i64) -> [usize; 3] {
        let Some(queue) = self.queues.get(name) else { return [0; 3] };
        let count = |of: &dyn Fn(&Message) -> bool| queue.messages.iter().filter(|m| of(m)).count();
        [
            count(&|m| m.visible <= now),
            count(&|m| m.visible > now && m.receives > 0),
            count(&|m| m.visible > now && m.receives == 0),
        ]
    }

    /// A move task has moved so many more messages at `now`.
    pub(crate) fn moved(&mut self, task: &Move, count: u64, now: i64) -> Result<(), String> {
        for _ in 0..count {
            let source = self.queues.get(&task.source);
            let first = source.and_then(|q| q.messages.iter().find(|m| m.visible <= now)).cloned();
            let Some(message) = first else {
                return Err(format!("more was moved out of {} than could be seen there", task.source));
            };
            let Some(target) = self.target(task, &message).filter(|t| self.queues.contains_key(t)) else {
                return Err(format!("{} was moved to a queue that is not there", message.body));
            };
            self.take(&task.source, message.number);
            self.gone.extend(message.id.clone().map(|id| (id, "it was moved, which makes it another")));
            if let Some(target) = self.queues.get_mut(&target) {
                target.add(Message { id: None, sent: now, earlier: 0, dead_letter_of: None, ..message }, now);
                *self.seen.entry("moved").or_default() += 1;
            }
        }
        Ok(())
    }

    /// Where a move task takes a message.
    pub(crate) fn target(&self, task: &Move, message: &Message) -> Option<String> {
        let source = || message.dead_letter_of.as_ref().and_then(|arn| arn.rsplit(':').next().map(ToOwned::to_owned));
        task.destination.clone().or_else(source)
    }

    /// The moments at which something changes by itself, after `now`.
    pub(crate) fn moments(&self, now: i64) -> Vec<i64> {
        let mut all = Vec::new();
        for queue in self.queues.values() {
            all.extend(queue.messages.iter().flat_map(|m| [m.visible, m.sent + queue.settings.retention]));
            all.extend(queue.accepted.iter().map(|a| a.at + REMEMBERED));
            all.extend(queue.attempts.values().map(|a| a.at + REMEMBERED));
        }
        all.retain(|at| *at > now);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Why a message that was received should not have been. `before` is its queue as it was.
    pub(crate) fn wrong(&self, before: &Queue, id: &str, now: i64) -> String {
        if let Some(why) = self.gone.get(id) {
            return format!("received after {why}");
        }
        match before.messages.iter().find(|m| m.id.as_deref() == Some(id)) {
            None => "received, and it is not in this queue".to_owned(),
            Some(m) if m.visible > now && m.receives == 0 => "received before its delay was over".to_owned(),
            Some(m) if m.visible > now => "received while it was in flight".to_owned(),
            Some(m) if before.over(m) => "received more often than maxReceiveCount".to_owned(),
            Some(_) => "received out of its order".to_owned(),
        }
    }
}
