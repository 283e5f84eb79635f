//! How objects are written, and how answers are.

use std::io::Write as _;

use undercast_select::{
    Compression, CsvInput, CsvOutput, FileHeaderInfo, Format, Input, JsonType, Output, QuoteFields, Statistics,
};

use crate::support::{Object, answer, csv_input, csv_output, json_input, json_output, ranged, text, whole};

fn csv(change: impl Fn(&mut CsvInput)) -> Input {
    let mut settings = CsvInput::default();
    change(&mut settings);
    Input { format: Format::Csv(settings), compression: Compression::None, range: None }
}

#[test]
fn settings_of_csv() {
    let all = "SELECT * FROM S3Object";
    for (input, object, wanted) in [
        (csv(|_| {}), "a,\"b \"\"c\"\"\",\nd\n", "{\"_1\":\"a\",\"_2\":\"b \\\"c\\\"\",\"_3\":\"\"}\n{\"_1\":\"d\"}\n"),
        (csv(|_| {}), "# no record\n\na\n#b", "{\"_1\":\"a\"}\n"),
        (csv(|_| {}), "\u{feff}a\r\nb", "{\"_1\":\"a\\r\"}\n{\"_1\":\"b\"}\n"),
        (csv(|c| c.record_delimiter = "\r\n".into()), "a\nb\r\nc\r\n", "{\"_1\":\"a\\nb\"}\n{\"_1\":\"c\"}\n"),
        (csv(|c| c.field_delimiter = '\t'), "a,b\tc\n", "{\"_1\":\"a,b\",\"_2\":\"c\"}\n"),
        (csv(|c| c.field_delimiter = '§'), "a§b\n", "{\"_1\":\"a\",\"_2\":\"b\"}\n"),
        (csv(|c| c.quote_character = '\''), "'a,b',\"c\"\n", "{\"_1\":\"a,b\",\"_2\":\"\\\"c\\\"\"}\n"),
        (csv(|c| c.quote_escape_character = '\\'), "\"a\\\"b\\\\c\\d\"\n", "{\"_1\":\"a\\\"b\\\\c\\\\d\"}\n"),
        (csv(|c| c.comments = ';'), ";x\n#y\n", "{\"_1\":\"#y\"}\n"),
        (csv(|c| c.allow_quoted_record_delimiter = true), "\"a\nb\",c\n", "{\"_1\":\"a\\nb\",\"_2\":\"c\"}\n"),
        (csv(|_| {}), "ab\"c,\"\"\n", "{\"_1\":\"ab\\\"c\",\"_2\":\"\"}\n"),
    ] {
        assert_eq!(text(whole(object), all, &input, json_output()).as_deref(), Ok(wanted), "{object:?}");
    }
    for (input, object, code) in [
        (csv(|_| {}), "\"a\nb\"\n", "CSVEscapingRecordDelimiter"),
        (csv(|_| {}), "\"a\"b\n", "CSVUnescapedQuote"),
        (csv(|c| c.allow_quoted_record_delimiter = true), "\"a\nb\n", "CSVUnescapedQuote"),
        (csv(|c| c.record_delimiter = String::new()), "a", "InvalidRequestParameter"),
        (csv(|c| c.record_delimiter = "abc".into()), "a", "InvalidRequestParameter"),
        (csv(|c| c.field_delimiter = '"'), "a", "InvalidRequestParameter"),
        (csv(|c| c.field_delimiter = '\n'), "a", "InvalidRequestParameter"),
    ] {
        assert_eq!(text(whole(object), all, &input, json_output()), Err(code.to_owned()), "{object:?}");
    }
}

#[test]
fn settings_of_answers() {
    let csv = |change: &dyn Fn(&mut CsvOutput)| {
        let mut settings = CsvOutput::default();
        change(&mut settings);
        Output::Csv(settings)
    };
    for (output, wanted) in [
        (csv(&|_| {}), "a,\"b \"\"c\"\"\",\"d,e\",1\n"),
        (csv(&|c| c.quote_fields = QuoteFields::Always), "\"a\",\"b \"\"c\"\"\",\"d,e\",\"1\"\n"),
        (csv(&|c| c.quote_escape_character = '\\'), "a,\"b \\\"c\\\"\",\"d,e\",1\n"),
        (csv(&|c| c.quote_character = '\''), "a,b \"c\",'d,e',1\n"),
        (csv(&|c| c.field_delimiter = "|".into()), "a|\"b \"\"c\"\"\"|d,e|1\n"),
        (csv(&|c| c.record_delimiter = ";".into()), "a,\"b \"\"c\"\"\",\"d,e\",1;"),
        (
            Output::Json { record_delimiter: ",".into() },
            "{\"_1\":\"a\",\"_2\":\"b \\\"c\\\"\",\"_3\":\"d,e\",\"_4\":1},",
        ),
    ] {
        let query = "SELECT 'a', 'b \"c\"', 'd,e', 1 FROM S3Object";
        assert_eq!(text(whole("x\n"), query, &csv_input(FileHeaderInfo::None), output).as_deref(), Ok(wanted));
    }
}

