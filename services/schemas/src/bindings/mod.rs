//! Code bindings: classes of a schema in a language, with what reads and writes events, as a zip.
//!
//! A task makes the code and says whether that went well; the code of a version never changes, so that it is made again whenever it is
//! fetched rather than kept.
//!
//! Source: "Code bindings for Amazon EventBridge schemas" in the user guide; the packages and the names of what reads and writes are
//! those that AWS's templates for applications import.

mod go;
mod java;
mod model;
mod python;
mod typescript;

use std::io::{Cursor, Write as _};

use serde_json::{Value as Json, json};
use undercast_kernel::{Bytes, Cx, Failure, Next, Result, Task};

use crate::api;
use crate::error::{bad, gone, missing};
use crate::name::RegistryName;
use crate::rows::{BINDINGS, Binding, Status, Version, moment};
use crate::{SERVICE, schemas, versions};
use model::Model;

/// The kind of the tasks that make code.
pub(crate) const KIND: &str = "bind";

/// A file by its path.
type Files = Vec<(String, String)>;

/// What makes code in a language: of a model, in a package.
type Maker = fn(&Model, &str) -> Files;

const LANGUAGES: &[(&str, Maker)] =
    &[("Java8", java::files), ("Python36", python::files), ("TypeScript3", typescript::files), ("Go1", go::files)];

fn maker(language: &str) -> Result<Maker> {
    let found = LANGUAGES.iter().find(|(name, _)| *name == language).map(|(_, maker)| *maker);
    found.ok_or_else(|| bad(format!("Language {language} is not one of Java8, Python36, TypeScript3 and Go1.")).into())
}

/// What a call is about.
struct Named<'a> {
    registry: RegistryName,
    schema: &'a str,
    version: Version,
    language: &'a str,
}

impl<'a> Named<'a> {
    fn find(cx: &Cx, registry: &str, schema: &'a str, version: Option<&str>, language: &'a str) -> Result<Self> {
        maker(language)?;
        let (registry, from) = (RegistryName::of(cx, registry), cx.read());
        schemas::find(cx, &from, &registry, schema)?;
        let version = versions::find(&from, &registry, schema, version)?;
        Ok(Self { registry, schema, version, language })
    }

    fn key(&self, cx: &Cx) -> ((String, String, String), &'a str, i64, &'a str) {
        // The registry of AWS's own events is nobody's: code for it is the account's that wants it.
        let account = if self.registry.is_aws() { cx.account().to_owned() } else { self.registry.account.clone() };
        let place = (account, self.registry.region.clone(), self.registry.name.clone());
        (place, self.schema, self.version.number, self.language)
    }

    /// The code, if anybody asked for it.
    fn binding(&self, cx: &Cx) -> Result<Binding> {
        let found = BINDINGS.get(&cx.read(), &self.key(cx))?;
        let (language, number) = (self.language, self.version.number);
        found.ok_or_else(|| {
            missing(format!(
                "Code binding in {language} for version {number} of schema with name {} does not exist.",
                self.schema
            ))
        })
    }

    /// Makes the code. `None`: the schema is of no object.
    fn files(&self) -> Result<Option<Files>> {
        let model = model::model(self.version.kind, &self.version.content, self.schema);
        let maker = maker(self.language)?;
        Ok(model.map(|model| maker(&model, &model::package(self.schema))))
    }
}

/// Refuses to make code for a version that there was: a number that was taken is not taken again.
fn check_gone(cx: &Cx, registry: &str, schema: &str, version: Option<&str>) -> Result<()> {
    let Some(number) = version.map(versions::number).transpose()? else { return Ok(()) };
    let (registry, from) = (RegistryName::of(cx, registry), cx.read());
    let found = schemas::find(cx, &from, &registry, schema)?;
    let is_there = versions::all(&from, &registry, schema)?.iter().any(|version| version.number == number);
    if !is_there && (1..found.next).contains(&number) {
        return Err(gone(format!("Version {number} of schema with name {schema} was deleted.")));
    }
    Ok(())
}

