//! From Trino's words to DataFusion's.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result as Done;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr,
    Statement, TimezoneInfo, TypedString, UnaryOperator, Value, VisitMut as _, VisitorMut,
};
use serde_json::Value as Json;

use crate::BadQuery;
use crate::rows::{Column, Kind};

/// Letters of a UUID.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

/// How long the UUID is with which a text begins; 0: it begins with none.
fn uuid_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    for (part, length) in UUID.into_iter().enumerate() {
        if part > 0 {
            if bytes.get(at) != Some(&b'-') {
                return 0;
            }
            at += 1;
        }
        if !bytes.get(at..at + length).is_some_and(|letters| letters.iter().all(u8::is_ascii_hexdigit)) {
            return 0;
        }
        at += length;
    }
    let goes_on = bytes.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_');
    if goes_on { 0 } else { at }
}

/// Quotes UUIDs that stand as names: SQL has no such names.
pub(crate) fn quote_ids(text: &str) -> String {
    let (mut out, mut rest, mut quote, mut word) = (String::with_capacity(text.len() + 2), text, None, false);
    while let Some(first) = rest.chars().next() {
        let length = if quote.is_none() && !word { uuid_length(rest) } else { 0 };
        if length > 0 {
            out.extend(["\"", &rest[..length], "\""]);
            rest = &rest[length..];
            word = true;
            continue;
        }
        match (quote, first) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => quote = Some(first),
            _ => {}
        }
        word = first.is_alphanumeric() || first == '_';
        out.push(first);
        rest = &rest[first.len_utf8()..];
    }
    out
}

/// What a statement names.
pub(crate) struct Found {
    pub(crate) tables: BTreeSet<String>,
    pub(crate) named: BTreeSet<String>,
    pub(crate) all: bool,
}

struct Translator<'a> {
    names: Vec<&'a str>,
    now: &'a str,
    found: Found,
}

/// All names of columns and of their parts.
fn names<'a>(columns: &'a [Column], all: &mut Vec<&'a str>) {
    for column in columns {
        all.push(&column.name);
        let mut kind = &column.kind;
        while let Kind::List(of) = kind {
            kind = of;
        }
        if let Kind::Structure(parts) = kind {
            names(parts, all);
        }
    }
}

/// Translates a statement in its place.
pub(crate) fn translate(statement: &mut Statement, columns: &[Column], now: &str) -> Result<Found, BadQuery> {
    let mut all = Vec::new();
    names(columns, &mut all);
    let found = Found { tables: BTreeSet::new(), named: BTreeSet::new(), all: false };
    let mut translator = Translator { names: all, now, found };
    match statement.visit(&mut translator) {
        ControlFlow::Continue(()) => Ok(translator.found),
        ControlFlow::Break(what) => Err(BadQuery::Statement(what)),
    }
}

