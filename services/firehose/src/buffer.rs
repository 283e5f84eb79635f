//! Records that wait to be delivered.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Entry, Order, Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Result};

use crate::deliver::{DELIVER, task_id};
use crate::stream::{MEBIBYTE, STREAMS, Stream, moment};
use crate::{Firehose, SERVICE};

/// Account, region, id of the stream.
pub(crate) static BUFFERS: Table<Buffer> = Table::new("firehose.buffers");
/// Account, region, id of the stream, number.
static RECORDS: Table<Row> = Table::new("firehose.records");

/// Records are kept for a day where they are put, and cannot be delivered. Milliseconds.
pub(crate) const KEPT: i64 = 24 * 3_600_000;
/// Rows that are read at a time.
const PAGE: usize = 256;

/// What is in a buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Buffer {
    /// The number of its next row.
    #[n(0)]
    next: u64,
    /// Bytes of data that wait.
    #[n(1)]
    bytes: u64,
}

/// Records that came together.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Row {
    /// When they came, in milliseconds since 1970.
    #[n(0)]
    at: i64,
    /// Bytes of their data.
    #[n(1)]
    bytes: u64,
    /// [`Record`]s, as ciphertext.
    #[cbor(n(2), with = "minicbor::bytes")]
    sealed: Vec<u8>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Record {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) data: Vec<u8>,
    /// When it came, in milliseconds since 1970.
    #[n(1)]
    pub(crate) arrived: i64,
    /// Where it was in a Kinesis stream.
    #[n(2)]
    pub(crate) origin: Option<Origin>,
}

/// Where a record was in a Kinesis stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Origin {
    #[n(0)]
    pub(crate) shard: String,
    #[n(1)]
    pub(crate) partition_key: String,
    #[n(2)]
    pub(crate) sequence: String,
}

/// Records that are taken out of a buffer once they are delivered.
pub(crate) struct Taken {
    pub(crate) records: Vec<Vec<u8>>,
    /// The number of the last row among them.
    pub(crate) last: u64,
    /// When the first came.
    pub(crate) oldest: i64,
}

fn place<'a>(cx: &'a Cx, stream: &'a Stream) -> (&'a str, &'a str, &'a str) {
    (cx.account(), cx.region(), &stream.id)
}

fn key<'a>(cx: &'a Cx, stream: &'a Stream, number: u64) -> (&'a str, &'a str, &'a str, u64) {
    (cx.account(), cx.region(), &stream.id, number)
}

/// Records as bytes, to be sealed.
pub(crate) fn pack(records: &[Record]) -> Result<Vec<u8>> {
    minicbor::to_vec(records).map_err(Failure::broken)
}

/// Records of bytes that were opened.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<Record>> {
    minicbor::decode(bytes).map_err(Failure::broken)
}

/// Adds records, sealed already, and has them delivered in time: when the buffer is full, or its time is over.
pub(crate) fn add(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream, records: &[Record], sealed: Vec<u8>) -> Result<()> {
    let mut buffer = BUFFERS.get(tx, &place(cx, stream))?.unwrap_or_default();
    let bytes = records.iter().map(|record| record.data.len() as u64).sum();
    RECORDS.put(tx, &key(cx, stream, buffer.next), &Row { at: cx.now_millis(), bytes, sealed });
    buffer.next += 1;
    buffer.bytes += bytes;
    BUFFERS.put(tx, &place(cx, stream), &buffer);
    let (most, wait) = stream.buffering()?;
    let due = if buffer.bytes >= most { cx.now() } else { moment(cx.now_millis() + wait) };
    cx.tasks().schedule_sooner(cx, tx, SERVICE, &task_id(cx, stream), DELIVER, stream.name.clone(), due)
}

impl Stream {
    /// How many bytes and how long records wait, in milliseconds.
    pub(crate) fn buffering(&self) -> Result<(u64, i64)> {
        let hints = self.destination()?.buffering_hints.unwrap_or_default();
        let size = u64::try_from(hints.size_in_mbs.unwrap_or(5)).unwrap_or(5);
        Ok((size * MEBIBYTE, i64::from(hints.interval_in_seconds.unwrap_or(300)) * 1000))
    }
}

