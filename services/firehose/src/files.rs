//! Records as files: which go together, under which name, in which form.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};
use undercast_columnar::Schema;
use undercast_kernel::arn::Arn;
use undercast_kernel::{Body, Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::api::kept::{
    ExtendedS3DestinationConfiguration as Destination, KMSEncryptionConfig, S3DestinationConfiguration,
};
use crate::buffer::Record;
use crate::check;
use crate::convert::{Conversion, Unreadable};
use crate::endpoint::REFUSED;
use crate::error::invalid;
use crate::metrics::{float, observe};
use crate::prefix::{Facts, Prefix, suffix};
use crate::processing::{FAILED, Item, Lost};
use crate::stream::{Stream, moment};

/// What is told of records that do not fit the schema, as prefixes name it.
const UNCONVERTED: &str = "format-conversion-failed";
/// Blocks of Hadoop's form of Snappy, in bytes.
const HADOOP_BLOCK: usize = 256 * 1024;

/// A file that is to be in a bucket.
pub(crate) struct File {
    pub(crate) key: String,
    body: Vec<u8>,
    /// `DeliveryToS3` or `BackupToS3`; what failed is not counted.
    pub(crate) counted: Option<&'static str>,
    pub(crate) records: usize,
    /// When its oldest record came, in milliseconds since 1970.
    pub(crate) oldest: i64,
    to: Target,
}

/// A bucket, and how it is written to.
#[derive(Debug, Clone)]
struct Target {
    role: String,
    bucket: String,
    key: Option<KMSEncryptionConfig>,
}

impl Target {
    fn new(role: &str, bucket: &str, key: Option<KMSEncryptionConfig>) -> Self {
        let bucket = Arn::parse(bucket).map_or_else(|| bucket.to_owned(), |arn| arn.resource);
        Self { role: role.to_owned(), bucket, key }
    }

    fn of(of: &Destination) -> Self {
        let key = of.encryption_configuration.clone().and_then(|given| given.kms_encryption_config);
        Self::new(&of.role_arn, &of.bucket_arn, key)
    }

    fn of_backup(of: &S3DestinationConfiguration) -> Self {
        let key = of.encryption_configuration.clone().and_then(|given| given.kms_encryption_config);
        Self::new(&of.role_arn, &of.bucket_arn, key)
    }
}

impl File {
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Writes it, with the role that the stream was given.
    pub(crate) async fn put(&self, cx: &Cx) -> Result<()> {
        let s3 = cx.as_role(PRINCIPAL, &self.to.role, "firehose");
        let mut input = Map::new();
        input.insert("Bucket".to_owned(), json!(self.to.bucket));
        input.insert("Key".to_owned(), json!(self.key));
        if let Some(key) = &self.to.key {
            input.insert("ServerSideEncryption".to_owned(), json!("aws:kms"));
            input.insert("SSEKMSKeyId".to_owned(), json!(key.awskms_key_arn));
        }
        let body = Body::from(bytes::Bytes::from(self.body.clone()));
        s3.call_with_body("s3", "PutObject", Json::Object(input), Some(body)).await.map(drop)
    }
}

/// What all files of a delivery have in common.
pub(crate) struct Arranging<'a> {
    pub(crate) cx: &'a Cx,
    pub(crate) stream: &'a Stream,
    pub(crate) destination: &'a Destination,
    /// The delivery's id: names come of it.
    pub(crate) delivery: &'a str,
    /// When its oldest record came, in milliseconds since 1970.
    pub(crate) oldest: i64,
}

/// The keys of a partition: those that a query found, and those that a function gave.
type Partition = (BTreeMap<String, String>, BTreeMap<String, String>);

