//! Callers as they were last seen: a key that comes again is not taken apart again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use undercast_policy::{NamedPolicy, PrincipalFacts};
use undercast_wire::Bytes;

use crate::{CREDENTIALS, Credential, Result, auth};

/// More than so many are not kept: a client that invents keys must not fill the memory.
const KEPT: usize = 1024;

/// What is made of keys and of accounts.
#[derive(Default)]
pub(crate) struct Callers {
    known: RwLock<HashMap<String, Arc<Known>>>,
    roots: RwLock<HashMap<String, Arc<PrincipalFacts>>>,
}

/// A key that was issued here, and whose it is.
pub(crate) struct Known {
    /// The row that all this was made of. A row that was written since has other bytes.
    stored: Bytes,
    pub(crate) credential: Credential,
    pub(crate) principal: Arc<PrincipalFacts>,
    pub(crate) session: Option<Arc<[NamedPolicy]>>,
}

impl Callers {
    /// What a key's row says.
    pub(crate) fn known(&self, key: &str, stored: Bytes) -> Result<Arc<Known>> {
        let seen = self.known.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(known) = seen.filter(|k| k.stored == stored) {
            return Ok(known);
        }
        let credential = CREDENTIALS.read(&stored)?;
        let known = Arc::new(Known {
            stored,
            principal: Arc::new(credential.principal()),
            session: auth::session_policies(&credential.session_policies, credential.limited),
            credential,
        });
        keep(&self.known, key, &known);
        Ok(known)
    }

    /// The root user of an account.
    pub(crate) fn root(&self, account: &str) -> Arc<PrincipalFacts> {
        let seen = self.roots.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned();
        seen.unwrap_or_else(|| {
            let made = Arc::new(auth::root(account));
            keep(&self.roots, account, &made);
            made
        })
    }
}

fn keep<T>(into: &RwLock<HashMap<String, Arc<T>>>, key: &str, made: &Arc<T>) {
    let mut all = into.write().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= KEPT {
        all.clear();
    }
    all.insert(key.to_owned(), made.clone());
}
