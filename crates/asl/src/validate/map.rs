//! `Map`.

use serde_json::Value;

use super::fields::{Fields, Reader};
use super::flow::{self, Numbers};
use super::machine;
use crate::jsonata;
use crate::path::Path;
use crate::template::Template;
use crate::tree::{
    CsvHeaders, InputType, ItemBatcher, ItemReader, Items, Machine, ManifestType, Map, OutputType, QueryLanguage,
    ReaderConfig, ReaderTransformation, ResultWriter, WriterConfig, WriterTransformation,
};

/// How long a label may be, and what may not be in it.
const LONGEST_LABEL: usize = 40;
const NOT_IN_LABEL: &str = " \t\r\n<>{}[]?*\"#%\\^|~`$&,;:/";

/// The most items that a reader reads ("MaxItems").
const MOST_ITEMS: u64 = 100_000_000;

/// The most bytes that the input of a state may have.
const MOST_BYTES: u64 = 262_144;

pub(super) fn read(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<Map> {
    let processor = processor(fields, reader);
    let numbers = Numbers { fields, language, owner: "" };
    let selector = match language {
        QueryLanguage::JsonPath => {
            fields.one_at_most(&["ItemSelector", "Parameters"], reader);
            flow::object_template(fields, "Parameters", language, "", &mut quiet(reader))
        }
        QueryLanguage::Jsonata => None,
    };
    let map = Map {
        items: items(fields, language, reader)?,
        item_selector: flow::object_template(fields, "ItemSelector", language, "", reader).or(selector),
        item_reader: fields.object("ItemReader", reader).and_then(|f| item_reader(&f, language, reader)),
        item_batcher: fields.object("ItemBatcher", reader).and_then(|f| item_batcher(&f, language, reader)),
        result_writer: fields.object("ResultWriter", reader).and_then(|f| result_writer(&f, language, reader)),
        max_concurrency: numbers.whole("MaxConcurrency", 0, u64::MAX, reader),
        tolerated_failure_count: numbers.whole("ToleratedFailureCount", 0, u64::MAX, reader),
        tolerated_failure_percentage: numbers.real("ToleratedFailurePercentage", 0.0, 100.0, reader),
        label: label(fields, reader),
        processor: processor?,
    };
    if map.item_reader.is_some() {
        fields.one_at_most(&["ItemReader", "ItemsPath"], reader);
        fields.one_at_most(&["ItemReader", "Items"], reader);
    }
    Some(map)
}

/// A reader whose findings are dropped, for a field that was read before.
fn quiet(reader: &Reader) -> Reader {
    let mut quiet = Reader::new(reader.limits);
    quiet.language = reader.language;
    quiet
}

fn processor(fields: &Fields, reader: &mut Reader) -> Option<Machine> {
    fields.exactly_one(&["ItemProcessor", "Iterator"], reader);
    let name = if fields.has("ItemProcessor") { "ItemProcessor" } else { "Iterator" };
    let inner = fields.object(name, reader)?;
    machine::processor(&inner, reader)
}

fn items(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<Items> {
    match language {
        QueryLanguage::JsonPath if fields.has("ItemsPath") => {
            flow::reference(fields, "ItemsPath", reader).map(Items::Path)
        }
        QueryLanguage::JsonPath => Path::parse("$").ok().map(Items::Path),
        QueryLanguage::Jsonata => {
            let Some(value) = fields.get("Items") else { return Some(Items::Input) };
            let at = fields.at("Items");
            match value {
                Value::String(text) if jsonata::inner(text).is_some() => {
                    flow::expression(text, "Items", &at, reader).map(Items::Expression)
                }
                Value::Array(_) | Value::Object(_) => {
                    flow::template(fields, "Items", language, "", reader).map(Items::Template)
                }
                _ => {
                    reader.schema("Value must be an array, an object or a JSONata expression", &at);
                    None
                }
            }
        }
    }
}

fn label(fields: &Fields, reader: &mut Reader) -> Option<String> {
    let label = fields.text("Label", reader)?;
    let at = fields.at("Label");
    if label.is_empty() || label.chars().count() > LONGEST_LABEL {
        reader.schema(format!("Label must be between 1 and {LONGEST_LABEL} characters long"), &at);
    }
    if let Some(c) = label.chars().find(|c| NOT_IN_LABEL.contains(*c) || c.is_control()) {
        reader.schema(format!("Label contains invalid character: '{}'", c.escape_default()), &at);
    }
    Some(label)
}

/// `Arguments`, or `Parameters`.
fn arguments(fields: &Fields, language: QueryLanguage, owner: &str, reader: &mut Reader) -> Option<Template> {
    let name = match language {
        QueryLanguage::JsonPath => "Parameters",
        QueryLanguage::Jsonata => "Arguments",
    };
    flow::template(fields, name, language, owner, reader)
}

fn arguments_name(language: QueryLanguage) -> &'static str {
    if language == QueryLanguage::Jsonata { "Arguments" } else { "Parameters" }
}

fn item_reader(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<ItemReader> {
    fields.allow(&["Resource", "ReaderConfig", arguments_name(language)], reader);
    let arguments = arguments(fields, language, "ItemReader/", reader);
    let config = fields.object("ReaderConfig", reader).and_then(|f| reader_config(&f, language, reader));
    if !fields.require(&["Resource"], reader) {
        return None;
    }
    let resource = fields.text("Resource", reader)?;
    let known = ["s3:getObject", "s3:listObjectsV2"];
    if !known.iter().any(|action| is_states_call(&resource, action)) {
        reader.schema("Value is not a valid resource ARN", &fields.at("Resource"));
    }
    let config = config.unwrap_or_default();
    if is_states_call(&resource, "s3:getObject") && config.input_type.is_none() && !fields.has("ReaderConfig") {
        fields.require(&["ReaderConfig"], reader);
    }
    Some(ItemReader { resource, arguments, config })
}

/// `arn:aws:states:::s3:getObject`, in every partition.
fn is_states_call(resource: &str, action: &str) -> bool {
    let mut parts = resource.splitn(3, ':');
    let (arn, partition, rest) = (parts.next(), parts.next(), parts.next());
    arn == Some("arn")
        && partition.is_some_and(|p| p.starts_with("aws"))
        && rest.and_then(|rest| rest.strip_prefix("states:::")) == Some(action)
}

fn reader_config(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<ReaderConfig> {
    let known = [
        "InputType",
        "CSVHeaderLocation",
        "CSVHeaders",
        "CSVDelimiter",
        "MaxItems",
        "MaxItemsPath",
        "ItemsPointer",
        "ManifestType",
        "Transformation",
    ];
    fields.allow(&known, reader);
    let types = [
        ("CSV", InputType::Csv),
        ("JSON", InputType::Json),
        ("JSONL", InputType::JsonLines),
        ("MANIFEST", InputType::Manifest),
        ("PARQUET", InputType::Parquet),
    ];
    let manifests = [("S3_INVENTORY", ManifestType::S3Inventory), ("ATHENA_DATA", ManifestType::AthenaData)];
    let transformations =
        [("NONE", ReaderTransformation::None), ("LOAD_AND_FLATTEN", ReaderTransformation::LoadAndFlatten)];
    let delimiters = [("COMMA", ','), ("PIPE", '|'), ("SEMICOLON", ';'), ("SPACE", ' '), ("TAB", '\t')];
    let input_type = fields.word("InputType", &types, reader);
    let csv_headers = csv_headers(fields, reader).unwrap_or_default();
    if input_type == Some(InputType::Csv) {
        fields.require(&["CSVHeaderLocation"], reader);
    }
    let numbers = Numbers { fields, language, owner: "ItemReader/ReaderConfig/" };
    let max_items = numbers.whole("MaxItems", 1, MOST_ITEMS, reader);
    let items_pointer = fields.text("ItemsPointer", reader);
    if items_pointer.as_deref().is_some_and(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
        reader.schema("Value is not a valid JSON Pointer", &fields.at("ItemsPointer"));
    }
    Some(ReaderConfig {
        input_type,
        csv_headers,
        csv_delimiter: fields.word("CSVDelimiter", &delimiters, reader),
        max_items,
        items_pointer,
        manifest_type: fields.word("ManifestType", &manifests, reader),
        transformation: fields.word("Transformation", &transformations, reader).unwrap_or_default(),
    })
}

fn csv_headers(fields: &Fields, reader: &mut Reader) -> Option<CsvHeaders> {
    if !fields.word("CSVHeaderLocation", &[("FIRST_ROW", false), ("GIVEN", true)], reader)? {
        return Some(CsvHeaders::FirstRow);
    }
    if !fields.require(&["CSVHeaders"], reader) {
        return None;
    }
    let names = fields.array("CSVHeaders", reader)?;
    let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    if names.is_none() {
        reader.schema("Expected value of type [STRING]", &fields.at("CSVHeaders"));
    }
    names.map(CsvHeaders::Given)
}

fn item_batcher(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<ItemBatcher> {
    let known = [
        "MaxItemsPerBatch",
        "MaxItemsPerBatchPath",
        "MaxInputBytesPerBatch",
        "MaxInputBytesPerBatchPath",
        "BatchInput",
    ];
    fields.allow(&known, reader);
    if !known[..4].iter().any(|name| fields.has(name)) {
        let message = "At least one of these fields is required: [MaxItemsPerBatch, MaxInputBytesPerBatch]";
        reader.schema(message, &fields.at);
    }
    let numbers = Numbers { fields, language, owner: "ItemBatcher/" };
    Some(ItemBatcher {
        max_items: numbers.whole("MaxItemsPerBatch", 1, u64::MAX, reader),
        max_input_bytes: numbers.whole("MaxInputBytesPerBatch", 1, MOST_BYTES, reader),
        batch_input: flow::object_template(fields, "BatchInput", language, "ItemBatcher/", reader),
    })
}

fn result_writer(fields: &Fields, language: QueryLanguage, reader: &mut Reader) -> Option<ResultWriter> {
    fields.allow(&["Resource", "WriterConfig", arguments_name(language)], reader);
    let resource = fields.text("Resource", reader);
    if resource.as_deref().is_some_and(|resource| !is_states_call(resource, "s3:putObject")) {
        reader.schema("Value is not a valid resource ARN", &fields.at("Resource"));
    }
    if resource.is_none() && !fields.has("WriterConfig") && !fields.has("Resource") {
        fields.require(&["Resource"], reader);
    }
    let config = fields.object("WriterConfig", reader).map(|f| {
        f.allow(&["Transformation", "OutputType"], reader);
        let transformations = [
            ("NONE", WriterTransformation::None),
            ("COMPACT", WriterTransformation::Compact),
            ("FLATTEN", WriterTransformation::Flatten),
        ];
        let types = [("JSON", OutputType::Json), ("JSONL", OutputType::JsonLines)];
        WriterConfig {
            transformation: f.word("Transformation", &transformations, reader).unwrap_or_default(),
            output_type: f.word("OutputType", &types, reader).unwrap_or_default(),
        }
    });
    let arguments = arguments(fields, language, "ResultWriter/", reader);
    Some(ResultWriter { resource, arguments, config: config.unwrap_or_default() })
}
