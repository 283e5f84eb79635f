//! Exports: what a table held at a moment of the past, or what was written to it in a while, as objects in S3.
//!
//! `request` makes an export of what is asked for, which `filter` may narrow; `run` writes its objects, as a task, with the rights of whoever asked;
//! `lines` and `files` know what they look like. Source: "DynamoDB data export to Amazon S3" and "DynamoDB table export
//! output format" in the developer guide; refusals, and what AWS leaves out of answers, as measured against it in 2026.
//!
//! Limits: a table is written as the four partitions that a new one has at AWS.

mod files;
mod filter;
mod lines;
mod request;
mod run;

use crate::DynamoDb;
use crate::api::output::{ExportDescription, ExportSummary, IncrementalExportSpecification};
use crate::api::{
    DescribeExportOutput, ExportTableToPointInTimeInput, ExportTableToPointInTimeOutput, ListExportsInput,
    ListExportsOutput,
};
use crate::error::{Error, Result};
use crate::jobs::{self, State, TOKEN_KEPT};
use crate::request::{scope, table_arn};
use crate::rows::Scope;
use crate::table::Table;
use crate::tables::describe::moment;
use filter::{Choice, Filter};
use minicbor::{Decode, Encode};
use undercast_kernel::{Cx, Deferred, Repeated};
use undercast_store::{Read, Table as Rows, Tx};

static EXPORTS: Rows<Export> = Rows::new("dynamodb.exports");

/// How long what an export needs waits to be swept.
pub(crate) const WAIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Most exports of an account and region that are written at a time.
const MOST: usize = 300;

/// What tells the tokens of exports from those of other operations.
const TOKENS: &str = "dynamodb.export";

/// An export.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Export {
    /// Its id.
    #[n(0)]
    pub(crate) id: String,
    /// The token of the request.
    #[n(1)]
    token: String,
    /// The table as it was when the export was asked for.
    #[n(2)]
    table: Table,
    /// When it was asked for, in milliseconds since 1970.
    #[n(3)]
    started: i64,
    /// When it ended.
    #[n(4)]
    ended: Option<i64>,
    /// What is exported.
    #[n(5)]
    what: What,
    /// As what.
    #[n(6)]
    format: Format,
    /// Where to.
    #[n(7)]
    target: Target,
    /// How it stands.
    #[n(8)]
    state: State,
    /// Whether the request named its type, which answers say only then.
    #[n(9)]
    type_named: bool,
    /// Who asked for it.
    #[n(10)]
    by: Deferred,
    /// How many items were written, once it has ended well.
    #[n(11)]
    items: i64,
    /// How many bytes are billed.
    #[n(12)]
    billed: i64,
    /// Which items are wanted, and what of them, if not all.
    #[n(13)]
    filter: Option<Filter>,
}

/// What is exported.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
enum What {
    /// All that the table held at a moment, in milliseconds since 1970.
    #[n(0)]
    Full(#[n(0)] i64),
    /// What was written from one moment to another, which is not in it.
    #[n(1)]
    Incremental {
        #[n(0)]
        from: i64,
        #[n(1)]
        to: i64,
        /// Whether items are shown as they were before, too.
        #[n(2)]
        old_images: bool,
    },
}

/// What lines are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
enum Format {
    #[n(0)]
    Json,
    #[n(1)]
    Ion,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "DYNAMODB_JSON",
            Self::Ion => "ION",
        }
    }
}

/// Where an export goes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Target {
    #[n(0)]
    bucket: String,
    #[n(1)]
    owner: Option<String>,
    #[n(2)]
    prefix: Option<String>,
    /// Whether objects are encrypted with a key of KMS.
    #[n(3)]
    kms: bool,
    /// Which, if it is not the one that AWS manages.
    #[n(4)]
    key: Option<String>,
}

