//! Deliveries: what waits is taken, processed, written, and then forgotten.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::{Cx, Failure, Next, Result, Task};

use crate::api::kept::ExtendedS3DestinationConfiguration as Destination;
use crate::buffer::{self, KEPT, Record, Taken};
use crate::files::{Arranging, File};
use crate::processing::{Lost, Steps};
use crate::stream::{STREAMS, Stream, moment};
use crate::{Firehose, check, endpoint, logging, metrics};

/// The kind of the task.
pub(crate) const DELIVER: &str = "deliver";

/// Account, region, id of the stream.
static DELIVERIES: Table<Delivery> = Table::new("firehose.deliveries");

/// What cannot be written is tried again after so long at the latest, in milliseconds.
const PATIENCE: i64 = 5 * 60_000;

/// A delivery that is under way. Its names come of its id, so that it writes the same objects however often it begins.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Delivery {
    #[n(0)]
    id: String,
    /// The last row of records that it takes.
    #[n(1)]
    last: u64,
    /// Milliseconds since 1970.
    #[n(2)]
    begun: i64,
}

/// The task of a stream.
pub(crate) fn task_id(cx: &Cx, stream: &Stream) -> String {
    format!("{DELIVER}/{}/{}/{}", cx.account(), cx.region(), stream.id)
}

/// Forgets a delivery with its stream.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream) -> Result<()> {
    DELIVERIES.delete(tx, &cx.key(&stream.id));
    Ok(())
}

/// What came of a try.
enum Tried {
    Delivered,
    /// It could not be written, for this reason.
    Refused {
        code: String,
        message: String,
    },
}

pub(crate) async fn run(service: &Firehose, cx: &Cx, task: &Task) -> Result<Next> {
    let from = cx.read();
    let Some(stream) = STREAMS.get(&from, &cx.key(&task.payload))?.filter(|s| task_id(cx, s) == task.id) else {
        return Ok(Next::Done);
    };
    let begun = DELIVERIES.get(&from, &cx.key(&stream.id))?;
    let Some(taken) = buffer::take(cx, &from, &stream, begun.as_ref().map(|begun| begun.last))? else {
        return Ok(Next::Done);
    };
    let delivery = match begun {
        Some(begun) => begun,
        None => {
            let new = Delivery { id: cx.random().uuid(), last: taken.last, begun: cx.now_millis() };
            cx.write(|tx| {
                DELIVERIES.put(tx, &cx.key(&stream.id), &new);
                Ok(())
            })
            .await?;
            new
        }
    };
    let destination = stream.destination()?;
    if let Tried::Refused { code, message } = attempt(service, cx, (&stream, &destination), &delivery, taken).await? {
        logging::tell(cx, &stream, &destination, &code, &message).await;
        let waited = cx.now_millis() - delivery.begun;
        if waited < KEPT {
            return Ok(Next::Again(moment(cx.now_millis() + waited.clamp(1000, PATIENCE))));
        }
        // "If data delivery fails for more than 24 hours, your data is lost."
        logging::tell(cx, &stream, &destination, "S3.DataLost", "Records were discarded after 24 hours.").await;
    }
    let next = cx
        .write(|tx| {
            DELIVERIES.delete(tx, &cx.key(&stream.id));
            buffer::forget(cx, tx, &stream, delivery.last)
        })
        .await?;
    Ok(next.map_or(Next::Done, |due| Next::Again(moment(due))))
}

/// Tries to deliver what was taken.
async fn attempt(
    service: &Firehose,
    cx: &Cx,
    (stream, destination): (&Stream, &Destination),
    delivery: &Delivery,
    taken: Taken,
) -> Result<Tried> {
    let refused = |code: String, message: String| Ok(Tried::Refused { code, message });
    let mut records: Vec<Record> = Vec::new();
    for sealed in taken.records {
        match service.vault.open(cx, stream, sealed).await {
            Ok(plain) => records.extend(buffer::unpack(&plain)?),
            Err(Failure::Aws(error)) => return refused("KMS.Refused".to_owned(), error.message.clone()),
            Err(failure) => return Err(failure),
        }
    }
    let came = if destination.s3_backup_mode.as_deref() == Some("Enabled") { records.clone() } else { Vec::new() };
    let steps = check::processing(destination).map(Steps::of).transpose()?.unwrap_or_default();
    let (mut items, mut lost) = steps.run(cx, stream, &delivery.id, records).await?;
    if let Some(endpoint) = stream.endpoint(cx)?
        && !items.is_empty()
    {
        let bytes = items.iter().map(|item| item.data.len()).sum();
        let answer = endpoint::post(cx, stream, &endpoint, &delivery.id, &items).await?;
        let done = answer.is_ok().then_some((items.len(), bytes));
        metrics::delivered(cx, stream, "DeliveryToHttpEndpoint", done, taken.oldest);
        match answer {
            Ok(()) => items.clear(),
            Err((code, message)) if cx.now_millis() - delivery.begun < endpoint::retries(&endpoint) => {
                return refused(code.to_owned(), message);
            }
            Err((code, message)) => {
                let given_up = |item| Lost { kind: endpoint::REFUSED, ..Lost::of(item, code, message.clone()) };
                lost.extend(items.drain(..).map(given_up));
            }
        }
    }
    for lost in &lost {
        logging::tell(cx, stream, destination, &lost.code, &lost.message).await;
    }
    let arranging = Arranging { cx, stream, destination, delivery: &delivery.id, oldest: taken.oldest };
    for file in arranging.files(items, lost, &came).await? {
        match file.put(cx).await {
            Ok(()) => count(cx, stream, &file, true),
            Err(Failure::Aws(error)) => {
                count(cx, stream, &file, false);
                return refused(format!("S3.{}", error.code), error.message.clone());
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(Tried::Delivered)
}

fn count(cx: &Cx, stream: &Stream, file: &File, done: bool) {
    if let Some(what) = file.counted {
        metrics::delivered(cx, stream, what, done.then_some((file.records, file.bytes())), file.oldest);
    }
}
