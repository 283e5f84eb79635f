//! When keys, users and roles were used last: by service and action, in which region.
//!
//! Each call is told of ([`Usage::note`]) and remembered in memory; what was remembered is written some seconds later, with the
//! metrics, and before a report is made of it. So a crash loses those seconds, as it does of metrics. Calls of the root user are
//! not remembered: nothing asks for them.

use std::sync::MutexGuard;

use hashbrown::HashTable;
use minicbor::{Decode, Encode};
use undercast_kernel::policy::{PrincipalFacts, PrincipalKind};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::waiting::Waiting;
use undercast_kernel::{Cx, Kernel, Result, Timestamp};
use undercast_wire::schema::Operation;

use crate::api::output;
use crate::entity::{Entity, Kind};

/// Account, id of a user or role, service, action → its last use.
static USES: Table<Use> = Table::new("iam.last_used");
/// Account, access key → its last use.
static KEYS: Table<KeyUse> = Table::new("iam.key_last_used");

/// AWS looks back so far ("Refine permissions in AWS using last accessed information" in the user guide).
const TRACKED_SECONDS: i64 = 400 * 86_400;

/// The last use of an action.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Use {
    /// Seconds since 1970.
    #[n(0)]
    pub(crate) at: i64,
    #[n(1)]
    pub(crate) region: String,
    /// Who it was: the ARN of the user, or of the role.
    #[n(2)]
    pub(crate) arn: String,
}

/// The last use of a key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct KeyUse {
    /// Seconds since 1970.
    #[n(0)]
    pub(crate) at: i64,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) service: String,
}

/// What was used since it was written last.
struct Fresh {
    account: String,
    kind: Kind,
    /// Name of the user; ARN of the role.
    who: String,
    key: String,
    service: &'static str,
    action: &'static str,
    at: i64,
    region: String,
}

/// What is remembered and not written yet.
#[derive(Default)]
pub(crate) struct Usage(Waiting<Fresh>);

/// The user or role behind a principal.
pub(crate) fn behind(principal: &PrincipalFacts) -> Option<(Kind, &str)> {
    match &principal.kind {
        PrincipalKind::User { name } => Some((Kind::User, name)),
        PrincipalKind::AssumedRole { role_arn, .. } => Some((Kind::Role, role_arn)),
        _ => None,
    }
}

impl Usage {
    /// Remembers a call.
    pub(crate) fn note(&self, cx: &Cx, service: &'static str, operation: &'static Operation) {
        let principal = cx.principal();
        let Some((kind, who)) = behind(principal) else { return };
        let (account, action) = (principal.account.as_str(), operation.name);
        // Sessions have keys of their own, which nobody asks about.
        let key = cx.origin().access_key.as_deref().filter(|key| key.starts_with("AKIA")).unwrap_or("");
        let at = cx.now().as_second();
        let hash = self.0.hash((account, who, key, service, action));
        let mut part = self.0.part(hash);
        let is = |f: &Fresh| {
            f.who == who && f.action == action && f.service == service && f.key == key && f.account == account
        };
        match part.find_mut(hash, is) {
            Some(fresh) => {
                fresh.at = fresh.at.max(at);
                if fresh.region != cx.region() {
                    cx.region().clone_into(&mut fresh.region);
                }
            }
            None => {
                let fresh = Fresh {
                    account: account.to_owned(),
                    kind,
                    who: who.to_owned(),
                    key: key.to_owned(),
                    service,
                    action,
                    at,
                    region: cx.region().to_owned(),
                };
                let again =
                    |f: &Fresh| self.0.hash((f.account.as_str(), f.who.as_str(), f.key.as_str(), f.service, f.action));
                part.insert_unique(hash, fresh, again);
            }
        }
    }

    /// The newest use of a role that is not written yet.
    fn newest(&self, account: &str, arn: &str) -> Option<(i64, String)> {
        let of_part = |part: MutexGuard<'_, HashTable<Fresh>>| {
            let of_role = part.iter().filter(|f| f.kind == Kind::Role && f.who == arn && f.account == account);
            of_role.max_by_key(|f| f.at).map(|f| (f.at, f.region.clone()))
        };
        self.0.each().filter_map(of_part).max_by_key(|(at, _)| *at)
    }
}

