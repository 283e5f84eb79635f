//! SelectObjectContent: SQL over one object, answered as a stream of events while the object is read.
//!
//! The engine is `undercast_select`, on a thread of its own: it reads the object through [`Stored`], and what it finds
//! goes through a channel of a few events, so that a slow reader slows it down and one that leaves ends it.
//! Source: "SelectObjectContent" and "Appendix: SelectObjectContent Response" in the S3 API reference.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use undercast_kernel::store::{BlobId, BlobReader, Blobs, Read};
use undercast_kernel::{AwsError, Body, Bytes, Cx, Result};
use undercast_select::{
    Code, Compression, CsvInput, CsvOutput, Error, FileHeaderInfo, Format, Input, JsonType, Output, Piece, QuoteFields,
    Scan, ScanRange, Source, Statistics, character,
};
use undercast_wire::eventstream::Message;
use undercast_wire::schema::Protocol;
use undercast_wire::value::BodyError;
use undercast_wire::write::Write;

use crate::api::{input, output};
use crate::encryption::{self, DataKey};
use crate::rows::{Bucket, Content, Object, Stored};
use crate::tiers::{Note, Touch};
use crate::{S3, api, archive, content, error, metrics};

/// So many events wait for a slow reader.
const WAITING: usize = 4;

/// What the threads of queries are called.
const THREAD: &str = "s3-select";

pub(crate) async fn content(
    s3: &S3,
    cx: &Cx,
    input: api::SelectObjectContentInput,
) -> Result<api::SelectObjectContentOutput> {
    if cx.origin().access_key.is_none() && cx.origin().address.is_some() {
        // "Amazon S3 Select does not support anonymous access."
        return Err(error::access_denied().into());
    }
    if !input.expression_type.eq_ignore_ascii_case("SQL") {
        return Err(refused(&Code::InvalidExpressionType.into()).into());
    }
    let from = cx.read();
    let bucket = s3.bucket(cx, &from, &input.bucket, input.expected_bucket_owner.as_deref())?;
    let object = s3.readable(cx, &from, &bucket, &input.key, None)?;
    check_class(&object)?;
    archive::check_readable(&object, cx.now_millis())?;
    let key = s3.opening(cx, object.sealed.as_ref(), &encryption::customer!(input)).await?;
    let query = Query {
        source: Arc::new(Whole::of(cx, &from, &bucket, &object, key)?),
        expression: input.expression,
        input: read_input(input.input_serialization, input.scan_range).map_err(|e| refused(&e))?,
        output: read_output(input.output_serialization).map_err(|e| refused(&e))?,
        now: cx.now(),
        progress: input.request_progress.is_some_and(|p| p.enabled == Some(true)),
        metered: Metered { cx: cx.clone(), bucket: bucket.clone(), key: input.key.clone(), object: object.clone() },
    };
    let (give, mut events) = mpsc::channel(WAITING);
    // Not one of the runtime's threads: those are waited for here, when files are read.
    let thread = std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || query.run(&give));
    thread.map_err(|_| AwsError::new("Busy", 503, "The service is unavailable. Try again later."))?;
    // What is wrong before anything was found is an ordinary error.
    let first = match events.recv().await {
        Some(Ok(first)) => first,
        Some(Err(error)) => return Err(refused(&error).into()),
        None => return Err(cx.broken("a query ended without a word")),
    };
    if let Some(note) = Note::of(&object, Touch::Query, cx.now_millis()) {
        note.keep(cx, &bucket, &input.key).await;
    }
    let stream = futures_util::stream::unfold((Some(first), events), |(next, mut events)| async move {
        let event = match next {
            Some(event) => Ok(event),
            None => events.recv().await?,
        };
        let event = event.unwrap_or_else(|error| Message::error(error.code.as_str(), &error.message));
        let bytes = event.encode().map(Bytes::from);
        Some((bytes.map_err(|e| BodyError::Incomplete(Some(Box::new(e)))), (None, events)))
    });
    Ok(api::SelectObjectContentOutput { payload: Some(Body::stream(Box::pin(stream), None)) })
}

