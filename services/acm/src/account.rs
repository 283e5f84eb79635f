//! What an account wants to hear of certificates that come to their end.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Repeated, Result, fingerprint};

use crate::api::{self, output};
use crate::rows::{CERTIFICATES, Kind, Status};
use crate::{SERVICE, lifecycle};

/// Account, region → what it wants.
static ACCOUNTS: Table<Account> = Table::new("acm.accounts");

/// Days before its end on which a certificate is told of first, where the account says nothing: one that was imported, and one
/// that ACM renews.
///
/// Source: "ACM Certificate Approaching Expiration event" in the user guide.
const IMPORTED: i64 = 45;
const OWN: i64 = 30;
/// A token is remembered for an hour.
const REMEMBERED: i64 = 3_600_000;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Account {
    #[n(0)]
    days: Option<i32>,
}

/// How many days before its end a certificate is told of first.
pub(crate) fn days(cx: &Cx, from: &(impl Read + ?Sized), kind: Kind) -> Result<i64> {
    let said = ACCOUNTS.get(from, &(cx.account(), cx.region()))?.and_then(|account| account.days);
    Ok(said.map_or(if kind == Kind::Imported { IMPORTED } else { OWN }, i64::from))
}

/// `GetAccountConfiguration`
pub(crate) fn get(cx: &Cx) -> Result<api::GetAccountConfigurationOutput> {
    let said = ACCOUNTS.get(&cx.read(), &(cx.account(), cx.region()))?.and_then(|account| account.days);
    let days_before_expiry = said.or_else(|| i32::try_from(IMPORTED).ok());
    Ok(api::GetAccountConfigurationOutput {
        expiry_events: Some(output::ExpiryEventsConfiguration { days_before_expiry }),
    })
}

/// `PutAccountConfiguration`: a token that comes again within the hour is the same call, whatever it says.
pub(crate) async fn put(cx: &Cx, input: &api::PutAccountConfigurationInput) -> Result<()> {
    let days = input.expiry_events.as_ref().and_then(|events| events.days_before_expiry);
    let request = fingerprint(&days);
    let token = format!("account/{}", input.idempotency_token);
    cx.write(|tx| {
        if cx.repeated(tx, SERVICE, &token, &request, REMEMBERED)? != Repeated::New {
            return Ok(());
        }
        ACCOUNTS.put(tx, &(cx.account(), cx.region()), &Account { days });
        for entry in CERTIFICATES.all(tx, &(cx.account(), cx.region()))? {
            if entry.row.status == Status::Issued {
                lifecycle::look_now(cx, tx, &entry.row)?;
            }
        }
        Ok(())
    })
    .await
}
