//! Doing an import, as a task.

use super::packed;
use super::report::Report;
use super::{Counts, Import, get};
use crate::DynamoDb;
use crate::encryption::For;
use crate::error::{Error, Result};
use crate::items::write::NewItem;
use crate::jobs::{self, PRINCIPAL, State, Trouble};
use crate::request::scope;
use crate::rows::{self, Change, Sweep};
use crate::table::Table;
use crate::tables::describe::moment;
use crate::value::Item;
use bytes::Bytes;
use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Failure, Next};

/// How many items are written at a time, and how many bytes.
const STEP: usize = 500;
const STEP_BYTES: usize = 4 * 1_048_576;

/// Why an import does not go on.
enum Stopped {
    /// Something that it needs was refused; whether anything had been written by then.
    Refused(Trouble, bool),
    /// Something broke: all of it is done again.
    Broken(Failure),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Broken(error.into())
    }
}

/// What S3 and CloudWatch Logs answer, where it ends an import.
fn of_s3(cx: &Cx, failure: Failure, begun: bool) -> Stopped {
    match failure {
        Failure::Aws(error) => Stopped::Refused(jobs::refused_by_s3(&error, cx.request_id()), begun),
        other => not_built(cx, other, begun),
    }
}

fn of_logs(cx: &Cx, failure: Failure, begun: bool) -> Stopped {
    match failure {
        Failure::Aws(error) => {
            let message = format!(
                "{} (Service: AWSLogs; Status Code: {}; Error Code: {})",
                error.message, error.status, error.code
            );
            Stopped::Refused(Trouble { code: format!("CloudWatchLogs{}", error.code), message }, begun)
        }
        other => not_built(cx, other, begun),
    }
}

fn not_built(cx: &Cx, failure: Failure, begun: bool) -> Stopped {
    match failure {
        failure @ Failure::NotBuilt { .. } => {
            let message = failure.into_error(cx.request_id()).message;
            Stopped::Refused(Trouble { code: "NotImplemented".to_owned(), message }, begun)
        }
        other => Stopped::Broken(other),
    }
}

impl DynamoDb {
    /// Does the task of an import, `payload` being its table's name and its id: makes the table, and forgets the import
    /// after 90 days.
    ///
    /// # Errors
    /// When the store fails: then all of it is done again.
    pub(crate) async fn run_import(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some((table, id)) = payload.split_once('/') else { return Ok(Next::Done) };
        let Some(mut import) = get(&cx.read(), scope(cx), table, id)? else { return Ok(Next::Done) };
        if import.is_over(cx.now_millis()) {
            cx.write(|tx| {
                super::IMPORTS.delete(tx, &super::key(scope(cx), table, id));
                Ok(())
            })
            .await?;
            return Ok(Next::Done);
        }
        if import.state == State::InProgress {
            let as_caller = cx.resume(&import.by, PRINCIPAL)?;
            self.descriptions.attach(&mut import.table);
            self.open(cx, For::Itself, &import.table).await?;
            let mut work = Work { cx, as_caller: &as_caller, import: &import, counts: Counts::default() };
            let outcome = work.run().await;
            let counts = work.counts;
            let (state, keep) = match outcome {
                Ok(()) if counts.errors > 0 => (State::Failed(invalid_items()), true),
                Ok(()) => (State::Completed, true),
                Err(Stopped::Refused(trouble, begun)) => (State::Failed(trouble), begun),
                Err(Stopped::Broken(failure)) => return Err(failure.into()),
            };
            (import.state, import.counts, import.ended) = (state, counts, Some(cx.refreshed().now_millis()));
            self.end_import(cx, &import, keep).await?;
        }
        Ok(Next::Again(moment(import.started.saturating_add(jobs::KEPT))))
    }

    /// Notes how an import has ended; its table is there for all from now on, or gone.
    async fn end_import(&self, cx: &Cx, import: &Import, keep: bool) -> Result<()> {
        cx.write(|tx| {
            import.put(tx, scope(cx));
            if keep {
                rows::put_table(tx, scope(cx), &Table { importing: false, ..import.table.clone() });
            } else {
                rows::delete_table(tx, scope(cx), &import.table.name);
                self.schedule_sweep(cx, tx, &import.table.id, Sweep::Table)?;
            }
            Ok(())
        })
        .await?;
        if keep { Ok(()) } else { self.let_go(cx, import.table.encryption.as_ref()).await }
    }
}

fn invalid_items() -> Trouble {
    Trouble {
        code: "ItemValidationError".to_owned(),
        message:
            "Some of the items failed validation checks and were not imported. Please check CloudWatch error logs for \
                  more details."
                .to_owned(),
    }
}

/// An import that is being done.
struct Work<'a> {
    cx: &'a Cx,
    as_caller: &'a Cx,
    import: &'a Import,
    counts: Counts,
}

