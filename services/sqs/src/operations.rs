//! The operations: queues here, the others where their subject is.

use std::collections::BTreeMap;

use undercast_kernel::store::{Order, Table};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, errors};
use crate::queue::{DELETED, DELETED_MILLIS, QUEUES, Queue, QueueName};
use crate::{Sqs, attributes, error, message, move_task, permission, receive, send, sweep, visibility};

/// Account, region → the id of the next queue.
static NEXT_ID: Table<u64> = Table::new("sqs.next_id");
/// A queue has at most so many tags.
const MOST_TAGS: usize = 50;
/// A queue can be purged once in so long.
const PURGE_MILLIS: i64 = 60_000;

api::operations! {
    impl api::Operations for Sqs; |self, cx, input|
    AddPermission => permission::add(cx, input).await,
    CancelMessageMoveTask => move_task::cancel(cx, input).await,
    ChangeMessageVisibility => visibility::change_one(cx, input).await,
    ChangeMessageVisibilityBatch => visibility::change_many(cx, input).await,
    CreateQueue => create_queue(cx, input).await,
    DeleteMessage => visibility::delete_one(cx, input).await,
    DeleteMessageBatch => visibility::delete_many(cx, input).await,
    DeleteQueue => delete_queue(cx, input).await,
    GetQueueAttributes => get_queue_attributes(cx, input),
    GetQueueUrl => get_queue_url(cx, input),
    ListDeadLetterSourceQueues => list_dead_letter_source_queues(cx, input),
    ListMessageMoveTasks => move_task::list(cx, input).await,
    ListQueueTags => list_queue_tags(cx, &input),
    ListQueues => list_queues(cx, input),
    PurgeQueue => purge_queue(cx, input).await,
    ReceiveMessage => receive::receive(cx, input).await,
    RemovePermission => permission::remove(cx, input).await,
    SendMessage => send::one(cx, input).await,
    SendMessageBatch => send::many(cx, input).await,
    SetQueueAttributes => set_queue_attributes(cx, input).await,
    StartMessageMoveTask => move_task::start(cx, input).await,
    TagQueue => tag_queue(cx, input).await,
    UntagQueue => untag_queue(cx, input).await,
}

/// Makes a queue, or finds the one that has the same name and the same attributes.
async fn create_queue(cx: &Cx, input: api::CreateQueueInput) -> Result<api::CreateQueueOutput> {
    let given = input.attributes.unwrap_or_else(BTreeMap::new);
    let tags = input.tags.unwrap_or_else(BTreeMap::new);
    check_name(&input.queue_name, given.get("FifoQueue").is_some_and(|v| v == "true"))?;
    check_tags(&tags, 0)?;
    let now = cx.now();
    let queue_url = cx
        .write(|tx| {
            let id = NEXT_ID.get(tx, &(cx.account(), cx.region()))?.unwrap_or(1);
            let mut queue = Queue {
                id,
                account: cx.account().to_owned(),
                region: cx.region().to_owned(),
                name: input.queue_name.clone(),
                attributes: BTreeMap::new(),
                tags: tags.clone(),
                created: now.as_second(),
                modified: now.as_second(),
                purged: 0,
            };
            attributes::apply(&mut queue, &given);
            attributes::check(cx, tx, &queue, &given, true)?;
            if let Some(there) = QUEUES.get(tx, &queue.key())? {
                return same(cx, &there, &queue, &given);
            }
            if DELETED.get(tx, &queue.key())?.is_some_and(|at| at + DELETED_MILLIS > now.as_millisecond()) {
                let message =
                    "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
                return Err(errors::queue_deleted_recently(message).into());
            }
            NEXT_ID.put(tx, &(cx.account(), cx.region()), &(id + 1));
            DELETED.delete(tx, &queue.key());
            QUEUES.put(tx, &queue.key(), &queue);
            Ok(queue.url(cx))
        })
        .await?;
    Ok(api::CreateQueueOutput { queue_url: Some(queue_url) })
}

async fn delete_queue(cx: &Cx, input: api::DeleteQueueInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let topic = cx
        .write(|tx| {
            let queue = name.find(tx)?;
            message::forget(tx, &queue)?;
            send::DEDUPLICATION.clear(tx, &queue.place())?;
            receive::ATTEMPTS.clear(tx, &queue.place())?;
            move_task::forget(tx, &queue)?;
            QUEUES.delete(tx, &queue.key());
            DELETED.put(tx, &queue.key(), &cx.now_millis());
            cx.tasks().cancel(tx, "sqs", &format!("sweep/{}", queue.tag()))?;
            Ok(queue.topic())
        })
        .await?;
    cx.signals().ring(&topic);
    Ok(())
}

