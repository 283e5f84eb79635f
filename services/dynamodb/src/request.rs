//! What operations have in common: which table is meant, and which parameters go together.

use crate::error::{Error, Result};
use crate::rows::Scope;
use std::borrow::Cow;
use undercast_kernel::Cx;
use undercast_kernel::arn::Arn;
use undercast_store::is_account;
use undercast_wire::{Fields, Value};

/// Whose state a call is about.
pub(crate) fn scope(cx: &Cx) -> Scope<'_> {
    Scope { account: cx.account(), region: cx.region() }
}

/// Where a table is that is named so: here, or in the account of its ARN. Policies of tables let other accounts in.
pub(crate) fn home<'a>(cx: &'a Cx, given: &str) -> Cow<'a, Cx> {
    if !given.starts_with("arn:") {
        return Cow::Borrowed(cx);
    }
    let elsewhere = Arn::parse(given).filter(|arn| {
        let near = arn.service == "dynamodb" && arn.partition == cx.partition() && arn.region == cx.region();
        near && arn.account != cx.account() && is_account(&arn.account)
    });
    elsewhere.map_or(Cow::Borrowed(cx), |arn| Cow::Owned(cx.elsewhere(&arn.account, &arn.region)))
}

/// Where the tables are that a request names; `None`: here, in the account that the call goes to.
///
/// # Errors
/// When they are in several accounts.
pub(crate) fn elsewhere(cx: &Cx, input: &Fields) -> Result<Option<Cx>> {
    let mut homes: Vec<Cow<'_, Cx>> = Vec::new();
    each_named(input, &mut |given| {
        let home = home(cx, given);
        if !homes.iter().any(|known| known.account() == home.account()) {
            homes.push(home);
        }
    });
    match homes.as_slice() {
        [] | [Cow::Borrowed(_)] => Ok(None),
        [Cow::Owned(home)] => Ok(Some(home.clone())),
        _ => Err(Error::NotBuilt("one request for tables of several accounts")),
    }
}

/// The tables that a request names outside of statements, by name or by ARN.
pub(crate) fn each_named(input: &Fields, see: &mut impl FnMut(&str)) {
    if let Some(name) = input.text("TableName") {
        see(name);
    }
    if let Some(Value::Map(tables)) = input.get("RequestItems") {
        tables.keys().for_each(|given| see(given));
    }
    if let Some(Value::List(items)) = input.get("TransactItems") {
        let actions = items.iter().filter_map(Value::as_fields).flat_map(|item| &item.set);
        for (_, action) in actions {
            if let Some(name) = action.as_fields().and_then(|fields| fields.text("TableName")) {
                see(name);
            }
        }
    }
}

/// Most characters of a table's name.
const MAX_TABLE_NAME: usize = 255;

/// The name of the table that a `TableName` means, which may be its ARN.
///
/// # Errors
/// When it is neither a name nor an ARN, or the ARN of a table elsewhere.
pub(crate) fn table_name<'a>(cx: &Cx, given: &'a str) -> Result<&'a str> {
    let name = match Arn::parse(given) {
        None => given,
        Some(arn) => {
            let here = arn.service == "dynamodb" && arn.account == cx.account() && arn.region == cx.region();
            let name = given.rsplit_once(":table/").map(|(_, name)| name).filter(|name| here && !name.contains('/'));
            name.ok_or_else(Error::resource_not_found)?
        }
    };
    let wrong = |constraint: &str| {
        Error::validation(format_args!(
            "1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: {constraint}"
        ))
    };
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return Err(wrong("Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"));
    }
    if name.len() > MAX_TABLE_NAME {
        return Err(wrong("Member must have length less than or equal to 255"));
    }
    Ok(name)
}

/// The ARN of a table.
pub(crate) fn table_arn(cx: &Cx, name: &str) -> String {
    cx.arn("dynamodb", &format!("table/{name}"))
}

/// The expression parameters of a request, by name, as far as they are given.
pub(crate) type Given = [(&'static str, bool)];

/// Refuses parameters from before there were expressions beside expressions, and placeholders without expressions.
///
/// # Errors
/// AWS's refusal.
pub(crate) fn check_parameters(legacy: &Given, expressions: &Given, names: bool, values: bool) -> Result<()> {
    let listed = |parameters: &Given| {
        let given: Vec<&str> = parameters.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        given.join(", ")
    };
    match (listed(legacy).as_str(), listed(expressions).as_str()) {
        ("", _) | (_, "") => {}
        (old, new) => {
            return Err(Error::validation(format_args!(
                "Can not use both expression and non-expression parameters in the same request: Non-expression \
                 parameters: {{{old}}} Expression parameters: {{{new}}}"
            )));
        }
    }
    if names && !expressions.iter().any(|(_, given)| *given) {
        return Err(Error::validation("ExpressionAttributeNames can only be specified when using expressions"));
    }
    // A projection has no values.
    let mut valued = expressions.iter().filter(|(name, _)| *name != "ProjectionExpression").peekable();
    if values && valued.peek().is_some() && valued.clone().all(|(_, given)| !given) {
        let all: Vec<&str> = valued.map(|(name, _)| *name).collect();
        let verb = if all.len() == 1 { "is" } else { "are" };
        return Err(Error::validation(format_args!(
            "ExpressionAttributeValues can only be specified when using expressions: {} {verb} null",
            all.join(" and ")
        )));
    }
    Ok(())
}
