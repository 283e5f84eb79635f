//! Manifests: lists of files in which the items are.

use serde_json::Value;

use super::failed;
use crate::failure::Failure;
use crate::tree::ManifestType;

/// A list of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The names of the columns of an inventory's files; they have no header.
    pub columns: Vec<String>,
    /// The files.
    pub files: Vec<ManifestFile>,
}

/// A file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// The bucket in which it is.
    pub bucket: String,
    /// Its key.
    pub key: String,
}

/// Reads a manifest.
///
/// # Errors
/// When the bytes are none.
pub fn manifest(bytes: &[u8], kind: ManifestType) -> Result<Manifest, Failure> {
    match kind {
        ManifestType::S3Inventory => inventory(bytes),
        ManifestType::AthenaData => athena(bytes),
    }
}

/// `manifest.json` of an S3 inventory in CSV.
fn inventory(bytes: &[u8]) -> Result<Manifest, Failure> {
    let document: Value = serde_json::from_slice(bytes).map_err(|e| failed(format!("The manifest is no JSON: {e}")))?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("fileFormat") != Some("CSV") {
        return Err(failed("The S3 inventory report must be in the CSV format."));
    }
    let bucket = text("destinationBucket").map(|bucket| bucket.rsplit(":::").next().unwrap_or(bucket).to_owned());
    let bucket = bucket.ok_or_else(|| failed("The manifest has no destinationBucket."))?;
    let columns = text("fileSchema").ok_or_else(|| failed("The manifest has no fileSchema."))?;
    let files = document.get("files").and_then(Value::as_array).ok_or_else(|| failed("The manifest has no files."))?;
    let key = |file: &Value| {
        let key =
            file.get("key").and_then(Value::as_str).ok_or_else(|| failed("A file of the manifest has no key."))?;
        Ok(ManifestFile { bucket: bucket.clone(), key: key.to_owned() })
    };
    Ok(Manifest {
        columns: columns.split(',').map(|name| name.trim().to_owned()).collect(),
        files: files.iter().map(key).collect::<Result<_, Failure>>()?,
    })
}

/// What Athena writes of an `UNLOAD`: the URI of a file a line.
fn athena(bytes: &[u8]) -> Result<Manifest, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| failed("The manifest is no text."))?;
    let mut files = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let file = line.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let (bucket, key) = file.ok_or_else(|| failed(format!("'{line}' is not the URI of an S3 object.")))?;
        files.push(ManifestFile { bucket: bucket.to_owned(), key: key.to_owned() });
    }
    Ok(Manifest { columns: Vec::new(), files })
}
