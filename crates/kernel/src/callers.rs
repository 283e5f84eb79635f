//! Callers as they were last seen: a key that comes again is not taken apart again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use undercast_policy::{NamedPolicy, PrincipalFacts};
use undercast_store::{Remembered, Snapshot};

use crate::{CREDENTIALS, Credential, Result, Temporary, auth};

/// More than so many are not kept: a client that invents keys must not fill the memory.
const KEPT: usize = 1024;

/// What is made of keys and of accounts.
#[derive(Default)]
pub(crate) struct Callers {
    known: Remembered<Known>,
    roots: RwLock<HashMap<String, Arc<PrincipalFacts>>>,
}

/// A key that was issued here, and whose it is.
pub(crate) struct Known {
    pub(crate) credential: Credential,
    pub(crate) principal: Arc<PrincipalFacts>,
    pub(crate) session: Option<Arc<[NamedPolicy]>>,
    pub(crate) temporary: Option<Temporary>,
}

impl Callers {
    /// What a key's row says. `None`: the key was not issued here.
    pub(crate) fn known(&self, from: &Snapshot, key: &str) -> Result<Option<Arc<Known>>> {
        self.known.get(&CREDENTIALS, from, &(key,), |credential| {
            Ok(Known {
                principal: Arc::new(credential.principal()),
                session: auth::session_policies(&credential.session_policies, credential.limited),
                temporary: credential.temporary(),
                credential,
            })
        })
    }

    /// The root user of an account.
    pub(crate) fn root(&self, account: &str) -> Arc<PrincipalFacts> {
        let seen = self.roots.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned();
        seen.unwrap_or_else(|| {
            let made = Arc::new(auth::root(account));
            let mut all = self.roots.write().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= KEPT {
                all.clear();
            }
            all.insert(account.to_owned(), made.clone());
            made
        })
    }
}
