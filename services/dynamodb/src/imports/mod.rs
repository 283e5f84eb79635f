//! Imports: new tables of what is found in S3.
//!
//! [`records`] reads items out of bytes, which [`packed`] unpacks; `run` does an import, as a task, with the rights of whoever asked; `report` tells
//! CloudWatch Logs of what could not be read. Source: "DynamoDB data import from Amazon S3" and "Import format quotas and
//! validation" in the developer guide; refusals and counts as measured against AWS in 2026.
//!
//! Limits: the bytes of an object are held in memory while it is read. An import that a crash ends begins again.

pub mod packed;
pub mod records;
mod report;
mod run;

use crate::DynamoDb;
use crate::api::input::TableCreationParameters;
use crate::api::output::{
    AttributeDefinition, CsvOptions, GlobalSecondaryIndex, ImportSummary, ImportTableDescription, InputFormatOptions,
    ProvisionedThroughput, S3BucketSource, SSESpecification, TableCreationParameters as Shown,
};
use crate::api::{DescribeImportOutput, ImportTableInput, ImportTableOutput, ListImportsInput, ListImportsOutput};
use crate::encryption;
use crate::error::{Error, Result};
use crate::jobs::{self, State, TOKEN_KEPT};
use crate::request::{scope, table_arn, table_name};
use crate::rows::{self, Scope};
use crate::table::{Billing, Index, Table};
use crate::tables::create::Draft;
use crate::tables::describe::{key_schema, moment, projection};
use crate::throughput::settings::{self, Asked};
use minicbor::{Decode, Encode};
use records::Format;
use undercast_kernel::{Cx, Deferred};
use undercast_store::{Read, Table as Rows, Tx};

static IMPORTS: Rows<Import> = Rows::new("dynamodb.imports");

/// Most imports of an account and region that are done at a time.
const MOST: usize = 50;

/// An import.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct Import {
    /// Its id.
    #[n(0)]
    pub(crate) id: String,
    /// The token of the request.
    #[n(1)]
    token: String,
    /// The table that it makes.
    #[n(2)]
    table: Table,
    /// How the table is paid for, in the word of the request.
    #[n(3)]
    mode: Option<String>,
    /// When it was asked for, in milliseconds since 1970.
    #[n(4)]
    started: i64,
    /// When it ended.
    #[n(5)]
    ended: Option<i64>,
    /// What it reads.
    #[n(6)]
    source: Source,
    /// How it stands.
    #[n(7)]
    state: State,
    /// Who asked for it.
    #[n(8)]
    by: Deferred,
    /// How much it was.
    #[n(9)]
    counts: Counts,
    /// What the request says of the table's encryption: whether, how, with which key.
    #[n(10)]
    encryption: Option<(Option<bool>, Option<String>, Option<String>)>,
}

/// What an import reads.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Source {
    #[n(0)]
    bucket: String,
    #[n(1)]
    owner: String,
    #[n(2)]
    prefix: Option<String>,
    /// `DYNAMODB_JSON`, `ION` or `CSV`.
    #[n(3)]
    format: String,
    /// `NONE`, `GZIP` or `ZSTD`.
    #[n(4)]
    compression: String,
    /// How records of CSV are written, as far as the request says it.
    #[n(5)]
    csv: Option<Csv>,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Csv {
    #[n(0)]
    delimiter: Option<String>,
    #[n(1)]
    headers: Option<Vec<String>>,
}

/// How much an import was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
struct Counts {
    /// Bytes, uncompressed.
    #[n(0)]
    bytes: i64,
    /// Items that were written.
    #[n(1)]
    imported: i64,
    /// Items that could not be.
    #[n(2)]
    errors: i64,
}

impl Import {
    fn put(&self, tx: &mut Tx<'_>, scope: Scope<'_>) {
        IMPORTS.put(tx, &key(scope, &self.table.name, &self.id), self);
    }

    fn arn(&self, cx: &Cx) -> String {
        jobs::arn(cx, &self.table.name, "import", &self.id)
    }

