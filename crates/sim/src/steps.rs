//! What callers do, one step at a time, and what the model says of it.

use serde_json::{Value as Json, json};

use crate::model::{Ask, Draft, Move, Settings, arn};
use crate::player::{Held, Player, Receiver, Reply, sequence, text, violated};

/// The queues. What is received too often from those called `work` goes to those called `dead`.
const QUEUES: &[&str] = &["work", "dead", "plain", "work.fifo", "dead.fifo", "plain.fifo"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Send,
    SendBatch,
    Receive,
    Wait,
    Delete,
    DeleteBatch,
    Change,
    ChangeBatch,
    Counts,
    Purge,
    Set,
    CreateQueue,
    DeleteQueue,
    StartMove,
    CancelMove,
    Advance,
    Jump,
    Crash,
}

const STEPS: &[(u64, Step)] = &[
    (240, Step::Send),
    (60, Step::SendBatch),
    (240, Step::Receive),
    (30, Step::Wait),
    (110, Step::Delete),
    (30, Step::DeleteBatch),
    (50, Step::Change),
    (15, Step::ChangeBatch),
    (30, Step::Counts),
    (4, Step::Purge),
    (12, Step::Set),
    (12, Step::CreateQueue),
    (3, Step::DeleteQueue),
    (20, Step::StartMove),
    (4, Step::CancelMove),
    (120, Step::Advance),
    (20, Step::Jump),
    (12, Step::Crash),
];

impl Player {
    /// Makes the queues.
    pub(crate) fn begin(&mut self) -> Held<()> {
        // Dead-letter queues before those that name them.
        for name in ["dead", "dead.fifo", "work", "work.fifo", "plain", "plain.fifo"] {
            self.create(name)?;
        }
        Ok(())
    }

    /// Does one thing, chosen by the dice.
    pub(crate) fn step(&mut self) -> Held<()> {
        match self.dice.weighed(STEPS, Step::Advance) {
            Step::Send => self.send()?,
            Step::SendBatch => self.send_batch()?,
            Step::Receive => self.receive()?,
            Step::Wait => self.wait()?,
            Step::Delete => self.delete()?,
            Step::DeleteBatch => self.delete_batch()?,
            Step::Change => self.change()?,
            Step::ChangeBatch => self.change_batch()?,
            Step::Counts => self.counts()?,
            Step::Purge => self.purge()?,
            Step::Set => self.set()?,
            Step::CreateQueue => self.create_missing()?,
            Step::DeleteQueue => self.delete_queue()?,
            Step::StartMove => self.start_move()?,
            Step::CancelMove => self.cancel_move()?,
            Step::Advance => {
                let span = self.span();
                return self.advance(span);
            }
            Step::Jump => {
                let span = self.span();
                return self.jump(span);
            }
            Step::Crash => self.crash()?,
        }
        self.settle()
    }

    /// How far the clock goes: often to the very moment at which something changes, or just before.
    fn span(&self) -> i64 {
        let moments = self.model.moments(self.now);
        let soon = moments.len().min(4);
        match self.dice.below(10) {
            0..4 => self.dice.between(1, 2_000),
            4..6 => self.dice.between(1, 60) * 1000,
            6 => self.dice.between(1, 900) * 1000,
            7..9 => match self.dice.one(&moments[..soon]) {
                Some(at) => (at - self.now - i64::from(self.dice.percent(40))).max(1),
                None => 1,
            },
            _ => self.dice.pick(&[299_999, 300_000, 300_001, 3_600_000, 43_200_000, 345_600_000]),
        }
    }

    fn queue(&self) -> String {
        self.dice.one(QUEUES).map_or_else(String::new, |name| (*name).to_owned())
    }

    fn create_missing(&mut self) -> Held<()> {
        let missing: Vec<&str> = QUEUES.iter().copied().filter(|name| !self.model.queues.contains_key(*name)).collect();
        match self.dice.one(&missing) {
            Some(name) => self.create(name),
            None => Ok(()),
        }
    }

