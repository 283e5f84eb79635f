//! Parquet files, made here.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use undercast_select::{Format, Input, ScanRange};

use crate::support::{csv_output, json_output, text, whole};

const SCHEMA: &str = "message m {
    required binary name (UTF8);
    optional int32 small;
    required int64 big;
    required double ratio;
    required int32 born (DATE);
    required int64 made (TIMESTAMP_MILLIS);
    required fixed_len_byte_array(4) price (DECIMAL(9, 2));
    required group tags (LIST) { repeated group list { optional binary element (UTF8); } }
}";

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    definition: Option<&[i16]>,
    repetition: Option<&[i16]>,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, definition, repetition).unwrap();
    column.close().unwrap();
}

/// Two groups of two rows each.
pub(crate) fn file(compression: Compression) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for group in 0..2i32 {
        let names = [ByteArray::from(format!("a{group}").as_str()), ByteArray::from(format!("b{group}").as_str())];
        let prices = [12_345i32, -5].map(|n| FixedLenByteArray::from(n.to_be_bytes().to_vec()));
        let mut group_writer = file.next_row_group().unwrap();
        let writer = &mut group_writer;
        column::<ByteArrayType>(writer, &names, None, None);
        column::<Int32Type>(writer, &[group * 10 + 1], Some(&[1, 0]), None);
        column::<Int64Type>(writer, &[i64::from(group), 1 << 40], None, None);
        column::<DoubleType>(writer, &[0.5, -2.0], None, None);
        column::<Int32Type>(writer, &[0, 19_000], None, None);
        column::<Int64Type>(writer, &[1, 1_500_000_000_123], None, None);
        column::<FixedLenByteArrayType>(writer, &prices, None, None);
        let tags = ["x", "y"].map(ByteArray::from);
        column::<ByteArrayType>(writer, &tags, Some(&[2, 2, 0]), Some(&[0, 1, 0]));
        group_writer.close().unwrap();
    }
    file.into_inner().unwrap()
}

fn input(range: Option<ScanRange>) -> Input {
    Input { format: Format::Parquet, compression: undercast_select::Compression::None, range }
}

#[test]
fn rows() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(Default::default())] {
        let bytes = file(compression);
        for (query, wanted) in [
            (
                "SELECT * FROM S3Object LIMIT 2",
                "{\"name\":\"a0\",\"small\":1,\"big\":0,\"ratio\":0.5,\"born\":\"1970-01-01\",\"made\":\"1970-01-01T00:00:00.001Z\",\"price\":123.45,\"tags\":[\"x\",\"y\"]}\n\
                 {\"name\":\"b0\",\"small\":null,\"big\":1099511627776,\"ratio\":-2.0,\"born\":\"2022-01-08\",\"made\":\"2017-07-14T02:40:00.123Z\",\"price\":-0.05,\"tags\":[]}\n",
            ),
            ("SELECT s.price, s.NAME FROM S3Object s WHERE s.small > 5", "{\"price\":123.45,\"NAME\":\"a1\"}\n"),
            ("SELECT COUNT(*) FROM S3Object", "{\"_1\":4}\n"),
            (
                "SELECT SUM(small), SUM(big), SUM(price), MAX(born) FROM S3Object",
                "{\"_1\":12,\"_2\":2199023255553,\"_3\":246.80,\"_4\":\"2022-01-08\"}\n",
            ),
            (
                "SELECT s.tags[1] AS t FROM S3Object s WHERE EXTRACT(year FROM born) = 1970",
                "{\"t\":\"y\"}\n{\"t\":\"y\"}\n",
            ),
        ] {
            assert_eq!(
                text(whole(bytes.clone()), query, &input(None), json_output()).as_deref(),
                Ok(wanted),
                "{query}"
            );
        }
        let plain =
            text(whole(bytes.clone()), "SELECT s.tags[0], s.made FROM S3Object s LIMIT 1", &input(None), csv_output());
        assert_eq!(plain.as_deref(), Ok("x,1970-01-01T00:00:00.001Z\n"));
        for (query, code) in [
            ("SELECT nothing FROM S3Object", "EvaluatorBindingDoesNotExist"),
            ("SELECT \"NAME\" FROM S3Object", "EvaluatorBindingDoesNotExist"),
            ("SELECT a FROM S3Object[*].a", "InvalidKeyPath"),
        ] {
            assert_eq!(text(whole(bytes.clone()), query, &input(None), json_output()), Err(code.to_owned()), "{query}");
        }
    }
}

#[test]
fn groups_belong_to_the_range_that_they_begin_in() {
    let bytes = file(Compression::SNAPPY);
    let count = |start, end| {
        let range = Some(ScanRange { start: Some(start), end: Some(end) });
        text(whole(bytes.clone()), "SELECT COUNT(*) n FROM S3Object", &input(range), csv_output()).unwrap()
    };
    let size = i64::try_from(bytes.len()).unwrap();
    assert_eq!((count(0, 4).as_str(), count(5, size).as_str(), count(0, size).as_str()), ("2\n", "2\n", "4\n"));
    let total = |cut: i64| {
        let number = |text: String| text.trim().parse::<i64>().unwrap();
        number(count(0, cut)) + number(count(cut + 1, size))
    };
    assert!((0..size - 1).step_by(13).all(|cut| total(cut) == 4));
}

#[test]
fn files_that_are_not_read() {
    let ask = |bytes: Vec<u8>| text(whole(bytes), "SELECT * FROM S3Object", &input(None), json_output());
    assert_eq!(ask(b"a,b\n".to_vec()), Err("ParquetParsingError".to_owned()));
    assert_eq!(ask(Vec::new()), Err("ParquetParsingError".to_owned()));
    let int96 = Arc::new(parse_message_type("message m { required int96 t; }").unwrap());
    let empty = SerializedFileWriter::new(Vec::new(), int96, Arc::default()).unwrap();
    assert_eq!(ask(empty.into_inner().unwrap()), Err("UnsupportedParquetType".to_owned()));
    assert_eq!(ask(file(Compression::LZ4_RAW)), Err("ParquetUnsupportedCompressionCodec".to_owned()));
}
