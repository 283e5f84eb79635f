//! What the calls need to be allowed: the same action on the catalog, on the database in it, and on the table in that.
//!
//! Source: "Specifying AWS Glue resource ARNs" in the developer guide.

use undercast_kernel::{Access, Cx};
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

pub(crate) fn access(cx: &Cx, operation: &'static Operation, input: &Fields) -> Vec<Access> {
    let name_in = |member: &str| match input.get(member) {
        Some(Value::Structure(fields)) => fields.text("Name"),
        _ => None,
    };
    let of_table = operation.name.contains("Table");
    let (database, table) = if of_table {
        let named = input.text("Name").or_else(|| input.text("TableName")).or_else(|| name_in("TableInput"));
        (input.text("DatabaseName"), Some(named.unwrap_or("*")))
    } else {
        (input.text("Name").or_else(|| name_in("DatabaseInput")).or(Some("*")), None)
    };
    let database = database.unwrap_or("*").to_lowercase();
    let mut resources = vec!["catalog".to_owned(), format!("database/{database}")];
    resources.extend(table.map(|table| format!("table/{database}/{}", table.to_lowercase())));
    let needed = |resource: &String| Access::new(format!("glue:{}", operation.name), cx.arn("glue", resource));
    resources.iter().map(needed).collect()
}
