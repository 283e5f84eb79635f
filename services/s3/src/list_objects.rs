//! `ListObjects` and `ListObjectsV2`: the keys of a bucket in the order of their bytes.

use undercast_kernel::store::Snapshot;
use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, output};
use crate::listing::{self, Asked, Cursor, Item, Listing, Names, Plain, Rows};
use crate::rows::{Bucket, LISTED, Listed};
use crate::{archive, buckets, permission};

/// The current versions of a bucket's objects.
struct Objects<'a>(Cursor<'a, Listed, Plain>);

impl Rows for Objects<'_> {
    type Row = Listed;

    fn next(&mut self) -> Result<Option<(String, Listed)>> {
        self.0.peek()?;
        Ok(self.0.take().map(|(key, row)| (key.0, row)))
    }

    fn skip_to(&mut self, start: Vec<u8>) {
        self.0.skip(start);
    }
}

fn page(from: &Snapshot, bucket: &Bucket, after: Option<&str>, asked: &Asked<'_>) -> Result<Listing<Listed>> {
    let start = match after {
        // Behind a prefix that was rolled up, everything that it stands for is behind too.
        Some(after) if asked.given == Some(after) => listing::behind(after),
        Some(after) => listing::after(after),
        None => Vec::new(),
    };
    listing::walk(&mut Objects(Cursor::new(&LISTED, from, bucket, asked.prefix, start)), asked)
}

/// A marker that is a rolled-up prefix stands for all that begins with it.
fn given<'a>(marker: Option<&'a str>, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    marker.filter(|m| delimiter.is_some_and(|d| m.len() > prefix.len() && m.starts_with(prefix) && m.ends_with(d)))
}

/// What a list shows besides what all lists do.
#[derive(Clone, Copy)]
struct Besides {
    owner: bool,
    restoration: bool,
}

/// Whether a list shows what became of archived objects.
pub(crate) fn shows_restorations(attributes: Option<&[String]>) -> bool {
    attributes.is_some_and(|all| all.iter().any(|a| a == "RestoreStatus"))
}

fn shown(bucket: &Bucket, names: Names, key: &str, row: Listed, besides: Besides) -> output::Object {
    output::Object {
        key: Some(names.show(key)),
        last_modified: Some(buckets::shown(row.modified)),
        e_tag: Some(format!("\"{}\"", row.etag)),
        checksum_algorithm: row.checksum.as_ref().map(|c| vec![c.algorithm.name().to_owned()]),
        checksum_type: row.checksum.as_ref().map(|c| c.kind().to_owned()),
        size: i64::try_from(row.size).ok(),
        storage_class: Some(row.storage_class.unwrap_or_else(|| "STANDARD".to_owned())),
        owner: besides.owner.then(|| buckets::owner(row.owner.as_deref().unwrap_or(&bucket.account))),
        restore_status: archive::status(row.restoration.filter(|_| besides.restoration)),
    }
}

/// The rows and the prefixes of a page, apart.
fn split(
    bucket: &Bucket,
    names: Names,
    listing: Listing<Listed>,
    besides: Besides,
) -> (Vec<output::Object>, Vec<output::CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for item in listing.items {
        match item {
            Item::Row(key, row) => objects.push(shown(bucket, names, &key, row, besides)),
            Item::Prefix(prefix) => prefixes.push(output::CommonPrefix { prefix: Some(names.show(&prefix)) }),
        }
    }
    (objects, prefixes)
}

/// A list without entries is left out.
pub(crate) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(crate) fn v1(cx: &Cx, input: api::ListObjectsInput) -> Result<api::ListObjectsOutput> {
    let from = cx.read();
    let bucket = listing::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let names = Names::new(input.encoding_type.as_deref())?;
    let most = listing::most(input.max_keys, "maxKeys")?;
    let restoration = shows_restorations(input.optional_object_attributes.as_deref());
    let prefix = input.prefix.as_deref().unwrap_or("");
    let delimiter = listing::delimiter(input.delimiter.as_ref());
    let marker = input.marker.as_deref().filter(|m| !m.is_empty());
    let asked = Asked { prefix, delimiter, given: given(marker, prefix, delimiter), most };
    let listing = page(&from, &bucket, marker, &asked)?;
    let truncated = listing.truncated;
    // Without a delimiter the last key is the next marker, and S3 leaves it to the caller to see that.
    let next = listing.items.last().filter(|_| truncated && delimiter.is_some()).map(|i| names.show(i.name()));
    let charged = permission::charged(cx, &bucket);
    let (contents, prefixes) = split(&bucket, names, listing, Besides { owner: true, restoration });
    Ok(api::ListObjectsOutput {
        is_truncated: Some(truncated),
        marker: Some(names.show(marker.unwrap_or(""))),
        next_marker: next,
        contents: some(contents),
        name: Some(bucket.name),
        prefix: Some(names.show(prefix)),
        delimiter: delimiter.map(|d| names.show(d)),
        max_keys: listing::shown_most(most),
        common_prefixes: some(prefixes),
        encoding_type: input.encoding_type,
        request_charged: charged,
    })
}

pub(crate) fn v2(cx: &Cx, input: api::ListObjectsV2Input) -> Result<api::ListObjectsV2Output> {
    let from = cx.read();
    let bucket = listing::open(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let names = Names::new(input.encoding_type.as_deref())?;
    let most = listing::most(input.max_keys, "maxKeys")?;
    let restoration = shows_restorations(input.optional_object_attributes.as_deref());
    let prefix = input.prefix.as_deref().unwrap_or("");
    let delimiter = listing::delimiter(input.delimiter.as_ref());
    let scope = format!("s3.ListObjectsV2 {}", bucket.name);
    let position = input.continuation_token.as_deref().map(|token| listing::position(&scope, token)).transpose()?;
    // A token is of more weight than `start-after`.
    let after = position.as_deref().or(input.start_after.as_deref()).filter(|a| !a.is_empty());
    let asked = Asked { prefix, delimiter, given: given(after, prefix, delimiter), most };
    let listing = page(&from, &bucket, after, &asked)?;
    let truncated = listing.truncated;
    let next = listing.items.last().filter(|_| truncated).map(|i| paging::token(&scope, i.name()));
    let count = i32::try_from(listing.items.len()).ok();
    let charged = permission::charged(cx, &bucket);
    let (contents, prefixes) =
        split(&bucket, names, listing, Besides { owner: input.fetch_owner == Some(true), restoration });
    Ok(api::ListObjectsV2Output {
        is_truncated: Some(truncated),
        contents: some(contents),
        name: Some(bucket.name),
        prefix: Some(names.show(prefix)),
        delimiter: delimiter.map(|d| names.show(d)),
        max_keys: listing::shown_most(most),
        common_prefixes: some(prefixes),
        encoding_type: input.encoding_type,
        request_charged: charged,
        key_count: count,
        continuation_token: input.continuation_token,
        next_continuation_token: next,
        start_after: input.start_after.map(|a| names.show(&a)),
    })
}
