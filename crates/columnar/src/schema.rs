//! Types in Hive's words: `struct<a:int,b:array<string>>`.
//!
//! Source: "LanguageManual DDL" and "LanguageManual Types" of Apache Hive.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, SchemaRef, TimeUnit};

/// Types that hold others go no deeper.
const DEEPEST: usize = 32;

/// The columns of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    pub(crate) columns: SchemaRef,
}

/// A type is none, or one that is not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the type `{of}` of the column `{column}` {why}")]
pub struct BadSchema {
    /// Which column.
    pub column: String,
    /// Its type.
    pub of: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Schema {
    /// The schema of columns, each with its name and its type in Hive's words.
    ///
    /// # Errors
    /// When a type is none, or not built: `binary`, unions, and maps whose keys are not texts.
    pub fn parse<'a>(columns: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BadSchema> {
        let field = |(name, of): (&str, &str)| {
            let bad = |why| BadSchema { column: name.to_owned(), of: of.to_owned(), why };
            // Hive knows its types in any case.
            let lower = of.to_lowercase();
            let mut rest = lower.as_str();
            let kind = kind(&mut rest, 0).map_err(bad)?;
            if !rest.trim().is_empty() { Err(bad("has something behind it")) } else { Ok(Field::new(name, kind, true)) }
        };
        let fields: Result<Vec<Field>, BadSchema> = columns.into_iter().map(field).collect();
        Ok(Self { columns: Arc::new(arrow_schema::Schema::new(fields?)) })
    }
}

/// The word at the beginning.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    *rest = rest.trim_start();
    let end = rest.find(|c: char| !(c.is_alphanumeric() || "_$.-".contains(c))).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    word
}

/// Takes a sign, if it is there.
fn takes(rest: &mut &str, sign: char) -> bool {
    *rest = rest.trim_start();
    let found = rest.strip_prefix(sign);
    *rest = found.unwrap_or(rest);
    found.is_some()
}

fn needs(rest: &mut &str, sign: char) -> Result<(), &'static str> {
    if takes(rest, sign) { Ok(()) } else { Err("cannot be read") }
}

fn kind(rest: &mut &str, depth: usize) -> Result<DataType, &'static str> {
    if depth > DEEPEST {
        return Err("is too deep");
    }
    Ok(match word(rest) {
        "boolean" => DataType::Boolean,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "int" | "integer" => DataType::Int32,
        "bigint" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "string" => DataType::Utf8,
        "char" | "varchar" => {
            arguments(rest)?;
            DataType::Utf8
        }
        "decimal" | "numeric" => decimal(&arguments(rest)?)?,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "array" => {
            needs(rest, '<')?;
            let of = kind(rest, depth + 1)?;
            needs(rest, '>')?;
            DataType::List(Arc::new(Field::new("element", of, true)))
        }
        "map" => map(rest, depth)?,
        "struct" => DataType::Struct(members(rest, depth)?),
        "binary" | "uniontype" => return Err("is not built"),
        _ => return Err("cannot be read"),
    })
}

/// Numbers in brackets, if there are any.
fn arguments(rest: &mut &str) -> Result<Vec<u8>, &'static str> {
    let mut all = Vec::new();
    if takes(rest, '(') {
        loop {
            all.push(word(rest).parse::<u16>().map_err(|_| "cannot be read")?.min(255) as u8);
            if !takes(rest, ',') {
                break;
            }
        }
        needs(rest, ')')?;
    }
    Ok(all)
}

fn decimal(arguments: &[u8]) -> Result<DataType, &'static str> {
    // As Hive has it where nothing is said.
    let (precision, scale) = match arguments {
        [] => (10, 0),
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return Err("cannot be read"),
    };
    if precision == 0 || precision > 38 || scale > precision {
        return Err("has a precision or a scale out of range");
    }
    Ok(DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX)))
}

fn map(rest: &mut &str, depth: usize) -> Result<DataType, &'static str> {
    needs(rest, '<')?;
    let key = kind(rest, depth + 1)?;
    if key != DataType::Utf8 {
        return Err("has keys that are not texts, which is not built");
    }
    needs(rest, ',')?;
    let value = kind(rest, depth + 1)?;
    needs(rest, '>')?;
    let entry = vec![Field::new("key", key, false), Field::new("value", value, true)];
    let entries = Field::new("key_value", DataType::Struct(Fields::from(entry)), false);
    Ok(DataType::Map(Arc::new(entries), false))
}

fn members(rest: &mut &str, depth: usize) -> Result<Fields, &'static str> {
    needs(rest, '<')?;
    let mut members = Vec::new();
    loop {
        let name = word(rest);
        if name.is_empty() {
            return Err("has a member without a name");
        }
        needs(rest, ':')?;
        members.push(Field::new(name, kind(rest, depth + 1)?, true));
        if !takes(rest, ',') {
            break;
        }
    }
    needs(rest, '>')?;
    Ok(Fields::from(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_in_hives_words() {
        let schema =
            Schema::parse([("a", "Decimal(5,2)"), ("b", "struct<c:array<int>, d:map<string,double>>")]).unwrap();
        assert_eq!(*schema.columns.field(0).data_type(), DataType::Decimal128(5, 2));
        let DataType::Struct(members) = schema.columns.field(1).data_type() else { panic!("{schema:?}") };
        assert_eq!(members.iter().map(|m| m.name().as_str()).collect::<Vec<_>>(), ["c", "d"]);
    }

    #[test]
    fn what_is_no_type_is_refused_with_its_column() {
        for bad in
            ["", "text", "array<int", "struct<>", "struct<a>", "map<int,int>", "binary", "int int", "decimal(39,1)"]
        {
            assert_eq!(Schema::parse([("c", bad)]).unwrap_err().column, "c", "{bad}");
        }
        let deep = format!("{}int{}", "array<".repeat(40), ">".repeat(40));
        assert_eq!(Schema::parse([("c", deep.as_str())]).unwrap_err().why, "is too deep");
    }
}
