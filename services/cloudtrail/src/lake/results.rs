//! Results of queries: kept, sealed where their store's events are, and delivered to a bucket.
//!
//! Source: "Download your CloudTrail Lake saved query results" and "CloudTrail sign file structure" in the user guide; `aws cloudtrail
//! verify-query-results` tells what is signed: the hashes of the files, with spaces between them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use undercast_kernel::store::{Order, Table, Tx};
use undercast_kernel::wire::schema::TimestampFormat;
use undercast_kernel::wire::text;
use undercast_kernel::{Body, Bytes, Cx, Failure, Result};
use undercast_query::Answer;

use super::queries::{Asked, Delivery};
use super::seal::{self, Opener, Sealed};
use super::store::{STORES, Store};
use crate::api::errors;
use crate::deliver::{sha256, zipped};
use crate::rows::{from_json, moment, to_json};
use crate::{PRINCIPAL, checks, keys};

/// Account, region, id of a query; number: name and value of each column.
static RESULTS: Table<Vec<(String, String)>> = Table::new("cloudtrail.results");
/// The same of stores with a key of KMS.
static SEALED: Table<Sealed> = Table::new("cloudtrail.results.sealed");

/// A file has so many rows at most.
const ROWS: usize = 100_000;

/// A row: name and value of each column.
pub(crate) type Row = Vec<(String, String)>;

/// Rows as they are kept.
pub(crate) enum Kept {
    Plain(Vec<Row>),
    Sealed(Vec<Sealed>),
}

/// The name under which a row is sealed.
fn name(query: &str, number: i64) -> String {
    format!("{query}/{number}")
}

/// What was found, as it is kept for the sake of a store.
pub(crate) async fn prepare(cx: &Cx, query: &str, store: Option<&Store>, answer: &Answer) -> Result<Kept> {
    let row = |row: &Vec<Option<String>>| -> Row {
        let cells = answer.columns.iter().zip(row);
        cells.map(|(name, cell)| (name.clone(), cell.clone().unwrap_or_default())).collect()
    };
    let rows: Vec<Row> = answer.rows.iter().map(row).collect();
    let sealer = match store {
        Some(store) => seal::sealer(cx, store).await?,
        None => None,
    };
    let Some(sealer) = sealer else { return Ok(Kept::Plain(rows)) };
    let numbered = (0i64..).zip(rows);
    let sealed = numbered.map(|(number, row)| sealer.seal(cx, &name(query, number), &to_json(&row)?));
    Ok(Kept::Sealed(sealed.collect::<Result<_>>()?))
}

pub(crate) fn put(tx: &mut Tx<'_>, key: (&str, &str, &str), kept: &Kept) {
    match kept {
        Kept::Plain(rows) => (0i64..).zip(rows).for_each(|(number, row)| RESULTS.put(tx, &(key, number), row)),
        Kept::Sealed(rows) => (0i64..).zip(rows).for_each(|(number, row)| SEALED.put(tx, &(key, number), row)),
    }
}

pub(crate) fn forget(tx: &mut Tx<'_>, key: (&str, &str, &str)) -> Result<()> {
    RESULTS.clear(tx, &(key,))?;
    SEALED.clear(tx, &(key,))?;
    Ok(())
}

/// Rows of a query from one on.
pub(crate) async fn page(cx: &Cx, asked: &Asked, first: i64, size: usize) -> Result<Vec<Row>> {
    let (from, key) = (cx.read(), cx.key(asked.id.as_str()));
    let (begin, end) = ((key, first), (key, i64::MAX));
    let sealed = asked.sealed_by.as_deref().map(|id| STORES.get(&from, &cx.key(id))).transpose()?.flatten();
    let Some(store) = sealed else {
        let rows = RESULTS.range(&from, &begin, &end, Order::Ascending, size)?;
        return Ok(rows.into_iter().map(|entry| entry.row).collect());
    };
    let mut opener = Opener::new(cx, &store);
    let mut rows = Vec::new();
    for (number, entry) in (first..).zip(SEALED.range(&from, &begin, &end, Order::Ascending, size)?) {
        let opened = opener.open(&name(&asked.id, number), &entry.row).await.map_err(|failure| match failure {
            Failure::Aws(error) => errors::insufficient_encryption_policy_exception(error.message).into(),
            other => other,
        })?;
        rows.push(from_json(&opened)?);
    }
    Ok(rows)
}

/// Rows as GetQueryResults answers them.
pub(crate) fn shown(rows: Vec<Row>) -> Vec<Vec<BTreeMap<String, String>>> {
    rows.into_iter().map(|row| row.into_iter().map(|cell| BTreeMap::from([cell])).collect()).collect()
}

/// The bucket and the prefix of `s3://bucket/prefix`.
fn place(uri: &str) -> (&str, Option<&str>) {
    let rest = uri.strip_prefix("s3://").unwrap_or(uri);
    match rest.split_once('/') {
        Some((bucket, prefix)) => (bucket, Some(prefix.trim_end_matches('/')).filter(|prefix| !prefix.is_empty())),
        None => (rest, None),
    }
}

