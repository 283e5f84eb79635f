//! The account's alias: one name, which no other account has.

use undercast_kernel::store::Table;
use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::pages;

/// Account → its alias.
static ALIASES: Table<String> = Table::new("iam.aliases");
/// Alias → whose it is.
pub(crate) static NAMES: Table<String> = Table::new("iam.alias_names");

/// Gives the account an alias, in the place of the one that it had.
///
/// Source: "CreateAccountAlias" in the IAM API reference and "Your AWS account ID and its alias" in the user guide; that a
/// second alias takes the place of the first one was also seen on a live account.
pub(crate) async fn create(cx: &Cx, alias: &str) -> Result<()> {
    let account = cx.account();
    cx.write(|tx| {
        if NAMES.has(tx, &(alias,))? {
            let message = format!("The account alias {alias} already exists.");
            return Err(errors::entity_already_exists_exception(message).into());
        }
        if let Some(before) = ALIASES.get(tx, &(account,))? {
            NAMES.delete(tx, &(before.as_str(),));
        }
        NAMES.put(tx, &(alias,), &account.to_owned());
        ALIASES.put(tx, &(account,), &alias.to_owned());
        Ok(())
    })
    .await
}

/// Takes the alias away, which has to be the one that the account has.
pub(crate) async fn delete(cx: &Cx, alias: &str) -> Result<()> {
    let account = cx.account();
    cx.write(|tx| {
        if ALIASES.get(tx, &(account,))?.as_deref() != Some(alias) {
            let message = format!("The account alias with name {alias} cannot be found.");
            return Err(errors::no_such_entity_exception(message).into());
        }
        NAMES.delete(tx, &(alias,));
        ALIASES.delete(tx, &(account,));
        Ok(())
    })
    .await
}

/// A list of the one alias, or of none.
pub(crate) fn list(cx: &Cx, input: &api::ListAccountAliasesInput) -> Result<api::ListAccountAliasesOutput> {
    let all = ALIASES.get(&cx.read(), &(cx.account(),))?.into_iter().collect();
    let (account_aliases, is_truncated, marker) =
        pages::page("ListAccountAliases", all, Clone::clone, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListAccountAliasesOutput { account_aliases, is_truncated, marker })
}
