//! What holds for all objects.

use proptest::prelude::*;
use undercast_select::{
    Compression, CsvInput, CsvOutput, FileHeaderInfo, Format, Input, JsonType, Output, QuoteFields,
};

use crate::support::{Object, answer, csv_input, csv_output, json_input, json_output, ranged, text, whole};

/// Fields of characters that mean something, and others.
fn field() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop::sample::select(vec!['a', ',', '"', '\n', '\r', '\\', '#', ' ', 'é', '§', '1']),
        0..6,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

fn records() -> impl Strategy<Value = Vec<Vec<String>>> {
    proptest::collection::vec(proptest::collection::vec(field(), 1..5), 0..12)
}

/// What is written as CSV is read as what it was.
fn round_trip(records: &[Vec<String>], escape: char, delimiter: char, steps: &[usize]) {
    let settings = CsvOutput {
        quote_fields: QuoteFields::Always,
        quote_escape_character: escape,
        field_delimiter: delimiter.to_string(),
        ..CsvOutput::default()
    };
    let input = Input {
        format: Format::Csv(CsvInput {
            quote_escape_character: escape,
            field_delimiter: delimiter,
            allow_quoted_record_delimiter: true,
            ..CsvInput::default()
        }),
        compression: Compression::None,
        range: None,
    };
    let json: String = records.iter().map(|r| format!("{}\n", serde_json::to_string(&named(r)).unwrap())).collect();
    let written =
        text(whole(json.clone()), "SELECT * FROM S3Object", &json_input(JsonType::Lines), Output::Csv(settings))
            .unwrap();
    let object = Object { bytes: written.into_bytes(), steps: steps.to_vec() };
    let read = text(object, "SELECT * FROM S3Object", &input, json_output()).unwrap();
    let values =
        |text: &str| text.lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<serde_json::Value>>();
    assert_eq!(values(&read), values(&json));
}

fn named(record: &[String]) -> serde_json::Map<String, serde_json::Value> {
    record.iter().enumerate().map(|(n, field)| (format!("_{}", n + 1), field.as_str().into())).collect()
}

proptest! {
    #[test]
    fn csv_round_trips(
        records in records(),
        escape in prop::sample::select(vec!['"', '\\']),
        delimiter in prop::sample::select(vec![',', '§', '\t']),
        steps in proptest::collection::vec(1usize..9, 0..4),
    ) {
        round_trip(&records, escape, delimiter, &steps);
    }

    /// However the bytes arrive, the records are the same, and so is the error that ends them.
    #[test]
    fn chunks_change_nothing(
        bytes in "[a,\"\n\r{}:1\\[\\]#é]{0,80}",
        steps in proptest::collection::vec(1usize..9, 1..4),
    ) {
        let mut allowed = csv_input(FileHeaderInfo::Use);
        if let Format::Csv(settings) = &mut allowed.format {
            settings.allow_quoted_record_delimiter = true;
            settings.record_delimiter = "\r\n".to_owned();
        }
        let inputs = [
            csv_input(FileHeaderInfo::None),
            csv_input(FileHeaderInfo::Ignore),
            allowed,
            json_input(JsonType::Document),
            json_input(JsonType::Lines),
        ];
        for input in inputs {
            let ask = |steps: &[usize]| {
                let object = Object { bytes: bytes.clone().into_bytes(), steps: steps.to_vec() };
                let found = answer(object, "SELECT * FROM S3Object", &input, json_output());
                (found.bytes, found.end)
            };
            prop_assert_eq!(ask(&[]), ask(&steps));
        }
    }

    /// Ranges that lie side by side have each record once, in order.
    #[test]
    fn ranges_partition_the_records(
        lines in proptest::collection::vec("[a-c]{0,3}(,[a-c]{0,3}){0,2}", 1..12),
        delimiter in prop::sample::select(vec!["\n", "\r\n", ";"]),
        last in any::<bool>(),
        header in prop::sample::select(vec![FileHeaderInfo::None, FileHeaderInfo::Use, FileHeaderInfo::Ignore]),
        width in 1usize..12,
    ) {
        let mut bytes = format!("#comment{delimiter}") + &lines.join(delimiter);
        if last {
            bytes.push_str(delimiter);
        }
        let mut input = csv_input(header);
        if let Format::Csv(settings) = &mut input.format {
            settings.record_delimiter = delimiter.to_owned();
        }
        partition(&bytes, width, &input)?;
    }

    #[test]
    fn ranges_partition_lines_of_json(
        lines in proptest::collection::vec(prop::sample::select(vec!["{}", "{\"a\":1}", "", "  {\"a\":[2]} ", "\t"]), 1..12),
        width in 1usize..12,
    ) {
        partition(&(lines.join("\n") + "\n"), width, &json_input(JsonType::Lines))?;
    }

    #[test]
    fn conditions_select_what_they_say(numbers in proptest::collection::vec(-50i64..50, 0..40), bound in -50i64..50, most in 0usize..20) {
        let object: String = numbers.iter().map(|n| format!("{n}\n")).collect();
        let query = format!("SELECT _1 FROM S3Object WHERE _1 >= {bound} LIMIT {most}");
        let found = text(whole(object.clone()), &query, &csv_input(FileHeaderInfo::None), csv_output()).unwrap();
        let wanted: String = numbers.iter().filter(|n| **n >= bound).take(most).map(|n| format!("{n}\n")).collect();
        prop_assert_eq!(found, wanted);
        let sum = text(whole(object), "SELECT SUM(_1), COUNT(*) FROM S3Object", &csv_input(FileHeaderInfo::None), csv_output()).unwrap();
        let total = if numbers.is_empty() { String::new() } else { numbers.iter().sum::<i64>().to_string() };
        prop_assert_eq!(sum, format!("{total},{}\n", numbers.len()));
    }
}

fn partition(bytes: &str, width: usize, input: &Input) -> Result<(), TestCaseError> {
    let ask = |input: &Input| text(whole(bytes), "SELECT * FROM S3Object", input, json_output());
    let all = ask(input);
    let mut parts = String::new();
    for start in (0..bytes.len()).step_by(width) {
        let end = i64::try_from(start + width - 1).unwrap();
        let part = ranged(input.clone(), Some(i64::try_from(start).unwrap()), Some(end));
        parts.push_str(&ask(&part).map_err(TestCaseError::fail)?);
    }
    prop_assert_eq!(all, Ok(parts));
    Ok(())
}
