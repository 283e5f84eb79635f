//! Amazon Ion as text, as far as exports write it and imports read it: one item a line.
//!
//! Source: the specification of Ion 1.0's text encoding, and "DynamoDB table export output format" and "Amazon S3 import
//! formats for DynamoDB" in the developer guide, which say what becomes of which type.

mod read;
mod write;

pub use read::{IonError, item};
pub use write::{Field, line};

/// What tells a list that is a set of texts from one that is a list.
const STRINGS: &str = "$dynamodb_SS";
/// The same of numbers.
const NUMBERS: &str = "$dynamodb_NS";
/// The same of byte strings.
const BINARIES: &str = "$dynamodb_BS";

/// What every line begins with.
const VERSION: &str = "$ion_1_0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::{self, ItemRef};
    use crate::value::tests::any_item;
    use crate::value::{AttributeValue, Item};
    use proptest::prelude::*;

    fn written(item: &Item) -> String {
        let mut stored = Vec::new();
        compact::encode(item, &mut stored);
        line("Item", &[("", Field::Map(ItemRef::open(&stored).unwrap().attributes()))]).unwrap()
    }

    fn numbers(written: &[(&str, &str)]) {
        for (number, ion) in written {
            let item = Item::from_iter([("n".to_owned(), AttributeValue::number(number).unwrap())]);
            assert_eq!(self::written(&item), format!("$ion_1_0 {{Item:{{n:{ion}}}}}"));
        }
    }

    #[test]
    fn numbers_are_decimals_as_the_guide_shows_them() {
        numbers(&[
            ("103", "103."),
            ("600", "6d2"),
            ("2000", "2d3"),
            ("0", "0."),
            ("-17.5", "-17.5"),
            ("0.001", "0.001"),
        ]);
        numbers(&[("1e-130", "1d-130"), ("-9.9e125", "-99d124"), ("0.00000015", "1.5d-7"), ("12.25", "12.25")]);
    }

    #[test]
    fn names_that_are_no_symbols_are_quoted() {
        let value = |text: &str| (text.to_owned(), AttributeValue::Bool(true));
        let item = Item::from_iter(["null", "a b", "it's", "$7", "ok_1", ""].map(value));
        assert_eq!(
            written(&item),
            r"$ion_1_0 {Item:{'':true,'$7':true,'a b':true,'it\'s':true,'null':true,ok_1:true}}"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(item in any_item()) {
            prop_assert_eq!(super::item(&written(&item)), Ok(item));
        }
    }
}