/// `prefix/AWSLogs/111122223333/CloudTrail-Lake/Query/2026/11/27/id`: where the files of a query go.
fn folder(cx: &Cx, asked: &Asked, prefix: Option<&str>) -> String {
    let prefix = prefix.map_or(String::new(), |prefix| format!("{prefix}/"));
    let day = moment(asked.created).strftime("%Y/%m/%d");
    format!("{prefix}AWSLogs/{}/CloudTrail-Lake/Query/{day}/{}", cx.account(), asked.id)
}

/// CloudTrail in its own name, for the sake of the store that is asked.
fn own(cx: &Cx, asked: &Asked) -> Cx {
    cx.as_service(PRINCIPAL, Some(&super::store::arn(cx.account(), cx.region(), &asked.store)))
}

/// Whether results can be delivered where they are to go.
pub(crate) async fn check(cx: &Cx, asked: &Asked, uri: &str) -> Result<()> {
    let (bucket, prefix) = place(uri);
    let key = format!("{}/result_1.csv.gz", folder(cx, asked, prefix));
    checks::writable(&own(cx, asked), bucket, prefix, vec![json!({"Bucket": bucket, "Key": key})]).await
}

/// A file of rows, zipped.
fn file(columns: &[String], rows: &[Row]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).map_err(Failure::broken)?;
    for row in rows {
        writer.write_record(row.iter().map(|(_, value)| value)).map_err(Failure::broken)?;
    }
    zipped(&writer.into_inner().map_err(|error| Failure::broken(error.to_string()))?)
}

async fn put_object(own: &Cx, bucket: &str, key: &str, kind: &str, content: Vec<u8>) -> Result<()> {
    let input = json!({"Bucket": bucket, "Key": key, "ContentType": kind, "ContentLength": content.len()});
    own.call_with_body("s3", "PutObject", input, Some(Body::from(Bytes::from(content)))).await.map(drop)
}

/// What became of an attempt to put a file; `signs`: the one that is signed.
fn outcome(put: Result<()>, signs: bool) -> Result<Option<Delivery>> {
    Ok(match put {
        Ok(()) => None,
        Err(Failure::Aws(error)) => Some(match (error.code.as_ref(), signs) {
            ("NoSuchBucket", _) => Delivery::ResourceNotFound,
            ("AccessDenied" | "AccessDeniedException", false) => Delivery::AccessDenied,
            ("AccessDenied" | "AccessDeniedException", true) => Delivery::AccessDeniedSigningFile,
            (_, false) => Delivery::Failed,
            (_, true) => Delivery::FailedSigningFile,
        }),
        // What broke here is tried again.
        Err(failure) => return Err(failure),
    })
}

/// Delivers the results of a query that has ended.
pub(crate) async fn deliver(cx: &Cx, asked: &Asked, uri: &str) -> Result<Delivery> {
    let ((bucket, prefix), own) = (place(uri), own(cx, asked));
    let folder = folder(cx, asked, prefix);
    let (mut files, mut hashes, mut first) = (Vec::new(), Vec::new(), 0);
    loop {
        let rows = page(cx, asked, first, ROWS).await?;
        let name = format!("result_{}.csv.gz", files.len() + 1);
        let content = file(&asked.columns, &rows)?;
        let hash = sha256(&content);
        if let Some(wrong) =
            outcome(put_object(&own, bucket, &format!("{folder}/{name}"), "text/csv", content).await, false)?
        {
            return Ok(wrong);
        }
        files.push(json!({"fileHashValue": hash, "fileName": name}));
        hashes.push(hash);
        first += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        if first >= asked.results {
            break;
        }
    }
    let sign = sign(cx, asked, &files, &hashes).await?;
    let key = format!("{folder}/result_sign.json");
    let put = put_object(&own, bucket, &key, "application/json", sign.to_string().into_bytes()).await;
    Ok(outcome(put, true)?.unwrap_or(Delivery::Success))
}

/// The file that is signed.
async fn sign(cx: &Cx, asked: &Asked, files: &[Json], hashes: &[String]) -> Result<Json> {
    let key = keys::current(cx).await?;
    let completed = moment(asked.ended.unwrap_or(asked.created).div_euclid(1000) * 1000);
    Ok(json!({
        "version": "1.0",
        "region": cx.region(),
        "files": files,
        "hashAlgorithm": "SHA-256",
        "signatureAlgorithm": "SHA256withRSA",
        "queryCompleteTime": text::timestamp(completed, TimestampFormat::Iso8601),
        "hashSignature": key.sign(&hashes.join(" "))?,
        "publicKeyFingerprint": key.fingerprint,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(place("s3://bucket"), ("bucket", None));
        assert_eq!(place("s3://bucket/"), ("bucket", None));
        assert_eq!(place("s3://bucket/a/b/"), ("bucket", Some("a/b")));
    }
}
