//! Objects in memory, and queries of them.

use std::sync::Arc;

use undercast_select::{
    Compression, CsvInput, CsvOutput, Error, FileHeaderInfo, Format, Input, JsonType, MOST_PIECE, Output, Piece, Scan,
    ScanRange, Source, Statistics,
};

/// An object that gives out as many bytes at a time as its steps say, in turn.
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    pub(crate) steps: Vec<usize>,
}

impl Source for Object {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.bytes[usize::try_from(offset).unwrap().min(self.bytes.len())..];
        let step = self.steps.get(offset as usize % self.steps.len().max(1)).copied().unwrap_or(usize::MAX).max(1);
        let length = rest.len().min(buffer.len()).min(step);
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// Everything that a query gives: the bytes, how it ended, how far it came.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: Result<(), Error>,
    pub(crate) statistics: Statistics,
}

pub(crate) fn now() -> jiff::Timestamp {
    "2017-10-13T16:02:11.123456Z".parse().unwrap()
}

pub(crate) fn answer(object: Object, expression: &str, input: &Input, output: Output) -> Answer {
    let source: Arc<dyn Source> = Arc::new(object);
    let mut answer = Answer { bytes: Vec::new(), end: Ok(()), statistics: Statistics::default() };
    let mut scan = match Scan::open(&source, expression, input, output, now()) {
        Ok(scan) => scan,
        Err(error) => {
            answer.end = Err(error);
            return answer;
        }
    };
    loop {
        match scan.next() {
            Ok(Some(Piece::Records(piece))) => {
                assert!(!piece.is_empty() && piece.len() <= MOST_PIECE);
                answer.bytes.extend_from_slice(&piece);
            }
            Ok(Some(Piece::Searching)) => {}
            Ok(None) => break,
            Err(error) => {
                answer.end = Err(error);
                break;
            }
        }
    }
    answer.statistics = scan.statistics();
    answer
}

pub(crate) fn whole(bytes: impl Into<Vec<u8>>) -> Object {
    Object { bytes: bytes.into(), steps: Vec::new() }
}

pub(crate) fn csv_input(header: FileHeaderInfo) -> Input {
    let format = Format::Csv(CsvInput { file_header_info: header, ..CsvInput::default() });
    Input { format, compression: Compression::None, range: None }
}

pub(crate) fn json_input(kind: JsonType) -> Input {
    Input { format: Format::Json(kind), compression: Compression::None, range: None }
}

pub(crate) fn ranged(mut input: Input, start: Option<i64>, end: Option<i64>) -> Input {
    input.range = Some(ScanRange { start, end });
    input
}

pub(crate) fn csv_output() -> Output {
    Output::Csv(CsvOutput::default())
}

pub(crate) fn json_output() -> Output {
    Output::Json { record_delimiter: "\n".to_owned() }
}

/// The text of an answer, or the code of its error.
pub(crate) fn text(object: Object, expression: &str, input: &Input, output: Output) -> Result<String, String> {
    let answer = answer(object, expression, input, output);
    answer.end.map_err(|error| error.code.to_string())?;
    Ok(String::from_utf8(answer.bytes).unwrap())
}

/// The value of an expression, as JSON has it.
pub(crate) fn value(expression: &str) -> Result<String, String> {
    let query = format!("SELECT {expression} AS v FROM S3Object");
    let found = text(whole("{}"), &query, &json_input(JsonType::Document), json_output())?;
    Ok(found.strip_prefix("{\"v\":").and_then(|t| t.strip_suffix("}\n")).unwrap_or("missing").to_owned())
}
