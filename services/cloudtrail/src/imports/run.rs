//! The work of an import: file by file, each with what is known of it afterwards, so that it goes on where it was.

use serde_json::{Value as Json, json};
use undercast_kernel::store::Tx;
use undercast_kernel::{Bytes, Cx, Failure, Next, Result, Task};

use super::file::{Span, events, folder, is_of_trail, place};
use super::row::{Done, FAILURES, Fault, FaultState, IMPORTS, Import, Status};
use crate::PRINCIPAL;
use crate::lake::ingest::{self, Kept};
use crate::lake::store::{self, Store};

/// What the task is called.
pub(crate) const KIND: &str = "import";

/// A day, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// A file has so many bytes at most, as it is.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// Who reads the bucket.
pub(crate) fn reader(cx: &Cx, region: &str, role: &str) -> Cx {
    cx.elsewhere(cx.account(), region).as_role(PRINCIPAL, role, "CloudTrailImport")
}

/// Does an import, or what is left of it.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(import) = begin(cx, &task.payload).await? else { return Ok(Next::Done) };
    let store = match store::find_active(cx, &cx.read(), &import.store) {
        Ok(store) => store,
        Err(Failure::Aws(error)) => {
            fail(cx, &import, &error.code, &error.message).await?;
            return Ok(Next::Done);
        }
        Err(failure) => return Err(failure),
    };
    let work = Work { cx, store, id: import.id.clone() };
    match work.whole(import.clone()).await {
        Ok(()) => {}
        Err(Failure::Aws(error)) => fail(cx, &import, &error.code, &error.message).await?,
        // What broke here comes again, and goes on where it was.
        Err(failure) => return Err(failure),
    }
    Ok(Next::Done)
}

/// The import, which goes on from now on; `None`: it does not any more.
async fn begin(cx: &Cx, id: &str) -> Result<Option<Import>> {
    cx.write(|tx| {
        let found = IMPORTS.get(tx, &cx.key(id))?.filter(|import| import.status.is_active());
        let begun = found.map(|import| Import { status: Status::InProgress, updated: cx.now_millis(), ..import });
        if let Some(import) = &begun {
            IMPORTS.put(tx, &cx.key(id), import);
        }
        Ok(begun)
    })
    .await
}

/// An import that cannot go on.
async fn fail(cx: &Cx, import: &Import, kind: &str, message: &str) -> Result<()> {
    let now = cx.refreshed().now_millis();
    cx.write(|tx| {
        let key = cx.key(import.id.as_str());
        let Some(found) = IMPORTS.get(tx, &key)?.filter(|import| import.status.is_active()) else { return Ok(()) };
        put_fault(tx, key, &import.uri, FaultState::Failed, (kind, message), now);
        let done = Done { failed: found.done.failed + 1, ..found.done };
        IMPORTS.put(tx, &key, &Import { status: Status::Failed, updated: now, done, ..found.clone() });
        Ok(())
    })
    .await
}

fn put_fault(
    tx: &mut Tx<'_>,
    import: (&str, &str, &str),
    location: &str,
    state: FaultState,
    (kind, message): (&str, &str),
    now: i64,
) {
    let fault = Fault { state, kind: kind.to_owned(), message: message.to_owned(), updated: now };
    FAILURES.put(tx, &(import, location), &fault);
}

/// What is wrong with one file: what it is, in one word, and in a sentence.
type Wrong = (String, String);

struct Work<'a> {
    cx: &'a Cx,
    store: Store,
    id: String,
}

