//! Packages: where they come from, what they may be, and how they are unpacked.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Cursor, Read};
use std::ops::Bound;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use undercast_kernel::store::Written;
use undercast_kernel::wire::text;
use undercast_kernel::{AwsError, Bytes, Cx, Failure, Result};

use crate::error;
use crate::function::{Attached, Code, Function, FunctionName};
use crate::state::State;
use crate::version;

/// The most bytes of a package that comes in a request.
const MOST_ZIPPED: usize = 52_428_800;
/// The most bytes of what is in a package.
pub(crate) const MOST_UNZIPPED: u64 = 262_144_000;

/// Where the code of a call is.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) zip: Option<Bytes>,
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) version: Option<String>,
    /// `COPY`, or `REFERENCE` for packages that stay in their bucket.
    pub(crate) mode: Option<String>,
}

/// Why a package cannot be unpacked.
#[derive(Debug, thiserror::Error)]
enum Unpack {
    #[error("the package is not a zip file")]
    Zip(#[from] zip::result::ZipError),
    #[error("the file `{0}` would be outside of its package")]
    Outside(String),
    #[error("the package holds more than {MOST_UNZIPPED} bytes")]
    TooLarge,
    #[error("{path}")]
    File { path: PathBuf, source: io::Error },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Unpack {
    let path = path.to_owned();
    move |source| Unpack::File { path, source }
}

/// Takes a package in: it is checked, and kept as a blob. Keep the second part until a row refers to the blob.
pub(crate) async fn take(cx: &Cx, source: Source) -> Result<(Code, Written)> {
    if source.mode.is_some_and(|mode| mode != "COPY") {
        return Err(Failure::not_built("lambda packages that stay in their bucket (S3ObjectStorageMode REFERENCE)"));
    }
    let bytes = match (source.zip, source.bucket, source.key) {
        (Some(zip), None, None) => zip,
        (None, Some(bucket), Some(key)) => download(cx, &bucket, &key, source.version.as_deref()).await?,
        _ => return Err(error::invalid("Please provide a source for function code.")),
    };
    if bytes.is_empty() {
        return Err(error::invalid("Uploaded file must be a non-empty zip"));
    }
    if bytes.len() > MOST_ZIPPED {
        let message = format!("Zipped size must be smaller than {MOST_ZIPPED} bytes");
        return Err(AwsError::new("RequestEntityTooLargeException", 413, message).into());
    }
    let unzipped = check(&bytes)?;
    let written = cx.blobs().put(&bytes).await?;
    Ok((Code { id: written.id.0.clone(), size: written.length, unzipped }, written))
}

/// The package in a bucket, read as the caller.
async fn download(cx: &Cx, bucket: &str, key: &str, version: Option<&str>) -> Result<Bytes> {
    let mut input = json!({"Bucket": bucket, "Key": key});
    if let Some(version) = version {
        input["VersionId"] = json!(version);
    }
    let answer = cx.call_with_body("s3", "GetObject", input, None).await;
    let (_, body) = answer.map_err(|failure| match failure {
        Failure::Aws(s3) => {
            let code = s3.code.to_string();
            let message =
                format!("Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {}", s3.message);
            error::invalid(message)
        }
        other => other,
    })?;
    let Some(body) = body else { return Err(cx.broken("GetObject answered without a body")) };
    let bytes = body.collect(MOST_ZIPPED).await.map_err(Failure::broken)?;
    bytes.ok_or_else(|| {
        let message = format!("Unzipped size must be smaller than {MOST_UNZIPPED} bytes");
        error::invalid(message)
    })
}

/// Refuses what is no zip file, and what is too large when unpacked. Returns how much is in it.
fn check(bytes: &Bytes) -> Result<u64> {
    let unreadable =
        |_| error::invalid("Could not unzip uploaded file. Please check your file, then try to upload again.");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let mut size = 0;
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(unreadable)?;
        size += file.size();
        if file.enclosed_name().is_none() {
            return Err(error::invalid(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ));
        }
    }
    if archive.is_empty() {
        return Err(error::invalid("Uploaded file must be a non-empty zip"));
    }
    if size > MOST_UNZIPPED {
        return Err(error::invalid(format!("Unzipped size must be smaller than {MOST_UNZIPPED} bytes")));
    }
    Ok(size)
}

/// Whether AWS Signer has left its signature in a package.
pub(crate) async fn is_signed(cx: &Cx, code: &Code) -> Result<bool> {
    let bytes = cx.blobs().read(&code.blob(), 0, usize::MAX).await?;
    let archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(Failure::broken)?;
    Ok(archive.file_names().any(|name| name.starts_with("META-INF/aws_signer_signature")))
}

/// The folder with the content of a package, unpacked if it was not yet.
pub(crate) async fn unpacked(state: &State, cx: &Cx, code: &Code) -> Result<PathBuf> {
    together(state, cx, &code.id, std::slice::from_ref(&code)).await
}

/// The name of the folder with the content of some layers. `None`: there are none.
pub(crate) fn layers_folder(layers: &[Attached]) -> Option<String> {
    let ids: Vec<&str> = layers.iter().map(|layer| layer.code.id.as_str()).collect();
    (!ids.is_empty()).then(|| format!("opt-{}", text::hex_encode(&Sha256::digest(ids.join("/")))))
}

/// The folder that is `/opt` inside: all layers in one, in their order. `None`: there are none.
pub(crate) async fn unpacked_layers(state: &State, cx: &Cx, layers: &[Attached]) -> Result<Option<PathBuf>> {
    let Some(name) = layers_folder(layers) else { return Ok(None) };
    let packages: Vec<&Code> = layers.iter().map(|layer| &layer.code).collect();
    together(state, cx, &name, &packages).await.map(Some)
}

/// The folder of this name with the content of some packages, unpacked if they were not yet.
async fn together(state: &State, cx: &Cx, name: &str, packages: &[&Code]) -> Result<PathBuf> {
    let folder = State::folder(cx).join(name);
    if tokio::fs::try_exists(&folder).await.map_err(Failure::broken)? {
        return Ok(folder);
    }
    let _turn = state.unpacking.lock().await;
    if tokio::fs::try_exists(&folder).await.map_err(Failure::broken)? {
        return Ok(folder);
    }
    let mut archives = Vec::new();
    for code in packages {
        archives.push(cx.blobs().read(&code.blob(), 0, usize::MAX).await?);
    }
    let to = folder.clone();
    tokio::task::spawn_blocking(move || unpack(&archives, &to))
        .await
        .map_err(Failure::broken)?
        .map_err(Failure::broken)?;
    Ok(folder)
}

/// What of an archive becomes a file, a folder or a link: the archive, and the place in it.
type Entries = BTreeMap<PathBuf, (usize, usize)>;

/// Chooses what of some archives there will be. What a later one has takes the place of what is in its way.
fn choose(archives: &mut [zip::ZipArchive<Cursor<&[u8]>>]) -> std::result::Result<Entries, Unpack> {
    let mut chosen = Entries::new();
    // Paths that are no folders, for what comes later to be under.
    let mut leaves = HashSet::new();
    for (number, archive) in archives.iter_mut().enumerate() {
        for index in 0..archive.len() {
            let file = archive.by_index_raw(index)?;
            let inside = file.enclosed_name().ok_or_else(|| Unpack::Outside(file.name().to_owned()))?;
            for above in inside.ancestors().skip(1) {
                if leaves.remove(above) {
                    chosen.remove(above);
                }
            }
            if file.is_dir() {
                leaves.remove(&inside);
            } else {
                let after = (Bound::Excluded(inside.as_path()), Bound::Unbounded);
                let beneath = chosen.range::<Path, _>(after).map(|(path, _)| path.clone());
                let beneath: Vec<PathBuf> = beneath.take_while(|path| path.starts_with(&inside)).collect();
                for path in beneath {
                    chosen.remove(&path);
                }
                leaves.insert(inside.clone());
            }
            chosen.insert(inside, (number, index));
        }
    }
    Ok(chosen)
}

/// Unpacks beside, and moves into place: a folder that is there is whole.
fn unpack(archives: &[Bytes], to: &Path) -> std::result::Result<(), Unpack> {
    let beside = to.with_extension("unpacking");
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(at(&beside))?;
    }
    fs::create_dir_all(&beside).map_err(at(&beside))?;
    readable(&beside, 0o755)?;
    let opened = archives.iter().map(|bytes| zip::ZipArchive::new(Cursor::new(bytes.as_ref())));
    let mut opened = opened.collect::<std::result::Result<Vec<_>, _>>()?;
    let mut left = MOST_UNZIPPED;
    // Links come last, so that no file is written through one.
    let mut links = Vec::new();
    for (inside, (number, index)) in choose(&mut opened)? {
        let Some(archive) = opened.get_mut(number) else { continue };
        let mut file = archive.by_index(index)?;
        let path = beside.join(&inside);
        if file.is_dir() {
            folders(&beside, &path)?;
        } else if file.is_symlink() {
            let mut target = String::new();
            file.take(4096).read_to_string(&mut target).map_err(at(&path))?;
            links.push((path, target));
        } else {
            folders(&beside, path.parent().unwrap_or(&beside))?;
            let mode = if file.unix_mode().is_some_and(|m| m & 0o111 != 0) { 0o755 } else { 0o644 };
            let mut out = fs::File::create(&path).map_err(at(&path))?;
            let copied = io::copy(&mut file.by_ref().take(left + 1), &mut out).map_err(at(&path))?;
            left = left.checked_sub(copied).ok_or(Unpack::TooLarge)?;
            readable(&path, mode)?;
        }
    }
    for (path, target) in links {
        folders(&beside, path.parent().unwrap_or(&beside))?;
        // Where it leads is looked up inside the sandbox, which shows nothing of this machine's files.
        symlink(&target, &path).map_err(at(&path))?;
    }
    fs::rename(&beside, to).map_err(at(to))
}

