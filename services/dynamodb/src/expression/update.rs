//! Updates: the typed tree and how it is made. How it changes an item is in `apply`.

use super::bind::{self, Bound, Function};
use super::path::check_apart;
use super::syntax::{self, Clause};
use super::{ExpressionError, ExpressionKind, Path, Placeholders, Problem};
use crate::number::NumberError;
use crate::value::{AttributeValue, Type};

/// Changes to an item. All of them read the item as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// In the order in which they are written.
    pub actions: Vec<Action>,
}

/// One change, at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Where.
    pub path: Path,
    /// What.
    pub change: Change,
}

/// What happens at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The place gets this value.
    Set(SetValue),
    /// The place is taken away.
    Remove,
    /// A number grows by this one, or a set by these members; what is not there becomes it.
    Add(AttributeValue),
    /// A set loses these members.
    Delete(AttributeValue),
}

/// What a place is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    /// A value.
    Operand(Operand),
    /// `left + right`
    Sum(Operand, Operand),
    /// `left - right`
    Difference(Operand, Operand),
}

impl Change {
    /// The type of the value that it writes or takes away, as far as it can be known without the item.
    pub fn kind(&self) -> Option<Type> {
        match self {
            Self::Set(SetValue::Sum(..) | SetValue::Difference(..)) => Some(Type::N),
            Self::Set(SetValue::Operand(Operand::ListAppend(..))) => Some(Type::L),
            Self::Set(SetValue::Operand(Operand::Value(value))) | Self::Add(value) | Self::Delete(value) => {
                Some(value.kind())
            }
            Self::Set(SetValue::Operand(Operand::Path(_) | Operand::IfNotExists(..))) | Self::Remove => None,
        }
    }
}

/// Something that has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A place in the item as it was.
    Path(Path),
    /// A value of the request.
    Value(AttributeValue),
    /// `if_not_exists(path, otherwise)`
    IfNotExists(Path, Box<Operand>),
    /// `list_append(first, second)`
    ListAppend(Box<Operand>, Box<Operand>),
}

/// Why an update cannot be carried out on the item it met, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// A value was wanted from a place that the item does not have.
    #[error("The provided expression refers to an attribute that does not exist in the item")]
    NoSuchAttribute,
    /// A value of the item is of the wrong type for what is to be done with it.
    #[error("An operand in the update expression has an incorrect data type")]
    OperandType,
    /// The place to be changed is inside something that is not there or cannot contain it.
    #[error("The document path provided in the update expression is invalid for update")]
    Path,
    /// A sum is out of range.
    #[error(transparent)]
    Number(#[from] NumberError),
}

/// Parses and binds an update.
///
/// # Errors
/// What AWS says of it.
pub fn parse(text: &str, placeholders: &Placeholders) -> Result<Update, ExpressionError> {
    let written = super::parse::update(text)?;
    bind(&written, placeholders).map_err(|problem| problem.of(ExpressionKind::Update))
}

/// Checks what is written in AWS's order, and replaces the placeholders.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn bind(written: &syntax::Update, placeholders: &Placeholders) -> Result<Update, Problem> {
    each_path(written, &mut syntax::Path::check_words)?;
    each_operand(written, &mut |operand| bind::each_call(operand, &mut bind::check_known::<UpdateFunction>))?;
    check_sections(written)?;
    // AWS reports an undefined name anywhere before an undefined value.
    each_path(written, &mut |path| path.bind(placeholders).map(drop))?;
    let bound = bind_actions(written, placeholders)?;
    check_apart(bound.iter().map(|(path, _)| path))?;
    bound.iter().try_for_each(|(_, change)| change.check_clause())?;
    let actions = bound.into_iter().map(|(path, change)| Ok(Action { path, change: change.finish()? }));
    Ok(Update { actions: actions.collect::<Result<_, Problem>>()? })
}

/// Visits the operands of SET in the order in which they are written.
fn each_operand<'a>(
    written: &'a syntax::Update,
    visit: &mut impl FnMut(&'a syntax::Operand) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for clause in &written.clauses {
        let Clause::Set(actions) = clause else { continue };
        actions.iter().try_for_each(|(_, value)| each_operand_of(value, visit))?;
    }
    Ok(())
}

fn each_operand_of<'a>(
    value: &'a syntax::SetValue,
    visit: &mut impl FnMut(&'a syntax::Operand) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match value {
        syntax::SetValue::Operand(only) => visit(only),
        syntax::SetValue::Sum(left, right) | syntax::SetValue::Difference(left, right) => {
            visit(left)?;
            visit(right)
        }
    }
}

/// Visits every path, those that are changed and those that are read, in the order in which they are written.
fn each_path<'a>(
    written: &'a syntax::Update,
    visit: &mut impl FnMut(&'a syntax::Path) -> Result<(), Problem>,
) -> Result<(), Problem> {
    for clause in &written.clauses {
        match clause {
            Clause::Set(actions) => {
                for (path, value) in actions {
                    visit(path)?;
                    each_operand_of(value, &mut |operand| each_path_in(operand, visit))?;
                }
            }
            Clause::Remove(paths) => paths.iter().try_for_each(&mut *visit)?,
            Clause::Add(actions) | Clause::Delete(actions) => actions.iter().try_for_each(|(path, _)| visit(path))?,
        }
    }
    Ok(())
}

fn each_path_in<'a>(
    operand: &'a syntax::Operand,
    visit: &mut impl FnMut(&'a syntax::Path) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match operand {
        syntax::Operand::Path(path) => visit(path),
        syntax::Operand::Value(_) => Ok(()),
        syntax::Operand::Call(call) => call.arguments.iter().try_for_each(|argument| each_path_in(argument, visit)),
    }
}