fn get_queue_attributes(cx: &Cx, input: api::GetQueueAttributesInput) -> Result<api::GetQueueAttributesOutput> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let read = cx.read();
    let queue = name.find(&read)?;
    let asked = input.attribute_names.unwrap_or_else(Vec::new);
    attributes::check_names(&asked, &[])?;
    let mut all = attributes::describe(cx, &queue);
    let everything = asked.iter().any(|a| a == "All");
    if everything || asked.iter().any(|a| a.starts_with("Approximate")) {
        let (visible, in_flight, delayed) = message::counts(&read, &queue, cx.now_millis())?;
        for (name, count) in [("", visible), ("NotVisible", in_flight), ("Delayed", delayed)] {
            all.insert(format!("ApproximateNumberOfMessages{name}"), count.to_string());
        }
    }
    if !everything {
        all.retain(|name, _| asked.contains(name));
    }
    Ok(api::GetQueueAttributesOutput { attributes: (!all.is_empty()).then_some(all) })
}

fn get_queue_url(cx: &Cx, input: api::GetQueueUrlInput) -> Result<api::GetQueueUrlOutput> {
    let account = input.queue_owner_aws_account_id.unwrap_or_else(|| cx.account().to_owned());
    let name = QueueName { account, region: cx.region().to_owned(), name: input.queue_name };
    let queue = name.find(&cx.read())?;
    Ok(api::GetQueueUrlOutput { queue_url: Some(queue.url(cx)) })
}

fn list_dead_letter_source_queues(
    cx: &Cx,
    input: api::ListDeadLetterSourceQueuesInput,
) -> Result<api::ListDeadLetterSourceQueuesOutput> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let read = cx.read();
    let target = name.find(&read)?;
    let urls: Vec<(String, String)> =
        move_task::sources(cx, &read, &target)?.iter().map(|q| (q.name.clone(), q.url(cx))).collect();
    let (queue_urls, next_token) = page(urls, "ListDeadLetterSourceQueues", input.next_token, input.max_results)?;
    Ok(api::ListDeadLetterSourceQueuesOutput { queue_urls, next_token })
}

fn list_queue_tags(cx: &Cx, input: &api::ListQueueTagsInput) -> Result<api::ListQueueTagsOutput> {
    let queue = QueueName::from_url(cx, &input.queue_url)?.find(&cx.read())?;
    Ok(api::ListQueueTagsOutput { tags: (!queue.tags.is_empty()).then_some(queue.tags) })
}

fn list_queues(cx: &Cx, input: api::ListQueuesInput) -> Result<api::ListQueuesOutput> {
    let prefix = input.queue_name_prefix.unwrap_or_else(String::new);
    let queues = QUEUES.page(&cx.read(), &(cx.account(), cx.region()), None::<&()>, Order::Ascending, usize::MAX)?;
    let urls = queues.iter().filter(|q| q.row.name.starts_with(&prefix)).map(|q| (q.row.name.clone(), q.row.url(cx)));
    let (queue_urls, next_token) = page(urls.collect(), "ListQueues", input.next_token, input.max_results)?;
    Ok(api::ListQueuesOutput { queue_urls: (!queue_urls.is_empty()).then_some(queue_urls), next_token })
}

async fn purge_queue(cx: &Cx, input: api::PurgeQueueInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    cx.write(|tx| {
        let mut queue = name.find(tx)?;
        if queue.purged + PURGE_MILLIS > cx.now_millis() {
            let message = format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", queue.name);
            return Err(errors::purge_queue_in_progress(message).into());
        }
        message::clear(tx, &queue)?;
        queue.purged = cx.now_millis();
        QUEUES.put(tx, &queue.key(), &queue);
        Ok(())
    })
    .await
}

