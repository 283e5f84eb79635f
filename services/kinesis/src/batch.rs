//! How records are kept: those that one call put into one shard, side by side in one row, or in a few when they are large.
//!
//! A row's key ends with the index of its last record, so that reading from an index on is one range.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Bytes, Cx, Result};

use crate::stream::Stream;

/// Account, region, id of the stream, shard, index of the last record → records.
pub(crate) static BATCHES: Table<Batch> = Table::new("kinesis.batches");

/// Rows are not much longer, unless a record is.
const ROW: usize = 64 * 1024;
/// What stands in the place of a partition key's length where there is none.
const NO_KEY: u16 = u16::MAX;

/// Records side by side.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Batch {
    /// When they came, in milliseconds since 1970.
    #[n(0)]
    pub(crate) at: i64,
    #[n(1)]
    pub(crate) count: u32,
    /// The number of the data key that they are sealed with.
    #[n(2)]
    pub(crate) key: Option<u64>,
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) packed: Vec<u8>,
}

/// A record as it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition_key: Option<String>,
    pub(crate) data: Bytes,
}

impl Record {
    /// What counts towards limits.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.partition_key.as_ref().map_or(0, String::len)
    }

    fn pack(&self, out: &mut Vec<u8>) {
        let key = self.partition_key.as_deref();
        // The model allows 256 characters, and 10 MiB.
        let length = key.map_or(NO_KEY, |key| u16::try_from(key.len()).unwrap_or(NO_KEY - 1));
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(key.unwrap_or_default().as_bytes());
        out.extend_from_slice(&u32::try_from(self.data.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&self.data);
    }
}

/// Packs records into rows.
pub(crate) fn pack<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Batch> {
    let mut rows: Vec<Batch> = Vec::new();
    for record in records {
        let fits = |row: &&mut Batch| row.packed.len() + record.size() <= ROW;
        let row = match rows.last_mut().filter(fits) {
            Some(row) => row,
            None => {
                rows.push(Batch { at: 0, count: 0, key: None, packed: Vec::new() });
                let last = rows.len() - 1;
                &mut rows[last]
            }
        };
        record.pack(&mut row.packed);
        row.count += 1;
    }
    rows
}

/// Takes a row's records apart. `None`: it is damaged.
pub(crate) fn unpack(packed: &Bytes, count: u32) -> Option<Vec<Record>> {
    let mut out = Vec::with_capacity(usize::try_from(count).ok()?.min(1024));
    let mut at = 0;
    let mut take = |length: usize| {
        let end = at + length;
        (end <= packed.len()).then(|| packed.slice(std::mem::replace(&mut at, end)..end))
    };
    for _ in 0..count {
        let length = u16::from_be_bytes(take(2)?.as_ref().try_into().ok()?);
        let partition_key = match length {
            NO_KEY => None,
            length => Some(String::from_utf8(take(usize::from(length))?.to_vec()).ok()?),
        };
        let length = u32::from_be_bytes(take(4)?.as_ref().try_into().ok()?);
        out.push(Record { partition_key, data: take(usize::try_from(length).ok()?)? });
    }
    (at == packed.len()).then_some(out)
}

/// A row with the index of its first record.
pub(crate) struct Stored {
    pub(crate) first: u64,
    pub(crate) batch: Batch,
}

impl Stored {
    /// The index behind its last record.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.batch.count)
    }
}

/// Puts a row whose first record has an index.
pub(crate) fn put(cx: &Cx, tx: &mut Tx<'_>, stream: &Stream, shard: u32, first: u64, batch: &Batch) {
    let last = first + u64::from(batch.count).saturating_sub(1);
    BATCHES.put(tx, &(stream.place(cx), u64::from(shard), last), batch);
}

/// The first rows that have records at an index or behind it.
pub(crate) fn from(
    cx: &Cx,
    read: &(impl Read + ?Sized),
    (stream, shard): (&Stream, u32),
    index: u64,
    limit: usize,
) -> Result<Vec<Stored>> {
    let (place, shard) = (stream.place(cx), u64::from(shard));
    let rows = BATCHES.range(read, &(place, shard, index), &(place, shard, u64::MAX), Order::Ascending, limit)?;
    let stored = rows.into_iter().map(|row| {
        let last = row.key::<((String, String, u64), u64, u64)>().map(|(_, _, last)| last);
        let last = last.ok_or_else(|| cx.broken("a row of records has no index"))?;
        Ok(Stored { first: (last + 1).saturating_sub(u64::from(row.row.count)), batch: row.row })
    });
    stored.collect()
}

/// The index of the first record that came at a moment or later, in milliseconds since 1970; that of what comes next where
/// there is none. `end` is the latter.
pub(crate) fn since(cx: &Cx, read: &(impl Read + ?Sized), of: (&Stream, u32), moment: i64, end: u64) -> Result<u64> {
    // All rows at `low` or before it are older, and what stands at `high` or behind it is not.
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        match from(cx, read, of, middle, 1)?.into_iter().next() {
            Some(row) if row.batch.at < moment => low = row.end(),
            Some(row) if row.first < middle && row.first > low => high = row.first,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_records_share_a_row_and_large_ones_do_not() {
        let of = |size: usize| Record { partition_key: Some("k".into()), data: vec![7; size].into() };
        let records = [of(10), of(ROW - 100), of(200), of(3 * ROW), of(1)];
        let counts: Vec<u32> = pack(records.iter()).iter().map(|row| row.count).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out(
            records in proptest::collection::vec((proptest::option::of(".{0,20}"), proptest::collection::vec(any::<u8>(), 0..200)), 1..40)
        ) {
            let records: Vec<Record> =
                records.into_iter().map(|(partition_key, data)| Record { partition_key, data: data.into() }).collect();
            let rows = pack(records.iter());
            let out: Option<Vec<Vec<Record>>> = rows.iter().map(|row| unpack(&row.packed.clone().into(), row.count)).collect();
            prop_assert_eq!(out.map(|all| all.concat()), Some(records));
            for cut in rows.iter().flat_map(|row| (0..row.packed.len()).map(move |at| (row, at))) {
                let (row, at) = cut;
                prop_assert_eq!(unpack(&row.packed[..at].to_vec().into(), row.count), None);
            }
        }
    }
}
