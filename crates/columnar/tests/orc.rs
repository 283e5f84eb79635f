//! What is written is read again by another reader, which is somebody else's.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use orc_rust::ArrowReaderBuilder;
use serde_json::{Value as Json, json};
use undercast_columnar::Schema;
use undercast_columnar::orc::{Orc, Packing};

/// The rows of a file.
fn rows(file: Vec<u8>) -> Vec<Json> {
    let reader = ArrowReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap().build();
    let mut lines = Vec::new();
    for batch in reader {
        let mut writer = arrow_orc::LineDelimitedWriter::new(&mut lines);
        writer.write(&batch.unwrap()).unwrap();
        writer.finish().unwrap();
    }
    String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn rows_of_all_types_come_back() {
    let schema = Schema::parse([
        ("flag", "boolean"),
        ("tiny", "tinyint"),
        ("small", "smallint"),
        ("whole", "int"),
        ("big", "bigint"),
        ("single", "float"),
        ("real", "double"),
        ("name", "string"),
        ("day", "date"),
        ("at", "timestamp"),
        ("price", "decimal(30,2)"),
        ("list", "array<string>"),
        ("inner", "struct<a:int,b:map<string,bigint>,c:array<struct<d:double>>>"),
        ("behind", "int"),
    ])
    .unwrap();
    for packing in [Packing::Plain, Packing::Zlib, Packing::Snappy] {
        let mut file = Orc::new(&schema, packing, 100);
        let mut wanted = Vec::new();
        for n in 0..257_i64 {
            let gap = n % 3 == 0;
            let row = json!({
                "flag": n % 7 < 3, "tiny": n % 100 - 50, "small": n * 100 - 9000, "whole": n * n, "big": n.pow(7) - 1, "single": 0.5,
                "real": n * n, "name": format!("row {n}"), "day": format!("19{:02}-03-0{}", n % 90 + 10, n % 9 + 1),
                "at": n * 86_400_017, "price": format!("{}.{:02}", n - 100, n % 100), "list": ["a", null, n.to_string()],
                "inner": {"a": n, "b": {"k": n, "l": 1}, "c": [{"d": 1.5}, {"d": null}]}, "behind": n,
            });
            let mut row = row;
            if gap {
                for name in ["flag", "whole", "name", "at", "price", "list", "inner"] {
                    row[name] = Json::Null;
                }
            }
            file.write(&row).unwrap();
            wanted.push(row);
        }
        let found = rows(file.finish().unwrap());
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(&wanted) {
            for name in ["flag", "tiny", "small", "whole", "big", "name", "day", "behind", "list"] {
                let found = found.get(name).cloned().unwrap_or_default();
                assert_eq!(found, wanted[name], "{name}");
            }
            assert_eq!(found["real"].as_f64(), wanted["real"].as_f64());
            if !wanted["price"].is_null() {
                assert_eq!(found["inner"]["a"], wanted["inner"]["a"]);
                assert_eq!(found["inner"]["b"], wanted["inner"]["b"]);
                assert_eq!(found["inner"]["c"][0], json!({"d": 1.5}));
                let price = found["price"].as_str().map_or_else(|| found["price"].to_string(), ToOwned::to_owned);
                assert_eq!(price.parse::<f64>().unwrap(), wanted["price"].as_str().unwrap().parse::<f64>().unwrap());
                let at: jiff::civil::DateTime = found["at"].as_str().unwrap().parse().unwrap();
                let at = jiff::tz::TimeZone::UTC.to_timestamp(at).unwrap();
                assert_eq!(at.as_millisecond(), wanted["at"].as_i64().unwrap());
            }
        }
    }
}

#[test]
fn no_rows_are_a_file() {
    let schema = Schema::parse([("a", "int")]).unwrap();
    assert_eq!(rows(Orc::new(&schema, Packing::Snappy, 10).finish().unwrap()), Vec::<Json>::new());
}
