//! Bounds on what an expression builds. The evaluator bounds its time, its depth and the length of its sequences, and not the size
//! of its values: forty doublings of a text are a short expression, and more memory than there is.
//!
//! So a tree is rewritten before it is evaluated: what builds a value stands in a call that measures it, and what makes one text of
//! many values measures them before. The bound is the one that the service is seen to have.

use std::rc::Rc;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::{JValue, with_stack};

use super::functions::Shared;
use super::within;

type Answer = Result<JValue, EvaluatorError>;

/// The most bytes of one value: eight a number, one a character.
pub(super) const MOST_BYTES: usize = 6_990_256;

/// Functions of the evaluator that build lists of what they are given.
const BUILDERS: &[&str] = &["append", "each", "map", "merge", "sift", "split", "spread", "zip"];

/// No expression can say these names.
const MEASURED: &str = "measured value";
const CONCATENATE: &str = "measured concatenation";
const JOIN: &str = "measured join";
const STRING: &str = "measured string";

pub(super) fn exceeded() -> EvaluatorError {
    EvaluatorError::EvaluationError("Expression evaluation memory limit exceeded".to_owned())
}

/// Whether values are, together, as small as one may be.
fn small(values: &[JValue]) -> Result<(), EvaluatorError> {
    let mut left: Vec<&JValue> = values.iter().collect();
    // What a value itself costs beside what is in it does not count.
    let most = MOST_BYTES + 8 * values.len();
    let mut bytes = 0_usize;
    while let Some(value) = left.pop() {
        bytes += match value {
            JValue::String(text) => text.len(),
            JValue::Array(items) => {
                left.extend(items);
                8
            }
            JValue::Object(fields) => {
                left.extend(fields.values());
                8 + fields.keys().map(String::len).sum::<usize>()
            }
            _ => 8,
        };
        // Each value that is still to be seen has a byte at least.
        if bytes + left.len() > most {
            return Err(exceeded());
        }
    }
    Ok(())
}

/// Adds what measures. `replace` is left alone in the evaluator that does what the measured one asks for.
pub(super) fn add(evaluator: &mut Evaluator, shared: &Rc<Shared>, replace: bool) -> Result<(), EvaluatorError> {
    evaluator.register_fn(MEASURED, |values: &[JValue]| {
        small(values)?;
        Ok(values.first().cloned().unwrap_or(JValue::Undefined))
    })?;
    evaluator.register_fn(CONCATENATE, concatenate)?;
    evaluator.register_fn(JOIN, |values: &[JValue]| {
        let items = values.first().and_then(JValue::as_array).map_or(0, Vec::len);
        let separator = values.get(1).and_then(JValue::as_str).map_or(0, str::len);
        if items.saturating_mul(separator) > MOST_BYTES {
            return Err(exceeded());
        }
        measured_call("$join", values, None)
    })?;
    evaluator.register_fn(STRING, |values: &[JValue]| measured_call("$string", values, None))?;
    evaluator.register_fn_override("pad", |values: &[JValue]| {
        let width = values.get(1).and_then(JValue::as_f64).map_or(0.0, f64::abs);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        if width > MOST_BYTES as f64 {
            return Err(exceeded());
        }
        measured_call("$pad", values, None)
    })?;
    if !replace {
        return Ok(());
    }
    // A replacement may be a function, which calls others.
    let shared = Rc::clone(shared);
    evaluator.register_fn_override("replace", move |values: &[JValue]| {
        let text = values.first().and_then(JValue::as_str).map_or(0, str::len);
        let replacement = values.get(2).and_then(JValue::as_str).map_or(0, str::len);
        if (text + 1).saturating_mul(replacement) > 16 * MOST_BYTES {
            return Err(exceeded());
        }
        measured_call("$replace", values, Some(&shared))
    })
}

/// A call of the evaluator's own function with values that are small, whose result must be, too.
fn measured_call(name: &str, values: &[JValue], shared: Option<&Rc<Shared>>) -> Answer {
    small(values)?;
    let names = ["$a", "$b", "$c", "$d", "$e"];
    let call = format!("{name}({})", names[..values.len().min(names.len())].join(", "));
    let named: Vec<(&str, Option<&JValue>)> =
        names.iter().map(|name| &name[1..]).zip(values.iter().map(Some)).collect();
    let result = within(&call, &named, shared)?;
    small(std::slice::from_ref(&result))?;
    Ok(result)
}

fn concatenate(values: &[JValue]) -> Answer {
    small(values)?;
    match values {
        [JValue::String(a), JValue::String(b)] => Ok(JValue::string(format!("{a}{b}"))),
        [a, b] => within("$a & $b", &[("a", Some(a)), ("b", Some(b))], None),
        _ => Ok(JValue::Undefined),
    }
}

fn call(name: &str, args: Vec<AstNode>) -> AstNode {
    AstNode::Function { name: name.to_owned(), args, is_builtin: true }
}

/// The tree with measures.
pub(super) fn rewrite(node: AstNode) -> AstNode {
    with_stack(|| {
        let builds = builds(&node);
        let node = inside(node);
        match node {
            AstNode::Binary { op: BinaryOp::Concatenate, lhs, rhs } => call(CONCATENATE, vec![*lhs, *rhs]),
            AstNode::Function { name, args, is_builtin: true } if name == "join" && !args.is_empty() => {
                call(JOIN, args)
            }
            AstNode::Function { name, args, is_builtin: true } if name == "string" && !args.is_empty() => {
                call(STRING, args)
            }
            node if builds => call(MEASURED, vec![node]),
            node => node,
        }
    })
}

