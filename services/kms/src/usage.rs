//! When keys were used last, for what, and by which call.
//!
//! A use is remembered in memory and written some seconds later, with the metrics, and before somebody asks for it. So a crash
//! loses those seconds; AWS tells of uses later than that.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Table, Tx};
use undercast_kernel::waiting::Waiting;
use undercast_kernel::{Cx, Kernel, Result};

use crate::api::{self, output};
use crate::keys;
use crate::reference::Reference;
use crate::rows::{KEYS, Key};

/// Account, region, key id → its last use. Keys of many Regions are used in each of them by themselves.
static USES: Table<Use> = Table::new("kms.last_used");

/// The last use of a key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Use {
    #[n(0)]
    operation: String,
    /// Milliseconds since 1970.
    #[n(1)]
    at: i64,
    #[n(2)]
    request_id: String,
    #[n(3)]
    event_id: String,
}

/// A use that is not written yet.
struct Fresh {
    account: String,
    region: String,
    id: String,
    used: Use,
}

/// What is remembered and not written yet.
#[derive(Default)]
struct Usage(Waiting<Fresh>);

/// Remembers that a key was used.
pub(crate) fn note(cx: &Cx, key: &Key, operation: &str) {
    let usage = cx.kernel().memory::<Usage>();
    let hash = usage.0.hash(key.place());
    let used = Use {
        operation: operation.to_owned(),
        at: cx.now_millis(),
        request_id: cx.request_id().to_owned(),
        event_id: cx.event_id().to_owned(),
    };
    let mut part = usage.0.part(hash);
    match part.find_mut(hash, |fresh| (fresh.account.as_str(), fresh.region.as_str(), fresh.id.as_str()) == key.place())
    {
        Some(fresh) if fresh.used.at <= used.at => fresh.used = used,
        Some(_) => {}
        None => {
            let fresh = Fresh { account: key.account.clone(), region: key.region.clone(), id: key.id.clone(), used };
            part.insert_unique(hash, fresh, |f| usage.0.hash((f.account.as_str(), f.region.as_str(), f.id.as_str())));
        }
    }
}

/// Writes what is remembered.
pub(crate) async fn flush(kernel: &Kernel) -> Result<()> {
    let write = |tx: &mut Tx<'_>, fresh: &[Fresh]| {
        for Fresh { account, region, id, used } in fresh {
            let place = (account, region, id);
            let newer = USES.get(tx, &place)?.is_none_or(|before| before.at <= used.at);
            if newer && KEYS.has(tx, &place)? {
                USES.put(tx, &place, used);
            }
        }
        Ok(())
    };
    kernel.memory::<Usage>().0.flush(kernel, write).await
}

/// A key is gone.
pub(crate) fn forget(tx: &mut Tx<'_>, key: &Key) {
    USES.delete(tx, &key.place());
}

pub(crate) async fn last(cx: &Cx, input: api::GetKeyLastUsageInput) -> Result<api::GetKeyLastUsageOutput> {
    flush(cx.kernel()).await?;
    let from = cx.read();
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &from)?;
    let used = USES.get(&from, &key.place())?;
    let told = used.map(|used| {
        Ok::<_, undercast_kernel::Failure>(output::KeyLastUsageData {
            operation: Some(used.operation),
            timestamp: Some(keys::moment(used.at)?),
            cloud_trail_event_id: Some(used.event_id),
            kms_request_id: Some(used.request_id),
        })
    });
    Ok(api::GetKeyLastUsageOutput {
        key_id: Some(key.arn(cx)),
        key_last_usage: told.transpose()?,
        // Keys are watched from their first day on.
        tracking_start_date: Some(keys::moment(key.created)?),
        key_creation_date: Some(keys::moment(key.created)?),
    })
}