impl Arranging<'_> {
    /// All files of a delivery: of what is delivered, of what failed, and of what came, if that is kept.
    pub(crate) async fn files(&self, items: Vec<Item>, mut lost: Vec<Lost>, came: &[Record]) -> Result<Vec<File>> {
        let zone = check::zone(self.destination)?;
        let mut files = Vec::new();
        let conversion = if check::converts(self.destination) { Some(Conversion::of(self.destination)?) } else { None };
        let schema = match &conversion {
            Some(conversion) if !items.is_empty() => Some(conversion.schema(self.cx).await?),
            _ => None,
        };
        let prefix = read(self.destination.prefix.as_deref())?;
        for (number, (partition, items)) in (0..).zip(self.partitions(&prefix, items, &mut lost)) {
            let oldest = items.iter().map(|item| item.arrived).min().unwrap_or(self.oldest);
            let seed = format!("{}/{number}", self.delivery);
            let facts = Facts {
                at: moment(oldest),
                zone: &zone,
                seed: &seed,
                error: None,
                from_query: &partition.0,
                from_lambda: &partition.1,
            };
            let records = items.len();
            let body = match (&conversion, &schema) {
                (Some(conversion), Some(schema)) => self.converted(conversion, schema, items, &mut lost)?,
                _ => {
                    let plain: Vec<u8> = items.into_iter().flat_map(|item| item.data).collect();
                    Some((self.compressed(self.destination.compression_format.as_deref(), plain)?, records))
                }
            };
            let Some((body, records)) = body else { continue };
            let key = prefix.of_records(&facts) + &self.name(&facts, conversion.as_ref());
            let to = Target::of(self.destination);
            files.push(File { key, body, counted: Some("DeliveryToS3"), records, oldest, to });
        }
        files.extend(self.errors(&lost, &zone)?);
        files.extend(self.backup(came, &zone)?);
        Ok(files)
    }

    /// The name behind the prefix.
    fn name(&self, facts: &Facts<'_>, conversion: Option<&Conversion>) -> String {
        let packed = || extension(self.destination.compression_format.as_deref());
        let usual = conversion.map_or_else(packed, Conversion::extension);
        let given = self.destination.file_extension.as_deref().filter(|given| !given.is_empty());
        suffix(&self.stream.name, self.stream.version, facts, given.unwrap_or(usual))
    }

    /// Records by their partitions, in the order in which those came up.
    fn partitions(&self, prefix: &Prefix, items: Vec<Item>, lost: &mut Vec<Lost>) -> Vec<(Partition, Vec<Item>)> {
        if !check::partitions(self.destination) {
            let none = Partition::default();
            return if items.is_empty() { Vec::new() } else { vec![(none, items)] };
        }
        let (queried, given) = prefix.partition_keys();
        let mut parts: Vec<(Partition, Vec<Item>)> = Vec::new();
        for item in items {
            let pick = |keys: &[&str], of: &BTreeMap<String, String>| {
                let one =
                    |key: &&str| Some(((*key).to_owned(), of.get(*key).filter(|value| !value.is_empty())?.clone()));
                keys.iter().map(one).collect::<Option<BTreeMap<String, String>>>()
            };
            let found = (pick(&queried, &item.from_query), pick(&given, &item.from_function));
            let (Some(from_query), Some(from_function)) = found else {
                let message = "Partition keys of the prefix are missing from the record.";
                lost.push(Lost::of(item, "DynamicPartitioning.PartitionKeysMissing", message));
                continue;
            };
            let partition = (from_query, from_function);
            match parts.iter_mut().find(|(known, _)| *known == partition) {
                Some((_, items)) => items.push(item),
                None => parts.push((partition, vec![item])),
            }
        }
        observe(self.cx, self.stream, "PartitionCount", "Count", float(parts.len()));
        parts
    }

    /// Records as a file of columns, and how many there are; those that do not fit are lost.
    fn converted(
        &self,
        conversion: &Conversion,
        schema: &std::result::Result<Schema, Unreadable>,
        items: Vec<Item>,
        lost: &mut Vec<Lost>,
    ) -> Result<Option<(Vec<u8>, usize)>> {
        let tell = |name: &str, (records, bytes): (usize, usize)| {
            observe(self.cx, self.stream, &format!("{name}.Records"), "Count", float(records));
            observe(self.cx, self.stream, &format!("{name}.Bytes"), "Bytes", float(bytes));
        };
        let (mut rows, mut fitting, mut failed) = (Vec::new(), 0, (0, 0));
        for item in items {
            let read = match schema {
                Ok(schema) => conversion
                    .reader
                    .read(schema, &item.data)
                    .map_err(|why| ("DataFormatConversion.MalformedData", why.to_string())),
                Err(why) => Err((why.code, why.message.clone())),
            };
            match read {
                Ok(row) => {
                    fitting += item.data.len();
                    rows.push(row);
                }
                Err((code, message)) => {
                    failed = (failed.0 + 1, failed.1 + item.data.len());
                    lost.push(self.unconverted(conversion, item, code, message));
                }
            }
        }
        tell("SucceedConversion", (rows.len(), fitting));
        if failed.0 > 0 {
            tell("FailedConversion", failed);
        }
        match schema {
            Ok(schema) if !rows.is_empty() => Ok(Some((conversion.write(schema, &rows)?, rows.len()))),
            _ => Ok(None),
        }
    }

    fn unconverted(&self, conversion: &Conversion, item: Item, code: &str, message: String) -> Lost {
        let sequence = item.origin.as_ref().map(|origin| origin.sequence.clone());
        let more = vec![
            ("sequenceNumber", json!(sequence.unwrap_or_default())),
            ("subSequenceNumber", Json::Null),
            ("dataCatalogTable", conversion.named(self.cx)),
        ];
        Lost { kind: UNCONVERTED, more, ..Lost::of(item, code, message) }
    }

    /// A file for each kind of what failed.
    fn errors(&self, lost: &[Lost], zone: &TimeZone) -> Result<Vec<File>> {
        let given = self.destination.error_output_prefix.as_deref().filter(|text| !text.is_empty());
        let prefix = read(given.or(self.destination.prefix.as_deref()))?;
        let mut files = Vec::new();
        for kind in [FAILED, UNCONVERTED, REFUSED] {
            let of_kind: Vec<&Lost> = lost.iter().filter(|lost| lost.kind == kind).collect();
            let Some(oldest) = of_kind.iter().map(|lost| lost.arrived).min() else { continue };
            let seed = format!("{}/{kind}", self.delivery);
            let none = BTreeMap::new();
            let facts = Facts {
                at: moment(oldest),
                zone,
                seed: &seed,
                error: Some(kind),
                from_query: &none,
                from_lambda: &none,
            };
            let lines: String = of_kind.iter().map(|lost| lost.line(self.cx.now_millis())).collect();
            let format = self.destination.compression_format.as_deref();
            let key =
                prefix.of_errors(&facts) + &suffix(&self.stream.name, self.stream.version, &facts, extension(format));
            let body = self.compressed(format, lines.into_bytes())?;
            let to = Target::of(self.destination);
            files.push(File { key, body, counted: None, records: of_kind.len(), oldest, to });
        }
        Ok(files)
    }

    /// What came, as it came, for the bucket that keeps it.
    fn backup(&self, came: &[Record], zone: &TimeZone) -> Result<Option<File>> {
        let Some(backup) = &self.destination.s3_backup_configuration else { return Ok(None) };
        if self.destination.s3_backup_mode.as_deref() != Some("Enabled") {
            return Ok(None);
        }
        let seed = format!("{}/backup", self.delivery);
        let none = BTreeMap::new();
        let at = moment(self.oldest);
        let facts = Facts { at, zone, seed: &seed, error: None, from_query: &none, from_lambda: &none };
        let plain: Vec<u8> = came.iter().flat_map(|record| record.data.iter().copied()).collect();
        let format = backup.compression_format.as_deref();
        let name = suffix(&self.stream.name, self.stream.version, &facts, extension(format));
        Ok(Some(File {
            key: read(backup.prefix.as_deref())?.of_records(&facts) + &name,
            body: self.compressed(format, plain)?,
            counted: Some("BackupToS3"),
            records: came.len(),
            oldest: self.oldest,
            to: Target::of_backup(backup),
        }))
    }

    fn compressed(&self, format: Option<&str>, plain: Vec<u8>) -> Result<Vec<u8>> {
        let done = match format {
            Some("GZIP") => {
                let mut out = GzEncoder::new(Vec::new(), Compression::default());
                out.write_all(&plain).and_then(|()| out.finish())
            }
            Some("ZIP") => zipped(&self.stream.name, &plain),
            Some("Snappy") => {
                let mut out = snap::write::FrameEncoder::new(Vec::new());
                out.write_all(&plain).and_then(|()| out.into_inner().map_err(snap::write::IntoInnerError::into_error))
            }
            Some("HADOOP_SNAPPY") => hadoop(&plain),
            _ => Ok(plain),
        };
        done.map_err(Failure::broken)
    }
}

fn read(prefix: Option<&str>) -> Result<Prefix> {
    Prefix::parse(prefix.unwrap_or_default()).map_err(invalid)
}

/// What names end with, by what files are compressed with.
fn extension(format: Option<&str>) -> &'static str {
    match format {
        Some("GZIP") => ".gz",
        Some("ZIP") => ".zip",
        Some("Snappy") => ".snappy",
        Some("HADOOP_SNAPPY") => ".hsnappy",
        _ => "",
    }
}

fn zipped(name: &str, plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    // Names of streams are names of files.
    out.start_file(
        name,
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated),
    )?;
    out.write_all(plain)?;
    Ok(out.finish()?.into_inner())
}

/// Blocks, each with its length, and the length of what it was compressed to.
fn hadoop(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for block in plain.chunks(HADOOP_BLOCK) {
        let packed = snap::raw::Encoder::new().compress_vec(block)?;
        for length in [block.len(), packed.len()] {
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
        out.extend_from_slice(&packed);
    }
    Ok(out)
}
