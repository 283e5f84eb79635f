//! Accounts of clients, as the owner of an endpoint sees them.

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Result};

use super::rows::{ACCOUNTS, Account, AccountStatus, Endpoint, endpoint, missing, page, path};
use crate::api::{self, output};
use crate::rows::moment;

/// The URL of an account, as it is told.
pub(crate) fn url(cx: &Cx, of: &Account) -> String {
    let host = &cx.kernel().settings().host;
    format!("https://{host}{}/account/{}", path(cx.region(), &of.endpoint), of.id)
}

/// An account by its URL, whichever host clients reach it at.
fn find(cx: &Cx, from: &(impl Read + ?Sized), endpoint: &Endpoint, url: &str) -> Result<Account> {
    let id = url.rsplit_once('/').filter(|(before, _)| before.ends_with(&format!("{}/account", endpoint.id)));
    let Some((_, id)) = id else { return Err(missing(url)) };
    ACCOUNTS.get(from, &(cx.account(), cx.region(), &endpoint.id, id))?.ok_or_else(|| missing(url))
}

/// `DescribeAcmeAccount`
pub(crate) fn describe(cx: &Cx, input: &api::DescribeAcmeAccountInput) -> Result<api::DescribeAcmeAccountOutput> {
    let from = cx.read();
    let endpoint = endpoint(cx, &from, &input.acme_endpoint_arn)?;
    let of = find(cx, &from, &endpoint, &input.account_url)?;
    let shown = output::AcmeAccount {
        account_url: Some(url(cx, &of)),
        public_key_thumbprint: Some(of.thumbprint),
        status: Some(of.status.as_str().to_owned()),
        created_at: moment(of.created),
        acme_external_account_binding_arn: Some(of.binding),
        contacts: Some(of.contacts),
    };
    Ok(api::DescribeAcmeAccountOutput { acme_account: Some(shown) })
}

/// `ListAcmeAccounts`
pub(crate) fn list(cx: &Cx, input: &api::ListAcmeAccountsInput) -> Result<api::ListAcmeAccountsOutput> {
    let from = cx.read();
    let endpoint = endpoint(cx, &from, &input.acme_endpoint_arn)?;
    let all = ACCOUNTS.all(&from, &(cx.account(), cx.region(), &endpoint.id))?.into_iter().map(|entry| entry.row);
    let shown = all.map(|of| output::AcmeAccountSummary {
        account_url: Some(url(cx, &of)),
        public_key_thumbprint: Some(of.thumbprint),
        status: Some(of.status.as_str().to_owned()),
        created_at: moment(of.created),
        acme_external_account_binding_arn: Some(of.binding),
        contacts: Some(of.contacts),
    });
    let scope = format!("ListAcmeAccounts/{}", endpoint.id);
    let (list, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAcmeAccountsOutput { acme_accounts: Some(list), next_token })
}

/// `RevokeAcmeAccount`: it orders nothing more.
pub(crate) async fn revoke(cx: &Cx, input: &api::RevokeAcmeAccountInput) -> Result<()> {
    cx.write(|tx| {
        let endpoint = endpoint(cx, tx, &input.acme_endpoint_arn)?;
        let mut of = find(cx, tx, &endpoint, &input.account_url)?;
        of.status = AccountStatus::Revoked;
        ACCOUNTS.put(tx, &(cx.account(), cx.region(), &of.endpoint, &of.id), &of);
        Ok(())
    })
    .await
}
