//! Plays the world against the model: calls with mishaps, time, crashes, and what must hold after each.

use std::collections::BTreeSet;
use std::task::Poll;

use serde_json::{Value as Json, json};
use undercast_kernel::{Effect, Failure};

use crate::dice::Dice;
use crate::disk::Sabotage;
use crate::model::{Ask, Model, Move, Queue, arn};
use crate::trace::Trace;
use crate::world::{Waiting, World};

/// The code of the error that fault rules answer with.
const FAULT: &str = "SimulatedFault";

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

impl From<Failure> for Violation {
    fn from(failure: Failure) -> Self {
        let mut text = failure.to_string();
        let mut source = std::error::Error::source(&failure);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(text)
    }
}

impl From<undercast_kernel::store::Error> for Violation {
    fn from(error: undercast_kernel::store::Error) -> Self {
        Failure::from(error).into()
    }
}

pub(crate) type Held<T> = Result<T, Violation>;

/// A violation in words.
pub(crate) fn violated<T>(what: impl Into<String>) -> Held<T> {
    Err(Violation(what.into()))
}

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    Nothing,
    Throttled,
    Refused,
    Cut,
    /// A rule that strikes now and then.
    Weather,
    /// The disk takes nothing of it.
    DiskFull,
    /// The power goes before it is on the disk.
    CrashBefore,
    /// The power goes after it is on the disk, and before the answer.
    CrashAfter,
}

/// What a call came to.
pub(crate) enum Reply {
    /// It was done. The answer may have been lost on its way, so that the caller does not know.
    Done { answer: Json, heard: bool },
    /// SQS refuses it, by this name.
    Refused(String),
    /// It was struck by a mishap, and nothing was done.
    Struck,
}

/// A receive that waits.
pub(crate) struct Receiver {
    pub(crate) queue: String,
    pub(crate) ask: Ask,
    pub(crate) deadline: i64,
    pub(crate) call: Waiting,
}

/// One simulation.
pub(crate) struct Player {
    pub(crate) world: World,
    pub(crate) model: Model,
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) now: i64,
    /// Handles that callers know, with the queues they are of.
    pub(crate) handles: Vec<(String, String)>,
    pub(crate) waiting: Vec<Receiver>,
    /// Bodies and deduplication ids that were made so far.
    pub(crate) made: u64,
    pub(crate) calls: u64,
    pub(crate) mishaps: u64,
    pub(crate) crashes: u64,
    /// Mishaps befall calls and tasks.
    pub(crate) rough: bool,
    crash_due: bool,
}