/// An error of the engine as S3's answer.
fn refused(error: &Error) -> AwsError {
    let status = if error.code == Code::InternalError { 500 } else { 400 };
    AwsError::new(error.code.as_str(), status, error.message.clone())
}

/// A member that is not there. `path` is `inputSerialization`.
pub(crate) fn missing(path: &str) -> AwsError {
    let name: String = path.chars().take(1).flat_map(char::to_uppercase).chain(path.chars().skip(1)).collect();
    refused(&required(&name))
}

fn required(name: &str) -> Error {
    let message = format!("{name} is required. Please check the service documentation and try again.");
    Error::new(Code::MissingRequiredParameter, message)
}

/// "You cannot specify the S3 Glacier Flexible Retrieval, S3 Glacier Deep Archive, or REDUCED_REDUNDANCY storage
/// classes." That an object was restored changes nothing of its class.
fn check_class(object: &Object) -> Result<()> {
    match object.storage_class.as_deref() {
        Some(class @ ("REDUCED_REDUNDANCY" | "GLACIER" | "DEEP_ARCHIVE")) => {
            let message = format!(
                "We do not support {class} storage class. Please check the service documentation and try again."
            );
            Err(refused(&Error::new(Code::UnsupportedStorageClass, message)).into())
        }
        _ => Ok(()),
    }
}

/// A query that is being answered.
struct Query {
    source: Arc<dyn Source>,
    expression: String,
    input: Input,
    output: Output,
    now: undercast_wire::Timestamp,
    progress: bool,
    metered: Metered,
}

/// What the metrics of a query are of.
struct Metered {
    cx: Cx,
    bucket: Arc<Bucket>,
    key: String,
    object: Object,
}

impl Metered {
    fn observe(&self, all: Statistics) {
        let figures = [
            ("SelectBytesScanned", "Bytes", all.scanned as f64),
            ("SelectBytesReturned", "Bytes", all.returned as f64),
        ];
        let (from, object) = (self.cx.read(), (self.key.as_str(), &self.object));
        if let Err(failure) = metrics::observe_object(&self.cx, &from, &self.bucket, object, &figures) {
            tracing::warn!(error = &failure as &dyn std::error::Error, "a query is not in the metrics");
        }
    }
}

/// Nobody reads the answer any more.
struct Gone;

type Events = mpsc::Sender<undercast_select::Result<Message>>;

impl Query {
    fn run(self, events: &Events) {
        // Nobody is left to be told.
        let _: std::result::Result<(), Gone> = self.answer(events);
    }

    fn answer(self, events: &Events) -> std::result::Result<(), Gone> {
        let give = |event: undercast_select::Result<Event>| {
            let message = event.and_then(|event| event.message());
            events.blocking_send(message).map_err(|_| Gone)
        };
        let mut scan = match Scan::open(&self.source, &self.expression, &self.input, self.output, self.now) {
            Ok(scan) => scan,
            Err(error) => return give(Err(error)),
        };
        loop {
            match scan.next() {
                Ok(Some(Piece::Records(bytes))) => {
                    give(Ok(Event::Records(output::RecordsEvent { payload: Some(bytes) })))?;
                }
                Ok(Some(Piece::Searching)) if self.progress => give(Ok(Event::progress(scan.statistics())))?,
                // Keeps the connection alive.
                Ok(Some(Piece::Searching)) => give(Ok(Event::Cont(output::ContinuationEvent {})))?,
                Ok(None) => break,
                Err(error) => return give(Err(error)),
            }
        }
        if self.progress {
            give(Ok(Event::progress(scan.statistics())))?;
        }
        self.metered.observe(scan.statistics());
        give(Ok(Event::stats(scan.statistics())))?;
        give(Ok(Event::End(output::EndEvent {})))
    }
}

/// An event of the answer.
enum Event {
    Records(output::RecordsEvent),
    Stats(output::StatsEvent),
    Progress(output::ProgressEvent),
    Cont(output::ContinuationEvent),
    End(output::EndEvent),
}

