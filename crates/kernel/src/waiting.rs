//! What is told of each call and remembered in memory until it is written: some seconds later, with the metrics, and before
//! somebody asks for it.

use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::{DefaultHashBuilder, HashTable};
use undercast_store::Tx;

use crate::{Kernel, Result};

/// Calls on several threads remember in different parts.
const PARTS: usize = 8;

/// Things to be written.
#[derive(Debug)]
pub struct Waiting<T> {
    parts: [Mutex<HashTable<T>>; PARTS],
    hasher: DefaultHashBuilder,
    /// Held while it is written, so that whoever reads afterwards finds what another one is still writing.
    writing: tokio::sync::Mutex<()>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            parts: Default::default(),
            hasher: DefaultHashBuilder::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }
}

fn held<T>(part: &Mutex<HashTable<T>>) -> MutexGuard<'_, HashTable<T>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Waiting<T> {
    /// Where a thing of this key belongs.
    pub fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The part in which a thing of this hash is.
    pub fn part(&self, hash: u64) -> MutexGuard<'_, HashTable<T>> {
        held(&self.parts[usize::try_from(hash % PARTS as u64).unwrap_or(0)])
    }

    /// Each part, one after the other.
    pub fn each(&self) -> impl Iterator<Item = MutexGuard<'_, HashTable<T>>> {
        self.parts.iter().map(held)
    }

    /// Has `write` write all of it.
    ///
    /// # Errors
    /// When the store fails; what was to be written is lost then.
    pub async fn flush(&self, kernel: &Kernel, write: impl Fn(&mut Tx<'_>, &[T]) -> Result<()>) -> Result<()> {
        let _writing = self.writing.lock().await;
        let fresh: Vec<T> = self.each().flat_map(|mut part| std::mem::take(&mut *part)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        kernel.database().write(|tx: &mut Tx<'_>| write(tx, &fresh)).await
    }
}
