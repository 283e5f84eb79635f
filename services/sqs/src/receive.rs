//! Receiving: what can be seen, in order, waiting for it where asked.

use std::collections::{BTreeMap, HashSet};

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Table, Tx};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::encryption::Seal;
use crate::message::{self, BODIES, MESSAGES, Message, ORDER, Standing};
use crate::queue::{Placed, Queue, QueueName};
use crate::{attributes, error, fair, flight, metrics, send, sweep};

/// Queue, attempt id → what the attempt received, for a receiver that lost the answer. FIFO queues.
pub(crate) static ATTEMPTS: Table<Attempt> = Table::new("sqs.attempts");

/// An attempt can be repeated for so long.
const ATTEMPT_MILLIS: i64 = 300_000;
/// FIFO queues look at so many messages for groups that are free (developer guide, "FIFO queue quotas").
const LOOKED_AT: usize = 120_000;
const PAGE: usize = 500;
/// What can be told of a message.
const SYSTEM_ATTRIBUTES: &[&str] = &[
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

/// What an attempt received.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct Attempt {
    #[n(0)]
    pub(crate) until: i64,
    /// Number and receipt of each message.
    #[n(1)]
    messages: Vec<(u64, u64)>,
}

/// What identifies one receive of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceiptHandle {
    pub(crate) queue: u64,
    pub(crate) number: u64,
    pub(crate) receipt: u64,
}

impl ReceiptHandle {
    fn encode(&self) -> String {
        // Handles are opaque and long on AWS too.
        text::base64(format!("undercast:{:016x}:{:016x}:{:016x}", self.queue, self.number, self.receipt).as_bytes())
    }

    pub(crate) fn parse(handle: &str, queue: &Queue) -> Result<Self> {
        let invalid = || {
            Failure::from(errors::receipt_handle_is_invalid(format!(
                "The input receipt handle \"{handle}\" is not a valid receipt handle."
            )))
        };
        let bytes = text::unbase64(handle).and_then(|b| String::from_utf8(b).ok()).ok_or_else(invalid)?;
        let mut parts = bytes.strip_prefix("undercast:").ok_or_else(invalid)?.split(':');
        let mut next = || parts.next().and_then(|p| u64::from_str_radix(p, 16).ok()).ok_or_else(invalid);
        let parsed = Self { queue: next()?, number: next()?, receipt: next()? };
        if parsed.queue == queue.id { Ok(parsed) } else { Err(invalid()) }
    }
}

/// What a receiver asks for, checked.
struct Ask {
    most: usize,
    visibility: Option<i32>,
    wait: i64,
    attempt: Option<String>,
    system: HashSet<String>,
    names: Vec<String>,
}

fn within(value: Option<i32>, parameter: &str, least: i32, most: i32, reason: &str) -> Result<Option<i32>> {
    match value {
        Some(v) if !(least..=most).contains(&v) => {
            Err(error::invalid_parameter(&v.to_string(), parameter, reason).into())
        }
        other => Ok(other),
    }
}

impl Ask {
    fn new(queue: &Queue, input: api::ReceiveMessageInput) -> Result<Self> {
        let most = within(
            input.max_number_of_messages,
            "MaxNumberOfMessages",
            1,
            10,
            "Must be between 1 and 10, if provided.",
        )?;
        let wait = within(input.wait_time_seconds, "WaitTimeSeconds", 0, 20, "Must be >= 0 and <= 20, if provided.")?;
        let visibility = within(
            input.visibility_timeout,
            "VisibilityTimeout",
            0,
            43_200,
            "Must be >= 0 and <= 43200, if provided.",
        )?;
        if let Some(attempt) = input.receive_request_attempt_id.as_ref().filter(|_| !queue.is_fifo()) {
            let reason = "The request includes a parameter that is not valid for this queue type.";
            return Err(error::invalid_parameter(attempt, "ReceiveRequestAttemptId", reason).into());
        }
        // The older of the two lists takes the names of queues' attributes as well, and tells nothing of them.
        attributes::check_names(input.attribute_names.as_deref().unwrap_or(&[]), SYSTEM_ATTRIBUTES)?;
        let system = input.attribute_names.into_iter().chain(input.message_system_attribute_names).flatten();
        Ok(Self {
            most: usize::try_from(most.unwrap_or(1)).unwrap_or(1),
            visibility,
            wait: wait.map_or_else(|| queue.number("ReceiveMessageWaitTimeSeconds"), i64::from),
            attempt: input.receive_request_attempt_id,
            system: system.collect(),
            names: input.message_attribute_names.into_iter().flatten().collect(),
        })
    }
}