/// The example of the user guide, and the ends of it.
#[test]
fn scan_ranges() {
    let object = "A,B\nC,D\nD,E\nE,F\nG,H\nI,J\n";
    for (start, end, wanted) in [
        (Some(1), Some(4), "C,D\n"),
        (Some(0), Some(3), "A,B\n"),
        (Some(0), Some(4), "A,B\nC,D\n"),
        (Some(4), Some(4), "C,D\n"),
        (Some(5), Some(7), ""),
        (Some(17), None, "I,J\n"),
        (None, Some(5), "I,J\n"),
    ] {
        let input = ranged(csv_input(FileHeaderInfo::None), start, end);
        let found = text(whole(object), "SELECT * FROM S3Object", &input, csv_output());
        assert_eq!(found.as_deref(), Ok(wanted), "{start:?} {end:?}");
    }
    let input = ranged(csv_input(FileHeaderInfo::Use), Some(5), Some(12));
    let found = text(whole(object), "SELECT * FROM S3Object", &input, json_output());
    assert_eq!(found.as_deref(), Ok("{\"A\":\"D\",\"B\":\"E\"}\n{\"A\":\"E\",\"B\":\"F\"}\n"));
    let mut quoted = csv(|c| c.allow_quoted_record_delimiter = true);
    quoted = ranged(quoted, Some(0), None);
    let mut compressed = ranged(csv_input(FileHeaderInfo::None), Some(0), None);
    compressed.compression = Compression::Gzip;
    let document = ranged(json_input(JsonType::Document), Some(0), None);
    for input in [quoted, compressed, document] {
        let found = text(whole(object), "SELECT * FROM S3Object", &input, csv_output());
        assert_eq!(found, Err("UnsupportedScanRangeInput".to_owned()));
    }
    let outside = ranged(csv_input(FileHeaderInfo::None), Some(24), None);
    let found = text(whole(object), "SELECT * FROM S3Object", &outside, csv_output());
    assert_eq!(found, Err("InvalidScanRange".to_owned()));
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_objects() {
    let plain: String = (0..10_000).map(|n| format!("{n},x\n")).collect();
    let half = plain.len() / 2;
    let twice = [gzip(&plain.as_bytes()[..half]), gzip(&plain.as_bytes()[half..])].concat();
    for (compression, bytes) in [
        (Compression::Gzip, gzip(plain.as_bytes())),
        (Compression::Gzip, twice),
        (Compression::Bzip2, bzip2(plain.as_bytes())),
    ] {
        let mut input = csv_input(FileHeaderInfo::None);
        input.compression = compression;
        let query = "SELECT _1 FROM S3Object WHERE _1 >= 9998";
        let (length, cut) = (bytes.len() as u64, bytes[..bytes.len() - 10].to_vec());
        let found = answer(Object { bytes: bytes.clone(), steps: vec![7, 1, 3000] }, query, &input, csv_output());
        assert_eq!((found.end, found.bytes.as_slice()), (Ok(()), &b"9998\n9999\n"[..]));
        let wanted = Statistics { scanned: length, processed: plain.len() as u64, returned: 10 };
        assert_eq!(found.statistics, wanted);
        assert_eq!(text(whole(cut), query, &input, csv_output()), Err("TruncatedInput".to_owned()));
        let mut spoilt = bytes;
        let middle = spoilt.len() / 2;
        spoilt[middle..middle + 20].fill(0x55);
        assert!(text(whole(spoilt), query, &input, csv_output()).is_err());
        assert_eq!(text(whole(plain.clone()), query, &input, csv_output()), Err("InvalidCompressionFormat".to_owned()));
    }
}

#[test]
fn what_is_no_text_is_named_by_its_place() {
    let mut bytes = "a,b\n".repeat(3000).into_bytes();
    bytes.extend_from_slice(b"c,\xff\n");
    let found = answer(whole(bytes), "SELECT _1 FROM S3Object", &csv_input(FileHeaderInfo::None), csv_output());
    assert_eq!(found.bytes, "a\n".repeat(3000).into_bytes(), "what was found before is given out");
    let message = "UTF-8 encoding is required. The text encoding error was found near byte 12,001.";
    assert_eq!(found.end.map_err(|e| e.message), Err(message.to_owned()));
    let found =
        text(whole(*b"{\"a\":\"\xc3\"}"), "SELECT a FROM S3Object", &json_input(JsonType::Lines), json_output());
    assert_eq!(found, Err("InvalidTextEncoding".to_owned()));
}

#[test]
fn records_are_not_longer_than_a_megabyte() {
    let limit = 1024 * 1024;
    let ask = |object: String, query: &str, input: &Input| text(whole(object), query, input, json_output());
    let lines = csv_input(FileHeaderInfo::None);
    let long = "x".repeat(limit + 1);
    let over = Err("OverMaxRecordSize".to_owned());
    assert_eq!(ask(long.clone(), "SELECT 1 FROM S3Object", &lines), over);
    assert_eq!(ask(format!("\"{long}\""), "SELECT 1 FROM S3Object", &lines), over);
    assert_eq!(
        ask("x".repeat(limit), "SELECT CHAR_LENGTH(_1) n FROM S3Object", &lines),
        Ok("{\"n\":1048576}\n".into())
    );
    assert_eq!(ask("x".repeat(limit), "SELECT _1, _1 FROM S3Object", &lines), over);
    let json = json_input(JsonType::Document);
    assert_eq!(ask(format!("{{\"a\":\"{long}\"}}"), "SELECT 1 FROM S3Object", &json), over);
    // A document may be longer than its records, and what is not asked for may be as long as it likes.
    let rows = vec![format!("{{\"n\":1,\"x\":\"{}\"}}", "y".repeat(1000)); 3000].join(",");
    let document = format!("{{\"junk\":\"{long}\",\"Records\":[{rows}]}}");
    let found = ask(document, "SELECT SUM(r.n) s FROM S3Object[*].Records[*] r", &json);
    assert_eq!(found.as_deref(), Ok("{\"s\":3000}\n"));
}

#[test]
fn limits_end_the_reading() {
    let object: String = (0..1_000_000).map(|n| format!("{n}\n")).collect();
    let found = answer(whole(object), "SELECT * FROM S3Object LIMIT 2", &csv_input(FileHeaderInfo::None), csv_output());
    assert_eq!(found.bytes, b"0\n1\n");
    assert!(found.statistics.scanned < 200_000, "{:?}", found.statistics);
}