impl VisitorMut for Translator<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<String> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            for item in &mut select.projection {
                match item {
                    SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => self.found.all = true,
                    // Trino calls a part of a column by its own name.
                    SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                        if let Some(mut last) = parts.last().cloned() {
                            self.name(&mut last);
                            let expr = Expr::CompoundIdentifier(parts.clone());
                            *item = SelectItem::ExprWithAlias { expr, alias: last };
                        }
                    }
                    _ => {}
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<String> {
        match relation.0.as_mut_slice() {
            [ObjectNamePart::Identifier(name)] => {
                name.quote_style = Some('"');
                self.found.tables.insert(name.value.clone());
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(format!("{relation} is not the ID of a table.")),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        match expr {
            Expr::Identifier(ident) => self.name(ident),
            Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(|ident| self.name(ident)),
            Expr::CompoundFieldAccess { root, access_chain } => {
                let mut whole = (**root).clone();
                for access in std::mem::take(access_chain) {
                    whole = self.part(whole, access);
                }
                *expr = whole;
                // What it is now is looked at once more: a function's name may be another one.
                if let Expr::Function(function) = expr
                    && let Some(other) = self.function(function)
                {
                    *expr = other;
                }
            }
            Expr::Function(function) => {
                if let Some(other) = self.function(function) {
                    *expr = other;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Translator<'_> {
    /// A name as the columns have it.
    fn name(&mut self, ident: &mut Ident) {
        if ident.quote_style.is_none()
            && !self.names.contains(&ident.value.as_str())
            && let Some(name) = self.names.iter().find(|name| name.eq_ignore_ascii_case(&ident.value))
        {
            (*name).clone_into(&mut ident.value);
        }
        self.found.named.insert(ident.value.clone());
    }

    /// A part of something that is no column: `element_at(resources, 1).arn`.
    fn part(&mut self, of: Expr, access: AccessExpr) -> Expr {
        match access {
            AccessExpr::Dot(Expr::Identifier(mut ident)) => {
                self.name(&mut ident);
                call("get_field", vec![of, text(&ident.value)])
            }
            other => Expr::CompoundFieldAccess { root: Box::new(of), access_chain: vec![other] },
        }
    }

    /// What stands for a function of Trino's that DataFusion has not, or has otherwise.
    fn function(&self, function: &mut Function) -> Option<Expr> {
        let name = function.name.to_string().to_ascii_lowercase();
        let renamed = match (name.as_str(), arguments(function).as_slice()) {
            ("element_at", [_, Expr::Value(key)]) if matches!(key.value, Value::Number(..)) => "array_element",
            ("element_at", _) => "get_field",
            ("from_iso8601_timestamp", _) => "to_timestamp",
            ("from_iso8601_date", _) => "to_date",
            ("contains", [_, _]) => "array_has",
            ("date_add", [unit, count, moment]) => return later(unit, count, moment),
            ("now" | "current_timestamp" | "localtimestamp", _) => return Some(self.moment()),
            ("current_date", _) => return Some(typed(SqlType::Date, self.now.get(..10).unwrap_or(self.now))),
            _ => return None,
        };
        function.name = ObjectName::from(vec![Ident::new(renamed)]);
        None
    }

    fn moment(&self) -> Expr {
        typed(SqlType::Timestamp(None, TimezoneInfo::None), self.now.trim_end_matches('Z'))
    }
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).into())
}

/// A call of a function.
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|one| FunctionArg::Unnamed(FunctionArgExpr::Expr(one))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn typed(data_type: SqlType, text: &str) -> Expr {
    let value = Value::SingleQuotedString(text.to_owned()).into();
    Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: false })
}

fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let plain = list.args.iter().filter_map(|one| match one {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    plain.collect()
}

/// `date_add('day', -7, now())`, where the count is written out.
fn later(unit: &Expr, count: &Expr, moment: &Expr) -> Option<Expr> {
    let number = |expr: &Expr| match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Some(number.clone()),
            _ => None,
        },
        _ => None,
    };
    let count = match count {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => format!("-{}", number(expr)?),
        other => number(other)?,
    };
    let Expr::Value(unit) = unit else { return None };
    let Value::SingleQuotedString(unit) = &unit.value else { return None };
    let interval = Interval {
        value: Box::new(text(&format!("{count} {unit}"))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    };
    Some(Expr::BinaryOp {
        left: Box::new(moment.clone()),
        op: BinaryOperator::Plus,
        right: Box::new(Expr::Interval(interval)),
    })
}

/// Functions of Trino's that DataFusion has not at all.
pub(crate) fn register(context: &SessionContext) {
    for (name, scalar) in [("json_extract_scalar", true), ("json_extract", false)] {
        let work = move |given: &[ColumnarValue]| extract(given, scalar);
        let text = DataType::Utf8;
        let of = vec![text.clone(), text.clone()];
        context.register_udf(create_udf(name, of, text, Volatility::Immutable, Arc::new(work)));
    }
}

fn extract(given: &[ColumnarValue], scalar: bool) -> Done<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(given)?;
    let texts = |at: usize| cast(&arrays[at], &DataType::Utf8);
    let (documents, paths) = (texts(0)?, texts(1)?);
    let text = |array: &ArrayRef, row: usize| {
        let strings = array.as_any().downcast_ref::<StringArray>()?;
        (!strings.is_null(row)).then(|| strings.value(row).to_owned())
    };
    let found = (0..documents.len()).map(|row| {
        let document: Json = serde_json::from_str(&text(&documents, row)?).ok()?;
        at_path(&document, &text(&paths, row)?, scalar)
    });
    Ok(ColumnarValue::Array(Arc::new(found.collect::<StringArray>())))
}

/// What stands at `$.a.b[0]`.
fn at_path(document: &Json, path: &str, scalar: bool) -> Option<String> {
    let mut at = document;
    for part in path.strip_prefix('$')?.split(['.', '[']).filter(|part| !part.is_empty()) {
        let name = part.trim_end_matches(']').trim_matches(['"', '\'']);
        at = match at {
            Json::Array(items) => items.get(name.parse::<usize>().ok()?)?,
            other => other.get(name)?,
        };
    }
    match at {
        Json::Null => None,
        Json::Object(_) | Json::Array(_) if scalar => None,
        Json::String(text) if scalar => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
