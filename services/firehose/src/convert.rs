//! Records of JSON as files of columns, by the schema of a table of Glue.
//!
//! Source: "Convert input data format in Amazon Data Firehose" in the developer guide.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use undercast_columnar::{Packing, Parquet, Reader, Schema, orc, write_parquet};
use undercast_kernel::{Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::api::kept::{
    DataFormatConversionConfiguration, Deserializer, ExtendedS3DestinationConfiguration as Destination, ParquetSerDe,
    Serializer,
};
use crate::error::invalid;
use crate::pattern::Pattern;

/// A page of a file, where nothing else is said, in bytes.
const PAGE: usize = 1024 * 1024;
/// So many rows are a stripe.
const STRIPE_ROWS: usize = 10_000;

/// How a stream converts records.
#[derive(Debug, Clone)]
pub(crate) struct Conversion {
    role: String,
    /// The account of the catalog.
    catalog: Option<String>,
    database: String,
    table: String,
    region: Option<String>,
    version: Option<String>,
    pub(crate) reader: Reader,
    form: Form,
}

/// What files are written as.
#[derive(Debug, Clone)]
enum Form {
    Parquet(Parquet),
    Orc(orc::Packing),
}

impl Conversion {
    /// What a destination says of it; it is enabled.
    pub(crate) fn of(destination: &Destination) -> Result<Self> {
        let given = destination.data_format_conversion_configuration.clone().unwrap_or_default();
        let DataFormatConversionConfiguration {
            schema_configuration,
            input_format_configuration,
            output_format_configuration,
            ..
        } = given;
        let missing = |what: &str| invalid(format!("{what} must be specified when DataFormatConversion is enabled."));
        let schema = schema_configuration.ok_or_else(|| missing("SchemaConfiguration"))?;
        let reads = input_format_configuration.and_then(|given| given.deserializer);
        let reads = reads.ok_or_else(|| missing("InputFormatConfiguration.Deserializer"))?;
        let writes = output_format_configuration.and_then(|given| given.serializer);
        let writes = writes.ok_or_else(|| missing("OutputFormatConfiguration.Serializer"))?;
        Ok(Self {
            role: schema.role_arn.unwrap_or_else(|| destination.role_arn.clone()),
            catalog: schema.catalog_id,
            database: schema.database_name.ok_or_else(|| missing("SchemaConfiguration.DatabaseName"))?,
            table: schema.table_name.ok_or_else(|| missing("SchemaConfiguration.TableName"))?,
            region: schema.region,
            version: schema.version_id.filter(|version| version != "LATEST"),
            reader: reader(reads)?,
            form: form(&writes)?,
        })
    }

    /// The schema as the catalog has it now. The error is told with the records that cannot be converted.
    pub(crate) async fn schema(&self, cx: &Cx) -> Result<std::result::Result<Schema, Unreadable>> {
        let region = self.region.as_deref().unwrap_or(cx.region());
        let glue = cx.elsewhere(cx.account(), region).as_role(PRINCIPAL, &self.role, "firehose");
        let mut input = json!({"DatabaseName": self.database});
        if let Some(catalog) = &self.catalog {
            input["CatalogId"] = json!(catalog);
        }
        let answered = match &self.version {
            Some(version) => {
                input["TableName"] = json!(self.table);
                input["VersionId"] = json!(version);
                glue.call("glue", "GetTableVersion", input).await.map(|found| found["TableVersion"]["Table"].clone())
            }
            None => {
                input["Name"] = json!(self.table);
                glue.call("glue", "GetTable", input).await.map(|found| found["Table"].clone())
            }
        };
        let table = match answered {
            Ok(table) => table,
            Err(Failure::Aws(error)) => return Ok(Err(Unreadable::refused(&error.code, &error.message))),
            Err(failure) => return Err(failure),
        };
        Ok(columns(&table))
    }

    /// Rows that the reader made, as a file.
    pub(crate) fn write(&self, schema: &Schema, rows: &[Json]) -> Result<Vec<u8>> {
        match &self.form {
            Form::Parquet(how) => write_parquet(schema, rows, how).map_err(Failure::broken),
            Form::Orc(packing) => {
                let mut file = orc::Orc::new(schema, *packing, STRIPE_ROWS);
                rows.iter().try_for_each(|row| file.write(row)).map_err(Failure::broken)?;
                file.finish().map_err(Failure::broken)
            }
        }
    }

    /// What names of files end with.
    pub(crate) fn extension(&self) -> &'static str {
        match self.form {
            Form::Parquet(_) => ".parquet",
            Form::Orc(_) => ".orc",
        }
    }

    /// The table, as files of what failed name it.
    pub(crate) fn named(&self, cx: &Cx) -> Json {
        json!({
            "catalogId": self.catalog.as_deref().unwrap_or(cx.account()),
            "databaseName": self.database,
            "tableName": self.table,
            "region": self.region.as_deref().unwrap_or(cx.region()),
            "versionId": self.version.as_deref().unwrap_or("LATEST"),
        })
    }
}

