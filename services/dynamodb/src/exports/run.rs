//! Writing an export, as a task.

use super::files::{Bucket, Files, summary};
use super::filter::Choice;
use super::lines::{self, Change};
use super::{Export, What, get};
use crate::DynamoDb;
use crate::compact::ItemRef;
use crate::encryption::For;
use crate::error::{Error, Result};
use crate::jobs::{self, PRINCIPAL, State, Trouble};
use crate::key::segment_range;
use crate::request::scope;
use crate::rows::{self, Rows};
use crate::streams::STEP;
use crate::streams::store;
use crate::table::BASE;
use crate::tables::describe::moment;
use crate::tables::recovery::{Instead, undone};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use undercast_kernel::{Cx, Failure, Next};
use undercast_store::{Order, Snapshot};

/// So many partitions a new table has.
const PARTITIONS: u32 = 4;

/// The least that is billed for what was written in a while, in bytes.
const LEAST_BILLED: i64 = 10_000_000;

impl DynamoDb {
    /// Does the task of an export, `payload` being its table's name and its id: writes it, and forgets it after 90 days.
    ///
    /// # Errors
    /// When the store fails: then all of it is done again.
    pub(crate) async fn run_export(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some((table, id)) = payload.split_once('/') else { return Ok(Next::Done) };
        let Some(mut export) = get(&cx.read(), scope(cx), table, id)? else { return Ok(Next::Done) };
        if export.is_over(cx.now_millis()) {
            cx.write(|tx| {
                super::EXPORTS.delete(tx, &super::key(scope(cx), table, id));
                Ok(())
            })
            .await?;
            return Ok(Next::Done);
        }
        if export.state == State::InProgress {
            let as_caller = cx.resume(&export.by, PRINCIPAL)?;
            self.descriptions.attach(&mut export.table);
            let opened = self.open(&as_caller, For::Caller, &export.table).await.map_err(Failure::from);
            let written = match opened {
                Ok(()) => write(&as_caller, &mut export).await,
                Err(failure) => Err(failure),
            };
            export.state = match written {
                Ok(()) => State::Completed,
                Err(Failure::Aws(error)) => State::Failed(jobs::refused_by_s3(&error, as_caller.request_id())),
                Err(failure @ Failure::NotBuilt { .. }) => State::Failed(Trouble {
                    code: "NotImplemented".to_owned(),
                    message: failure.into_error(cx.request_id()).message,
                }),
                Err(failure) => return Err(failure.into()),
            };
            export.ended = Some(cx.refreshed().now_millis());
            cx.write(|tx| {
                export.put(tx, scope(cx));
                Ok(())
            })
            .await?;
        }
        Ok(Next::Again(moment(export.started.saturating_add(jobs::KEPT))))
    }
}

/// Writes all objects of an export, and notes how much it was.
async fn write(cx: &Cx, export: &mut Export) -> undercast_kernel::Result<()> {
    let from = cx.read();
    let asked = export.clone();
    let bucket = Bucket { cx, export: &asked };
    let base = format!("{}{}/", asked.target.base(), asked.id);
    // That it can be put shows that others can.
    bucket.put(&format!("{base}_started"), "application/octet-stream", Vec::new()).await?;
    let mut files = Files::new(&bucket);
    let source = Source { cx, from: &from, export: &asked, choice: asked.choice()? };
    export.billed = match asked.what {
        What::Full(at) => full(&source, at, &mut files).await?,
        What::Incremental { from, to, old_images } => incremental(&source, (from, to), old_images, &mut files).await?,
    };
    export.items = files.all;
    bucket.put_manifest("manifest-files", files.list()).await?;
    // Whoever waits for the export waits for this one, so it comes last.
    bucket.put_manifest("manifest-summary", summary(cx, export, cx.refreshed().now_millis())).await
}

/// What is exported of which table.
struct Source<'a> {
    cx: &'a Cx,
    from: &'a Snapshot,
    export: &'a Export,
    choice: Choice,
}

impl Source<'_> {
    fn history(&self) -> Option<&str> {
        self.export.table.recovery.as_ref().map(|recovery| recovery.history.id.as_str())
    }

    /// What items were at a moment, where they are something else now.
    fn instead(&self, at: i64) -> Result<Instead> {
        let undone = |id| undone(self.from, self.cx, &self.export.table, id, at);
        self.history().map_or(Ok(Instead::new()), undone)
    }
}

/// Writes what the table held at a moment, and says how many bytes that is.
async fn full(source: &Source<'_>, at: i64, files: &mut Files<'_>) -> undercast_kernel::Result<i64> {
    let instead = source.instead(at)?;
    let mut bytes = 0;
    for partition in 0..PARTITIONS {
        let (first, end) = segment_range(partition, PARTITIONS);
        let to = end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.to_vec()));
        if let Some(places) = source.choice.among(Bound::Included(first.to_vec()), to) {
            bytes += between(source, places, &instead, files).await?;
        }
        files.finish().await?;
    }
    Ok(bytes)
}