impl Player {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>) -> Held<Self> {
        let world = World::new(seed, sabotage)?;
        let now = world.now();
        Ok(Self {
            world,
            model: Model::default(),
            dice: Dice::new(seed),
            trace: Trace::new(),
            now,
            handles: Vec::new(),
            waiting: Vec::new(),
            made: 0,
            calls: 0,
            mishaps: 0,
            crashes: 0,
            rough: true,
            crash_due: false,
        })
    }

    pub(crate) fn say(&mut self, line: &str) {
        let line = format!("{:>9.3} s  {line}", self.since_beginning());
        self.trace.add(&line);
    }

    fn since_beginning(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "for a person to read")]
        let seconds = (self.now - crate::world::BEGINNING) as f64 / 1000.0;
        seconds
    }

    fn mishap(&self) -> Mishap {
        if !self.rough {
            return Mishap::Nothing;
        }
        let weighed = [
            (86, Mishap::Nothing),
            (2, Mishap::Throttled),
            (2, Mishap::Refused),
            (2, Mishap::Cut),
            (2, Mishap::Weather),
            (3, Mishap::DiskFull),
            (1, Mishap::CrashBefore),
            (2, Mishap::CrashAfter),
        ];
        self.dice.weighed(&weighed, Mishap::Nothing)
    }

    /// Makes one call, to which something may happen. What is not done must have left everything as it was.
    pub(crate) fn ask(&mut self, operation: &str, input: &Json) -> Held<Reply> {
        self.calls += 1;
        let mishap = self.mishap();
        let refused = Effect::Error { code: FAULT.to_owned(), status: 500, message: "on purpose".to_owned() };
        match mishap {
            Mishap::Throttled => self.world.fault(operation, 1.0, Effect::Throttle)?,
            Mishap::Refused => self.world.fault(operation, 1.0, refused)?,
            Mishap::Cut => self.world.fault(operation, 1.0, Effect::Abort)?,
            Mishap::Weather => self.world.fault(operation, 0.5, refused)?,
            Mishap::DiskFull | Mishap::CrashBefore => self.world.disk.fail_after(0, true),
            Mishap::Nothing | Mishap::CrashAfter => {}
        }
        let before = self.world.disk.fingerprint()?;
        let result = self.world.call(operation, input.clone());
        self.world.no_faults();
        let disk_struck = self.world.disk.mend();
        let told = match &result {
            Ok(answer) => answer.to_string(),
            Err(failure) => failure.to_string(),
        };
        self.say(&format!("{operation} {input} [{mishap:?}] → {told}"));
        let reply = match result {
            Ok(answer) => Reply::Done { answer, heard: mishap != Mishap::CrashAfter },
            Err(Failure::Aws(e)) if e.name == FAULT || e.name == "RequestThrottled" => Reply::Struck,
            Err(Failure::Cut) => Reply::Struck,
            Err(Failure::Broken(_)) if disk_struck => Reply::Struck,
            Err(Failure::Aws(error)) => Reply::Refused(error.name.into_owned()),
            Err(other) => return Err(other.into()),
        };
        let certain = matches!(mishap, Mishap::Throttled | Mishap::Refused | Mishap::Cut);
        if certain && !matches!(reply, Reply::Struck) {
            return violated("a fault rule that matches every call did not strike");
        }
        if !matches!(reply, Reply::Done { .. }) && self.world.disk.fingerprint()? != before {
            return violated(format!("{operation} was not done, and something was changed"));
        }
        self.mishaps += u64::from(mishap != Mishap::Nothing);
        self.crash_due = matches!(mishap, Mishap::CrashBefore | Mishap::CrashAfter);
        Ok(reply)
    }

    /// A call that is done, or refused with the name that the model says.
    pub(crate) fn as_expected(reply: &Reply, expected: Result<(), &str>) -> Held<()> {
        match (reply, expected) {
            (Reply::Struck, _) | (Reply::Done { .. }, Ok(())) => Ok(()),
            (Reply::Refused(name), Err(wanted)) if name == wanted => Ok(()),
            (Reply::Refused(name), Err(wanted)) => violated(format!("refused with {name} instead of {wanted}")),
            (Reply::Refused(name), Ok(())) => violated(format!("refused with {name}, and nothing is wrong with it")),
            (Reply::Done { .. }, Err(wanted)) => violated(format!("done instead of refused with {wanted}")),
        }
    }

    /// Lets the kernel do what is to be done now, and looks whether all of it was.
    pub(crate) fn settle(&mut self) -> Held<()> {
        if std::mem::take(&mut self.crash_due) {
            self.crash()?;
        }
        self.world.rest();
        self.now = self.world.now();
        self.model.expire(self.now);
        self.watch_moves()?;
        self.look_at_waiting()?;
        self.world.rest();
        self.watch_moves()?;
        match self.world.next_task()? {
            Some(task) if task.due <= self.now => {
                violated(format!("the task {} of {} is due, and nobody does it", task.kind, task.service))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn crash(&mut self) -> Held<()> {
        self.crashes += 1;
        self.say("crash");
        self.waiting.clear();
        Ok(self.world.crash()?)
    }

    /// Moves the clock ahead. While a move task runs, moment by moment, so that the model knows when what was moved.
    pub(crate) fn advance(&mut self, milliseconds: i64) -> Held<()> {
        let target = self.now + milliseconds;
        self.say(&format!("advance {milliseconds} ms"));
        while self.now < target {
            let running = self.model.moves.iter().any(|m| m.status == "RUNNING");
            let due = self.world.next_task()?.map_or(target, |task| task.due);
            let stop = if running { due.clamp(self.now + 1, target) } else { target };
            let fails = self.rough && self.dice.percent(6);
            if fails {
                self.mishaps += 1;
                let (commits, for_good) = (self.dice.below(3), self.dice.percent(50));
                self.say(&format!("the disk will fail after {commits} commits (for good: {for_good})"));
                self.world.disk.fail_after(u32::try_from(commits).unwrap_or(0), for_good);
                self.crash_due = for_good;
            }
            let advanced = self.world.advance(stop - self.now);
            let struck = self.world.disk.mend();
            match advanced {
                Err(failure) if !struck => return Err(failure.into()),
                _ => self.settle()?,
            }
        }
        Ok(())
    }

    /// Moves the clock in one jump.
    pub(crate) fn jump(&mut self, milliseconds: i64) -> Held<()> {
        self.say(&format!("jump {milliseconds} ms"));
        self.world.jump(milliseconds);
        self.settle()
    }

    /// Asks what the move tasks have done, and does the same in the model.
    fn watch_moves(&mut self) -> Held<()> {
        let open = |m: &Move| m.status == "RUNNING" || m.status == "CANCELLING";
        let tasks: Vec<Move> = self.model.moves.iter().filter(|m| open(m)).cloned().collect();
        for mut task in tasks {
            let listed =
                self.world.call("ListMessageMoveTasks", json!({"SourceArn": arn(&task.source), "MaxResults": 10}))?;
            let rows = listed["Results"].as_array().cloned().unwrap_or_default();
            let Some(row) = rows.iter().find(|r| r["StartedTimestamp"] == task.started) else {
                return violated(format!("the move task of {} is not listed any more: {listed}", task.source));
            };
            let moved = row["ApproximateNumberOfMessagesMoved"].as_u64().unwrap_or(0);
            let status = row["Status"].as_str().unwrap_or_default();
            let more = moved.checked_sub(task.moved);
            let Some(more) = more else { return violated("a move task has moved less than it had before") };
            self.model.moved(&task, more, self.now).map_err(Violation)?;
            let ended = status != "RUNNING" && task.status == "RUNNING";
            (task.moved, task.status) = (moved, status.to_owned());
            if ended {
                self.say(&format!("the move task of {} ended: {row}", task.source));
                self.check_end(&task)?;
            }
            if let Some(known) =
                self.model.moves.iter_mut().find(|m| m.started == task.started && m.source == task.source)
            {
                *known = task;
            }
        }
        Ok(())
    }

    /// A move task ends when nothing is left that it could move.
    fn check_end(&self, task: &Move) -> Held<()> {
        let source = self.model.queues.get(&task.source);
        let left = source.and_then(|q| q.messages.iter().find(|m| m.visible <= self.now));
        let target = left.and_then(|m| self.model.target(task, m)).filter(|t| self.model.queues.contains_key(t));
        match (task.status.as_str(), left, target) {
            ("COMPLETED", Some(left), _) => {
                violated(format!("a move task of {} ended, and left {} behind", task.source, left.body))
            }
            ("FAILED", Some(_), Some(_)) | ("FAILED", None, _) => {
                violated(format!("a move task of {} failed, and nothing was in its way", task.source))
            }
            _ => Ok(()),
        }
    }

    /// Looks whether those who wait have their answers, and whether those who have none should not have one.
    fn look_at_waiting(&mut self) -> Held<()> {
        for mut receiver in std::mem::take(&mut self.waiting) {
            match self.world.look(&mut receiver.call) {
                Poll::Ready(result) => {
                    let answer = result?;
                    self.say(&format!("a receiver of {} that waited gets {answer}", receiver.queue));
                    let empty = answer["Messages"].as_array().is_none_or(Vec::is_empty);
                    *self.model.seen.entry(if empty { "waited in vain" } else { "woken" }).or_default() += 1;
                    if empty && self.now < receiver.deadline {
                        return violated("a receiver that waits was sent away before its time");
                    }
                    self.received(&receiver.queue, &receiver.ask, &answer, true)?;
                }
                Poll::Pending => {
                    if !self.model.receive(&receiver.queue, &receiver.ask, self.now).is_empty() {
                        return violated(format!(
                            "a receiver waits for {}, where a message can be seen",
                            receiver.queue
                        ));
                    }
                    if self.now >= receiver.deadline {
                        return violated("a receiver waits longer than it wanted to");
                    }
                    self.waiting.push(receiver);
                }
            }
        }
        Ok(())
    }

    /// Compares what was received with what the model gives. `heard`: the receiver has it, and knows the handles.
    pub(crate) fn received(&mut self, name: &str, ask: &Ask, answer: &Json, heard: bool) -> Held<()> {
        let Some(before) = self.model.queues.get(name).cloned() else {
            return violated("something was received from a queue that is not there");
        };
        let numbers = self.model.receive(name, ask, self.now);
        let found = answer["Messages"].as_array().cloned().unwrap_or_default();
        self.same_messages(name, &before, &numbers, &found)?;
        for (number, message) in numbers.iter().zip(&found) {
            self.same_members(name, *number, message)?;
            let (id, handle) = (text(message, "MessageId"), text(message, "ReceiptHandle"));
            let known = self.model.queues.get(name).and_then(|q| q.messages.iter().find(|m| m.number == *number));
            let again = known.is_some_and(|m| m.handle.is_some());
            if again && known.is_some_and(|m| m.handle.as_deref() != Some(handle)) {
                return violated("an attempt that was repeated gave another handle");
            }
            if self.model.issue(name, *number, id, handle) == again {
                return violated(format!("the receipt handle of {id} was given before"));
            }
            if heard {
                self.handles.push((name.to_owned(), handle.to_owned()));
            }
        }
        self.model.attempted(name, ask, &numbers, self.now);
        Ok(())
    }

    /// Those messages, in that order, and no others.
    fn same_messages(&self, name: &str, before: &Queue, numbers: &[u64], found: &[Json]) -> Held<()> {
        let after = self.model.queues.get(name).map(|q| q.messages.as_slice()).unwrap_or_default();
        let of = |n: &u64| after.iter().find(|m| m.number == *n);
        let fits = |n: &u64, f: &Json| {
            of(n).is_some_and(|m| m.id.as_deref().is_none_or(|id| f["MessageId"] == id) && f["Body"] == m.body.as_str())
        };
        if numbers.len() == found.len() && numbers.iter().zip(found).all(|(n, f)| fits(n, f)) {
            return Ok(());
        }
        if let Some(extra) = found.iter().find(|f| !numbers.iter().any(|n| fits(n, f))) {
            let why = self.model.wrong(before, text(extra, "MessageId"), self.now);
            return violated(format!("{}: {} was {why}", name, text(extra, "Body")));
        }
        match numbers.iter().find(|n| !found.iter().any(|f| fits(n, f))).and_then(of) {
            Some(missing) => violated(format!(
                "{name}: lost: {} was acknowledged, can be seen, and is not given to the receiver",
                missing.body
            )),
            None => violated(format!("{name}: messages were received in another order, or twice in one answer")),
        }
    }

    /// What is told of a message is what the model knows of it.
    fn same_members(&self, name: &str, number: u64, found: &Json) -> Held<()> {
        let queue = self.model.queues.get(name);
        let Some((queue, message)) = queue.and_then(|q| Some((q, q.messages.iter().find(|m| m.number == number)?)))
        else {
            return violated("a message is received that the model has not");
        };
        let by_content = message.deduplication.as_ref().is_some_and(|d| d.starts_with("content of "));
        let number = if queue.settings.fifo { Some(message.number) } else { None };
        let wanted = [
            ("ApproximateReceiveCount", Some((message.earlier + message.receives).to_string())),
            ("ApproximateFirstReceiveTimestamp", Some(message.first_received.to_string())),
            ("SentTimestamp", Some(message.sent.to_string())),
            ("MessageGroupId", message.group.clone()),
            ("DeadLetterQueueSourceArn", message.dead_letter_of.clone()),
            ("SequenceNumber", number.map(sequence)),
            ("MessageDeduplicationId", message.deduplication.clone().filter(|_| !by_content)),
        ];
        for (attribute, value) in wanted {
            let told = found["Attributes"][attribute].as_str();
            if attribute == "MessageDeduplicationId" && by_content {
                continue;
            }
            if told != value.as_deref() {
                return violated(format!("{name}: {attribute} of {} is {told:?} instead of {value:?}", message.body));
            }
        }
        Ok(())
    }

    /// Everything is received and deleted; then time goes by until nothing may be left, on the disk either.
    pub(crate) fn finish(&mut self) -> Held<()> {
        self.rough = false;
        self.say("the end: everything is received and deleted");
        self.waiting.clear();
        self.settle()?;
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds > 300 {
                return violated("messages or move tasks are still there, however long one waits and receives");
            }
            let mut busy = false;
            let names: Vec<String> = self.model.queues.keys().cloned().collect();
            for name in names {
                busy |= self.drain(&name)?;
            }
            let moving = self.model.moves.iter().any(|m| m.status == "RUNNING" || m.status == "CANCELLING");
            let held = |q: &Queue| q.messages.iter().map(|m| m.visible).collect::<Vec<i64>>();
            let next = self.model.queues.values().flat_map(held).filter(|at| *at > self.now).min();
            match next {
                _ if busy => {}
                Some(at) => self.advance(at - self.now)?,
                None if moving => self.advance(10_000)?,
                None => break,
            }
        }
        self.advance(15 * 86_400_000)?;
        self.leftovers()
    }

    /// Receives from a queue and deletes what it gets; says whether there was something.
    fn drain(&mut self, name: &str) -> Held<bool> {
        let ask = Ask { most: 10, visibility: Some(600_000), attempt: None };
        let input =
            json!({"QueueUrl": name, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600, "AttributeNames": ["All"]});
        let Reply::Done { answer, .. } = self.ask("ReceiveMessage", &input)? else {
            return violated("nothing is in the way, and a receive is refused");
        };
        self.received(name, &ask, &answer, false)?;
        let found = answer["Messages"].as_array().cloned().unwrap_or_default();
        for message in &found {
            let handle = text(message, "ReceiptHandle");
            let reply = self.ask("DeleteMessage", &json!({"QueueUrl": name, "ReceiptHandle": handle}))?;
            Self::as_expected(&reply, self.model.delete(name, handle, self.now))?;
        }
        self.settle()?;
        Ok(!found.is_empty())
    }

    fn leftovers(&self) -> Held<()> {
        let all = |q: &Queue| q.messages.iter().map(|m| m.body.clone()).collect::<Vec<String>>();
        let left: BTreeSet<String> = self.model.queues.values().flat_map(all).collect();
        if !left.is_empty() {
            return violated(format!("the model still has {left:?}"));
        }
        for table in ["sqs.messages", "sqs.bodies", "sqs.order", "sqs.deduplication", "sqs.attempts"] {
            let rows = self.world.disk.count(table)?;
            if rows > 0 {
                return violated(format!("everything is over, and the table {table} still has {rows} rows"));
            }
        }
        for table in ["sqs.next", "sqs.queues"] {
            let (rows, queues) = (self.world.disk.count(table)?, self.model.queues.len());
            if rows > queues {
                return violated(format!("the table {table} has {rows} rows for {queues} queues"));
            }
        }
        match self.world.next_task()? {
            Some(task) => violated(format!("everything is over, and the task {} is still to come", task.id)),
            None => Ok(()),
        }
    }
}

/// A FIFO queue's sequence number: twenty digits.
pub(crate) fn sequence(number: u64) -> String {
    format!("{}", 18_850_000_000_000_000_000u128 + u128::from(number))
}

pub(crate) fn text<'a>(of: &'a Json, member: &str) -> &'a str {
    of[member].as_str().unwrap_or_default()
}