    fn create(&mut self, name: &str) -> Held<()> {
        let mut settings = self.dice.settings(name);
        // A queue cannot name a dead-letter queue that is not there.
        settings.redrive = settings.redrive.filter(|(target, _)| self.model.queues.contains_key(target));
        let mut attributes = told(&settings);
        if settings.fifo {
            attributes["FifoQueue"] = json!("true");
            attributes["ContentBasedDeduplication"] = json!(settings.by_content.to_string());
            attributes["DeduplicationScope"] = json!(if settings.by_group { "messageGroup" } else { "queue" });
        }
        let reply = self.ask("CreateQueue", &json!({"QueueName": name, "Attributes": attributes}))?;
        let expected = match reply {
            Reply::Struck => return Ok(()),
            _ => self.model.create(name, settings, self.now),
        };
        Self::as_expected(&reply, expected)
    }

    fn set(&mut self) -> Held<()> {
        let name = self.queue();
        let Some(before) = self.model.queues.get(&name).map(|q| q.settings.clone()) else { return Ok(()) };
        let mut settings = self.dice.settings(&name);
        settings.redrive = settings.redrive.filter(|(target, _)| self.model.queues.contains_key(target));
        (settings.by_content, settings.by_group) = (before.by_content, before.by_group);
        let mut attributes = told(&settings);
        if settings.redrive.is_none() {
            attributes["RedrivePolicy"] = json!("");
        }
        let reply = self.ask("SetQueueAttributes", &json!({"QueueUrl": name, "Attributes": attributes}))?;
        if matches!(reply, Reply::Done { .. }) {
            self.model.set(&name, settings, self.now);
        }
        Self::as_expected(&reply, Ok(()))
    }

    fn delete_queue(&mut self) -> Held<()> {
        let name = self.queue();
        let there = self.model.queues.contains_key(&name);
        // A receiver that waits for a queue that goes away is another story than this one.
        self.waiting.retain(|w| w.queue != name);
        let reply = self.ask("DeleteQueue", &json!({"QueueUrl": name}))?;
        if matches!(reply, Reply::Done { .. }) {
            self.model.delete_queue(&name, self.now);
        }
        Self::as_expected(&reply, if there { Ok(()) } else { Err("QueueDoesNotExist") })
    }

    fn purge(&mut self) -> Held<()> {
        let name = self.queue();
        let reply = self.ask("PurgeQueue", &json!({"QueueUrl": name}))?;
        let expected = match reply {
            Reply::Struck => Ok(()),
            _ => self.model.purge(&name, self.now),
        };
        Self::as_expected(&reply, expected)
    }

    fn draft(&mut self, name: &str) -> Draft {
        let fifo = name.ends_with(".fifo");
        // Now and then something that was sent before is sent again.
        let number = if self.made > 0 && self.dice.percent(if fifo { 25 } else { 5 }) {
            self.made - self.dice.below(self.made.min(6))
        } else {
            self.made += 1;
            self.made
        };
        let group = (fifo && !self.dice.percent(2)) || self.dice.percent(10);
        Draft {
            body: format!("m{number}"),
            delay: self
                .dice
                .percent(if fifo { 2 } else { 15 })
                .then(|| self.dice.pick(&[0, 1, 5, 60, 900, 901]) * 1000),
            group: group.then(|| format!("g{}", self.dice.below(3))),
            deduplication: self.dice.percent(if fifo { 80 } else { 1 }).then(|| format!("d{number}")),
        }
    }

    fn send(&mut self) -> Held<()> {
        let name = self.queue();
        let draft = self.draft(&name);
        let mut input = entry(&draft);
        input["QueueUrl"] = json!(name);
        let reply = self.ask("SendMessage", &input)?;
        let Some(queue) = self.model.queues.get(&name) else {
            return Self::as_expected(&reply, Err(queue_or_draft(&draft)));
        };
        Self::as_expected(&reply, queue.refuses(&draft).map_or(Ok(()), Err))?;
        if let Reply::Done { answer, .. } = &reply {
            self.sent(&name, &draft, answer)?;
        }
        Ok(())
    }

    /// A draft was accepted.
    fn sent(&mut self, name: &str, draft: &Draft, answer: &Json) -> Held<()> {
        let number =
            self.model.send(name, draft, text(answer, "MessageId"), self.now).map_err(crate::player::Violation)?;
        let wanted = name.ends_with(".fifo").then(|| sequence(number));
        let told = answer["SequenceNumber"].as_str();
        if told != wanted.as_deref() {
            return violated(format!("{} has the sequence number {told:?} instead of {wanted:?}", draft.body));
        }
        Ok(())
    }