/// Why there is no schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Unreadable {
    fn refused(code: &str, message: &str) -> Self {
        let code = match code {
            "EntityNotFoundException" => "DataFormatConversion.EntityNotFound",
            "AccessDeniedException" => "DataFormatConversion.AccessDenied",
            "InvalidInputException" => "DataFormatConversion.InvalidInput",
            _ => "DataFormatConversion.ServiceUnavailable",
        };
        Self { code, message: message.to_owned() }
    }
}

/// The schema of a table. The columns that partitions are named by are not in the files.
fn columns(table: &Json) -> std::result::Result<Schema, Unreadable> {
    let bad = |message: String| Unreadable { code: "DataFormatConversion.InvalidSchema", message };
    let columns = table["StorageDescriptor"]["Columns"].as_array().filter(|columns| !columns.is_empty());
    let columns = columns.ok_or_else(|| bad("The table has no columns.".to_owned()))?;
    let pair = |column: &'_ Json| {
        let text = |member: &str| column[member].as_str().unwrap_or_default().to_owned();
        (text("Name"), text("Type"))
    };
    let columns: Vec<(String, String)> = columns.iter().map(pair).collect();
    Schema::parse(columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str()))).map_err(|why| bad(why.to_string()))
}

fn reader(given: Deserializer) -> Result<Reader> {
    match (given.open_x_json_ser_de, given.hive_json_ser_de) {
        (Some(open), None) => Ok(Reader {
            any_case: open.case_insensitive != Some(false),
            dots_are_underscores: open.convert_dots_in_json_keys_to_underscores == Some(true),
            keys: open.column_to_json_key_mappings.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
            ..Reader::default()
        }),
        (None, Some(hive)) => {
            let mut reader = Reader { any_case: true, ..Reader::default() };
            for form in hive.timestamp_formats.unwrap_or_default() {
                if form == "millis" {
                    reader.millis = true;
                } else {
                    let wrong = |why| invalid(format!("The timestamp format {form} is not valid: {why}."));
                    reader.moments.push(Pattern::parse(&form).map_err(wrong)?.notation().to_owned());
                }
            }
            Ok(reader)
        }
        _ => Err(invalid("Exactly one deserializer must be specified.")),
    }
}

fn form(given: &Serializer) -> Result<Form> {
    match (&given.parquet_ser_de, &given.orc_ser_de) {
        (Some(given), None) => Ok(Form::Parquet(parquet(given))),
        (None, Some(given)) if given.format_version.as_deref() == Some("V0_11") => {
            Err(Failure::not_built("version 0.11 of ORC"))
        }
        (None, Some(given)) => Ok(Form::Orc(match given.compression.as_deref() {
            Some("NONE") => orc::Packing::Plain,
            Some("ZLIB") => orc::Packing::Zlib,
            _ => orc::Packing::Snappy,
        })),
        _ => Err(invalid("Exactly one serializer must be specified.")),
    }
}

fn parquet(given: &ParquetSerDe) -> Parquet {
    Parquet {
        packing: match given.compression.as_deref() {
            Some("UNCOMPRESSED") => Packing::Plain,
            Some("GZIP") => Packing::Gzip,
            _ => Packing::Snappy,
        },
        page_bytes: given.page_size_bytes.and_then(|size| usize::try_from(size).ok()).unwrap_or(PAGE),
        dictionary: given.enable_dictionary_compression == Some(true),
        second_version: given.writer_version.as_deref() == Some("V2"),
    }
}
