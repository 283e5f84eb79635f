//! The objects of an export.

use super::{Export, Format, What, view};
use crate::request::table_arn;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use sha2::Sha256;
use std::io::Write as _;
use undercast_kernel::{Body, Bytes, Cx, Result, Timestamp};
use undercast_wire::text::base64;

/// Bytes of lines after which a file is finished and another begins.
const LONGEST: usize = 64 * 1024 * 1024;

/// Where objects are put, and as whom.
pub(super) struct Bucket<'a> {
    pub(super) cx: &'a Cx,
    pub(super) export: &'a Export,
}

impl Bucket<'_> {
    /// Puts an object, and gives its ETag.
    pub(super) async fn put(&self, key: &str, kind: &str, bytes: Vec<u8>) -> Result<String> {
        let target = &self.export.target;
        let mut input = json!({"Bucket": target.bucket, "Key": key, "ContentType": kind, "ContentLength": bytes.len(),
            "ACL": "bucket-owner-full-control"});
        if let Some(owner) = &target.owner {
            input["ExpectedBucketOwner"] = json!(owner);
        }
        input["ServerSideEncryption"] = json!(if target.kms { "aws:kms" } else { "AES256" });
        if let Some(id) = &target.key {
            input["SSEKMSKeyId"] = json!(id);
        }
        let body = Some(Body::from(Bytes::from(bytes)));
        let (answer, _) = self.cx.call_with_body("s3", "PutObject", input, body).await?;
        Ok(answer.get("ETag").and_then(Json::as_str).unwrap_or("").trim_matches('"').to_owned())
    }

    /// Puts an object that says something of the export, and the checksum of it beside it.
    pub(super) async fn put_manifest(&self, name: &str, text: String) -> Result<()> {
        let base = format!("{}{}/", self.export.target.base(), self.export.id);
        let checksum = base64(&Md5::digest(&text));
        self.put(&format!("{base}{name}.json"), "application/json", text.into_bytes()).await?;
        self.put(&format!("{base}{name}.md5"), "text/plain", checksum.into_bytes()).await.map(drop)
    }
}

/// The files of an export, one of which is being filled.
pub(super) struct Files<'a> {
    bucket: &'a Bucket<'a>,
    packed: GzEncoder<Vec<u8>>,
    /// Bytes of the lines in it.
    length: usize,
    /// How many lines.
    lines: i64,
    /// How many files are finished.
    finished: usize,
    /// Lines of the list of files.
    list: String,
    /// How many lines all files have.
    pub(super) all: i64,
}

impl<'a> Files<'a> {
    pub(super) fn new(bucket: &'a Bucket<'a>) -> Self {
        let packed = GzEncoder::new(Vec::new(), Compression::default());
        Self { bucket, packed, length: 0, lines: 0, finished: 0, list: String::new(), all: 0 }
    }

    /// Adds a line.
    pub(super) async fn add(&mut self, line: &str) -> Result<()> {
        let broken = undercast_kernel::Failure::broken;
        self.packed.write_all(line.as_bytes()).and_then(|()| self.packed.write_all(b"\n")).map_err(broken)?;
        self.length += line.len() + 1;
        self.lines += 1;
        if self.length >= LONGEST { self.finish().await } else { Ok(()) }
    }

    /// Whether nothing was added since a file was finished.
    pub(super) fn is_fresh(&self) -> bool {
        self.lines == 0
    }

    /// Brings the file that is being filled, though it may be empty, and begins another.
    pub(super) async fn finish(&mut self) -> Result<()> {
        let new = GzEncoder::new(Vec::new(), Compression::default());
        let packed = std::mem::replace(&mut self.packed, new);
        let packed = packed.finish().map_err(undercast_kernel::Failure::broken)?;
        let checksum = base64(&Md5::digest(&packed));
        let key = self.key();
        let etag = self.bucket.put(&key, "application/gzip", packed).await?;
        let entry = json!({"itemCount": self.lines, "md5Checksum": checksum, "etag": etag, "dataFileS3Key": key});
        self.list.push_str(&format!("{entry}\n"));
        self.all += self.lines;
        (self.length, self.lines) = (0, 0);
        self.finished += 1;
        Ok(())
    }

    /// The key of the file that is being filled. An export that is done again after a crash writes the same ones.
    fn key(&self) -> String {
        let export = self.bucket.export;
        let hash = Sha256::new().chain_update(&export.id).chain_update(self.finished.to_be_bytes()).finalize();
        let letters = b"abcdefghijklmnopqrstuvwxyz234567";
        let name: String = hash.iter().take(26).map(|byte| char::from(letters[usize::from(byte % 32)])).collect();
        let extension = if export.format == Format::Ion { "ion" } else { "json" };
        let base = export.target.base();
        // The files of all incremental exports lie in one folder.
        match export.what {
            What::Full(_) => format!("{base}{}/data/{name}.{extension}.gz", export.id),
            What::Incremental { .. } => format!("{base}data/{name}.{extension}.gz"),
        }
    }

    /// The list of files, one a line.
    pub(super) fn list(self) -> String {
        self.list
    }
}

/// What the export is, as `manifest-summary.json` says it.
pub(super) fn summary(cx: &Cx, export: &Export, ended: i64) -> String {
    let iso = |millis: i64| {
        let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
        at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    };
    let full = matches!(export.what, What::Full(_));
    let mut all = json!({
        "version": if full { "2020-06-30" } else { "2023-08-01" },
        "exportArn": export.arn(cx),
        "startTime": iso(export.started),
        "endTime": iso(ended),
        "tableArn": table_arn(cx, &export.table.name),
        "tableId": export.table.id,
    });
    match &export.what {
        What::Full(at) => all["exportTime"] = json!(iso(*at)),
        What::Incremental { from, to, .. } => {
            all["exportFromTime"] = json!(iso(*from));
            all["exportToTime"] = json!(iso(*to));
        }
    }
    let target = &export.target;
    all["s3Bucket"] = json!(target.bucket);
    all["s3Prefix"] = json!(target.prefix);
    all["s3SseAlgorithm"] = json!(target.algorithm());
    all["s3SseKmsKeyId"] = json!(target.key);
    all["manifestFilesS3Key"] = json!(format!("{}{}/manifest-files.json", target.base(), export.id));
    all["billedSizeBytes"] = json!(export.billed);
    all["itemCount"] = json!(export.items);
    all["outputFormat"] = json!(export.format.name());
    if let What::Incremental { old_images, .. } = export.what {
        all["outputView"] = json!(view(old_images));
        all["exportType"] = json!(export.kind());
    }
    all.to_string()
}