/// Writes what is remembered. Whoever reads it calls this first.
pub(crate) async fn flush(kernel: &Kernel) -> Result<()> {
    let write = |tx: &mut Tx<'_>, fresh: &[Fresh]| fresh.iter().try_for_each(|used| write(tx, used));
    kernel.memory::<Usage>().0.flush(kernel, write).await
}

/// A user of an account by its name, or a role by its ARN, with its account, unless it is gone by now.
pub(crate) fn entity(
    from: &(impl Read + ?Sized),
    account: &str,
    kind: Kind,
    who: &str,
) -> Result<Option<(String, Entity)>> {
    let (account, name) = match kind {
        Kind::Role => match Kind::named(who) {
            Some((_, account, name)) => (account, name),
            None => return Ok(None),
        },
        _ => (account.to_owned(), who.to_owned()),
    };
    let found = kind.table().get(from, &(&account, name.to_lowercase()))?;
    Ok(found.map(|entity| (account, entity)))
}

fn write(tx: &mut Tx<'_>, used: &Fresh) -> Result<()> {
    let Some((account, entity)) = entity(tx, &used.account, used.kind, &used.who)? else { return Ok(()) };
    let arn = match used.kind {
        Kind::Role => used.who.clone(),
        _ => format!("arn:aws:iam::{account}:user{}{}", entity.path, entity.name),
    };
    let key = (&account, &entity.id, used.service, used.action);
    if USES.get(tx, &key)?.is_none_or(|before| before.at <= used.at) {
        USES.put(tx, &key, &Use { at: used.at, region: used.region.clone(), arn });
    }
    let of_key = (&account, &used.key);
    if !used.key.is_empty() && KEYS.get(tx, &of_key)?.is_none_or(|before| before.at <= used.at) {
        let row = KeyUse { at: used.at, region: used.region.clone(), service: used.service.to_owned() };
        KEYS.put(tx, &of_key, &row);
    }
    Ok(())
}

/// A user or role is gone.
pub(crate) fn forget(tx: &mut Tx<'_>, account: &str, id: &str) -> Result<()> {
    USES.clear(tx, &(account, id))?;
    Ok(())
}

/// A key is gone.
pub(crate) fn forget_key(tx: &mut Tx<'_>, account: &str, key: &str) {
    KEYS.delete(tx, &(account, key));
}

/// The last use of a key.
pub(crate) fn of_key(from: &(impl Read + ?Sized), account: &str, key: &str) -> Result<Option<KeyUse>> {
    Ok(KEYS.get(from, &(account, key))?)
}

/// The services and actions that a user or role used, as far back as AWS looks.
pub(crate) fn of(cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Vec<(String, String, Use)>> {
    let oldest = cx.now().as_second() - TRACKED_SECONDS;
    let rows = USES.all(from, &(cx.account(), id))?.into_iter().filter(|entry| entry.row.at >= oldest);
    let named = rows.filter_map(|entry| {
        let (_, _, service, action) = entry.key::<(String, String, String, String)>()?;
        Some((service, action, entry.row))
    });
    Ok(named.collect())
}

/// The services that the users and roles of an account used, as far back as AWS looks.
pub(crate) fn of_account(cx: &Cx, from: &(impl Read + ?Sized), account: &str) -> Result<Vec<(String, Use)>> {
    let oldest = cx.now().as_second() - TRACKED_SECONDS;
    let rows = USES.all(from, &(account,))?.into_iter().filter(|entry| entry.row.at >= oldest);
    let named = rows.filter_map(|entry| {
        let (_, _, service, _) = entry.key::<(String, String, String, String)>()?;
        Some((service, entry.row))
    });
    Ok(named.collect())
}

/// When a role was used last, and where: what is written and what is not yet.
pub(crate) fn of_role(cx: &Cx, from: &(impl Read + ?Sized), role: &Entity) -> Result<output::RoleLastUsed> {
    let written = of(cx, from, &role.id)?.into_iter().map(|(_, _, used)| (used.at, used.region));
    let fresh = cx.kernel().memory::<Usage>().newest(cx.account(), &role.arn(cx, Kind::Role));
    Ok(match written.chain(fresh).max_by_key(|(at, _)| *at) {
        Some((at, region)) => {
            output::RoleLastUsed { last_used_date: Timestamp::from_second(at).ok(), region: Some(region) }
        }
        None => output::RoleLastUsed::default(),
    })
}
