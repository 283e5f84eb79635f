//! Bytes and queries that mean harm.

use proptest::prelude::*;
use undercast_select::{Compression, FileHeaderInfo, Format, Input, JsonType};

use crate::formats::{bzip2, gzip};
use crate::parquet::file;
use crate::support::{answer, csv_input, json_input, json_output, value, whole};

fn inputs() -> Vec<Input> {
    let mut inputs = vec![
        csv_input(FileHeaderInfo::None),
        csv_input(FileHeaderInfo::Use),
        json_input(JsonType::Document),
        json_input(JsonType::Lines),
        Input { format: Format::Parquet, compression: Compression::None, range: None },
    ];
    for compression in [Compression::Gzip, Compression::Bzip2] {
        inputs.push(Input { compression, ..csv_input(FileHeaderInfo::None) });
    }
    inputs
}

proptest! {
    #[test]
    fn bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), magic in 0usize..4) {
        let magic: &[u8] = [&b""[..], b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", b"BZh9", b"PAR1"][magic];
        bytes.splice(0..0, magic.iter().copied());
        if magic == b"PAR1" {
            bytes.extend_from_slice(&40u32.to_le_bytes());
            bytes.extend_from_slice(magic);
        }
        for input in inputs() {
            for query in ["SELECT * FROM S3Object", "SELECT COUNT(*) FROM S3Object[*].a[*]"] {
                answer(whole(bytes.clone()), query, &input, json_output());
            }
        }
    }

    /// Files that were good until some of their bytes were changed, or the end was cut off.
    #[test]
    fn spoilt_files(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in proptest::option::of(any::<prop::sample::Index>())) {
        static FILES: std::sync::LazyLock<Vec<(Input, Vec<u8>)>> = std::sync::LazyLock::new(files);
        for (input, bytes) in FILES.iter() {
            let mut bytes = bytes.clone();
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] ^= value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            for query in ["SELECT * FROM S3Object", "SELECT MAX(s.name) FROM S3Object s WHERE s.price > 1"] {
                answer(whole(bytes.clone()), query, input, json_output());
            }
        }
    }

    #[test]
    fn words(words in proptest::collection::vec(prop::sample::select(vec![
        "SELECT", "*", "FROM", "S3Object", "[", "]", "(", ")", ",", ".", "a", "\"b\"", "'c'", "1", "1.5", "`2010T`", "-", "+", "||",
        "=", "<", "AND", "OR", "NOT", "IN", "LIKE", "ESCAPE", "BETWEEN", "IS", "NULL", "MISSING", "CASE", "WHEN", "THEN", "ELSE",
        "END", "CAST", "AS", "INT", "TRIM", "BOTH", "SUBSTRING", "FOR", "EXTRACT", "YEAR", "DATE_ADD", "COUNT", "SUM", "LIMIT", "WHERE",
    ]), 0..25), rest in "\\PC{0,20}") {
        let query = words.join(" ");
        for query in [query.clone(), format!("SELECT {query} FROM S3Object"), format!("SELECT * FROM S3Object WHERE {query}{rest}"), rest] {
            for input in [csv_input(FileHeaderInfo::Use), json_input(JsonType::Document)] {
                answer(whole("{\"a\":[1,{\"b\":2}]}\n"), &query, &input, json_output());
            }
        }
    }

    #[test]
    fn patterns(text in "[ab%_]{0,12}", pattern in "[ab%_!]{0,8}") {
        let found = value(&format!("'{text}' LIKE '{pattern}' ESCAPE '!'"));
        let wanted = regex(&pattern).map(|parts| like(&text.chars().collect::<Vec<_>>(), &parts));
        prop_assert_eq!(found.ok(), wanted.map(|w| w.to_string()));
    }
}

fn files() -> Vec<(Input, Vec<u8>)> {
    let text = "name,price\na,1\n\"b\",2.5\n".repeat(20);
    let compressed = |compression| Input { compression, ..csv_input(FileHeaderInfo::Use) };
    let parquet = || Input { format: Format::Parquet, compression: Compression::None, range: None };
    vec![
        (compressed(Compression::Gzip), gzip(text.as_bytes())),
        (compressed(Compression::Bzip2), bzip2(text.as_bytes())),
        (
            json_input(JsonType::Document),
            br#"{"name": "a\u00e9", "price": [1.5e3, {"x": null}]} {"price": -2}"#.to_vec(),
        ),
        (parquet(), file(::parquet::basic::Compression::SNAPPY)),
        (parquet(), file(::parquet::basic::Compression::UNCOMPRESSED)),
    ]
}

/// A pattern in parts, `None` for one that ends in its escape or escapes what needs none.
fn regex(pattern: &str) -> Option<Vec<(char, bool)>> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c == '!' {
            parts.push((rest.next().filter(|c| "%_!".contains(*c))?, false));
        } else {
            parts.push((c, c == '%' || c == '_'));
        }
    }
    Some(parts)
}

fn like(text: &[char], pattern: &[(char, bool)]) -> bool {
    match (pattern.first(), text.first()) {
        (None, first) => first.is_none(),
        (Some(('%', true)), _) => (0..=text.len()).any(|n| like(&text[n..], &pattern[1..])),
        (Some(('_', true)), Some(_)) => like(&text[1..], &pattern[1..]),
        (Some((c, false)), Some(first)) if c == first => like(&text[1..], &pattern[1..]),
        (Some((c, true)), Some(first)) if c == first => like(&text[1..], &pattern[1..]),
        _ => false,
    }
}

#[test]
fn deep_json_is_refused() {
    for object in ["[".repeat(1_000_000), "{\"a\":".repeat(1_000_000)] {
        for query in ["SELECT * FROM S3Object", "SELECT b FROM S3Object[*].b[*]"] {
            let found = answer(whole(object.clone()), query, &json_input(JsonType::Document), json_output());
            assert_eq!(found.end.map_err(|e| e.code.to_string()), Err("JSONParsingError".to_owned()));
        }
    }
}