/// The records that are delivered next, as far as a file goes; `upto` is the last row of a delivery that began before.
pub(crate) fn take(cx: &Cx, from: &(impl Read + ?Sized), stream: &Stream, upto: Option<u64>) -> Result<Option<Taken>> {
    let (most, _) = stream.buffering()?;
    let (mut bytes, mut taken) = (0, None::<Taken>);
    let mut after: Option<u64> = None;
    loop {
        let page =
            RECORDS.page(from, &place(cx, stream), after.as_ref().map(|n| (*n,)).as_ref(), Order::Ascending, PAGE)?;
        let full_page = page.len() == PAGE;
        for entry in page {
            let Some(number) = number_of(&entry) else { continue };
            let enough = upto.map_or(bytes >= most, |upto| number > upto);
            if enough {
                return Ok(taken);
            }
            bytes += entry.row.bytes;
            let into = taken.get_or_insert(Taken { records: Vec::new(), last: number, oldest: entry.row.at });
            into.records.push(entry.row.sealed);
            into.last = number;
            after = Some(number);
        }
        if !full_page {
            return Ok(taken);
        }
    }
}

fn number_of(entry: &Entry<Row>) -> Option<u64> {
    entry.key::<(String, String, String, u64)>().map(|(.., number)| number)
}

/// Forgets what was delivered. Gives when what is left is due, in milliseconds since 1970.
pub(crate) fn forget(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream, last: u64) -> Result<Option<i64>> {
    let mut buffer = BUFFERS.get(tx, &place(cx, stream))?.unwrap_or_default();
    let mut next = None;
    while next.is_none() {
        // What goes is first each time.
        let page = RECORDS.page(tx, &place(cx, stream), None::<&()>, Order::Ascending, PAGE)?;
        let whole = page.len() == PAGE;
        for entry in page {
            let Some(number) = number_of(&entry) else { continue };
            if number > last {
                next = Some(entry.row.at);
                break;
            }
            buffer.bytes = buffer.bytes.saturating_sub(entry.row.bytes);
            RECORDS.delete(tx, &key(cx, stream, number));
        }
        if !whole {
            break;
        }
    }
    BUFFERS.put(tx, &place(cx, stream), &buffer);
    let (most, wait) = stream.buffering()?;
    Ok(next.map(|oldest| if buffer.bytes >= most { cx.now_millis() } else { oldest + wait }))
}

/// Forgets all of a stream.
pub(crate) fn clear(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream) -> Result<()> {
    RECORDS.clear(tx, &place(cx, stream))?;
    BUFFERS.delete(tx, &place(cx, stream));
    Ok(())
}

/// Puts a stream in the place of another whose records are sealed otherwise. Those that wait are sealed anew; those that come meanwhile make it
/// begin again. `false`: the stream has become another by itself.
pub(crate) async fn reseal(service: &Firehose, cx: &Cx, before: &Stream, after: &Stream) -> Result<bool> {
    loop {
        let mut anew = Vec::new();
        let from = cx.refreshed().read();
        let head = BUFFERS.get(&from, &place(cx, before))?.unwrap_or_default();
        for entry in RECORDS.all(&from, &place(cx, before))? {
            let Some(number) = number_of(&entry) else { continue };
            let plain = service.vault.open(cx, before, entry.row.sealed.clone()).await?;
            anew.push((number, Row { sealed: service.vault.seal(cx, after, plain).await?, ..entry.row }));
        }
        let done = cx
            .write(|tx| {
                if BUFFERS.get(tx, &place(cx, before))?.unwrap_or_default().next != head.next {
                    return Ok(None);
                }
                if Stream::find(cx, tx, &before.name)? != *before {
                    return Ok(Some(false));
                }
                for (number, row) in &anew {
                    // What was delivered in the meantime stays gone.
                    if RECORDS.has(tx, &key(cx, before, *number))? {
                        RECORDS.put(tx, &key(cx, before, *number), row);
                    }
                }
                STREAMS.put(tx, &cx.key(&after.name), after);
                Ok(Some(true))
            })
            .await?;
        if let Some(done) = done {
            return Ok(done);
        }
    }
}
