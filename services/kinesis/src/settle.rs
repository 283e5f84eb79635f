//! How streams come to be what they were told to be: a moment later, by the cloud's clock.
//!
//! At AWS that takes seconds to minutes; here a tenth of a second, and calls that only want to know or to read and write
//! wait for it, unless the clock stands still.

use std::borrow::Cow;
use std::time::Duration;

use undercast_kernel::store::{Order, Tx};
use undercast_kernel::{Cx, Next, Result, Task, Timestamp};

use crate::batch::BATCHES;
use crate::consumers::{self, CONSUMERS};
use crate::encryption::KEYS;
use crate::name::StreamName;
use crate::reshard;
use crate::stream::{Change, HEADS, SHARDS, STREAMS, Status, Stream};

/// What a stream is told takes so long.
const SETTLE: Duration = Duration::from_millis(100);
/// Nobody waits longer than this for it, by the machine's time.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many rows of a stream that is gone are removed at a time.
const STEP: usize = 200;

/// The task that makes a stream what it was told to be.
pub(crate) const SETTLING: &str = "settle";
/// The task that removes the records of a stream that is gone.
pub(crate) const REMOVING: &str = "remove";

/// When what is told now is done.
pub(crate) fn due(cx: &Cx) -> Timestamp {
    cx.now().saturating_add(SETTLE).unwrap_or(cx.now())
}

/// Has a stream come to be what its status says, with the writes of a transaction.
pub(crate) fn plan(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream) -> Result<()> {
    STREAMS.put(tx, &cx.key(&stream.name), stream);
    let id = format!("settle/{}/{}/{}", cx.account(), cx.region(), stream.id);
    cx.tasks().schedule(cx, tx, "kinesis", &id, SETTLING, stream.name.clone(), due(cx))
}

/// Waits for a stream whose status is one of those that shall pass, and gives the context of the moment after it.
pub(crate) async fn wait<'a>(cx: &'a Cx, name: &StreamName, shall_pass: fn(&Status) -> bool) -> Result<Cow<'a, Cx>> {
    let passing = |cx: &Cx| {
        Ok::<_, undercast_kernel::Failure>(
            STREAMS.get(&cx.read(), &cx.key(&name.name))?.filter(|s| shall_pass(&s.status)),
        )
    };
    let Some(stream) = passing(cx)? else { return Ok(Cow::Borrowed(cx)) };
    if cx.kernel().clock().ahead().1 {
        return Ok(Cow::Borrowed(cx));
    }
    let bell = cx.signals().of(&stream.settled(cx));
    let waiting = async {
        loop {
            let mut heard = std::pin::pin!(bell.notified());
            heard.as_mut().enable();
            match passing(cx) {
                Ok(Some(_)) => heard.await,
                _ => return,
            }
        }
    };
    // One that does not come to it is seen as it is.
    let _ = tokio::time::timeout(PATIENCE, waiting).await;
    Ok(Cow::Owned(cx.refreshed()))
}

/// The same for reading and writing, which a stream that is being made cannot do.
pub(crate) async fn wait_made<'a>(cx: &'a Cx, name: &StreamName) -> Result<Cow<'a, Cx>> {
    wait(cx, name, |status| *status == Status::Creating).await
}

/// The same for whoever asks what a stream is.
pub(crate) async fn wait_settled<'a>(cx: &'a Cx, name: &StreamName) -> Result<Cow<'a, Cx>> {
    wait(cx, name, |status| *status != Status::Active).await
}

/// Does the task that makes a stream what it was told to be.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let topics = cx.write(|tx| settle(cx, tx, &task.payload)).await?;
    topics.iter().for_each(|topic| cx.signals().ring(topic));
    Ok(Next::Done)
}

/// Makes a stream what it was told to be; gives the bells that are to be rung.
fn settle(cx: &Cx, tx: &mut Tx<'_>, name: &str) -> Result<Vec<String>> {
    let Some(mut stream) = STREAMS.get(tx, &cx.key(name))? else { return Ok(Vec::new()) };
    let mut topics = vec![stream.settled(cx)];
    match std::mem::replace(&mut stream.status, Status::Active) {
        Status::Active => return Ok(topics),
        Status::Deleting => {
            remove(cx, tx, &stream)?;
            return Ok(topics);
        }
        Status::Creating | Status::Updating(Change::Setting) => {}
        Status::Updating(Change::Encrypt { key }) => stream.key = key,
        Status::Updating(Change::Split { shard, at }) => topics.extend(reshard::split(cx, tx, &mut stream, shard, at)?),
        Status::Updating(Change::Merge { shard, adjacent }) => {
            topics.extend(reshard::merge(cx, tx, &mut stream, shard, adjacent)?);
        }
        Status::Updating(Change::Resize { target }) => topics.extend(reshard::resize(cx, tx, &mut stream, target)?),
    }
    STREAMS.put(tx, &cx.key(name), &stream);
    Ok(topics)
}

/// Removes a stream. Its records, of which there may be many, go afterwards.
fn remove(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream) -> Result<()> {
    let place = stream.place(cx);
    STREAMS.delete(tx, &cx.key(&stream.name));
    SHARDS.clear(tx, &place)?;
    HEADS.delete(tx, &place);
    KEYS.clear(tx, &place)?;
    for consumer in CONSUMERS.all(tx, &place)? {
        consumers::forget(cx, tx, stream, &consumer.row)?;
    }
    cx.tasks().cancel(tx, "kinesis", &crate::retention::task_id(cx, stream.id))?;
    let id = format!("remove/{}/{}/{}", cx.account(), cx.region(), stream.id);
    cx.tasks().schedule(cx, tx, "kinesis", &id, REMOVING, stream.id.to_string(), cx.now())
}

/// Does the task that removes the records of a stream that is gone.
pub(crate) async fn remove_records(cx: &Cx, task: &Task) -> Result<Next> {
    let Ok(id) = task.payload.parse::<u64>() else { return Ok(Next::Done) };
    let place = (cx.account(), cx.region(), id);
    let removed = cx
        .write(|tx| {
            let rows = BATCHES.page(tx, &place, None::<&()>, Order::Ascending, STEP)?;
            for row in &rows {
                if let Some((_, shard, last)) = row.key::<((String, String, u64), u64, u64)>() {
                    BATCHES.delete(tx, &(place, shard, last));
                }
            }
            Ok(rows.len())
        })
        .await?;
    Ok(if removed < STEP { Next::Done } else { Next::Again(cx.now()) })
}
