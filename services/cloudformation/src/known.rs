//! What is known outside of a template: the stack's resources as they are, exports, zones.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value as Json, json};
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Result, regions};

use crate::rows::{EXPORTS, Stack};
use crate::template::{Attributes, Known};

/// The resources of a stack that are there, and where exports are found.
pub(crate) struct Surroundings<'a, R> {
    cx: &'a Cx,
    from: &'a R,
    made: HashMap<String, (String, Map<String, Json>)>,
    /// Resources that are not there yet, or will change: plans mark what they give.
    pending: BTreeSet<String>,
    /// Exports that were asked for.
    pub(crate) imported: RefCell<BTreeSet<String>>,
}

impl<'a, R: Read> Surroundings<'a, R> {
    pub(crate) fn of(cx: &'a Cx, from: &'a R, stack: &Stack) -> Result<Self> {
        let mut made = HashMap::new();
        for resource in stack.resources(cx, from)? {
            if let Some(is) = &resource.made {
                made.insert(resource.logical.clone(), (is.id.clone(), is.attributes()?));
            }
        }
        Ok(Self { cx, from, made, pending: BTreeSet::new(), imported: RefCell::default() })
    }

    /// The same for a plan, in which resources of these names are known only later.
    pub(crate) fn planned(mut self, pending: BTreeSet<String>) -> Self {
        self.pending = pending;
        self
    }
}

impl<R: Read> Attributes for Surroundings<'_, R> {
    fn ref_of(&self, logical: &str) -> Known {
        match self.made.get(logical) {
            _ if self.pending.contains(logical) => Known::Pending,
            Some((id, _)) => Known::Value(json!(id)),
            None => Known::Pending,
        }
    }

    fn get_att(&self, logical: &str, name: &str) -> Known {
        match self.made.get(logical) {
            _ if self.pending.contains(logical) => Known::Pending,
            Some((_, attributes)) => attributes.get(name).cloned().map_or(Known::Missing, Known::Value),
            None => Known::Pending,
        }
    }

    fn import(&self, name: &str) -> Known {
        match EXPORTS.get(self.from, &self.cx.key(name)) {
            Ok(Some(export)) => {
                self.imported.borrow_mut().insert(name.to_owned());
                Known::Value(json!(export.value))
            }
            _ => Known::Missing,
        }
    }

    fn azs(&self, region: &str) -> Known {
        let region = if region.is_empty() { self.cx.region() } else { region };
        if regions::exists(region) { Known::Value(json!(regions::zones(region))) } else { Known::Missing }
    }
}
