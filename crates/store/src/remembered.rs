//! Rows as they were last taken apart: one that comes again is not taken apart again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::{Error, Key, Read, Table};

/// More rows than so many are not kept: whoever invents keys must not fill the memory.
const KEPT: usize = 1024;

/// What was made of the rows of a table. The stored bytes are compared before it is used, so that it is never behind, and
/// may be shared by any number of states.
#[derive(Debug)]
pub struct Remembered<T>(RwLock<HashMap<Vec<u8>, (Bytes, Arc<T>)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> Remembered<T> {
    /// What `make` makes of what is stored at a place, or has made of it before. `None`: nothing is.
    ///
    /// # Errors
    /// When the engine fails, or `make` does.
    pub fn at<E: From<Error>>(
        &self,
        from: &(impl Read + ?Sized),
        place: Vec<u8>,
        make: impl FnOnce(&Bytes) -> Result<T, E>,
    ) -> Result<Option<Arc<T>>, E> {
        let Some(stored) = from.get(&place)? else { return Ok(None) };
        if let Some((before, made)) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&place)
            && *before == stored
        {
            return Ok(Some(made.clone()));
        }
        let made = Arc::new(make(&stored)?);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(place, (stored, made.clone()));
        Ok(Some(made))
    }

    /// What `make` makes of the row of a key, or has made of it before. `None`: there is no row.
    ///
    /// # Errors
    /// When the engine fails, the row cannot be read, or `make` fails.
    pub fn get<V: for<'b> Decode<'b, ()> + Encode<()>, E: From<Error>>(
        &self,
        table: &Table<V>,
        from: &(impl Read + ?Sized),
        key: &impl Key,
        make: impl FnOnce(V) -> Result<T, E>,
    ) -> Result<Option<Arc<T>>, E> {
        self.at(from, table.bytes(key), |stored| make(table.read(stored)?))
    }
}
