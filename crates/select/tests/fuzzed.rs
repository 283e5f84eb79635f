//! The body of the fuzz target: settings, a query and an object, all of chance.

use std::sync::Arc;

use undercast_select::{
    Compression, CsvInput, CsvOutput, Error, FileHeaderInfo, Format, Input, JsonType, MOST_PIECE, Output, Piece,
    QuoteFields, Scan, ScanRange, Source,
};

struct Object {
    bytes: Vec<u8>,
    step: usize,
}

impl Source for Object {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        let length = rest.len().min(buffer.len()).min(self.step);
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

/// Two bytes say how, a third in what steps; then a query up to a zero, and an object.
pub(crate) fn select(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_at_checked(3) else { return };
    let at = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
    let (expression, object) = (String::from_utf8_lossy(&rest[..at]), rest.get(at + 1..).unwrap_or_default());
    let (input, output) = (input(how), output(how));
    let all = answer(object, usize::MAX, &expression, &input, &output);
    let parts = answer(object, usize::from(how[2] % 16) + 1, &expression, &input, &output);
    // How much a decoder gives out of what is spoilt further on depends on how much of it is there.
    let spoilt = input.compression != Compression::None && all.1.is_err() && parts.1.is_err();
    assert!(spoilt || all == parts, "read whole: {all:?}\nand in parts: {parts:?}");
    if let (Output::Json { record_delimiter }, (text, Ok(()))) = (&output, &all)
        && record_delimiter == "\n"
    {
        for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let read: Result<serde_json::Value, _> = serde_json::from_slice(line);
            assert!(read.is_ok_and(|json| json.is_object()), "{}", String::from_utf8_lossy(line));
        }
    }
}

fn input(how: &[u8]) -> Input {
    let bit = |n: u8| how[0] >> n & 1 == 1;
    let csv = |header| {
        Format::Csv(CsvInput {
            file_header_info: header,
            quote_escape_character: if bit(4) { '\\' } else { '"' },
            record_delimiter: if bit(5) { "\r\n" } else { "\n" }.to_owned(),
            field_delimiter: if bit(6) { 'é' } else { ',' },
            allow_quoted_record_delimiter: bit(7),
            ..CsvInput::default()
        })
    };
    let (format, compression) = match how[0] & 7 {
        0 => (csv(FileHeaderInfo::None), Compression::None),
        1 => (csv(FileHeaderInfo::Use), Compression::None),
        2 => (csv(FileHeaderInfo::Ignore), Compression::None),
        3 => (Format::Json(JsonType::Document), Compression::None),
        4 => (Format::Json(JsonType::Lines), Compression::None),
        5 => (Format::Parquet, Compression::None),
        6 => (csv(FileHeaderInfo::Use), Compression::Gzip),
        _ => (Format::Json(JsonType::Document), Compression::Bzip2),
    };
    let end = |n: u8| Some(i64::from(n >> 4));
    let range = (how[1] & 1 == 1).then(|| ScanRange { start: end(how[1] << 4), end: end(how[1]) });
    Input { format, compression, range: range.filter(|_| how[0] & 8 == 8) }
}

fn output(how: &[u8]) -> Output {
    match how[1] & 6 {
        0 | 2 => Output::Json { record_delimiter: "\n".to_owned() },
        4 => Output::Csv(CsvOutput::default()),
        _ => Output::Csv(CsvOutput {
            quote_fields: QuoteFields::Always,
            quote_escape_character: '\\',
            ..CsvOutput::default()
        }),
    }
}

type Answer = (Vec<u8>, Result<(), Error>);

fn answer(object: &[u8], step: usize, expression: &str, input: &Input, output: &Output) -> Answer {
    let source: Arc<dyn Source> = Arc::new(Object { bytes: object.to_vec(), step });
    let mut found = Vec::new();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut scan = match Scan::open(&source, expression, input, output.clone(), now) {
        Ok(scan) => scan,
        Err(error) => return (found, Err(error)),
    };
    loop {
        match scan.next() {
            Ok(Some(Piece::Records(piece))) => {
                assert!(!piece.is_empty() && piece.len() <= MOST_PIECE, "a piece of {} bytes", piece.len());
                found.extend_from_slice(&piece);
            }
            Ok(Some(Piece::Searching)) => {}
            Ok(None) => return (found, Ok(())),
            Err(error) => return (found, Err(error)),
        }
    }
}