impl Target {
    fn algorithm(&self) -> &'static str {
        if self.kms { "KMS" } else { "AES256" }
    }

    /// The beginning of the keys of all objects.
    fn base(&self) -> String {
        let prefix = self.prefix.as_deref().unwrap_or("");
        let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        format!("{prefix}{slash}AWSDynamoDB/")
    }
}

impl Export {
    fn put(&self, tx: &mut Tx<'_>, scope: Scope<'_>) {
        EXPORTS.put(tx, &key(scope, &self.table.name, &self.id), self);
    }

    fn arn(&self, cx: &Cx) -> String {
        jobs::arn(cx, &self.table.name, "export", &self.id)
    }

    fn kind(&self) -> &'static str {
        match self.what {
            What::Full(_) => "FULL_EXPORT",
            What::Incremental { .. } => "INCREMENTAL_EXPORT",
        }
    }

    /// What its task is told: its table's name and its id.
    pub(crate) fn payload(&self) -> String {
        format!("{}/{}", self.table.name, self.id)
    }

    /// The key of the object that says what the export is.
    fn manifest(&self) -> String {
        format!("{}{}/manifest-summary.json", self.target.base(), self.id)
    }

    /// What of the table is exported.
    fn choice(&self) -> Result<Choice> {
        self.filter.as_ref().map_or(Ok(Choice::default()), |filter| filter.bind(&self.table))
    }

    fn is_over(&self, now: i64) -> bool {
        self.started.saturating_add(jobs::KEPT) <= now
    }
}

/// The place of one.
fn key<'a>(scope: Scope<'a>, table: &'a str, id: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
    (scope.account, scope.region, table, id)
}

fn get(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str, id: &str) -> Result<Option<Export>> {
    Ok(EXPORTS.get(from, &key(scope, table, id))?)
}

/// The exports of a table, or all of an account and region.
fn all(from: &(impl Read + ?Sized), scope: Scope<'_>, table: Option<&str>) -> Result<Vec<Export>> {
    let found = match table {
        Some(table) => EXPORTS.all(from, &(scope.account, scope.region, table))?,
        None => EXPORTS.all(from, &(scope.account, scope.region))?,
    };
    Ok(found.into_iter().map(|entry| entry.row).collect())
}

/// Whether an export still needs the rows of a table or the history, whichever has this id.
///
/// # Errors
/// When the store fails.
pub(crate) fn needs(from: &(impl Read + ?Sized), scope: Scope<'_>, id: &str) -> Result<bool> {
    let history = |export: &Export| export.table.recovery.as_ref().is_some_and(|recovery| recovery.history.id == id);
    let all = all(from, scope, None)?;
    Ok(all.iter().any(|export| export.state == State::InProgress && (export.table.id == id || history(export))))
}