    /// What its task is told: its table's name and its id.
    pub(crate) fn payload(&self) -> String {
        format!("{}/{}", self.table.name, self.id)
    }

    fn is_over(&self, now: i64) -> bool {
        self.started.saturating_add(jobs::KEPT) <= now
    }

    /// What its objects are written in.
    fn format(&self) -> Format {
        match self.source.format.as_str() {
            "ION" => Format::Ion,
            "CSV" => {
                let given = self.source.csv.as_ref();
                let delimiter = given.and_then(|csv| csv.delimiter.as_deref()).and_then(|text| text.bytes().next());
                let kinds = self.table.attributes.iter().map(|key| (key.name.clone(), self.table.kind(&key.name)));
                Format::Csv {
                    delimiter: delimiter.unwrap_or(b','),
                    headers: given.and_then(|csv| csv.headers.clone()),
                    kinds: kinds.collect(),
                }
            }
            _ => Format::Json,
        }
    }
}

/// The place of one.
fn key<'a>(scope: Scope<'a>, table: &'a str, id: &'a str) -> (&'a str, &'a str, &'a str, &'a str) {
    (scope.account, scope.region, table, id)
}

fn get(from: &(impl Read + ?Sized), scope: Scope<'_>, table: &str, id: &str) -> Result<Option<Import>> {
    Ok(IMPORTS.get(from, &key(scope, table, id))?)
}

/// The imports into tables of a name, or all of an account and region.
fn all(from: &(impl Read + ?Sized), scope: Scope<'_>, table: Option<&str>) -> Result<Vec<Import>> {
    let found = match table {
        Some(table) => IMPORTS.all(from, &(scope.account, scope.region, table))?,
        None => IMPORTS.all(from, &(scope.account, scope.region))?,
    };
    Ok(found.into_iter().map(|entry| entry.row).collect())
}

/// What a request says of the objects, checked.
fn source(cx: &Cx, input: &ImportTableInput) -> Result<Source> {
    let csv = input.input_format_options.as_ref().and_then(|options| options.csv.as_ref());
    if csv.is_some() && input.input_format != "CSV" {
        let format = &input.input_format;
        return Err(Error::validation(format_args!(
            "Invalid Request: Unsupported InputFormatOptions for the given input format: {format}."
        )));
    }
    let from = &input.s3_bucket_source;
    Ok(Source {
        bucket: from.s3_bucket.clone(),
        owner: from.s3_bucket_owner.clone().unwrap_or_else(|| cx.account().to_owned()),
        prefix: from.s3_key_prefix.clone(),
        format: input.input_format.clone(),
        compression: input.input_compression_type.clone().unwrap_or_else(|| "NONE".to_owned()),
        csv: csv.map(|csv| Csv { delimiter: csv.delimiter.clone(), headers: csv.header_list.clone() }),
    })
}

/// The table that a request wants.
fn drafted(cx: &Cx, wanted: TableCreationParameters) -> Result<Table> {
    let draft = Draft {
        name: table_name(cx, &wanted.table_name)?,
        mode: wanted.billing_mode.as_deref(),
        throughput: wanted.provisioned_throughput.as_ref(),
        asked: Asked { most: wanted.on_demand_throughput.as_ref(), warm: None },
        attributes: wanted.attribute_definitions,
        key: &wanted.key_schema,
        local: None,
        global: wanted.global_secondary_indexes,
        vectors: wanted.vector_indexes,
    };
    Ok(Table { importing: true, ..draft.table(cx)? })
}

