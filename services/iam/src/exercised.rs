//! Which permissions users and roles exercised: action, resource, and when last.
//!
//! Each permission that a call asked for and got is told of ([`Exercised::note`]) and remembered in memory; what was remembered
//! is written some seconds later, and before it is asked for, as with [`usage`](crate::usage). Of an action on very many
//! resources it is remembered beside which ones they lie.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hashbrown::HashTable;
use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::waiting::Waiting;
use undercast_kernel::{Access, Cx, Kernel, Result};

use crate::entity::Kind;
use crate::usage::{behind, entity};

/// Account, id of a user or role, action → the resources.
static EXERCISED: Table<Resources> = Table::new("iam.exercised");

/// Of so many resources of an action each one is remembered.
const MOST_RESOURCES: usize = 256;
/// So many may wait to be written, in each part.
const MOST_FRESH: usize = 2_048;

/// The resources on which an action was done, as patterns of policies, with the last time in seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Resources {
    /// One each.
    #[n(0)]
    exact: BTreeMap<String, i64>,
    /// Many each: they end in `*`.
    #[n(1)]
    wide: BTreeMap<String, i64>,
}

impl Resources {
    fn add(&mut self, resource: &str, wide: bool, at: i64) {
        let place = if wide { &mut self.wide } else { &mut self.exact };
        let last = place.entry(resource.to_owned()).or_insert(at);
        *last = at.max(*last);
        if self.exact.len() > MOST_RESOURCES {
            for (one, at) in std::mem::take(&mut self.exact) {
                self.add(&beside(&one), true, at);
            }
        }
    }

    /// The patterns that were asked for since a time, without those that others cover.
    fn since(&self, time: i64) -> Vec<String> {
        let late = |all: &BTreeMap<String, i64>| -> Vec<String> {
            all.iter().filter(|(_, at)| **at >= time).map(|(pattern, _)| pattern.clone()).collect()
        };
        let wide = late(&self.wide);
        let covered = |one: &String| wide.iter().any(|w| one.starts_with(w.trim_end_matches('*')));
        let mut all: Vec<String> = late(&self.exact).into_iter().filter(|one| !covered(one)).collect();
        all.extend(wide);
        all
    }
}

/// A resource as a pattern that matches nothing else: what would be a wildcard or a variable stands for itself.
fn pattern_of(resource: &str) -> String {
    if resource == "*" {
        return resource.to_owned();
    }
    let mut pattern = String::with_capacity(resource.len());
    for c in resource.chars() {
        match c {
            '*' | '?' | '$' => pattern.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
            _ => pattern.push(c),
        }
    }
    pattern
}

/// The pattern of what lies beside a resource, given as a pattern: of an object, all of its bucket.
fn beside(pattern: &str) -> String {
    let Some(place) = pattern.splitn(6, ':').nth(5) else { return "*".to_owned() };
    let start = pattern.len() - place.len();
    let cut = place.find(['/', ':']).map_or(0, |at| at + 1);
    format!("{}*", &pattern[..start + cut])
}

/// What was exercised since it was written last.
struct Fresh {
    account: String,
    kind: Kind,
    /// Name of the user; ARN of the role.
    who: String,
    action: String,
    resource: String,
    wide: bool,
    at: i64,
}

/// What is remembered and not written yet.
#[derive(Default)]
pub(crate) struct Exercised(Waiting<Fresh>);

impl Exercised {
    /// Remembers a permission that a call asked for and got, on all resources that had to allow it.
    pub(crate) fn note(&self, cx: &Cx, access: &Access) {
        self.note_one(cx, &access.action, &access.resource);
        for behind in &access.behind {
            self.note_one(cx, &access.action, &behind.resource);
        }
    }