fn count(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

impl Event {
    fn stats(so_far: Statistics) -> Self {
        let Statistics { scanned, processed, returned } = so_far;
        let details = output::Stats {
            bytes_scanned: count(scanned),
            bytes_processed: count(processed),
            bytes_returned: count(returned),
        };
        Self::Stats(output::StatsEvent { details: Some(details) })
    }

    fn progress(so_far: Statistics) -> Self {
        let Statistics { scanned, processed, returned } = so_far;
        let details = output::Progress {
            bytes_scanned: count(scanned),
            bytes_processed: count(processed),
            bytes_returned: count(returned),
        };
        Self::Progress(output::ProgressEvent { details: Some(details) })
    }

    fn message(&self) -> undercast_select::Result<Message> {
        let (kind, event): (_, &dyn Write) = match self {
            Self::Records(event) => ("Records", event),
            Self::Stats(event) => ("Stats", event),
            Self::Progress(event) => ("Progress", event),
            Self::Cont(event) => ("Cont", event),
            Self::End(event) => ("End", event),
        };
        let stream = &api::S_SELECT_OBJECT_CONTENT_EVENT_STREAM;
        Message::of(Protocol::RestXml, stream, kind, event)
            .map_err(|broken| Error::new(Code::InternalError, broken.to_string()))
    }
}

fn read_input(asked: input::InputSerialization, range: Option<input::ScanRange>) -> undercast_select::Result<Input> {
    let compression = match asked.compression_type.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("NONE") => Compression::None,
        Some("GZIP") => Compression::Gzip,
        Some("BZIP2") => Compression::Bzip2,
        Some(_) => return Err(Code::InvalidCompressionFormat.into()),
    };
    let format = match (asked.csv, asked.json, asked.parquet) {
        (None, None, None) => return Err(Code::InvalidDataSource.into()),
        (Some(csv), None, None) => Format::Csv(read_csv(csv)?),
        (None, Some(json), None) => Format::Json(json_type(json.type_.as_deref())?),
        // "Amazon S3 Select does not support whole-object compression for Parquet objects."
        (None, None, Some(_)) if compression != Compression::None => return Err(Code::InvalidCompressionFormat.into()),
        (None, None, Some(_)) => Format::Parquet,
        _ => return Err(Code::ObjectSerializationConflict.into()),
    };
    let range = range.map(|range| ScanRange { start: range.start, end: range.end });
    Ok(Input { format, compression, range })
}

fn json_type(asked: Option<&str>) -> undercast_select::Result<JsonType> {
    let Some(asked) = asked else { return Err(required("Type")) };
    match asked.to_ascii_uppercase().as_str() {
        "DOCUMENT" => Ok(JsonType::Document),
        "LINES" => Ok(JsonType::Lines),
        _ => {
            let message =
                format!("The {asked} jsonType is invalid. Please check the service documentation and try again.");
            Err(Error::new(Code::InvalidJsonType, message))
        }
    }
}

/// What is not said is as it is by default.
fn read_csv(asked: input::CSVInput) -> undercast_select::Result<CsvInput> {
    let default = CsvInput::default();
    let one = |text: Option<String>, default: char| text.map_or(Ok(default), |text| character(&text));
    Ok(CsvInput {
        file_header_info: match asked.file_header_info.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None | Some("NONE") => FileHeaderInfo::None,
            Some("USE") => FileHeaderInfo::Use,
            Some("IGNORE") => FileHeaderInfo::Ignore,
            Some(_) => return Err(Code::InvalidFileHeaderInfo.into()),
        },
        comments: one(asked.comments, default.comments)?,
        quote_escape_character: one(asked.quote_escape_character, default.quote_escape_character)?,
        record_delimiter: asked.record_delimiter.unwrap_or(default.record_delimiter),
        field_delimiter: one(asked.field_delimiter, default.field_delimiter)?,
        quote_character: one(asked.quote_character, default.quote_character)?,
        allow_quoted_record_delimiter: asked.allow_quoted_record_delimiter == Some(true),
    })
}