    fn send_batch(&mut self) -> Held<()> {
        let name = self.queue();
        if !self.model.queues.contains_key(&name) {
            return Ok(());
        }
        let count = self.dice.between(1, 10);
        let drafts: Vec<Draft> = (0..count).map(|_| self.draft(&name)).collect();
        let numbered = drafts.iter().enumerate().map(|(n, draft)| {
            let mut entry = entry(draft);
            entry["Id"] = json!(n.to_string());
            entry
        });
        let entries: Vec<Json> = numbered.collect();
        let reply = self.ask("SendMessageBatch", &json!({"QueueUrl": name, "Entries": entries}))?;
        Self::as_expected(&reply, Ok(()))?;
        let Reply::Done { answer, .. } = reply else { return Ok(()) };
        for (n, draft) in drafts.iter().enumerate() {
            let refused = self.model.queues.get(&name).and_then(|q| q.refuses(draft));
            let expected = refused.map_or(Ok(()), Err);
            if let Some(sent) = self.part(&answer, n, expected)? {
                self.sent(&name, draft, &sent)?;
            }
        }
        Ok(())
    }

    /// What a batch's answer says of one entry: its result, if it is one that succeeds.
    fn part(&self, answer: &Json, n: usize, expected: Result<(), &str>) -> Held<Option<Json>> {
        let with_id = |list: &str| {
            let id = n.to_string();
            answer[list].as_array().into_iter().flatten().find(|e| e["Id"] == id.as_str()).cloned()
        };
        match (with_id("Successful"), with_id("Failed"), expected) {
            (Some(done), None, Ok(())) => Ok(Some(done)),
            (None, Some(failed), Err(name)) if text(&failed, "Code").ends_with(name) => Ok(None),
            (done, failed, expected) => {
                violated(format!("entry {n} of a batch: {done:?}, {failed:?}, expected {expected:?}"))
            }
        }
    }

    fn visibility(&self) -> Option<i64> {
        self.dice.percent(50).then(|| self.dice.pick(&[0, 1, 5, 30, 100]) * 1000)
    }

    fn receive(&mut self) -> Held<()> {
        let name = self.queue();
        let fifo = name.ends_with(".fifo");
        let most = self.dice.pick(&[1, 1, 2, 3, 10]);
        let attempt = (fifo && self.dice.percent(50)).then(|| format!("a{}", self.dice.below(2)));
        let visibility = self.visibility();
        let mut input = json!({"QueueUrl": name, "MaxNumberOfMessages": most, "AttributeNames": ["All"]});
        if let Some(milliseconds) = visibility {
            input["VisibilityTimeout"] = json!(milliseconds / 1000);
        }
        if let Some(attempt) = &attempt {
            input["ReceiveRequestAttemptId"] = json!(attempt);
        }
        let reply = self.ask("ReceiveMessage", &input)?;
        if !self.model.queues.contains_key(&name) {
            return Self::as_expected(&reply, Err("QueueDoesNotExist"));
        }
        Self::as_expected(&reply, Ok(()))?;
        let Reply::Done { answer, heard } = reply else { return Ok(()) };
        let ask = Ask { most: usize::try_from(most).unwrap_or(1), visibility, attempt };
        self.received(&name, &ask, &answer, heard)
    }

    /// A receiver begins to wait; it is looked at whenever something has happened.
    fn wait(&mut self) -> Held<()> {
        let name = self.queue();
        if !self.model.queues.contains_key(&name) || self.waiting.len() >= 3 {
            return Ok(());
        }
        let (seconds, visibility) = (self.dice.between(1, 20), self.dice.pick(&[1, 5, 30]));
        let input = json!({"QueueUrl": name, "WaitTimeSeconds": seconds, "VisibilityTimeout": visibility,
                           "MaxNumberOfMessages": 2, "MessageSystemAttributeNames": ["All"]});
        self.say(&format!("a receiver waits: {input}"));
        self.waiting.push(Receiver {
            ask: Ask { most: 2, visibility: Some(visibility * 1000), attempt: None },
            deadline: self.now + seconds * 1000,
            call: self.world.begin("ReceiveMessage", input),
            queue: name,
        });
        Ok(())
    }