    fn note_one(&self, cx: &Cx, action: &str, resource: &str) {
        let principal = cx.principal();
        let Some((kind, who)) = behind(principal) else { return };
        let (account, at) = (principal.account.as_str(), cx.now().as_second());
        let mut part = self.0.part(self.0.hash((account, who, action, resource)));
        let hash = |resource: &str| self.0.hash((account, who, action, resource));
        let again = |part: &mut HashTable<Fresh>, resource: &str, wide: bool| {
            let of_caller = |f: &Fresh| f.who == who && f.action == action && f.account == account;
            let is = |f: &Fresh| f.resource == resource && f.wide == wide && of_caller(f);
            part.find_mut(hash(resource), is).map(|fresh| fresh.at = fresh.at.max(at)).is_some()
        };
        if again(&mut part, resource, false) {
            return;
        }
        let wide = part.len() >= MOST_FRESH;
        let resource = if wide { beside(&pattern_of(resource)) } else { resource.to_owned() };
        if wide && again(&mut part, &resource, true) {
            return;
        }
        let hash = hash(&resource);
        let (account, who, action) = (account.to_owned(), who.to_owned(), action.to_owned());
        let of = |f: &Fresh| self.0.hash((f.account.as_str(), f.who.as_str(), f.action.as_str(), f.resource.as_str()));
        part.insert_unique(hash, Fresh { account, kind, who, action, resource, wide, at }, of);
    }
}

/// Writes what is remembered. Whoever reads it calls this first.
pub(crate) async fn flush(kernel: &Kernel) -> Result<()> {
    kernel.memory::<Exercised>().0.flush(kernel, write).await
}

fn write(tx: &mut Tx<'_>, fresh: &[Fresh]) -> Result<()> {
    let mut rows: BTreeMap<(String, String, &str), Resources> = BTreeMap::new();
    for one in fresh {
        // Who is gone by now is not asked about.
        let Some((account, entity)) = entity(tx, &one.account, one.kind, &one.who)? else { continue };
        let key = (account, entity.id, one.action.as_str());
        let row = match rows.entry(key) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(new) => {
                let written = EXERCISED.get(tx, new.key())?.unwrap_or_default();
                new.insert(written)
            }
        };
        let pattern = if one.wide { one.resource.clone() } else { pattern_of(&one.resource) };
        row.add(&pattern, one.wide, one.at);
    }
    rows.iter().for_each(|(key, row)| EXERCISED.put(tx, key, row));
    Ok(())
}

/// A user or role is gone.
pub(crate) fn forget(tx: &mut Tx<'_>, account: &str, id: &str) -> Result<()> {
    EXERCISED.clear(tx, &(account, id))?;
    Ok(())
}

/// What a user or role exercised since a time, in seconds since 1970: actions, with the patterns of their resources.
pub(crate) fn of(
    from: &(impl Read + ?Sized),
    account: &str,
    id: &str,
    since: i64,
) -> Result<BTreeMap<String, Vec<String>>> {
    let mut all = BTreeMap::new();
    for entry in EXERCISED.all(from, &(account, id))? {
        let resources = entry.row.since(since);
        if let Some((_, _, action)) = entry.key::<(String, String, String)>().filter(|_| !resources.is_empty()) {
            all.insert(action, resources);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_very_much_is_told_by_where_it_lies() {
        let mut resources = Resources::default();
        for n in 0..=MOST_RESOURCES {
            resources.add(&format!("arn:aws:s3:::shelf/{n}"), false, 5);
        }
        resources.add("arn:aws:s3:::other/1", false, 9);
        resources.add("arn:aws:s3:::shelf/new", false, 9);
        assert_eq!(resources.since(0), ["arn:aws:s3:::other/1", "arn:aws:s3:::shelf/*"]);
        assert_eq!(resources.since(6), ["arn:aws:s3:::other/1", "arn:aws:s3:::shelf/new"]);
        assert_eq!(beside("arn:aws:sqs:us-east-1:1:q"), "arn:aws:sqs:us-east-1:1:*");
        assert_eq!(beside("arn:aws:dynamodb:us-east-1:1:table/t"), "arn:aws:dynamodb:us-east-1:1:table/*");
        assert_eq!(beside("*"), "*");
    }

    #[test]
    fn a_resource_stands_for_itself() {
        assert_eq!(pattern_of("arn:aws:s3:::b/a*b?${c}"), "arn:aws:s3:::b/a${*}b${?}${$}{c}");
        assert_eq!(pattern_of("*"), "*");
    }
}