/// Whether a node builds a value of others.
fn builds(node: &AstNode) -> bool {
    match node {
        AstNode::Array(items) => items.iter().any(|item| !is_constant(item)),
        AstNode::Object(fields) => fields.iter().any(|(_, value)| !is_constant(value)),
        AstNode::ObjectTransform { .. } | AstNode::Binary { op: BinaryOp::ChainPipe, .. } => true,
        AstNode::Function { name, is_builtin, .. } => *is_builtin && BUILDERS.contains(&name.as_str()),
        AstNode::Path { steps } => {
            // A step that computes may give the same for each of many items.
            let computed =
                |step: &PathStep| !matches!(step.node, AstNode::Name(_) | AstNode::Wildcard | AstNode::Variable(_));
            let variable = |step: &PathStep| matches!(step.node, AstNode::Variable(_));
            let plain = !steps.iter().any(|step| step.is_tuple || step.focus.is_some() || step.index_var.is_some());
            plain && (steps.iter().any(computed) || steps.iter().skip(1).any(variable))
        }
        _ => false,
    }
}

fn is_constant(node: &AstNode) -> bool {
    matches!(node, AstNode::String(_) | AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null)
}

fn boxed(node: AstNode) -> Box<AstNode> {
    Box::new(rewrite(node))
}

fn all(nodes: Vec<AstNode>) -> Vec<AstNode> {
    nodes.into_iter().map(rewrite).collect()
}

/// The members of an array: one that is an array as it stands stays one.
fn members(nodes: Vec<AstNode>) -> Vec<AstNode> {
    let member = |node| if matches!(node, AstNode::Array(_)) { inside(node) } else { rewrite(node) };
    nodes.into_iter().map(member).collect()
}

fn pairs(fields: Vec<(AstNode, AstNode)>) -> Vec<(AstNode, AstNode)> {
    fields.into_iter().map(|(name, value)| (rewrite(name), rewrite(value))).collect()
}

/// A node with what is in it rewritten.
fn inside(node: AstNode) -> AstNode {
    match node {
        AstNode::Path { steps } => AstNode::Path { steps: steps.into_iter().map(step).collect() },
        AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } => {
            AstNode::Binary { op: BinaryOp::ChainPipe, lhs: boxed(*lhs), rhs: Box::new(piped(*rhs)) }
        }
        AstNode::Binary { op, lhs, rhs } => AstNode::Binary { op, lhs: boxed(*lhs), rhs: boxed(*rhs) },
        AstNode::Unary { op, operand } => AstNode::Unary { op, operand: boxed(*operand) },
        AstNode::Function { name, args, is_builtin } => AstNode::Function { name, args: all(args), is_builtin },
        AstNode::Call { procedure, args } => AstNode::Call { procedure: boxed(*procedure), args: all(args) },
        AstNode::Lambda { params, body, signature, thunk } => {
            // A call in the place of the last one must stay there, or recursion that needs no depth would need it.
            let body = if thunk { Box::new(inside(*body)) } else { boxed(*body) };
            AstNode::Lambda { params, body, signature, thunk }
        }
        AstNode::Array(items) => AstNode::Array(members(items)),
        AstNode::ArrayGroup(items) => AstNode::ArrayGroup(members(items)),
        AstNode::Block(items) => AstNode::Block(all(items)),
        AstNode::Object(fields) => AstNode::Object(pairs(fields)),
        AstNode::ObjectTransform { input, pattern } => {
            AstNode::ObjectTransform { input: boxed(*input), pattern: pairs(pattern) }
        }
        AstNode::Conditional { condition, then_branch, else_branch } => AstNode::Conditional {
            condition: boxed(*condition),
            then_branch: boxed(*then_branch),
            else_branch: else_branch.map(|branch| boxed(*branch)),
        },
        AstNode::FunctionApplication(inner) => AstNode::FunctionApplication(boxed(*inner)),
        AstNode::Sort { input, terms } => AstNode::Sort {
            input: boxed(*input),
            terms: terms.into_iter().map(|(term, ascending)| (rewrite(term), ascending)).collect(),
        },
        // The update of a transform must be an object as it stands.
        AstNode::Transform { location, update, delete } => AstNode::Transform {
            location: boxed(*location),
            update: Box::new(inside(*update)),
            delete: delete.map(|delete| boxed(*delete)),
        },
        node => node,
    }
}

/// What a value is piped into, which must stay a call: the value becomes its first argument.
fn piped(node: AstNode) -> AstNode {
    match inside(node) {
        AstNode::Function { name, args, is_builtin: true } if name == "join" => call(JOIN, args),
        AstNode::Function { name, args, is_builtin: true } if name == "string" => call(STRING, args),
        node => node,
    }
}

/// A step stays what it is, and what is in it is rewritten: what a path makes of steps is measured as a whole.
fn step(step: PathStep) -> PathStep {
    let stages = step.stages.into_iter().map(|stage| match stage {
        Stage::Filter(filter) => Stage::Filter(boxed(*filter)),
        stage => stage,
    });
    PathStep { node: inside(step.node), stages: stages.collect(), ..step }
}