    /// A handle that some caller has, with a queue: nearly always its own.
    fn handle(&mut self) -> Option<(String, String)> {
        let recent = self.handles.len().saturating_sub(30);
        let (mut name, handle) = self.dice.one(&self.handles[recent..])?.clone();
        if self.dice.percent(2) {
            name = self.queue();
        }
        Some((name, handle))
    }

    fn delete(&mut self) -> Held<()> {
        let Some((name, handle)) = self.handle() else { return Ok(()) };
        let reply = self.ask("DeleteMessage", &json!({"QueueUrl": name, "ReceiptHandle": handle}))?;
        let expected = match reply {
            Reply::Struck => Ok(()),
            _ => self.model.delete(&name, &handle, self.now),
        };
        Self::as_expected(&reply, expected)
    }

    /// Some handles of one queue.
    fn some_handles(&mut self) -> Option<(String, Vec<String>)> {
        let (name, first) = self.handle()?;
        let others: Vec<String> =
            self.handles.iter().rev().filter(|(n, h)| *n == name && *h != first).map(|(_, h)| h.clone()).collect();
        let count = usize::try_from(self.dice.below(9)).unwrap_or(0);
        Some((name, std::iter::once(first).chain(others.into_iter().take(count)).collect()))
    }

    fn delete_batch(&mut self) -> Held<()> {
        let Some((name, handles)) = self.some_handles() else { return Ok(()) };
        if !self.model.queues.contains_key(&name) {
            return Ok(());
        }
        let entries = handles.iter().enumerate().map(|(n, h)| json!({"Id": n.to_string(), "ReceiptHandle": h}));
        let entries: Vec<Json> = entries.collect();
        let reply = self.ask("DeleteMessageBatch", &json!({"QueueUrl": name, "Entries": entries}))?;
        Self::as_expected(&reply, Ok(()))?;
        let Reply::Done { answer, .. } = reply else { return Ok(()) };
        for (n, handle) in handles.iter().enumerate() {
            let expected = self.model.delete(&name, handle, self.now);
            self.part(&answer, n, expected)?;
        }
        Ok(())
    }

    fn change(&mut self) -> Held<()> {
        let Some((name, handle)) = self.handle() else { return Ok(()) };
        let seconds = self.dice.pick(&[0, 1, 10, 300, 43_199, 43_200]);
        let input = json!({"QueueUrl": name, "ReceiptHandle": handle, "VisibilityTimeout": seconds});
        let reply = self.ask("ChangeMessageVisibility", &input)?;
        let expected = match reply {
            Reply::Struck => Ok(()),
            _ => self.model.change(&name, &handle, seconds * 1000, self.now),
        };
        Self::as_expected(&reply, expected)
    }

    fn change_batch(&mut self) -> Held<()> {
        let Some((name, handles)) = self.some_handles() else { return Ok(()) };
        if !self.model.queues.contains_key(&name) {
            return Ok(());
        }
        let each: Vec<(String, i64)> = handles.into_iter().map(|h| (h, self.dice.pick(&[0, 2, 60, 43_200]))).collect();
        let entries = each.iter().enumerate().map(|(n, (handle, seconds))| {
            json!({"Id": n.to_string(), "ReceiptHandle": handle, "VisibilityTimeout": seconds})
        });
        let entries: Vec<Json> = entries.collect();
        let reply = self.ask("ChangeMessageVisibilityBatch", &json!({"QueueUrl": name, "Entries": entries}))?;
        Self::as_expected(&reply, Ok(()))?;
        let Reply::Done { answer, .. } = reply else { return Ok(()) };
        for (n, (handle, seconds)) in each.iter().enumerate() {
            let expected = self.model.change(&name, handle, seconds * 1000, self.now);
            self.part(&answer, n, expected)?;
        }
        Ok(())
    }

