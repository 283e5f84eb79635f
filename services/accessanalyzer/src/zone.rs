//! Zones of trust: the accounts that an analyzer takes for its own.
//!
//! Source: "IAM Access Analyzer findings" and "Delegated administrator for IAM Access Analyzer" in the IAM user guide.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Result};

use crate::error::{denied, invalid};
use crate::role::PRINCIPAL;

/// The accounts of an analyzer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) accounts: BTreeSet<String>,
    /// The id of the organization, where it is the whole of one.
    pub(crate) organization: Option<String>,
}

impl Zone {
    pub(crate) fn has(&self, account: &str) -> bool {
        self.accounts.contains(account)
    }

    /// That of an analyzer of a type, in the account of the call.
    ///
    /// # Errors
    /// When the account has no organization that it may look at.
    pub(crate) async fn of(cx: &Cx, kind: &str) -> Result<Self> {
        if !kind.starts_with("ORGANIZATION") {
            return Ok(Self { accounts: BTreeSet::from([cx.account().to_owned()]), organization: None });
        }
        let none = || invalid("The account is not a member of an organization.");
        let known = cx.kernel().organizations().ok_or_else(none)?;
        let membership = known.membership(&cx.read(), cx.account())?.ok_or_else(none)?;
        let management = cx.kernel().cx_for(&membership.management, cx.region()).through(PRINCIPAL);
        if membership.management != cx.account() {
            let input = json!({"ServicePrincipal": PRINCIPAL});
            let all =
                every(&management, "organizations", "ListDelegatedAdministrators", input, "DelegatedAdministrators");
            if !all.await?.iter().any(|one| one["Id"] == cx.account()) {
                return Err(denied(
                    "The account is not the management account of the organization or a delegated administrator.",
                ));
            }
        }
        let accounts = every(&management, "organizations", "ListAccounts", json!({}), "Accounts").await?;
        let ids = accounts.iter().filter_map(|account| account["Id"].as_str()).map(ToOwned::to_owned);
        Ok(Self { accounts: ids.collect(), organization: Some(membership.organization.clone()) })
    }
}

/// The names by which services call the token of the next page, in requests and in answers.
const TOKENS: &[(&str, &str)] = &[
    ("NextToken", "NextToken"),
    ("Marker", "NextMarker"),
    ("Marker", "Marker"),
    ("ContinuationToken", "ContinuationToken"),
    ("ExclusiveStartTableName", "LastEvaluatedTableName"),
    ("ExclusiveStartStreamArn", "LastEvaluatedStreamArn"),
];

/// All that a list holds, page by page.
///
/// # Errors
/// Those of the operation.
pub(crate) async fn every(cx: &Cx, service: &str, operation: &str, mut input: Json, list: &str) -> Result<Vec<Json>> {
    let mut all = Vec::new();
    loop {
        let mut answer = cx.call(service, operation, input.clone()).await?;
        if let Json::Array(mut found) = answer[list].take() {
            all.append(&mut found);
        }
        let next = TOKENS.iter().find(|(_, token)| answer[*token].as_str().is_some_and(|token| !token.is_empty()));
        match next {
            Some((parameter, token)) => input[*parameter] = answer[*token].take(),
            None => return Ok(all),
        }
    }
}
