//! The functions that Step Functions adds to JSONata, and those that it does not have: "JSONata functions provided by Step
//! Functions" in the developer guide.

use std::cell::RefCell;
use std::rc::Rc;

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;

use super::guard;
use super::moments;
use super::values::Exact;
use crate::chance::{self, Stream};
use crate::scope::Outside;

type Answer = Result<JValue, EvaluatorError>;

/// The most items that `$range` and `$partition` make.
const MOST_ITEMS: usize = 360_145;

/// What the functions of one evaluation have in common.
pub(super) struct Shared {
    /// The moment, in milliseconds.
    now: i64,
    stream: RefCell<Stream>,
}

impl Shared {
    /// Chance is drawn only for an expression that could use it.
    pub(super) fn new(text: &str, outside: &dyn Outside) -> Self {
        let mut seed = [0; 32];
        if ["$random", "$uuid", "$shuffle"].iter().any(|name| text.contains(name)) {
            outside.fill(&mut seed);
        }
        Self { now: outside.now().as_millisecond(), stream: RefCell::new(Stream::new(seed)) }
    }
}

pub(super) fn add(evaluator: &mut Evaluator, shared: &Rc<Shared>, replace: bool) -> Result<(), EvaluatorError> {
    evaluator.register_fn("partition", partition)?;
    evaluator.register_fn("range", range)?;
    evaluator.register_fn("hash", hash)?;
    evaluator.register_fn("parse", parse)?;
    evaluator.register_fn_override("eval", |_: &[JValue]| Err(error("T1006: Attempted to invoke a non-function")))?;
    guard::add(evaluator, shared, replace)?;
    moments::add(evaluator, shared.now)?;
    let drawn = Rc::clone(shared);
    evaluator.register_fn_override("random", move |arguments: &[JValue]| match arguments.first() {
        None | Some(JValue::Undefined) => Ok(JValue::Number(drawn.stream.borrow_mut().fraction())),
        Some(JValue::Number(seed)) => Ok(JValue::Number(Stream::seeded(*seed).fraction())),
        Some(_) => Err(argument("random", 1)),
    })?;
    let drawn = Rc::clone(shared);
    evaluator.register_fn("uuid", move |_: &[JValue]| Ok(JValue::string(drawn.stream.borrow_mut().uuid())))?;
    let drawn = Rc::clone(shared);
    evaluator.register_fn_override("shuffle", move |arguments: &[JValue]| {
        let Some(mut items) = arguments.first().and_then(array) else { return Ok(JValue::Undefined) };
        for last in (1..items.len()).rev() {
            let other = drawn.stream.borrow_mut().below(last as u64 + 1);
            items.swap(last, usize::try_from(other).unwrap_or(last));
        }
        Ok(JValue::array(items))
    })
}

/// The functions of JSONata and of Step Functions, which may be passed on as values.
const FUNCTIONS: &[&str] = &[
    "abs",
    "append",
    "assert",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "distinct",
    "each",
    "encodeUrl",
    "encodeUrlComponent",
    "error",
    "exists",
    "filter",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "fromMillis",
    "hash",
    "join",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "map",
    "match",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "pad",
    "parse",
    "parseInteger",
    "parseNumber",
    "partition",
    "power",
    "random",
    "range",
    "reduce",
    "replace",
    "reverse",
    "round",
    "shuffle",
    "sift",
    "single",
    "sort",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "toMillis",
    "trim",
    "type",
    "uppercase",
    "uuid",
    "zip",
];

/// Whether there is a function with this name.
pub(super) fn is_known(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}

fn error(message: &str) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.to_owned())
}

fn argument(function: &str, at: usize) -> EvaluatorError {
    error(&format!("T0410: Argument {at} of function \"{function}\" does not match function signature"))
}

/// The items of an array; one value is an array of it.
fn array(value: &JValue) -> Option<Vec<JValue>> {
    match value {
        JValue::Undefined => None,
        JValue::Array(items) => Some(items.to_vec()),
        other => Some(vec![other.clone()]),
    }
}

/// A number, of which the whole part counts.
fn whole(value: &JValue) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite()).map(f64::trunc)
}

fn partition(arguments: &[JValue]) -> Answer {
    let Some(items) = arguments.first().and_then(array) else { return Ok(JValue::Undefined) };
    let size = match arguments.get(1) {
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(value) => whole(value).ok_or_else(|| argument("partition", 2))?,
    };
    if size < 1.0 || items.is_empty() {
        return Ok(JValue::Undefined);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and positive; a cast stops at the end"
    )]
    let size = size as usize;
    Ok(JValue::array(items.chunks(size).map(|chunk| JValue::array(chunk.to_vec())).collect()))
}

fn range(arguments: &[JValue]) -> Answer {
    let mut numbers = [0.0; 3];
    for (at, number) in numbers.iter_mut().enumerate() {
        *number = match arguments.get(at) {
            None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
            Some(value) => whole(value).ok_or_else(|| argument("range", at + 1))?,
        };
    }
    let [start, end, step] = numbers;
    if step == 0.0 || (end - start) * step < 0.0 {
        return Ok(JValue::Undefined);
    }
    let count = ((end - start) / step).trunc() + 1.0;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    if count > MOST_ITEMS as f64 {
        return Err(guard::exceeded());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and limited above")]
    let count = count as u32;
    let mut items: Vec<JValue> = (0..count).map(|i| JValue::Number(start + f64::from(i) * step)).collect();
    // One item is itself, as with JSONata's own sequences.
    Ok(if items.len() == 1 { items.swap_remove(0) } else { JValue::array(items) })
}

fn hash(arguments: &[JValue]) -> Answer {
    let text = |at: usize| match arguments.get(at) {
        None | Some(JValue::Undefined) => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| argument("hash", at + 1)),
    };
    let (Some(value), Some(algorithm)) = (text(0)?, text(1)?) else { return Ok(JValue::Undefined) };
    match chance::digest(value, algorithm) {
        Some(digest) => Ok(JValue::string(digest)),
        None => Err(error(&format!("Unsupported hash algorithm: {algorithm}"))),
    }
}

fn parse(arguments: &[JValue]) -> Answer {
    match arguments.first() {
        None | Some(JValue::Undefined) => Ok(JValue::Undefined),
        Some(value) => {
            let text = value.as_str().ok_or_else(|| argument("parse", 1))?;
            let json = serde_json::from_str(text).map_err(|e| error(&format!("$parse: invalid JSON: {e}")))?;
            Ok(Exact::default().take(&json))
        }
    }
}
