//! The body of the fuzz target: an object of chance, read as an import reads it.

use std::collections::BTreeMap;
use undercast_dynamodb::compact::{self, ItemRef};
use undercast_dynamodb::imports::packed;
use undercast_dynamodb::imports::records::Format;
use undercast_dynamodb::ion::{self, Field};
use undercast_dynamodb::value::Type;

/// A byte says how; then an object. What is read of it must be the same when it has been stored, and written as Ion.
pub(crate) fn import(bytes: &[u8]) {
    let Some((how, object)) = bytes.split_first() else { return };
    let csv = |headers: Option<&[&str]>| Format::Csv {
        delimiter: if how & 0x40 == 0 { b',' } else { b'|' },
        headers: headers.map(|all| all.iter().map(|name| (*name).to_owned()).collect()),
        kinds: BTreeMap::from([("n".to_owned(), Type::N), ("b".to_owned(), Type::B)]),
    };
    let format = match how & 3 {
        0 => Format::Json,
        1 => Format::Ion,
        2 => csv(None),
        _ => csv(Some(&["n", "b", "s"])),
    };
    let compression = ["NONE", "NONE", "GZIP", "ZSTD"][usize::from(how >> 2 & 3)];
    let mut records = packed::open(compression, object.to_vec(), format);
    let mut over = false;
    for record in records.by_ref() {
        assert!(!over, "something came behind the last record");
        let item = match record {
            Ok(item) => item,
            Err(problem) => {
                assert!(!problem.message.is_empty());
                over = problem.last;
                continue;
            }
        };
        let mut stored = Vec::new();
        compact::encode(&item, &mut stored);
        let read = ItemRef::open(&stored).unwrap();
        assert!(read.to_item().is_ok_and(|read| read == item));
        let line = ion::line("Item", &[("", Field::Map(read.attributes()))]).unwrap();
        // What is nested too deeply is refused when it is read.
        if item.check_depth().is_ok() {
            assert_eq!(ion::item(&line).as_ref(), Ok(&item), "{line}");
        }
    }
    assert!(compression != "NONE" || records.read() <= object.len() as u64);
}