fn check_sections(written: &syntax::Update) -> Result<(), Problem> {
    let mut seen = Vec::new();
    for clause in &written.clauses {
        let keyword = clause.keyword();
        if seen.contains(&keyword) {
            return Err(Problem::RepeatedSection(keyword));
        }
        seen.push(keyword);
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpdateFunction {
    IfNotExists,
    ListAppend,
}

impl Function for UpdateFunction {
    fn from_name(name: &str) -> Option<Self> {
        [Self::IfNotExists, Self::ListAppend].into_iter().find(|function| function.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::IfNotExists => "if_not_exists",
            Self::ListAppend => "list_append",
        }
    }

    fn operands(self) -> usize {
        2
    }
}

type BoundOperand = Bound<UpdateFunction>;

/// A change with its placeholders replaced but its operands not checked yet.
enum BoundChange {
    Set(BoundOperand),
    Arithmetic { operator: &'static str, left: BoundOperand, right: BoundOperand },
    Remove,
    Add(AttributeValue),
    Delete(AttributeValue),
}

fn bind_actions(written: &syntax::Update, placeholders: &Placeholders) -> Result<Vec<(Path, BoundChange)>, Problem> {
    let mut bound = Vec::new();
    for clause in &written.clauses {
        match clause {
            Clause::Set(actions) => {
                for (path, value) in actions {
                    bound.push((path.bind(placeholders)?, bind_set(value, placeholders)?));
                }
            }
            Clause::Remove(paths) => {
                for path in paths {
                    bound.push((path.bind(placeholders)?, BoundChange::Remove));
                }
            }
            Clause::Add(actions) => {
                for (path, value) in actions {
                    bound.push((path.bind(placeholders)?, BoundChange::Add(placeholders.value(value)?.clone())));
                }
            }
            Clause::Delete(actions) => {
                for (path, value) in actions {
                    bound.push((path.bind(placeholders)?, BoundChange::Delete(placeholders.value(value)?.clone())));
                }
            }
        }
    }
    Ok(bound)
}

fn bind_set(value: &syntax::SetValue, placeholders: &Placeholders) -> Result<BoundChange, Problem> {
    let bound = |operand| bind::bind(operand, placeholders);
    Ok(match value {
        syntax::SetValue::Operand(only) => BoundChange::Set(bound(only)?),
        syntax::SetValue::Sum(left, right) => {
            BoundChange::Arithmetic { operator: "+", left: bound(left)?, right: bound(right)? }
        }
        syntax::SetValue::Difference(left, right) => {
            BoundChange::Arithmetic { operator: "-", left: bound(left)?, right: bound(right)? }
        }
    })
}

impl BoundChange {
    /// What ADD and DELETE refuse to add and delete.
    fn check_clause(&self) -> Result<(), Problem> {
        let (operator, value) = match self {
            Self::Add(value) => ("ADD", value),
            Self::Delete(value) => ("DELETE", value),
            Self::Set(_) | Self::Arithmetic { .. } | Self::Remove => return Ok(()),
        };
        match value.kind() {
            Type::SS | Type::NS | Type::BS => Ok(()),
            Type::N if operator == "ADD" => Ok(()),
            kind => Err(Problem::ClauseOperandType { operator, found: kind.word() }),
        }
    }

    fn finish(self) -> Result<Change, Problem> {
        Ok(match self {
            Self::Set(only) => Change::Set(SetValue::Operand(operand(only)?)),
            Self::Arithmetic { operator, left, right } => {
                let (left_known, right_known) = (known(&left), known(&right));
                let (left, right) = (operand(left)?, operand(right)?);
                check_type(operator, left_known, Type::N)?;
                check_type(operator, right_known, Type::N)?;
                let whole = if operator == "+" { SetValue::Sum } else { SetValue::Difference };
                Change::Set(whole(left, right))
            }
            Self::Remove => Change::Remove,
            Self::Add(value) => Change::Add(value),
            Self::Delete(value) => Change::Delete(value),
        })
    }
}

/// The type of a value of the request. What functions make is checked only when it is made, as AWS does.
fn known(operand: &BoundOperand) -> Option<Type> {
    match operand {
        Bound::Value(value) => Some(value.kind()),
        Bound::Path(_) | Bound::Call(..) => None,
    }
}

fn check_type(operator: &'static str, found: Option<Type>, wanted: Type) -> Result<(), Problem> {
    match found {
        Some(kind) if kind != wanted => Err(Problem::OperandType { operator, found: kind.code() }),
        _ => Ok(()),
    }
}

fn operand(bound: BoundOperand) -> Result<Operand, Problem> {
    let (function, arguments) = match bound {
        Bound::Path(path) => return Ok(Operand::Path(path)),
        Bound::Value(value) => return Ok(Operand::Value(value)),
        Bound::Call(function, arguments) => (function, arguments),
    };
    let (name, count) = (function.name(), arguments.len());
    let known: Vec<_> = arguments.iter().map(known).collect();
    let operands = arguments.into_iter().map(operand).collect::<Result<Vec<_>, _>>()?;
    let [first, second]: [Operand; 2] =
        operands.try_into().map_err(|_| Problem::OperandCount { function: name, count })?;
    match function {
        UpdateFunction::IfNotExists => match first {
            Operand::Path(path) => Ok(Operand::IfNotExists(path, Box::new(second))),
            _ => Err(Problem::NotAPath(name)),
        },
        UpdateFunction::ListAppend => {
            known.into_iter().try_for_each(|kind| check_type(name, kind, Type::L))?;
            Ok(Operand::ListAppend(Box::new(first), Box::new(second)))
        }
    }
}