impl DynamoDb {
    /// Begins to make a table of what is found in S3. A request that was sent before is answered, and not done again.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn import(&self, cx: &Cx, input: ImportTableInput) -> Result<ImportTableOutput> {
        // The reference says that AWS does without; it does not.
        let token = input.client_token.clone().ok_or_else(|| {
            Error::validation(
                "1 validation error detected: Value null at 'clientToken' failed to satisfy constraint: Member must not be \
                 null",
            )
        })?;
        let source = source(cx, &input)?;
        let mut parameters = input.table_creation_parameters;
        let asked = parameters.sse_specification.take();
        let wanted = asked.as_ref().map_or(Ok(encryption::Wanted::Owned), encryption::wanted)?;
        let mut import = Import {
            id: jobs::new_id(cx),
            token,
            source,
            mode: parameters.billing_mode.clone(),
            table: drafted(cx, parameters)?,
            started: cx.now_millis(),
            ended: None,
            state: State::InProgress,
            by: cx.deferred()?,
            counts: Counts::default(),
            encryption: asked.map(|given| (given.enabled, given.sse_type, given.kms_master_key_id)),
        };
        if let Some(before) = self.begun_before(cx, &cx.read(), &import)? {
            return Ok(ImportTableOutput { import_table_description: described(cx, &before) });
        }
        import.table.encryption = self.encrypt(cx, &import.table.name, &wanted).await?;
        let import = cx.write(|tx| Ok(self.begin_import(cx, tx, &import)?)).await?;
        Ok(ImportTableOutput { import_table_description: described(cx, &import) })
    }

    /// The import that a token began. Of a request only the table's name counts there, as at AWS; and once the table is
    /// there, that is what AWS says instead.
    fn begun_before(&self, cx: &Cx, from: &impl Read, import: &Import) -> Result<Option<Import>> {
        let mut before = all(from, scope(cx), None)?;
        before.retain(|other| other.token == import.token && other.started + TOKEN_KEPT > cx.now_millis());
        let before = before.pop();
        if let Some(before) = before.as_ref().filter(|before| before.state == State::InProgress) {
            let same = before.table.name == import.table.name;
            return if same { Ok(Some(before.clone())) } else { Err(Error::import_conflict()) };
        }
        if self.descriptions.any(from, scope(cx), &import.table.name)?.is_some() {
            return Err(Error::table_exists(&import.table.name));
        }
        match before {
            Some(before) if before.table.name != import.table.name => Err(Error::import_conflict()),
            before => Ok(before),
        }
    }

    /// Begins an import, unless its token has begun one.
    fn begin_import(&self, cx: &Cx, tx: &mut Tx<'_>, import: &Import) -> Result<Import> {
        if let Some(before) = self.begun_before(cx, tx, import)? {
            return Ok(before);
        }
        let running = all(tx, scope(cx), None)?.iter().filter(|other| other.state == State::InProgress).count();
        if running >= MOST {
            return Err(Error::limit_exceeded(format!(
                "Subscriber limit exceeded: There can be at most {MOST} imports at a time"
            )));
        }
        import.put(tx, scope(cx));
        rows::put_table(tx, scope(cx), &import.table);
        self.watch_key(cx, tx, &import.table)?;
        self.schedule_import(cx, tx, import)?;
        Ok(import.clone())
    }

    /// How an import stands.
    ///
    /// # Errors
    /// When there is none, and when the store fails.
    pub(crate) fn describe_import(&self, cx: &Cx, arn: &str) -> Result<DescribeImportOutput> {
        let named = jobs::named(cx, arn, "import")?;
        if !named.here {
            return Err(Error::import_not_found("Invalid import arn"));
        }
        let found = get(&cx.read(), scope(cx), named.table, named.id)?;
        let found = found.filter(|import| !import.is_over(cx.now_millis()));
        let import = found.ok_or_else(|| Error::import_not_found(format_args!("Import not found: {arn}")))?;
        Ok(DescribeImportOutput { import_table_description: described(cx, &import) })
    }

    /// The imports of 90 days, newest first; those into a table as well when it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn list_imports(&self, cx: &Cx, input: &ListImportsInput) -> Result<ListImportsOutput> {
        let name = input.table_arn.as_deref().map(|arn| jobs::table_of_arn(cx, arn)).transpose()?;
        let mut found = all(&cx.read(), scope(cx), name)?;
        found.retain(|import| !import.is_over(cx.now_millis()));
        let (page, next_token) =
            jobs::page("ListImports", found, input.next_token.as_deref(), input.page_size, |import| &import.id)?;
        let summary = |import: &Import| ImportSummary {
            import_arn: Some(import.arn(cx)),
            import_status: Some(import.state.name().to_owned()),
            table_arn: Some(table_arn(cx, &import.table.name)),
            s3_bucket_source: Some(shown_source(&import.source)),
            cloud_watch_log_group_arn: Some(report::group_arn(cx)),
            input_format: Some(import.source.format.clone()),
            start_time: Some(moment(import.started)),
            end_time: import.ended.map(moment),
        };
        Ok(ListImportsOutput { import_summary_list: Some(page.iter().map(summary).collect()), next_token })
    }
}