pub(crate) async fn receive(cx: &Cx, input: api::ReceiveMessageInput) -> Result<api::ReceiveMessageOutput> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let queue = name.find(&cx.read())?;
    let ask = Ask::new(&queue, input)?;
    metrics::touch(cx, &queue);
    let bell = cx.signals().of(&queue.topic());
    let deadline = cx.now_millis() + ask.wait * 1000;
    let mut cx = cx.clone();
    loop {
        let mut heard = std::pin::pin!(bell.notified());
        heard.as_mut().enable();
        // Most looks at an empty queue find nothing; they need no transaction.
        let mut messages = Vec::new();
        if anything(&cx, &queue)? {
            let (moved_to, taken) = cx.write(|tx| take(&cx, tx, &name, &ask)).await?;
            moved_to.iter().for_each(|topic| cx.signals().ring(topic));
            for shown in taken {
                messages.push(shown.open(&cx, &queue).await?);
            }
        }
        if !messages.is_empty() || cx.now_millis() >= deadline {
            metrics::received(&cx, &queue, messages.len());
            let messages = if messages.is_empty() { None } else { Some(messages) };
            return Ok(api::ReceiveMessageOutput { messages });
        }
        let until = next_visible(&cx, &name)?.map_or(deadline, |next| next.min(deadline));
        let until = Timestamp::from_millisecond(until).map_err(Failure::broken)?;
        let kernel = cx.kernel().clone();
        tokio::select! {
            () = heard => {}
            () = kernel.clock().sleep_until(until) => {}
        }
        cx = cx.refreshed();
    }
}

/// Whether there may be something to see.
fn anything(cx: &Cx, queue: &Queue) -> Result<bool> {
    let read = cx.read();
    if queue.is_fifo() {
        return Ok(!MESSAGES.page(&read, &queue.place(), None::<&()>, Order::Ascending, 1)?.is_empty());
    }
    Ok(!ORDER
        .range(&read, &(queue.place(), i64::MIN), &(queue.place(), cx.now_millis() + 1), Order::Ascending, 1)?
        .is_empty())
}

/// When the next message can be seen (ms), as far as time alone decides it.
fn next_visible(cx: &Cx, name: &QueueName) -> Result<Option<i64>> {
    let (read, now) = (cx.read(), cx.now_millis());
    let queue = name.find(&read)?;
    if queue.is_fifo() {
        // A group is free again when a message of it can be seen, and when one in flight is over.
        let ends = MESSAGES.all(&read, &queue.place())?.into_iter().map(|entry| entry.row).filter(|s| s.visible > now);
        return Ok(ends.map(|s| s.visible.min(queue.end_of(&s))).filter(|at| *at > now).min());
    }
    let rows = ORDER.range(&read, &(queue.place(), now + 1), &(queue.place(), i64::MAX), Order::Ascending, 1)?;
    Ok(rows.first().and_then(undercast_kernel::store::Entry::key::<(Placed, i64, u64)>).map(|k| k.1))
}

/// Takes what can be seen. Also gives back the bells of queues that got dead letters.
fn take(cx: &Cx, tx: &mut Tx<'_>, name: &QueueName, ask: &Ask) -> Result<(Vec<String>, Vec<Shown>)> {
    let queue = name.find(tx)?;
    if let Some(again) = repeated(cx, tx, &queue, ask)? {
        return Ok((Vec::new(), again));
    }
    let most = flight::room(tx, &queue, ask.most, cx.now_millis())?;
    // FIFO queues that are full answer with nothing; of standard ones who waits is not refused ("SQS message quotas").
    if most == 0 && !queue.is_fifo() && ask.wait == 0 {
        let message = "Too many messages are in flight: a queue has at most 120000.";
        return Err(errors::over_limit(message).into());
    }
    let mut taking = Taking { cx, queue: &queue, ask, most, bells: Vec::new(), out: Vec::new(), receipts: Vec::new() };
    if most == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    if queue.is_fifo() {
        taking.by_group(tx)?;
    } else if fair::is_grouped(tx, &queue)? {
        taking.fairly(tx)?;
    } else {
        taking.by_time(tx)?;
    }
    if let Some(id) = &ask.attempt {
        let attempt = Attempt { until: cx.now_millis() + ATTEMPT_MILLIS, messages: taking.receipts };
        ATTEMPTS.put(tx, &(queue.place(), id), &attempt);
    }
    Ok((taking.bells, taking.out))
}

