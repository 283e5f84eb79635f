//! What conditions and updates check alike: functions, reserved words, and operands with their placeholders replaced.

use super::syntax::{Call, Operand};
use super::{Path, Placeholders, Problem};
use crate::value::AttributeValue;

/// An operand with its placeholders replaced and its functions known.
#[derive(Debug)]
pub(super) enum Bound<F> {
    Path(Path),
    Value(AttributeValue),
    Call(F, Vec<Bound<F>>),
}

/// The functions that one kind of expression knows.
pub(super) trait Function: Copy {
    fn from_name(name: &str) -> Option<Self>;
    fn name(self) -> &'static str;
    fn operands(self) -> usize;
}

/// Visits every call in an operand, what is inside before what is around it.
pub(super) fn each_call<'a>(
    operand: &'a Operand,
    visit: &mut impl FnMut(&'a Call) -> Result<(), Problem>,
) -> Result<(), Problem> {
    match operand {
        Operand::Call(call) => each_call_in(call, visit),
        Operand::Path(_) | Operand::Value(_) => Ok(()),
    }
}

/// As [`each_call`], for a call.
pub(super) fn each_call_in<'a>(
    call: &'a Call,
    visit: &mut impl FnMut(&'a Call) -> Result<(), Problem>,
) -> Result<(), Problem> {
    call.arguments.iter().try_for_each(|argument| each_call(argument, visit))?;
    visit(call)
}

/// Refuses a function that this kind of expression does not know.
pub(super) fn check_known<F: Function>(call: &Call) -> Result<(), Problem> {
    F::from_name(&call.function).map(drop).ok_or_else(|| Problem::UnknownFunction(call.function.as_str().into()))
}

/// Refuses reserved words among the names of an operand.
pub(super) fn check_words(operand: &Operand) -> Result<(), Problem> {
    match operand {
        Operand::Path(path) => path.check_words(),
        Operand::Value(_) => Ok(()),
        Operand::Call(call) => call.arguments.iter().try_for_each(check_words),
    }
}

/// Replaces the placeholders of an operand.
pub(super) fn bind<F: Function>(operand: &Operand, placeholders: &Placeholders) -> Result<Bound<F>, Problem> {
    match operand {
        Operand::Path(path) => path.bind(placeholders).map(Bound::Path),
        Operand::Value(name) => placeholders.value(name).cloned().map(Bound::Value),
        Operand::Call(call) => {
            bind_call(call, placeholders).map(|(function, arguments)| Bound::Call(function, arguments))
        }
    }
}

/// Replaces the placeholders of a call.
pub(super) fn bind_call<F: Function>(call: &Call, placeholders: &Placeholders) -> Result<(F, Vec<Bound<F>>), Problem> {
    let function =
        F::from_name(&call.function).ok_or_else(|| Problem::UnknownFunction(call.function.as_str().into()))?;
    let arguments = call.arguments.iter().map(|argument| bind(argument, placeholders)).collect::<Result<_, _>>()?;
    Ok((function, arguments))
}

/// Refuses a function with too few or too many operands.
pub(super) fn check_count<F: Function>(function: F, arguments: &[Bound<F>]) -> Result<(), Problem> {
    arguments.iter().try_for_each(Bound::check_counts)?;
    if arguments.len() == function.operands() {
        return Ok(());
    }
    Err(Problem::OperandCount { function: function.name(), count: arguments.len() })
}

impl<F: Function> Bound<F> {
    /// [`check_count`] for every call in it.
    pub(super) fn check_counts(&self) -> Result<(), Problem> {
        match self {
            Self::Call(function, arguments) => check_count(*function, arguments),
            Self::Path(_) | Self::Value(_) => Ok(()),
        }
    }
}