fn shown_source(source: &Source) -> S3BucketSource {
    S3BucketSource {
        s3_bucket_owner: Some(source.owner.clone()),
        s3_bucket: source.bucket.clone(),
        s3_key_prefix: source.prefix.clone(),
    }
}

fn described(cx: &Cx, import: &Import) -> ImportTableDescription {
    let (source, counts, trouble) = (&import.source, import.counts, import.state.trouble());
    let csv = |csv: &Csv| InputFormatOptions {
        csv: Some(CsvOptions { delimiter: csv.delimiter.clone(), header_list: csv.headers.clone() }),
    };
    ImportTableDescription {
        import_arn: Some(import.arn(cx)),
        import_status: Some(import.state.name().to_owned()),
        table_arn: Some(table_arn(cx, &import.table.name)),
        table_id: Some(import.table.id.clone()),
        client_token: Some(import.token.clone()),
        s3_bucket_source: Some(shown_source(source)),
        error_count: Some(counts.errors),
        cloud_watch_log_group_arn: Some(report::group_arn(cx)),
        input_format: Some(source.format.clone()),
        input_format_options: source.csv.as_ref().map(csv),
        input_compression_type: Some(source.compression.clone()),
        table_creation_parameters: Some(parameters(import)),
        start_time: Some(moment(import.started)),
        end_time: import.ended.map(moment),
        processed_size_bytes: import.ended.map(|_| counts.bytes),
        processed_item_count: Some(counts.imported + counts.errors),
        imported_item_count: Some(counts.imported),
        failure_code: trouble.map(|trouble| trouble.code.clone()),
        failure_message: trouble.map(|trouble| trouble.message.clone()),
    }
}

/// What was asked of the table.
fn parameters(import: &Import) -> Shown {
    let table = &import.table;
    let throughput = |billing: Billing| match billing {
        Billing::OnDemand => None,
        Billing::Provisioned { read, write } => {
            Some(ProvisionedThroughput { read_capacity_units: read, write_capacity_units: write })
        }
    };
    let index = |index: &Index| GlobalSecondaryIndex {
        index_name: index.name.clone(),
        key_schema: key_schema(&index.key),
        projection: projection(&index.projection),
        provisioned_throughput: throughput(index.billing),
        on_demand_throughput: settings::most(&index.allowance),
        ..GlobalSecondaryIndex::default()
    };
    let indexes: Vec<GlobalSecondaryIndex> = table.global.iter().map(index).collect();
    let attributes = table
        .attributes
        .iter()
        .map(|key| AttributeDefinition { attribute_name: key.name.clone(), attribute_type: key.code.clone() });
    Shown {
        table_name: table.name.clone(),
        attribute_definitions: attributes.collect(),
        key_schema: key_schema(&table.key),
        billing_mode: import.mode.clone(),
        provisioned_throughput: throughput(table.billing),
        on_demand_throughput: settings::most(&table.allowance),
        global_secondary_indexes: (!indexes.is_empty()).then_some(indexes),
        sse_specification: import.encryption.clone().map(|(enabled, sse_type, kms_master_key_id)| SSESpecification {
            enabled,
            sse_type,
            kms_master_key_id,
        }),
        ..Shown::default()
    }
}