/// What an earlier attempt of the same id received, if all of it is still as it was.
fn repeated(cx: &Cx, tx: &Tx<'_>, queue: &Queue, ask: &Ask) -> Result<Option<Vec<Shown>>> {
    let Some(id) = &ask.attempt else { return Ok(None) };
    let Some(attempt) = ATTEMPTS.get(tx, &(queue.place(), id))?.filter(|a| a.until > cx.now_millis()) else {
        return Ok(None);
    };
    let mut out = Vec::new();
    for (number, receipt) in attempt.messages {
        let standing = MESSAGES.get(tx, &(queue.place(), number))?;
        let same =
            |s: &Standing| s.receipt == receipt && s.visible > cx.now_millis() && !queue.is_over(s, cx.now_millis());
        let Some(standing) = standing.filter(same) else { return Ok(None) };
        if let Some(message) = BODIES.get(tx, &(queue.place(), number))? {
            out.push(show(cx, queue, ask, number, &standing, message)?);
        }
    }
    Ok((!out.is_empty()).then_some(out))
}

/// One receive under way.
struct Taking<'a> {
    cx: &'a Cx,
    queue: &'a Queue,
    ask: &'a Ask,
    most: usize,
    bells: Vec<String>,
    out: Vec<Shown>,
    receipts: Vec<(u64, u64)>,
}

