//! Whose a row is: the account with which its key begins, or what its table says.

use std::collections::HashMap;

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::key::{KeyDecode, PartDecode};
use crate::{Result, Table};

type Account = Box<dyn Fn(&[u8], &Bytes) -> Result<Option<String>> + Send + Sync>;

/// A table whose keys do not begin with an account, and how its rows tell whose they are.
pub struct Shared {
    table: &'static str,
    account: Account,
}

impl Shared {
    /// Its rows name the account.
    pub fn by_row<V: for<'b> Decode<'b, ()> + Encode<()>>(
        table: &'static Table<V>,
        account: impl Fn(&V) -> &str + Send + Sync + 'static,
    ) -> Self {
        let account = move |_: &[u8], row: &Bytes| Ok(Some(account(&table.read(row)?).to_owned()));
        Self { table: table.name(), account: Box::new(account) }
    }

    /// Its keys name the account somewhere else.
    pub fn by_key<V, K: KeyDecode>(
        table: &'static Table<V>,
        account: impl Fn(K) -> String + Send + Sync + 'static,
    ) -> Self {
        let account = move |mut key: &[u8], _: &Bytes| Ok(K::decode(&mut key).map(&account));
        Self { table: table.name(), account: Box::new(account) }
    }
}

/// What tells whose each row is.
pub struct Owners(HashMap<&'static str, Account>);

impl Owners {
    /// With these tables, and the store's own.
    pub fn new(shared: impl IntoIterator<Item = Shared>) -> Self {
        let all = shared.into_iter().chain([crate::blobs::shared()]);
        Self(all.map(|s| (s.table, s.account)).collect())
    }

    /// The account whose a row is. `None`: it is nobody's, such as the clock.
    pub(crate) fn account(&self, key: &[u8], row: &Bytes) -> Result<Option<String>> {
        let mut rest = key;
        let Some(table) = text(&mut rest) else { return Ok(None) };
        match self.0.get(table.as_str()) {
            Some(account) => account(rest, row),
            None => Ok(text(&mut rest).filter(|first| is_account(first))),
        }
    }
}

/// The text at the front of a key.
fn text(key: &mut &[u8]) -> Option<String> {
    PartDecode::decode(key)
}

/// Whether it is an account's id: twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// All of a state, or what is one account's.
#[derive(Clone, Copy)]
pub enum Scope<'a> {
    /// All of it.
    Everything,
    /// The rows of this account.
    Account(&'a str, &'a Owners),
}

impl Scope<'_> {
    /// Whether a row is in it.
    pub(crate) fn holds(&self, key: &[u8], row: &Bytes) -> Result<bool> {
        match self {
            Self::Everything => Ok(true),
            Self::Account(account, owners) => Ok(owners.account(key, row)?.is_some_and(|owner| owner == *account)),
        }
    }
}