/// Has the code be made, unless it is there or being made.
pub(crate) async fn put(cx: &Cx, input: &api::PutCodeBindingInput) -> Result<api::PutCodeBindingOutput> {
    let version = input.schema_version.as_deref();
    check_gone(cx, &input.registry_name, &input.schema_name, version)?;
    let named = Named::find(cx, &input.registry_name, &input.schema_name, version, &input.language)?;
    let now = cx.now_millis();
    let binding = cx
        .write(|tx| {
            if let Some(there) = BINDINGS.get(tx, &named.key(cx))?
                && there.status != Status::Failed
            {
                return Ok(there);
            }
            let binding = Binding { created: now, modified: now, status: Status::InProgress };
            BINDINGS.put(tx, &named.key(cx), &binding);
            let told = json!({"registry": named.registry.arn(), "schema": named.schema,
                "version": named.version.number.to_string(), "language": named.language});
            let id = format!("{KIND}/{}/{}", cx.account(), told);
            cx.tasks().schedule(cx, tx, SERVICE, &id, KIND, told.to_string(), cx.now())?;
            Ok(binding)
        })
        .await?;
    Ok(api::PutCodeBindingOutput {
        creation_date: Some(moment(binding.created)),
        last_modified: Some(moment(binding.modified)),
        schema_version: Some(named.version.number.to_string()),
        status: Some(binding.status.name().to_owned()),
    })
}

/// Makes code and says how that went.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let told: Json = serde_json::from_str(&task.payload).map_err(Failure::broken)?;
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    let found = Named::find(cx, text("registry"), text("schema"), told["version"].as_str(), text("language"));
    // It was deleted meanwhile.
    let Ok(named) = found else { return Ok(Next::Done) };
    let made = named.files()?.map(|files| zip(&files)).transpose()?;
    let status = if made.is_some() { Status::Complete } else { Status::Failed };
    cx.write(|tx| {
        if let Some(binding) = BINDINGS.get(tx, &named.key(cx))? {
            BINDINGS.put(tx, &named.key(cx), &Binding { status, modified: cx.now_millis(), ..binding });
        }
        Ok(())
    })
    .await?;
    Ok(Next::Done)
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeCodeBindingInput) -> Result<api::DescribeCodeBindingOutput> {
    let version = input.schema_version.as_deref();
    let named = Named::find(cx, &input.registry_name, &input.schema_name, version, &input.language)?;
    let binding = named.binding(cx)?;
    Ok(api::DescribeCodeBindingOutput {
        creation_date: Some(moment(binding.created)),
        last_modified: Some(moment(binding.modified)),
        schema_version: Some(named.version.number.to_string()),
        status: Some(binding.status.name().to_owned()),
    })
}

pub(crate) fn source(cx: &Cx, input: &api::GetCodeBindingSourceInput) -> Result<api::GetCodeBindingSourceOutput> {
    let version = input.schema_version.as_deref();
    let named = Named::find(cx, &input.registry_name, &input.schema_name, version, &input.language)?;
    let binding = named.binding(cx)?;
    let files = named.files()?.filter(|_| binding.status == Status::Complete);
    let status = binding.status.name();
    let files = files.ok_or_else(|| missing(format!("The code binding has no source: its status is {status}.")))?;
    Ok(api::GetCodeBindingSourceOutput { body: Some(Bytes::from(zip(&files)?)) })
}

/// Files as an archive: the same files give the same bytes.
fn zip(files: &Files) -> Result<Vec<u8>> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .unix_permissions(0o644);
    for (path, text) in files {
        out.start_file(path, options).map_err(Failure::broken)?;
        out.write_all(text.as_bytes()).map_err(Failure::broken)?;
    }
    Ok(out.finish().map_err(Failure::broken)?.into_inner())
}
