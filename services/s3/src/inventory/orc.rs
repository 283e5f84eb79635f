//! Lists in Apache ORC, compressed with zlib.

use serde_json::{Map, Value as Json, json};
use undercast_columnar::Schema;
use undercast_columnar::orc::{Orc as File, Packing};

use super::fields::{Column, Kind, Value};

/// So many lines are held before they are written as a stripe.
const STRIPE_LINES: usize = 10_000;

fn type_of(column: &Column) -> &'static str {
    match column.kind {
        Kind::Text => "string",
        Kind::Truth => "boolean",
        Kind::Number => "bigint",
        Kind::Moment => "timestamp",
    }
}

/// The schema as manifests have it.
pub(super) fn schema(columns: &[Column]) -> String {
    let fields: Vec<String> = columns.iter().map(|column| format!("{}:{}", column.lower, type_of(column))).collect();
    format!("struct<{}>", fields.join(","))
}

/// A file that is being written.
pub(super) struct Orc {
    file: File,
    columns: Vec<Column>,
}

impl Orc {
    pub(super) fn new(columns: &[Column]) -> Result<Self, undercast_columnar::BadSchema> {
        let schema = Schema::parse(columns.iter().map(|column| (column.lower, type_of(column))))?;
        Ok(Self { file: File::new(&schema, Packing::Zlib, STRIPE_LINES), columns: columns.to_vec() })
    }

    pub(super) fn write(&mut self, values: Vec<Value>) -> std::io::Result<()> {
        let cell = |(column, value): (&Column, Value)| {
            let value = match value {
                Value::None => Json::Null,
                Value::Text(text) => Json::String(text),
                Value::Truth(truth) => json!(truth),
                Value::Number(number) | Value::Moment(number) => json!(number),
            };
            (column.lower.to_owned(), value)
        };
        let row: Map<String, Json> = self.columns.iter().zip(values).map(cell).collect();
        self.file.write(&Json::Object(row))
    }

    pub(super) fn finish(self) -> std::io::Result<Vec<u8>> {
        self.file.finish()
    }
}

#[cfg(test)]
#[path = "../../tests/main/orc.rs"]
mod reader;

#[cfg(test)]
mod tests {
    use super::super::fields::columns;
    use super::*;
    use crate::api::kept::InventoryConfiguration;

    #[test]
    fn lines_over_several_stripes_are_read_back() {
        let columns = columns(&InventoryConfiguration {
            included_object_versions: "All".to_owned(),
            optional_fields: Some(["Size", "LastModifiedDate", "ETag"].map(ToOwned::to_owned).to_vec()),
            ..Default::default()
        });
        let mut file = Orc::new(&columns).expect("types that are known");
        let mut wanted = Vec::new();
        for n in 0..STRIPE_LINES as i64 * 2 + 7 {
            let key = format!("key {}", n * n % 1009);
            // Some columns have gaps in the second stripe only, one has nothing at all.
            let gap = (10_000..20_000).contains(&n) && n % 3 == 0;
            let at = n * 86_400_017;
            file.write(vec![
                Value::text("b"),
                Value::text(&key),
                if gap { Value::None } else { Value::text(format!("{n}")) },
                Value::Truth(n % 7 < 3),
                Value::Truth(gap),
                if gap { Value::None } else { Value::Number(n * n * n - 5) },
                if gap { Value::None } else { Value::Moment(at) },
                Value::None,
            ])
            .expect("memory does not fail");
            let there = |value: Json| if gap { Json::Null } else { value };
            wanted.push(
                json!({"bucket": "b", "key": key, "version_id": there(json!(n.to_string())), "is_latest": n % 7 < 3,
                "is_delete_marker": gap, "size": there(json!(n * n * n - 5)), "last_modified_date": there(json!(at)),
                "e_tag": null}),
            );
        }
        let file = file.finish().expect("memory does not fail");
        assert!(reader::lines(&file) == wanted);
    }

    #[test]
    fn the_schema_names_what_is_asked_for() {
        let columns = columns(&InventoryConfiguration {
            included_object_versions: "All".to_owned(),
            optional_fields: Some(vec!["Size".to_owned(), "ETag".to_owned(), "LastModifiedDate".to_owned()]),
            ..Default::default()
        });
        assert_eq!(
            schema(&columns),
            "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,size:bigint,\
             last_modified_date:timestamp,e_tag:string>"
        );
    }
}