impl DynamoDb {
    /// Begins to export a table. A request that was sent before is answered, and not done again.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn export(
        &self,
        cx: &Cx,
        input: ExportTableToPointInTimeInput,
    ) -> Result<ExportTableToPointInTimeOutput> {
        let (id, token) = (jobs::new_id(cx), input.client_token.clone().unwrap_or_else(|| cx.random().uuid()));
        let asked = request::Asked::of(cx, input)?;
        let by = cx.deferred()?;
        let export = cx
            .write(|tx| {
                let name = jobs::table_of_arn(cx, &asked.table)?;
                match cx.repeated(tx, TOKENS, &token, &asked.fingerprint(), TOKEN_KEPT)? {
                    Repeated::New => {}
                    Repeated::Another => return Err(Error::export_conflict().into()),
                    Repeated::Same => {
                        let all = all(tx, scope(cx), Some(name))?;
                        let before = all.into_iter().rfind(|export| export.token == token);
                        return Ok(before.ok_or_else(Error::export_conflict)?);
                    }
                }
                let export = asked.begin(self, cx, tx, &id, &token, &by)?;
                let running = all(tx, scope(cx), None)?.iter().filter(|e| e.state == State::InProgress).count();
                if running >= MOST {
                    return Err(Error::limit_exceeded(format!(
                        "Subscriber limit exceeded: There can be at most {MOST} exports at a time"
                    ))
                    .into());
                }
                export.put(tx, scope(cx));
                self.schedule_export(cx, tx, &export)?;
                Ok(export)
            })
            .await?;
        Ok(ExportTableToPointInTimeOutput { export_description: Some(described(cx, &export)) })
    }

    /// How an export stands.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn describe_export(&self, cx: &Cx, arn: &str) -> Result<DescribeExportOutput> {
        let named = jobs::named(cx, arn, "export")?;
        if !named.here {
            return Err(Error::export_not_found("Invalid export arn"));
        }
        let found = get(&cx.read(), scope(cx), named.table, named.id)?;
        let found = found.filter(|export| !export.is_over(cx.now_millis()));
        let export = found.ok_or_else(|| Error::export_not_found(format_args!("Export not found: {arn}")))?;
        Ok(DescribeExportOutput { export_description: Some(described(cx, &export)) })
    }

    /// The exports of 90 days, newest first. Those of a table are told as long as it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn list_exports(&self, cx: &Cx, input: &ListExportsInput) -> Result<ListExportsOutput> {
        let from = cx.read();
        let name = input.table_arn.as_deref().map(|arn| jobs::table_of_arn(cx, arn)).transpose()?;
        let mut found = all(&from, scope(cx), name)?;
        found.retain(|export| !export.is_over(cx.now_millis()));
        if let Some(name) = name {
            let table = self.descriptions.get(&from, scope(cx), name)?;
            found.retain(|export| table.as_ref().is_some_and(|table| table.id == export.table.id));
        }
        let (page, next_token) =
            jobs::page("ListExports", found, input.next_token.as_deref(), input.max_results, |export| &export.id)?;
        let summary = |export: &Export| ExportSummary {
            export_arn: Some(export.arn(cx)),
            export_status: Some(export.state.name().to_owned()),
            export_type: Some(export.kind().to_owned()),
        };
        Ok(ListExportsOutput { export_summaries: Some(page.iter().map(summary).collect()), next_token })
    }
}

fn described(cx: &Cx, export: &Export) -> ExportDescription {
    let completed = export.state == State::Completed;
    let trouble = export.state.trouble();
    let (at, incremental) = match &export.what {
        What::Full(at) => (Some(moment(*at)), None),
        What::Incremental { from, to, old_images } => (
            None,
            Some(IncrementalExportSpecification {
                export_from_time: Some(moment(*from)),
                export_to_time: Some(moment(*to)),
                export_view_type: Some(view(*old_images).to_owned()),
            }),
        ),
    };
    ExportDescription {
        export_arn: Some(export.arn(cx)),
        export_status: Some(export.state.name().to_owned()),
        start_time: Some(moment(export.started)),
        end_time: export.ended.map(moment),
        export_manifest: completed.then(|| export.manifest()),
        table_arn: Some(table_arn(cx, &export.table.name)),
        table_id: Some(export.table.id.clone()),
        export_time: at,
        client_token: Some(export.token.clone()),
        s3_bucket: Some(export.target.bucket.clone()),
        s3_bucket_owner: export.target.owner.clone(),
        s3_prefix: export.target.prefix.clone(),
        s3_sse_algorithm: Some(export.target.algorithm().to_owned()),
        s3_sse_kms_key_id: export.target.key.clone(),
        failure_code: trouble.map(|trouble| trouble.code.clone()),
        failure_message: trouble.map(|trouble| trouble.message.clone()),
        export_format: Some(export.format.name().to_owned()),
        billed_size_bytes: completed.then_some(export.billed),
        item_count: completed.then_some(export.items),
        export_type: export.type_named.then(|| export.kind().to_owned()),
        incremental_export_specification: incremental,
        filter_specification: export.filter.as_ref().map(Filter::described),
    }
}

fn view(old_images: bool) -> &'static str {
    if old_images { "NEW_AND_OLD_IMAGES" } else { "NEW_IMAGE" }
}