/// Writes what stood between two places.
async fn between(
    source: &Source<'_>,
    (first, to): (Bound<Vec<u8>>, Bound<Vec<u8>>),
    instead: &Instead,
    files: &mut Files<'_>,
) -> undercast_kernel::Result<i64> {
    let mut bytes = 0;
    let mut others = instead.range((first.clone(), to.clone())).peekable();
    let mut rows = Rows { from: first, to, order: Order::Ascending };
    loop {
        let found = rows::scan(source.from, scope(source.cx), &source.export.table, BASE, &rows, STEP)?;
        let last = found.last().map(|(place, _)| place.clone());
        for (place, stored) in found {
            // What is not there any more stands before what comes after it.
            while let Some((_, other)) = others.next_if(|(other, _)| **other < place) {
                bytes += add(source, other.as_ref(), files).await?;
            }
            let there = match others.next_if(|(other, _)| **other == place) {
                Some((_, other)) => other.clone(),
                None => Some(stored),
            };
            bytes += add(source, there.as_ref(), files).await?;
        }
        match last {
            Some(last) => rows = rows.after(&last),
            None => break,
        }
    }
    for (_, other) in others {
        bytes += add(source, other.as_ref(), files).await?;
    }
    Ok(bytes)
}

/// Adds an item that was there, if it is wanted, and says how many bytes were read.
async fn add(source: &Source<'_>, stored: Option<&Bytes>, files: &mut Files<'_>) -> undercast_kernel::Result<i64> {
    let Some(stored) = stored else { return Ok(0) };
    let item = ItemRef::open(stored).map_err(Error::from)?;
    if source.choice.wants(item)? {
        let shown = source.choice.of(stored)?;
        files.add(&lines::of_item(source.export.format, ItemRef::open(&shown).map_err(Error::from)?)?).await?;
    }
    Ok(i64::try_from(item.size()).unwrap_or(i64::MAX))
}

/// What was written to a place in a while.
struct Touched {
    /// When last.
    at: i64,
    /// The key of the item, in its stored form.
    keys: Vec<u8>,
    /// The item as it was before.
    old: Option<Vec<u8>>,
}

/// Writes what became of the items that were written in a while, and says how many bytes are billed.
async fn incremental(
    source: &Source<'_>,
    (first, to): (i64, i64),
    old_images: bool,
    files: &mut Files<'_>,
) -> undercast_kernel::Result<i64> {
    let (touched, read) = touched(source, first, to)?;
    let instead = source.instead(to - 1)?;
    for (place, touched) in &touched {
        let new = match instead.get(place) {
            Some(then) => then.clone(),
            None => rows::get(source.from, scope(source.cx), &source.export.table, place)?,
        };
        if let Some(line) = line(source, touched, new.as_deref(), old_images)? {
            files.add(&line).await?;
        }
    }
    if files.all == 0 || !files.is_fresh() {
        files.finish().await?;
    }
    Ok(read.max(LEAST_BILLED))
}

/// The line of an item that was written, if it is wanted: what it is decides, or what it was when it is no more.
fn line(source: &Source<'_>, touched: &Touched, new: Option<&[u8]>, old_images: bool) -> Result<Option<String>> {
    let old = touched.old.as_deref();
    // What came and went is as though it had never been.
    let Some(decides) = new.or(old) else { return Ok(None) };
    if !source.choice.wants(ItemRef::open(decides)?)? {
        return Ok(None);
    }
    let old = old.filter(|_| old_images).map(|old| source.choice.of(old)).transpose()?;
    let new = new.map(|new| source.choice.of(new)).transpose()?;
    let change = Change {
        at: touched.at,
        keys: ItemRef::open(&touched.keys)?.attributes(),
        old: old.as_deref().map(ItemRef::open).transpose()?,
        new: new.as_deref().map(ItemRef::open).transpose()?,
    };
    Ok(Some(lines::of_change(source.export.format, &change)?))
}

/// The wanted places that were written to from one moment to another, which is not in it; and the bytes that were read of
/// them.
fn touched(source: &Source<'_>, first: i64, to: i64) -> Result<(BTreeMap<Vec<u8>, Touched>, i64)> {
    let (mut all, mut read) = (BTreeMap::new(), 0);
    let Some(history) = source.history() else { return Ok((all, read)) };
    let table = &source.export.table;
    let mut position = store::first_since(source.from, scope(source.cx), history, first)?;
    loop {
        let records = store::records(source.from, scope(source.cx), history, position, STEP)?;
        let Some((last, _)) = records.last() else { return Ok((all, read)) };
        position = last + 1;
        for (_, record) in records {
            if record.at >= to {
                return Ok((all, read));
            }
            let record = record.opened(table.keys(), history)?;
            let place = table.key_of(&ItemRef::open(&record.keys)?.to_item()?)?.bytes;
            if !source.choice.has(&place) {
                continue;
            }
            read += i64::try_from(record.size()?).unwrap_or(i64::MAX);
            let entry =
                all.entry(place).or_insert_with(|| Touched { at: record.at, keys: record.keys, old: record.old });
            entry.at = record.at;
        }
    }
}