impl Taking<'_> {
    /// Standard queues: whatever can be seen, the one that could be seen first before the others.
    fn by_time(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let mut start = (self.queue.place(), i64::MIN, 0);
        let end = (self.queue.place(), self.cx.now_millis() + 1);
        while self.out.len() < self.most {
            let rows = ORDER.range(tx, &start, &end, Order::Ascending, self.most - self.out.len())?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let Some((_, visible, number)) = row.key::<(Placed, i64, u64)>() else { continue };
                start = (self.queue.place(), visible, number + 1);
                // One that was given with no time to hide in has its place at this very moment.
                if self.receipts.iter().any(|(given, _)| *given == number) {
                    continue;
                }
                match MESSAGES.get(tx, &(self.queue.place(), number))? {
                    Some(standing) => self.one(tx, number, &standing)?,
                    None => return Err(self.cx.broken("a message has a place and no standing")),
                }
            }
        }
        Ok(())
    }

    /// Fair queues: those of quiet groups before the others.
    fn fairly(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        for (_, number) in fair::order(tx, self.queue, self.cx.now_millis())? {
            if self.out.len() >= self.most {
                break;
            }
            match MESSAGES.get(tx, &(self.queue.place(), number))? {
                Some(standing) => self.one(tx, number, &standing)?,
                None => return Err(self.cx.broken("a message has a place and no standing")),
            }
        }
        Ok(())
    }

    /// FIFO queues: in order; a group waits while one of its messages is in flight or delayed.
    fn by_group(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let mut blocked: HashSet<String> = HashSet::new();
        let mut after: Option<((&str, &str, u64), u64)> = None;
        for _ in 0..LOOKED_AT / PAGE {
            let page = MESSAGES.page(tx, &self.queue.place(), after.as_ref(), Order::Ascending, PAGE)?;
            for entry in &page {
                let Some((_, number)) = entry.key::<(Placed, u64)>() else { continue };
                after = Some((self.queue.place(), number));
                let Some(group) = BODIES.get(tx, &(self.queue.place(), number))?.and_then(|m| m.group) else {
                    continue;
                };
                if blocked.contains(&group) {
                    continue;
                }
                let (now, standing) = (self.cx.now_millis(), &entry.row);
                if standing.visible > now && !self.queue.is_over(standing, now) {
                    blocked.insert(group);
                } else if self.out.len() < self.most {
                    self.one(tx, number, &entry.row)?;
                }
                if self.out.len() >= self.most {
                    return Ok(());
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok(())
    }

    fn hide_millis(&self) -> i64 {
        self.ask.visibility.map_or_else(|| self.queue.number("VisibilityTimeout"), i64::from) * 1000
    }

    /// Gives one message to the receiver, unless its time is over or it was received too often.
    fn one(&mut self, tx: &mut Tx<'_>, number: u64, standing: &Standing) -> Result<()> {
        let now = self.cx.now_millis();
        if self.queue.is_over(standing, now) {
            message::remove(tx, self.queue, number, standing);
            return Ok(());
        }
        if let Some(redrive) = self.queue.redrive()?
            && standing.receives >= redrive.max_receive_count
            && self.dead_letter(tx, number, standing, &redrive.dead_letter_target_arn)?
        {
            return Ok(());
        }
        let Some(message) = BODIES.get(tx, &(self.queue.place(), number))? else {
            return Err(self.cx.broken("a message has a standing and no body"));
        };
        let now_standing = Standing {
            visible: now + self.hide_millis(),
            receives: standing.receives + 1,
            first_received: if standing.receives == 0 { now } else { standing.first_received },
            receipt: self.cx.random().below(u64::MAX - 1) + 1,
            received: now,
            ..standing.clone()
        };
        message::restand(tx, self.queue, number, standing, &now_standing);
        self.receipts.push((number, now_standing.receipt));
        self.out.push(show(self.cx, self.queue, self.ask, number, &now_standing, message)?);
        Ok(())
    }

    /// Moves a message to the dead-letter queue, if that is there.
    fn dead_letter(&mut self, tx: &mut Tx<'_>, number: u64, standing: &Standing, target: &str) -> Result<bool> {
        let Some(Ok(target)) = QueueName::from_arn(target).map(|name| name.find(tx)) else { return Ok(false) };
        let Some(mut message) = BODIES.get(tx, &(self.queue.place(), number))? else { return Ok(false) };
        message::remove(tx, self.queue, number, standing);
        message.dead_letter_of = Some(self.queue.arn(self.cx));
        message.earlier_receives = Some(message.earlier_receives.unwrap_or(0) + standing.receives);
        // FIFO queues begin the time of retention anew, standard queues do not ("Using dead-letter queues").
        if target.is_fifo() {
            message.sent = self.cx.now_millis();
        }
        message.enqueue(tx, &target, self.cx.now_millis())?;
        sweep::plan(self.cx, tx, &target)?;
        self.bells.push(target.topic());
        Ok(true)
    }
}

/// A message as the receiver gets it, but for its body, where that is yet to be opened.
struct Shown {
    message: output::Message,
    seal: Option<Seal>,
}

impl Shown {
    async fn open(self, cx: &Cx, queue: &Queue) -> Result<output::Message> {
        let Some(seal) = self.seal else { return Ok(self.message) };
        let body = seal.open(cx, queue).await?;
        Ok(output::Message { md5_of_body: Some(message::md5_of(&body)), body: Some(body), ..self.message })
    }
}

fn show(cx: &Cx, queue: &Queue, ask: &Ask, number: u64, standing: &Standing, message: Message) -> Result<Shown> {
    let wanted = |name: &String| ask.names.iter().any(|n| wants(n, name));
    let chosen: BTreeMap<_, _> =
        message.attributes.iter().filter(|(n, _)| wanted(n)).map(|(n, a)| (n.clone(), a.clone())).collect();
    let attributes = system_attributes(queue, ask, number, standing, &message);
    let (body, seal) = match message.seal {
        None => (Some(message.body), None),
        Some(seal) => match seal.open_own(cx)? {
            Some(body) => (Some(body), None),
            None => (None, Some(seal)),
        },
    };
    let message = output::Message {
        message_id: Some(message.id),
        receipt_handle: Some(ReceiptHandle { queue: queue.id, number, receipt: standing.receipt }.encode()),
        md5_of_body: body.as_deref().map(message::md5_of),
        body,
        attributes: (!attributes.is_empty()).then_some(attributes),
        md5_of_message_attributes: message::md5_of_attributes(&chosen),
        message_attributes: (!chosen.is_empty()).then(|| chosen.iter().map(|(n, a)| (n.clone(), a.output())).collect()),
    };
    Ok(Shown { message, seal })
}

/// `All`, `.*`, a name, or a prefix with `.*` behind it.
fn wants(asked: &str, name: &str) -> bool {
    asked == "All"
        || asked == ".*"
        || asked == name
        || asked.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
}

fn system_attributes(
    queue: &Queue,
    ask: &Ask,
    number: u64,
    standing: &Standing,
    message: &Message,
) -> BTreeMap<String, String> {
    let fifo = queue.is_fifo();
    // "Across all queues" (ReceiveMessage, MessageSystemAttributeNames).
    let receives = message.earlier_receives.unwrap_or(0) + standing.receives;
    let all = [
        ("SenderId", Some(message.sender.clone())),
        ("SentTimestamp", Some(message.sent.to_string())),
        ("ApproximateReceiveCount", Some(receives.to_string())),
        ("ApproximateFirstReceiveTimestamp", Some(standing.first_received.to_string())),
        ("SequenceNumber", fifo.then(|| send::sequence(number))),
        ("MessageDeduplicationId", message.deduplication.clone()),
        ("MessageGroupId", message.group.clone()),
        ("AWSTraceHeader", message.trace_header.clone()),
        ("DeadLetterQueueSourceArn", message.dead_letter_of.clone()),
    ];
    let asked = |name: &str| ask.system.contains("All") || ask.system.contains(name);
    all.into_iter()
        .filter(|(name, _)| asked(name))
        .filter_map(|(name, value)| value.map(|v| (name.to_owned(), v)))
        .collect()
}