impl Work<'_> {
    async fn run(&mut self) -> std::result::Result<(), Stopped> {
        let mut report =
            Report::begin(self.as_caller, self.import).await.map_err(|failure| of_logs(self.cx, failure, false))?;
        // What an attempt wrote that a crash ended goes, lest it outlive what is no longer in the source.
        while self.forget().await? {}
        let mut behind: Option<Json> = None;
        loop {
            let page = self.list(behind.take()).await?;
            for object in page["Contents"].as_array().map_or(&[][..], Vec::as_slice) {
                let key = object["Key"].as_str().unwrap_or("");
                self.object(key, &mut report).await?;
            }
            match page.get("NextContinuationToken") {
                Some(token) => behind = Some(token.clone()),
                None => break,
            }
        }
        report.flush().await.map_err(|failure| of_logs(self.cx, failure, true))
    }

    async fn forget(&self) -> Result<bool> {
        let (scope, id) = (scope(self.cx), &self.import.table.id);
        Ok(self.cx.write(|tx| Ok(rows::sweep(tx, scope, id, Sweep::Table, 1000)?)).await?)
    }

    /// A page of the objects there are.
    async fn list(&self, behind: Option<Json>) -> std::result::Result<Json, Stopped> {
        let source = &self.import.source;
        let mut input = json!({"Bucket": source.bucket, "ExpectedBucketOwner": source.owner});
        if let Some(prefix) = &source.prefix {
            input["Prefix"] = json!(prefix);
        }
        let begun = behind.is_some();
        if let Some(token) = behind {
            input["ContinuationToken"] = token;
        }
        let listed = self.as_caller.call("s3", "ListObjectsV2", input).await;
        listed.map_err(|failure| of_s3(self.as_caller, failure, begun))
    }

    /// Reads an object and writes what is in it.
    async fn object(&mut self, key: &str, report: &mut Report<'_>) -> std::result::Result<(), Stopped> {
        let source = &self.import.source;
        let input = json!({"Bucket": source.bucket, "Key": key, "ExpectedBucketOwner": source.owner});
        let found = self.as_caller.call_with_body("s3", "GetObject", input, None).await;
        let (_, body) = found.map_err(|failure| of_s3(self.as_caller, failure, true))?;
        let collected = match body {
            Some(body) => body.collect(usize::MAX).await.map_err(Failure::broken),
            None => Ok(None),
        };
        let bytes = collected.map_err(Stopped::Broken)?.unwrap_or(Bytes::new());
        let mut records = packed::open(&source.compression, bytes, self.import.format());
        let mut waiting = Waiting::default();
        for (index, record) in (0..).zip(records.by_ref()) {
            let checked = record.map_err(|problem| problem.message).and_then(|item| self.checked(item));
            match checked {
                Ok((place, stored)) => waiting.add(place, stored),
                Err(message) => {
                    self.counts.errors += 1;
                    let told = report.tell(&source.bucket, key, index, &message).await;
                    told.map_err(|failure| of_logs(self.cx, failure, true))?;
                }
            }
            if waiting.is_full() {
                self.write(&mut waiting).await?;
            }
        }
        self.write(&mut waiting).await?;
        self.counts.bytes += i64::try_from(records.read()).unwrap_or(i64::MAX);
        Ok(())
    }

    /// The place and the stored form of an item that the table can take; what AWS says of another.
    fn checked(&self, item: Item) -> std::result::Result<(Vec<u8>, Bytes), String> {
        let table = &self.import.table;
        let said = |error: Error| match error {
            Error::Aws(error) => error.message,
            other => other.to_string(),
        };
        if item.iter().any(|(name, _)| name.is_empty()) {
            return Err("One or more parameter values were invalid: An attribute name may not be empty".to_owned());
        }
        let place = table.place_of(&item).map_err(said)?;
        table.check_index_keys(&item).map_err(said)?;
        let item = NewItem::new(item).map_err(said)?;
        item.check_vectors(table).map_err(said)?;
        Ok((place.bytes, item.stored()))
    }

    /// Writes the items that wait, each in the place of one that came before it.
    async fn write(&mut self, waiting: &mut Waiting) -> Result<()> {
        let (cx, table) = (self.cx.refreshed(), &self.import.table);
        let items = std::mem::take(waiting).items;
        if items.is_empty() {
            return Ok(());
        }
        cx.write(|tx| {
            for (place, stored) in &items {
                let old = rows::get(tx, scope(&cx), table, place)?;
                let change =
                    Change { place, old, new: Some(stored.clone()), at: cx.now_millis(), expired: false, origin: None };
                rows::write(tx, scope(&cx), table, &change)?;
            }
            Ok(())
        })
        .await?;
        self.counts.imported += i64::try_from(items.len()).unwrap_or(i64::MAX);
        Ok(())
    }
}

/// Items that wait to be written.
#[derive(Default)]
struct Waiting {
    items: Vec<(Vec<u8>, Bytes)>,
    bytes: usize,
}

impl Waiting {
    fn add(&mut self, place: Vec<u8>, stored: Bytes) {
        self.bytes += stored.len();
        self.items.push((place, stored));
    }

    fn is_full(&self) -> bool {
        self.items.len() >= STEP || self.bytes >= STEP_BYTES
    }
}