async fn set_queue_attributes(cx: &Cx, input: api::SetQueueAttributesInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    let topic = cx
        .write(|tx| {
            let before = name.find(tx)?;
            let mut queue = before.clone();
            attributes::apply(&mut queue, &input.attributes);
            attributes::check(cx, tx, &queue, &input.attributes, false)?;
            queue.modified = cx.now().as_second();
            QUEUES.put(tx, &queue.key(), &queue);
            if queue.is_fifo() && queue.number("DelaySeconds") != before.number("DelaySeconds") {
                message::delay_anew(tx, &queue)?;
            }
            if queue.retention_millis() != before.retention_millis() {
                sweep::expire_all(cx, tx, &before)?;
                sweep::replan(cx, tx, &queue)?;
            }
            Ok(queue.topic())
        })
        .await?;
    // A delay that is shorter now may show what somebody waits for.
    cx.signals().ring(&topic);
    Ok(())
}

async fn tag_queue(cx: &Cx, input: api::TagQueueInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    cx.write(|tx| {
        let mut queue = name.find(tx)?;
        let others = queue.tags.keys().filter(|k| !input.tags.contains_key(*k)).count();
        check_tags(&input.tags, others)?;
        queue.tags.extend(input.tags.clone());
        QUEUES.put(tx, &queue.key(), &queue);
        Ok(())
    })
    .await
}

async fn untag_queue(cx: &Cx, input: api::UntagQueueInput) -> Result<()> {
    let name = QueueName::from_url(cx, &input.queue_url)?;
    cx.write(|tx| {
        let mut queue = name.find(tx)?;
        queue.tags.retain(|key, _| !input.tag_keys.contains(key));
        QUEUES.put(tx, &queue.key(), &queue);
        Ok(())
    })
    .await
}

fn check_name(name: &str, fifo: bool) -> Result<()> {
    let base = name.strip_suffix(".fifo");
    let characters = base.unwrap_or(name);
    let good =
        !characters.is_empty() && characters.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fifo != base.is_some() || (fifo && (!good || name.len() > 80)) {
        let message = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.";
        return Err(error::invalid_value(message).into());
    }
    if !good || name.len() > 80 {
        let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(error::invalid_value(message).into());
    }
    Ok(())
}

fn check_tags(tags: &BTreeMap<String, String>, others: usize) -> Result<()> {
    undercast_kernel::tags::check(tags, others, MOST_TAGS).map_err(|bad| error::invalid_value(bad.to_string()).into())
}

/// `CreateQueue` with the name of a queue that is there: fine if every attribute given has the value it has.
fn same(cx: &Cx, there: &Queue, wanted: &Queue, given: &BTreeMap<String, String>) -> Result<String> {
    let known = attributes::describe(cx, there);
    let differs = given.iter().find(|(name, value)| known.get(*name).is_none_or(|k| !same_value(k, value)));
    let fifo = there.is_fifo() != wanted.is_fifo();
    match differs.map(|(name, _)| name.as_str()).or(fifo.then_some("FifoQueue")) {
        Some(name) => {
            let message =
                format!("A queue already exists with the same name and a different value for attribute {name}");
            Err(errors::queue_name_exists(message).into())
        }
        None => Ok(there.url(cx)),
    }
}

/// Policies are the same when they say the same, however they are spaced.
fn same_value(a: &str, b: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok().filter(serde_json::Value::is_object);
    a == b || json(a).is_some_and(|a| Some(a) == json(b))
}

/// A page of URLs by name. Without `MaxResults` there is one page of at most 1,000 and no token, as on AWS.
fn page(
    urls: Vec<(String, String)>,
    list: &str,
    token: Option<String>,
    most: Option<i32>,
) -> Result<(Vec<String>, Option<String>)> {
    if let Some(most) = most.filter(|m| !(1..=1_000).contains(m)) {
        let message = format!(
            "Value for parameter MaxResults is invalid. Reason: {most} must be between 1 and 1000, if provided."
        );
        return Err(error::invalid_value(message).into());
    }
    let after = match token {
        Some(token) => {
            let bad = || Failure::from(error::invalid_value("Invalid or expired next token."));
            Some(paging::position(list, &token).ok_or_else(bad)?)
        }
        None => None,
    };
    let limit = most.map_or(1_000, |m| usize::try_from(m).unwrap_or(1));
    let mut rest = urls.into_iter().filter(|(name, _)| after.as_ref().is_none_or(|a| name > a)).peekable();
    let mut out = Vec::new();
    let mut last = String::new();
    while out.len() < limit {
        let Some((name, url)) = rest.next() else { break };
        last = name;
        out.push(url);
    }
    let more = most.is_some() && rest.peek().is_some();
    Ok((out, more.then(|| paging::token(list, &last))))
}
