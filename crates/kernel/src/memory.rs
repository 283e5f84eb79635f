//! What services remember while the program runs, and may forget at any time: keys that were unwrapped, say.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Kernel;

/// One thing of each type.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Kernel {
    /// What is remembered as a `T`; the first who asks begins it.
    pub fn memory<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        let mut all = self.inner.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let there = all.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())).clone();
        // What is there under a type is of it.
        there.downcast().unwrap_or_else(|_| Arc::new(T::default()))
    }
}
