//! Names to columns, once it is known which there are.

use crate::error::{Code, Error, Result};
use crate::sql::{Expression, Name, Path, Position, Query, Step};

/// What names can mean.
pub(crate) enum Columns<'a> {
    /// Those of a CSV file without names.
    Numbered,
    /// Those of a CSV file with a header.
    Named(&'a [String]),
    /// Attributes of the record.
    Attributes,
}

/// Replaces every path by what it leads to.
pub(crate) fn bind(query: &mut Query, columns: &Columns<'_>) -> Result<()> {
    let names = std::mem::take(&mut query.names);
    let mut visit = |expression: &mut Expression| {
        if let Expression::Path(path) = expression {
            *expression = bound(path, &names, columns)?;
        }
        Ok(())
    };
    for expression in query.expressions() {
        expression.walk(&mut visit)?;
    }
    query.names = names;
    Ok(())
}

/// The columns at the top that a query needs. `None`: all of them.
pub(crate) fn needed(query: &mut Query) -> Option<Vec<Name>> {
    if query.selects_all() {
        return None;
    }
    let mut needed = Some(Vec::new());
    for expression in query.expressions() {
        // Visiting does not fail.
        let _ = expression.walk(&mut |inner| {
            if let Expression::Record(steps) = inner {
                match (steps.first(), &mut needed) {
                    (Some(Step::Key(name)), Some(all)) => all.push(name.clone()),
                    _ => needed = None,
                }
            }
            Ok(())
        });
    }
    needed
}

fn bound(path: &Path, names: &[Name], columns: &Columns<'_>) -> Result<Expression> {
    let own = names.iter().any(|own| path.root.matches(&own.text));
    let steps: Vec<Step> = match own {
        true => path.steps.clone(),
        false => std::iter::once(Step::Key(path.root.clone())).chain(path.steps.iter().cloned()).collect(),
    };
    let headers = match columns {
        Columns::Attributes => return Ok(Expression::Record(steps)),
        Columns::Numbered => &[][..],
        Columns::Named(names) => names,
    };
    match steps.as_slice() {
        [] => Ok(Expression::Record(steps)),
        [Step::Key(name)] => column(name, headers, matches!(columns, Columns::Named(_)), path.at),
        // Fields of a CSV file hold nothing further.
        _ => Err(Code::InvalidKeyPath.into()),
    }
}

fn column(name: &Name, headers: &[String], named: bool, at: Position) -> Result<Expression> {
    let mut matching = headers.iter().enumerate().filter(|(_, header)| name.matches(header));
    match (matching.next(), matching.next()) {
        (Some(_), Some(_)) => return Err(Code::AmbiguousFieldName.into()),
        (Some((number, _)), None) => return Ok(Expression::Column(number)),
        (None, _) => {}
    }
    match name.position() {
        Some(Some(number)) => Ok(Expression::Column(number)),
        None if named => Err(Code::MissingHeaders.into()),
        // A name where columns have only numbers is answered so as well.
        _ => {
            let message =
                format!("The column index at {at} is invalid. Please check the service documentation and try again.");
            Err(Error::new(Code::InvalidColumnIndex, message))
        }
    }
}