fn read_output(asked: input::OutputSerialization) -> undercast_select::Result<Output> {
    match (asked.csv, asked.json) {
        (None, None) => Err(required("OutputSerialization")),
        (Some(_), Some(_)) => Err(Code::ObjectSerializationConflict.into()),
        (None, Some(json)) => {
            Ok(Output::Json { record_delimiter: json.record_delimiter.unwrap_or_else(|| "\n".to_owned()) })
        }
        (Some(csv), None) => {
            let default = CsvOutput::default();
            let one = |text: Option<String>, default: char| text.map_or(Ok(default), |text| character(&text));
            Ok(Output::Csv(CsvOutput {
                quote_fields: match csv.quote_fields.as_deref().map(str::to_ascii_uppercase).as_deref() {
                    None | Some("ASNEEDED") => QuoteFields::AsNeeded,
                    Some("ALWAYS") => QuoteFields::Always,
                    Some(_) => return Err(Code::InvalidQuoteFields.into()),
                },
                quote_escape_character: one(csv.quote_escape_character, default.quote_escape_character)?,
                record_delimiter: csv.record_delimiter.unwrap_or(default.record_delimiter),
                field_delimiter: csv.field_delimiter.unwrap_or(default.field_delimiter),
                quote_character: one(csv.quote_character, default.quote_character)?,
            }))
        }
    }
}

/// A part of an object: where it begins, how long it is, and where its bytes are.
struct Part {
    start: u64,
    length: u64,
    stored: Stored,
}

/// The file that was read last, for bytes are mostly read one after another.
struct Open {
    file: BlobReader,
    /// The part that it is.
    part: usize,
    /// Where in the object it stands.
    at: u64,
}

/// An object that is read anywhere, from a thread that may wait.
struct Whole {
    size: u64,
    parts: Vec<Part>,
    blobs: Blobs,
    runtime: tokio::runtime::Handle,
    open: Mutex<Option<Open>>,
    /// Where it is encrypted with one of its own.
    key: Option<DataKey>,
}

impl Whole {
    fn of(
        cx: &Cx,
        from: &(impl Read + ?Sized),
        bucket: &Bucket,
        object: &Object,
        key: Option<DataKey>,
    ) -> Result<Self> {
        let mut parts = Vec::new();
        match &object.content {
            Content::One(stored) => parts.push(Part { start: 0, length: object.size, stored: stored.clone() }),
            Content::Many(_) => {
                let mut start = 0;
                for segment in content::segments(from, bucket, object)? {
                    parts.push(Part { start, length: segment.size, stored: segment.stored });
                    start += segment.size;
                }
            }
        }
        Ok(Self {
            size: object.size,
            parts,
            blobs: cx.blobs().clone(),
            runtime: tokio::runtime::Handle::current(),
            open: Mutex::default(),
            key,
        })
    }

    /// Bytes of a file, from where it was left or from anew.
    fn read_blob(&self, part: usize, id: &str, offset: u64, wanted: usize) -> io::Result<Bytes> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = match open.take().filter(|open| open.part == part && open.at == offset) {
            Some(open) => open.file,
            None => {
                let start = offset - self.parts.get(part).map_or(0, |p| p.start);
                let opened = self.runtime.block_on(self.blobs.reader(&BlobId(id.to_owned()), start));
                opened.map_err(io::Error::other)?
            }
        };
        let piece = self.runtime.block_on(file.next(wanted))?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *open = Some(Open { file, part, at: offset + piece.len() as u64 });
        Ok(piece)
    }
}

impl Source for Whole {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let number = self.parts.partition_point(|part| part.start + part.length <= offset);
        let Some(part) = self.parts.get(number).filter(|_| !buffer.is_empty()) else { return Ok(0) };
        let within = offset - part.start;
        let wanted = usize::try_from(part.length - within).unwrap_or(usize::MAX).min(buffer.len());
        let piece = match &part.stored {
            Stored::Blob(id, _) => self.read_blob(number, id, offset, wanted)?,
            Stored::Inline(sealed, _) => {
                let bytes = self.blobs.unseal(Vec::from(sealed.clone())).map_err(io::Error::other)?;
                let start = usize::try_from(within).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(start..(start + wanted).min(bytes.len()))
            }
        };
        let given = &mut buffer[..piece.len()];
        given.copy_from_slice(&piece);
        let unsealer = content::unsealer(&part.stored, within, self.key.as_ref()).map_err(io::Error::other)?;
        if let Some(mut unsealer) = unsealer {
            unsealer.apply(given);
        }
        Ok(piece.len())
    }
}
