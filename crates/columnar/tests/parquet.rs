//! What is written is read again by another reader: that of records, which knows nothing of how columns were made.

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;
use undercast_columnar::{Packing, Parquet, Reader, Schema, write_parquet};

#[test]
fn rows_of_all_types_come_back() {
    let schema = Schema::parse([
        ("flag", "boolean"),
        ("tiny", "tinyint"),
        ("big", "bigint"),
        ("real", "double"),
        ("price", "decimal(6,2)"),
        ("name", "varchar(10)"),
        ("day", "date"),
        ("at", "timestamp"),
        ("list", "array<string>"),
        ("inner", "struct<a:int,b:map<string,bigint>>"),
        ("absent", "string"),
    ])
    .unwrap();
    let record = json!({"flag": true, "tiny": -5, "big": 1_u64 << 53, "real": 0.5, "price": "1234.5", "name": "x",
        "day": "2024-02-29", "at": 1_700_000_000_123_i64, "list": ["p", null], "inner": {"a": 1, "b": {"k": 7}}, "more": 1});
    let reader = Reader { any_case: true, ..Reader::default() };
    let row = reader.read(&schema, record.to_string().as_bytes()).unwrap();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Snappy] {
        for (dictionary, second_version) in [(false, true), (true, false)] {
            let how = Parquet { packing, page_bytes: 1 << 20, dictionary, second_version };
            let file = write_parquet(&schema, &[row.clone(), json!({})], &how).unwrap();
            let file = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
            let rows: Vec<_> = file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_json_value()).collect();
            assert_eq!(rows.len(), 2);
            let first = &rows[0];
            assert_eq!(first["flag"], json!(true), "{first}");
            assert_eq!((&first["tiny"], &first["big"], &first["real"]), (&json!(-5), &json!(1_u64 << 53), &json!(0.5)));
            assert_eq!((&first["price"], &first["name"]), (&json!("1234.50"), &json!("x")));
            assert_eq!(first["day"], json!("2024-02-29"));
            assert!(first["at"].as_str().unwrap().starts_with("2023-11-14 22:13:20.123"), "{first}");
            assert_eq!(first["list"], json!(["p", null]));
            assert_eq!(first["inner"], json!({"a": 1, "b": {"k": 7}}));
            assert_eq!((&first["absent"], &rows[1]["flag"]), (&json!(null), &json!(null)));
        }
    }
}

#[test]
fn no_rows_are_a_file_with_a_schema() {
    let schema = Schema::parse([("a", "int")]).unwrap();
    let how = Parquet { packing: Packing::Snappy, page_bytes: 1 << 20, dictionary: false, second_version: false };
    let file = SerializedFileReader::new(bytes::Bytes::from(write_parquet(&schema, &[], &how).unwrap())).unwrap();
    assert_eq!(
        (file.metadata().file_metadata().num_rows(), file.metadata().file_metadata().schema_descr().num_columns()),
        (0, 1)
    );
}