/// Makes the folders down to `path`, for everybody to read: the sandbox's user is nobody here.
fn folders(root: &Path, path: &Path) -> std::result::Result<(), Unpack> {
    if path == root || path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        folders(root, above)?;
    }
    fs::create_dir(path).map_err(at(path))?;
    readable(path, 0o755)
}

fn readable(path: &Path, mode: u32) -> std::result::Result<(), Unpack> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at(path))
}

/// Unpacks a function's code, and makes it active.
pub(crate) async fn activate(state: &Arc<State>, cx: &Cx, function: &Function) {
    if let Err(failure) = unpacked(state, cx, &function.code).await {
        tracing::error!(
            function = function.name,
            error = &failure as &dyn std::error::Error,
            "a package could not be unpacked"
        );
        return;
    }
    let name: FunctionName = function.place();
    let activated = cx
        .write(|tx| {
            // It may be gone, or have other code by now, which is activated by who brought it.
            if let Some(mut now) =
                crate::function::FUNCTIONS.get(tx, &name.key())?.filter(|f| f.code == function.code && !f.active)
            {
                now.active = true;
                now.put(tx);
                // What was published meanwhile has the same code.
                for version in version::all(tx, &now)?.into_iter().filter(|v| v.code == function.code && !v.active) {
                    Function { active: true, ..version }.put(tx);
                }
            }
            Ok(())
        })
        .await;
    if let Err(failure) = activated {
        tracing::error!(
            function = function.name,
            error = &failure as &dyn std::error::Error,
            "a function could not be made active"
        );
    }
}
