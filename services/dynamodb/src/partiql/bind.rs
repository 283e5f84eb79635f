//! Conditions, changes and columns of statements into the typed trees of expressions.
//!
//! What is written becomes the tree that an expression's text becomes, so that binding it checks what it checks there. Every
//! name goes into it as a placeholder: no name is reserved in PartiQL beyond the words of its grammar.

use super::problem::StatementProblem;
use super::tree::{At, Change, Expression, Is};
use super::value::Values;
use crate::expression::condition::{self, Condition};
use crate::expression::projection::Projection;
use crate::expression::syntax::{self, Clause, Comparator};
use crate::expression::update::{self, Update};
use crate::expression::{Element, Path, Placeholders, Problem};
use crate::value::{AttributeValue, Type};
use std::collections::HashSet;

type Bound<T> = Result<T, StatementProblem>;

/// A condition, with the parameters put in.
///
/// # Errors
/// What AWS says of it.
pub(super) fn condition(written: &Expression, values: Values<'_>) -> Bound<Condition> {
    let mut binder = Binder { values, placeholders: Placeholders::default() };
    let tree = binder.condition(written)?;
    Ok(condition::bind(&tree, &binder.placeholders)?)
}

/// The changes of an UPDATE, with the parameters put in.
///
/// # Errors
/// What AWS says of them.
pub(super) fn update(changes: &[Change], values: Values<'_>) -> Bound<Update> {
    let mut binder = Binder { values, placeholders: Placeholders::default() };
    let tree = binder.update(changes)?;
    Ok(update::bind(&tree, &binder.placeholders)?)
}

/// The columns of a SELECT: each path under its last name and the indices behind it.
///
/// # Errors
/// When one is no path, or two have one name.
pub(super) fn columns(written: &[Expression]) -> Bound<Projection> {
    let column = |expression: &Expression| match expression {
        Expression::Path(path, _) => Ok((column_name(path), path.clone())),
        Expression::Call { at, .. } | Expression::Parameter(_, at) => Err(StatementProblem::PathComponent(*at)),
        _ => Err(StatementProblem::PathComponent(At { line: 1, column: 1, length: 0 })),
    };
    let columns = written.iter().map(column).collect::<Bound<Vec<_>>>()?;
    let mut names = HashSet::new();
    match columns.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) => Err(StatementProblem::ColumnTwice(name.as_str().into())),
        None => Ok(Projection::columns(columns)),
    }
}

fn column_name(path: &Path) -> String {
    let last = path.rest.iter().rposition(|step| matches!(step, Element::Attribute(_)));
    let (name, behind) = match last.and_then(|last| Some((path.rest.get(last)?, path.rest.get(last + 1..)?))) {
        Some((Element::Attribute(name), behind)) => (name, behind),
        _ => (&path.root, path.rest.as_slice()),
    };
    let index = |step: &Element| match step {
        Element::Index(index) => format!("[{index}]"),
        Element::Attribute(_) => String::new(),
    };
    behind.iter().map(index).fold(name.clone(), |name, index| name + &index)
}

struct Binder<'a> {
    values: Values<'a>,
    placeholders: Placeholders,
}

/// Functions that are true or false.
const TESTS: [&str; 5] = ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"];

/// Whether it is true or false of an item, rather than a value.
fn is_test(written: &Expression) -> bool {
    match written {
        Expression::Or(_)
        | Expression::And(_)
        | Expression::Not(_)
        | Expression::Compare { .. }
        | Expression::Between { .. }
        | Expression::In { .. }
        | Expression::Is { .. } => true,
        Expression::Call { function, .. } => TESTS.contains(&function.as_str()),
        _ => false,
    }
}

/// A condition that always holds, or never does.
fn always(holds: bool) -> syntax::Condition {
    if holds { syntax::Condition::And(Vec::new()) } else { syntax::Condition::Or(Vec::new()) }
}

