//! `Map`: where items are from, what each gets, and where results go.

use super::{Given, Machine};
use crate::jsonata::Expression;
use crate::path::Path;
use crate::template::Template;

/// A `Map`.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// What is done with each item: `ItemProcessor`, or `Iterator` of the older form.
    pub processor: Machine,
    /// Where the items are, if no reader reads them.
    pub items: Items,
    /// What is made of each: `ItemSelector`, or `Parameters` of the older form.
    pub item_selector: Option<Template>,
    /// Reads the items: of a distributed one.
    pub item_reader: Option<ItemReader>,
    /// Makes batches of the items: of a distributed one.
    pub item_batcher: Option<ItemBatcher>,
    /// Writes the results: of a distributed one.
    pub result_writer: Option<ResultWriter>,
    /// How many at a time; zero is as many as can be. `MaxConcurrency` and `MaxConcurrencyPath`.
    pub max_concurrency: Option<Given<u64>>,
    /// `ToleratedFailureCount` and `ToleratedFailureCountPath`.
    pub tolerated_failure_count: Option<Given<u64>>,
    /// `ToleratedFailurePercentage` and `ToleratedFailurePercentagePath`: 0 to 100.
    pub tolerated_failure_percentage: Option<Given<f64>>,
    /// How the ARNs of its runs call it.
    pub label: Option<String>,
}

impl Map {
    /// Whether each item is an execution of its own.
    pub fn is_distributed(&self) -> bool {
        self.processor.processor_config.as_ref().is_some_and(|config| config.mode == ProcessorMode::Distributed)
    }
}

/// Where the items of a `Map` are.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// At a path of the effective input; `$` by default.
    Path(Path),
    /// What an expression gives.
    Expression(Expression),
    /// These, or what expressions make of them: an array or an object.
    Template(Template),
    /// The state's input itself: JSONata without `Items`.
    Input,
}

/// `ProcessorConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorConfig {
    /// Where items run.
    pub mode: ProcessorMode,
    /// As what they run: of a distributed one.
    pub execution_type: Option<ExecutionType>,
}

/// `ProcessorConfig.Mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessorMode {
    /// Within the execution.
    #[default]
    Inline,
    /// As executions of their own.
    Distributed,
}

/// `ProcessorConfig.ExecutionType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionType {
    /// Standard workflows.
    Standard,
    /// Express workflows.
    Express,
}

/// `ItemReader`.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemReader {
    /// The ARN of the call that reads.
    pub resource: String,
    /// What the call gets: `Parameters`, or `Arguments`.
    pub arguments: Option<Template>,
    /// How what it reads is read.
    pub config: ReaderConfig,
}

/// `ReaderConfig`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReaderConfig {
    /// What the file is.
    pub input_type: Option<InputType>,
    /// Where the names of a CSV file's columns are.
    pub csv_headers: CsvHeaders,
    /// What stands between its columns; a comma by default.
    pub csv_delimiter: Option<char>,
    /// How many items at most: `MaxItems` and `MaxItemsPath`.
    pub max_items: Option<Given<u64>>,
    /// Where in a JSON document the items are: a JSON pointer.
    pub items_pointer: Option<String>,
    /// Whose manifest it is.
    pub manifest_type: Option<ManifestType>,
    /// What is done with the objects of a listing.
    pub transformation: ReaderTransformation,
}

/// `ReaderConfig.InputType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputType {
    /// Comma-separated values.
    Csv,
    /// An array, or an object.
    Json,
    /// A document a line.
    JsonLines,
    /// A list of files: an inventory of S3, or what Athena unloaded.
    Manifest,
    /// Parquet.
    Parquet,
}

/// `ReaderConfig.CSVHeaderLocation` and `CSVHeaders`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CsvHeaders {
    /// `FIRST_ROW`: they are the first line.
    #[default]
    FirstRow,
    /// `GIVEN`: these.
    Given(Vec<String>),
}

/// `ReaderConfig.ManifestType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestType {
    /// An inventory of S3.
    S3Inventory,
    /// What Athena unloaded.
    AthenaData,
}

/// `ReaderConfig.Transformation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReaderTransformation {
    /// Each object of a listing is an item.
    #[default]
    None,
    /// What is in each object are the items.
    LoadAndFlatten,
}

/// `ItemBatcher`.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemBatcher {
    /// How many items a batch has at most, if that is a limit.
    pub max_items: Option<Given<u64>>,
    /// How many bytes a batch has at most, if that is a limit.
    pub max_input_bytes: Option<Given<u64>>,
    /// What each batch has beside its items.
    pub batch_input: Option<Template>,
}

/// The limits of a batcher, reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatcherLimits {
    /// Items a batch.
    pub items: Option<u64>,
    /// Bytes a batch.
    pub bytes: Option<u64>,
}

/// `ResultWriter`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultWriter {
    /// The ARN of the call that writes, if results are written.
    pub resource: Option<String>,
    /// What the call gets: `Parameters`, or `Arguments`.
    pub arguments: Option<Template>,
    /// How results are written.
    pub config: WriterConfig,
}

/// `WriterConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterConfig {
    /// What of a result is written.
    pub transformation: WriterTransformation,
    /// As what.
    pub output_type: OutputType,
}

/// `WriterConfig.Transformation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriterTransformation {
    /// The result, and what is known of the execution.
    #[default]
    None,
    /// The result.
    Compact,
    /// The results, with arrays made one.
    Flatten,
}

/// `WriterConfig.OutputType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputType {
    /// An array.
    #[default]
    Json,
    /// A result a line.
    JsonLines,
}