    fn counts(&mut self) -> Held<()> {
        let name = self.queue();
        let reply = self.ask("GetQueueAttributes", &json!({"QueueUrl": name, "AttributeNames": ["All"]}))?;
        if !self.model.queues.contains_key(&name) {
            return Self::as_expected(&reply, Err("QueueDoesNotExist"));
        }
        Self::as_expected(&reply, Ok(()))?;
        let Reply::Done { answer, .. } = reply else { return Ok(()) };
        let names = ["", "NotVisible", "Delayed"].map(|end| format!("ApproximateNumberOfMessages{end}"));
        for (attribute, count) in names.iter().zip(self.model.counts(&name, self.now)) {
            let told = text(&answer["Attributes"], attribute);
            if told != count.to_string() {
                return violated(format!("{name}: {attribute} is {told} instead of {count}"));
            }
        }
        Ok(())
    }

    fn start_move(&mut self) -> Held<()> {
        let source = if self.dice.percent(50) { "dead" } else { "dead.fifo" };
        let end = if source == "dead" { "plain" } else { "plain.fifo" };
        let destination = self.dice.percent(30).then(|| end.to_owned());
        let mut input = json!({"SourceArn": arn(source)});
        if let Some(name) = &destination {
            input["DestinationArn"] = json!(arn(name));
        }
        if self.dice.percent(60) {
            input["MaxNumberOfMessagesPerSecond"] = json!(self.dice.pick(&[1, 2, 7, 500]));
        }
        // Tasks are told apart by the moment at which they began.
        if self.model.moves.iter().any(|m| m.source == source && m.started == self.now) {
            return Ok(());
        }
        let reply = self.ask("StartMessageMoveTask", &input)?;
        let expected = self.expected_of_move(source, destination.as_ref());
        Self::as_expected(&reply, expected)?;
        if matches!(reply, Reply::Done { .. }) {
            self.model.moves.push(Move {
                source: source.to_owned(),
                destination,
                started: self.now,
                moved: 0,
                status: "RUNNING".to_owned(),
            });
        }
        Ok(())
    }

    fn expected_of_move(&self, source: &str, destination: Option<&String>) -> Result<(), &'static str> {
        let there = |name: &str| self.model.queues.contains_key(name);
        let named = |s: &Settings| s.redrive.as_ref().is_some_and(|(target, _)| target == source);
        if !there(source) {
            return Err("ResourceNotFoundException");
        }
        if !self.model.queues.values().any(|q| named(&q.settings)) {
            return Err("InvalidParameterValue");
        }
        if destination.is_some_and(|name| !there(name)) {
            return Err("ResourceNotFoundException");
        }
        let running = self.model.moves.iter().any(|m| m.source == source && m.status == "RUNNING");
        if running { Err("InvalidParameterValue") } else { Ok(()) }
    }

    fn cancel_move(&mut self) -> Held<()> {
        let running = self.model.moves.iter().find(|m| m.status == "RUNNING").cloned();
        let Some(task) = running else { return Ok(()) };
        let listed = self.world.call("ListMessageMoveTasks", json!({"SourceArn": arn(&task.source)}))?;
        let handle = text(&listed["Results"][0], "TaskHandle").to_owned();
        let reply = self.ask("CancelMessageMoveTask", &json!({"TaskHandle": handle}))?;
        Self::as_expected(&reply, Ok(()))
    }
}

/// Settings as SQS takes them.
fn told(settings: &Settings) -> Json {
    let mut attributes = json!({
        "VisibilityTimeout": (settings.visibility / 1000).to_string(),
        "DelaySeconds": (settings.delay / 1000).to_string(),
        "MessageRetentionPeriod": (settings.retention / 1000).to_string(),
    });
    if let Some((target, most)) = &settings.redrive {
        let policy = json!({"deadLetterTargetArn": arn(target), "maxReceiveCount": most});
        attributes["RedrivePolicy"] = json!(policy.to_string());
    }
    attributes
}

fn entry(draft: &Draft) -> Json {
    let mut entry = json!({"MessageBody": draft.body});
    if let Some(delay) = draft.delay {
        entry["DelaySeconds"] = json!(delay / 1000);
    }
    if let Some(group) = &draft.group {
        entry["MessageGroupId"] = json!(group);
    }
    if let Some(deduplication) = &draft.deduplication {
        entry["MessageDeduplicationId"] = json!(deduplication);
    }
    entry
}

/// What a message to a queue that is not there is refused with: a delay out of range is seen first.
fn queue_or_draft(draft: &Draft) -> &'static str {
    if draft.delay.is_some_and(|d| d > 900_000) { "InvalidParameterValue" } else { "QueueDoesNotExist" }
}