impl Work<'_> {
    /// The import as it is now, while it goes on.
    fn now(&self) -> Result<Option<Import>> {
        let found = IMPORTS.get(&self.cx.read(), &self.cx.key(self.id.as_str()))?;
        Ok(found.filter(|import| import.status.is_active()))
    }

    /// Looks at all files, and once more at those that are to be read again.
    async fn whole(&self, import: Import) -> Result<()> {
        if !import.listed {
            self.all(import).await?;
        }
        self.again().await
    }

    /// Looks at all files, from where it was.
    async fn all(&self, mut import: Import) -> Result<()> {
        let (bucket, prefix) = place(&import.uri).map(|(b, p)| (b.to_owned(), p.to_owned())).unwrap_or_default();
        let span = Span { start: import.start, end: import.end };
        loop {
            let mut input = json!({"Bucket": bucket, "Prefix": prefix});
            if let Some(after) = &import.after {
                input["StartAfter"] = json!(after);
            }
            let listed = reader(self.cx, &import.region, &import.role).call("s3", "ListObjectsV2", input).await?;
            let objects = listed["Contents"].as_array().cloned().unwrap_or_else(Vec::new);
            for key in objects.iter().filter_map(|object| object["Key"].as_str()) {
                let wanted = is_of_trail(&prefix, key) && span.has_file(key);
                let read = if wanted { Some(self.read(&import, &bucket, key, span).await?) } else { None };
                match self.note(key, read.as_ref()).await? {
                    Some(now) => import = now,
                    // Somebody stopped it.
                    None => return Ok(()),
                }
            }
            if objects.is_empty() || listed["IsTruncated"] != true {
                return Ok(());
            }
        }
    }

    /// Reads once more what failed.
    async fn again(&self) -> Result<()> {
        let all = FAILURES.all(&self.cx.read(), &(self.cx.key(self.id.as_str()),))?;
        for entry in all.into_iter().filter(|entry| entry.row.state == FaultState::Retry) {
            let Some((_, _, _, location)) = entry.key::<(String, String, String, String)>() else { continue };
            let Some(import) = self.now()? else { return Ok(()) };
            let Some((bucket, key)) = place(&location) else { continue };
            let span = Span { start: import.start, end: import.end };
            let read = self.read(&import, bucket, key, span).await?;
            self.settle(&location, &read).await?;
        }
        self.end().await
    }

    /// The events of a file as the store keeps them, or what is wrong with it.
    async fn read(
        &self,
        import: &Import,
        bucket: &str,
        key: &str,
        span: Span,
    ) -> Result<std::result::Result<Vec<Kept>, Wrong>> {
        let wrong = |kind: &str, message: &str| Ok(Err((kind.to_owned(), message.to_owned())));
        let reader = reader(self.cx, &import.region, &import.role);
        let bytes = match fetch(&reader, bucket, key).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return wrong("FileTooLarge", "The file is too large."),
            Err(Failure::Aws(error)) => return wrong(&error.code, &error.message),
            Err(failure) => return Err(failure),
        };
        let oldest = self.cx.refreshed().now_millis() - i64::from(self.store.retention) * DAY;
        let found = match events(&bytes, span) {
            Ok(found) => found.into_iter().filter(|event| event.at >= oldest).collect(),
            Err(message) => return wrong("InvalidFile", &message),
        };
        match ingest::prepare(self.cx, &self.store, found).await {
            Ok(kept) => Ok(Ok(kept)),
            Err(Failure::Aws(error)) => wrong(&error.code, &error.message),
            Err(failure) => Err(failure),
        }
    }

    /// Keeps what a file has, and that it was looked at. `None`: nobody wants it any more.
    async fn note(&self, key: &str, read: Option<&std::result::Result<Vec<Kept>, Wrong>>) -> Result<Option<Import>> {
        let now = self.cx.refreshed().now_millis();
        let place_of = self.cx.key(self.id.as_str());
        self.cx
            .write(|tx| {
                let found = IMPORTS.get(tx, &place_of)?.filter(|import| import.status.is_active());
                let Some(mut import) = found else { return Ok(None) };
                if let Some(read) = read {
                    self.count(tx, &mut import, key, read, now)?;
                }
                import.after = Some(key.to_owned());
                IMPORTS.put(tx, &place_of, &import);
                Ok(Some(import))
            })
            .await
    }

    fn count(
        &self,
        tx: &mut Tx<'_>,
        import: &mut Import,
        key: &str,
        read: &std::result::Result<Vec<Kept>, Wrong>,
        now: i64,
    ) -> Result<()> {
        let before = import.folder.replace(folder(key).to_owned());
        if before.as_deref() != Some(folder(key)) {
            import.done.prefixes_found += 1;
            // Files come in the order of their keys: the folder before is done.
            import.done.prefixes += i64::from(before.is_some());
        }
        match read {
            Ok(kept) => self.keep(tx, &mut import.done, kept, now)?,
            Err((kind, message)) => {
                let bucket = place(&import.uri).map_or("", |(bucket, _)| bucket);
                let location = format!("s3://{bucket}/{key}");
                let of = self.cx.key(self.id.as_str());
                put_fault(tx, of, &location, FaultState::Failed, (kind, message), now);
                import.done.failed += 1;
            }
        }
        import.updated = now;
        Ok(())
    }

    fn keep(&self, tx: &mut Tx<'_>, done: &mut Done, kept: &[Kept], now: i64) -> Result<()> {
        kept.iter().try_for_each(|event| ingest::put(tx, &self.store, event, now))?;
        done.files += 1;
        done.events += i64::try_from(kept.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    /// What became of a file that was read once more.
    async fn settle(&self, location: &str, read: &std::result::Result<Vec<Kept>, Wrong>) -> Result<()> {
        let now = self.cx.refreshed().now_millis();
        let of = self.cx.key(self.id.as_str());
        self.cx
            .write(|tx| {
                let found = IMPORTS.get(tx, &of)?.filter(|import| import.status.is_active());
                let Some(mut import) = found else { return Ok(()) };
                match read {
                    Ok(kept) => {
                        self.keep(tx, &mut import.done, kept, now)?;
                        import.done.failed -= 1;
                        if let Some(fault) = FAILURES.get(tx, &(of, location))? {
                            let fault = Fault { state: FaultState::Succeeded, updated: now, ..fault };
                            FAILURES.put(tx, &(of, location), &fault);
                        }
                    }
                    Err((kind, message)) => put_fault(tx, of, location, FaultState::Failed, (kind, message), now),
                }
                IMPORTS.put(tx, &of, &Import { updated: now, ..import });
                Ok(())
            })
            .await
    }

    /// All was looked at.
    async fn end(&self) -> Result<()> {
        let now = self.cx.refreshed().now_millis();
        let of = self.cx.key(self.id.as_str());
        self.cx
            .write(|tx| {
                let found = IMPORTS.get(tx, &of)?.filter(|import| import.status.is_active());
                let Some(mut import) = found else { return Ok(()) };
                import.done.prefixes = import.done.prefixes_found;
                let status = if import.done.failed > 0 { Status::Failed } else { Status::Completed };
                IMPORTS.put(tx, &of, &Import { status, listed: true, updated: now, ..import });
                Ok(())
            })
            .await
    }
}

/// What is in an object; `None`: too much.
async fn fetch(reader: &Cx, bucket: &str, key: &str) -> Result<Option<Bytes>> {
    let input: Json = json!({"Bucket": bucket, "Key": key});
    let (_, body) = reader.call_with_body("s3", "GetObject", input, None).await?;
    match body {
        Some(body) => body.collect(MOST_BYTES).await.map_err(Failure::broken),
        None => Ok(None),
    }
}