impl Binder<'_> {
    fn condition(&mut self, written: &Expression) -> Bound<syntax::Condition> {
        Ok(match written {
            Expression::Or(parts) => syntax::Condition::Or(self.conditions(parts)?),
            Expression::And(parts) => syntax::Condition::And(self.conditions(parts)?),
            Expression::Not(part) => syntax::Condition::Not(Box::new(self.condition(part)?)),
            Expression::Compare { comparator, left, right } => self.comparison(*comparator, left, right)?,
            Expression::Between { value, low, high } => syntax::Condition::Between {
                value: self.operand(value)?,
                low: self.operand(low)?,
                high: self.operand(high)?,
            },
            Expression::In { value, candidates } if is_test(value) => {
                let mut equal = Vec::with_capacity(candidates.len());
                for candidate in candidates {
                    equal.push(self.comparison(Comparator::Equal, value, candidate)?);
                }
                syntax::Condition::Or(equal)
            }
            Expression::In { value, candidates } => {
                let value = self.operand(value)?;
                let candidates = candidates.iter().map(|candidate| self.operand(candidate)).collect::<Bound<_>>()?;
                syntax::Condition::In { value, candidates }
            }
            Expression::Is { value, what } => self.is(value, *what)?,
            Expression::Call { function, arguments, .. } if TESTS.contains(&function.as_str()) => {
                syntax::Condition::Call(self.call(function, arguments)?)
            }
            Expression::Call { function, .. } if function == "size" => {
                return Err(Problem::MisusedFunction(function.as_str().into()).into());
            }
            Expression::Call { function, at, .. } => return Err(unknown(function, *at)),
            // A value alone is a condition if it is true.
            other => {
                let comparator = Comparator::Equal;
                let right = self.value(AttributeValue::Bool(true));
                syntax::Condition::Compare { comparator, left: self.operand(other)?, right }
            }
        })
    }

    fn conditions(&mut self, parts: &[Expression]) -> Bound<Vec<syntax::Condition>> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    fn comparison(
        &mut self,
        comparator: Comparator,
        left: &Expression,
        right: &Expression,
    ) -> Bound<syntax::Condition> {
        let (test, other) = match (is_test(left), is_test(right)) {
            (false, false) => {
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                return Ok(syntax::Condition::Compare { comparator, left, right });
            }
            (true, _) => (left, right),
            (false, true) => (right, left),
        };
        let equal = match comparator {
            Comparator::Equal => true,
            Comparator::NotEqual => false,
            other => {
                return Err(Problem::OperandType { operator: other.symbol(), found: Type::Bool.code() }.into());
            }
        };
        let test = self.condition(test)?;
        Ok(match self.values.constant(other)? {
            Some(AttributeValue::Bool(truth)) if truth == equal => test,
            Some(AttributeValue::Bool(_)) => syntax::Condition::Not(Box::new(test)),
            // A condition is equal to nothing that is neither true nor false.
            Some(_) => always(!equal),
            None => return Err(StatementProblem::Operation("Eq")),
        })
    }

    fn is(&mut self, value: &Expression, what: Is) -> Bound<syntax::Condition> {
        let value = self.operand(value)?;
        let (function, arguments) = match what {
            Is::Missing => ("attribute_not_exists", vec![value]),
            Is::Type(code) => ("attribute_type", vec![value, self.value(AttributeValue::S(code.to_owned()))]),
        };
        Ok(syntax::Condition::Call(syntax::Call { function: function.to_owned(), arguments }))
    }

    fn call(&mut self, function: &str, arguments: &[Expression]) -> Bound<syntax::Call> {
        let arguments = arguments.iter().map(|argument| self.operand(argument)).collect::<Bound<_>>()?;
        Ok(syntax::Call { function: function.to_owned(), arguments })
    }

    fn operand(&mut self, written: &Expression) -> Bound<syntax::Operand> {
        if let Some(value) = self.values.constant(written)? {
            return Ok(self.value(value));
        }
        match written {
            Expression::Path(path, _) => Ok(syntax::Operand::Path(self.path(path))),
            Expression::Call { function, arguments, .. }
                if function == "size" || TESTS.contains(&function.as_str()) =>
            {
                self.call(function, arguments).map(syntax::Operand::Call)
            }
            Expression::Call { function, at, .. } => Err(unknown(function, *at)),
            Expression::Arithmetic { plus: true, .. } => Err(StatementProblem::Operation("Plus")),
            Expression::Arithmetic { plus: false, .. } => Err(StatementProblem::Operation("Minus")),
            _ => Err(StatementProblem::Operation("Condition")),
        }
    }

    fn value(&mut self, value: AttributeValue) -> syntax::Operand {
        syntax::Operand::Value(self.placeholders.give_value(value))
    }

    fn path(&mut self, path: &Path) -> syntax::Path {
        let mut parts = vec![syntax::Part::Placeholder(self.placeholders.give_name(&path.root))];
        for step in &path.rest {
            parts.push(match step {
                Element::Attribute(name) => syntax::Part::Placeholder(self.placeholders.give_name(name)),
                Element::Index(index) => syntax::Part::Index(index.to_string()),
            });
        }
        syntax::Path { parts }
    }

    /// An update has each clause once; a statement may have it often.
    fn update(&mut self, changes: &[Change]) -> Bound<syntax::Update> {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        let (mut add, mut delete) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Remove(path) => remove.push(self.path(path)),
                Change::Set(path, Expression::Call { function, arguments, at }) if function == "set_add" => {
                    add.push((self.path(path), self.members("SET_ADD", path, arguments, *at)?));
                }
                Change::Set(path, Expression::Call { function, arguments, at }) if function == "set_delete" => {
                    delete.push((self.path(path), self.members("SET_DELETE", path, arguments, *at)?));
                }
                Change::Set(path, value) => set.push((self.path(path), self.set_value(value)?)),
            }
        }
        let clauses = [
            (!set.is_empty()).then_some(Clause::Set(set)),
            (!remove.is_empty()).then_some(Clause::Remove(remove)),
            (!add.is_empty()).then_some(Clause::Add(add)),
            (!delete.is_empty()).then_some(Clause::Delete(delete)),
        ];
        Ok(syntax::Update { clauses: clauses.into_iter().flatten().collect() })
    }

    /// The set that is added to, or taken from, the set at `place`.
    fn members(&mut self, function: &'static str, place: &Path, arguments: &[Expression], at: At) -> Bound<String> {
        let [first, second] = arguments else { return Err(StatementProblem::SetArguments { function, at }) };
        let Expression::Path(path, first_at) = first else { return Err(StatementProblem::SetPlace { function, at }) };
        if path != place {
            return Err(StatementProblem::SetPlace { function, at });
        }
        match self.values.constant(second)? {
            Some(set @ (AttributeValue::SS(_) | AttributeValue::NS(_) | AttributeValue::BS(_))) => {
                Ok(self.placeholders.give_value(set))
            }
            _ => Err(StatementProblem::SetOperand { function, at: *first_at }),
        }
    }

    fn set_value(&mut self, written: &Expression) -> Bound<syntax::SetValue> {
        Ok(match written {
            Expression::Arithmetic { plus, left, right } => {
                let whole = if *plus { syntax::SetValue::Sum } else { syntax::SetValue::Difference };
                whole(self.set_operand(left)?, self.set_operand(right)?)
            }
            other => syntax::SetValue::Operand(self.set_operand(other)?),
        })
    }

    fn set_operand(&mut self, written: &Expression) -> Bound<syntax::Operand> {
        match written {
            Expression::Call { function, arguments, .. } if function == "list_append" => {
                let arguments = arguments.iter().map(|argument| self.set_operand(argument)).collect::<Bound<_>>()?;
                Ok(syntax::Operand::Call(syntax::Call { function: function.clone(), arguments }))
            }
            Expression::Call { function, at, .. } => Err(unknown(function, *at)),
            other => self.operand(other),
        }
    }
}

fn unknown(function: &str, at: At) -> StatementProblem {
    StatementProblem::Function { function: function.into(), at }
}
