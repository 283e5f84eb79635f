//! A widget: a query with parameters, and how it is shown.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::{Cx, Failure, Result, Timestamp};

use crate::api::{errors, input, output};
use crate::lake::queries;
use crate::lake::seal;

/// What parameters stand for.
const START: &str = "$StartTime$";
const END: &str = "$EndTime$";
const PERIOD: &str = "$Period$";

/// A refresh looks back so long, where nothing is said. In milliseconds.
const BACK: i64 = 7 * 24 * 60 * 60 * 1000;

/// A widget.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Widget {
    #[n(0)]
    pub(crate) alias: String,
    #[n(1)]
    pub(crate) sql: String,
    #[n(2)]
    pub(crate) parameters: Vec<String>,
    #[n(3)]
    pub(crate) view: BTreeMap<String, String>,
}

fn bad(message: impl std::fmt::Display) -> Failure {
    errors::invalid_query_statement_exception(format!("The query statement is not valid: {message}")).into()
}

/// A statement with its question marks replaced by these values, one after the other.
pub(crate) fn filled(sql: &str, values: &[String]) -> Result<String> {
    let mut parts = sql.split('?');
    let count = parts.clone().count() - 1;
    if count != values.len() {
        return Err(bad(format!("it has {count} parameters, and {} are given.", values.len())));
    }
    let mut all = parts.next().unwrap_or_default().to_owned();
    for (part, value) in parts.zip(values) {
        // Values are parts of texts, and end none.
        if value.contains('\'') {
            return Err(bad(format!("the parameter {value} has a quotation mark.")));
        }
        all.push_str(value);
        all.push_str(part);
    }
    Ok(all)
}

/// What is asked between two moments.
#[derive(Debug, Clone)]
pub(crate) struct Values(BTreeMap<&'static str, String>);

fn sql_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

impl Values {
    /// What is meant where nothing is said: the week before now, by the hour.
    pub(crate) fn usual(now: i64) -> Self {
        let shown = |at: i64| sql_time(crate::rows::moment(at));
        Self(BTreeMap::from([(START, shown(now - BACK)), (END, shown(now)), (PERIOD, "hour".to_owned())]))
    }

    /// The same with what is said.
    pub(crate) fn with(mut self, given: &BTreeMap<String, String>) -> Result<Self> {
        for (name, value) in given {
            let wrong = |what: &str| {
                Failure::from(errors::invalid_parameter_exception(format!("The query parameter {name} {what}.")))
            };
            let Some(known) = [START, END, PERIOD].into_iter().find(|known| *known == name.as_str()) else {
                return Err(wrong("is not supported"));
            };
            let value = match known {
                PERIOD => value.clone(),
                _ => sql_time(value.parse().map_err(|_| wrong("must be a time as 2026-11-27T19:30:00Z"))?),
            };
            self.0.insert(known, value);
        }
        Ok(self)
    }

    /// As StartQuery takes them for a widget.
    pub(crate) fn of(&self, widget: &Widget) -> Vec<String> {
        let value = |name: &String| self.0.get(name.as_str()).cloned().unwrap_or_else(|| name.clone());
        widget.parameters.iter().map(value).collect()
    }
}

impl Widget {
    /// A widget as it was given, if its query can be run.
    pub(crate) async fn checked(cx: &Cx, given: input::RequestWidget) -> Result<Self> {
        let widget = Self {
            alias: format!("widget-{}", cx.random().uuid()),
            sql: given.query_statement,
            parameters: given.query_parameters.unwrap_or_else(Vec::new),
            view: given.view_properties,
        };
        if let Some(name) = widget.parameters.iter().find(|name| ![START, END, PERIOD].contains(&name.as_str())) {
            return Err(bad(format!("the query parameter {name} is not supported.")));
        }
        let sample = Values::usual(cx.now_millis());
        for store in queries::checked(cx, &filled(&widget.sql, &sample.of(&widget))?).await? {
            seal::check(cx, &store)?;
        }
        Ok(widget)
    }

    pub(crate) fn shown(&self) -> output::Widget {
        output::Widget {
            query_alias: Some(self.alias.clone()),
            query_statement: Some(self.sql.clone()),
            query_parameters: Some(self.parameters.clone()).filter(|all| !all.is_empty()),
            view_properties: Some(self.view.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let values = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert_eq!(filled("a > '?' and b < '?'", &values(&["1", "2"])).unwrap(), "a > '1' and b < '2'");
        assert!(filled("a > '?'", &[]).is_err() && filled("a", &values(&["1"])).is_err());
        assert!(filled("a > '?'", &values(&["' or '"])).is_err());
    }
}
