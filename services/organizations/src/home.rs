//! The organization of whoever calls, and what is in it.

use undercast_kernel::store::{Read, Tx};
use undercast_kernel::{Cx, Result};

use crate::error;
use crate::ids::Kind;
use crate::rows::{ATTACHMENTS, MEMBERS, Member, ORGANIZATIONS, Organization, UNITS, Unit};

/// So many units may be within each other.
pub(crate) const DEEPEST: usize = 5;

/// The organization of whoever calls.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) management: String,
    pub(crate) organization: Organization,
}

impl Home {
    /// That of a management account.
    pub(crate) fn of_management(from: &(impl Read + ?Sized), management: &str) -> Result<Option<Self>> {
        let found = ORGANIZATIONS.get(from, &(management,))?;
        Ok(found.map(|organization| Self { management: management.to_owned(), organization }))
    }

    /// The one that the account belongs to, whatever it is there.
    pub(crate) fn of_member(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Self> {
        let member = MEMBERS.get(from, &(cx.account(),))?.ok_or_else(error::not_in_use)?;
        Self::of_management(from, &member.management)?.ok_or_else(|| cx.broken("an account's organization is gone"))
    }

    /// The one that the account manages: nobody else may change it.
    pub(crate) fn managed(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Self> {
        let home = Self::of_member(cx, from)?;
        if home.management == cx.account() { Ok(home) } else { Err(error::denied()) }
    }

    /// The one that the account may look at: it manages it, or administers a service in it.
    pub(crate) fn seen(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<Self> {
        let home = Self::of_member(cx, from)?;
        let delegated = home.organization.delegated.keys().any(|(account, _)| account == cx.account());
        if home.management == cx.account() || delegated { Ok(home) } else { Err(error::denied()) }
    }

    /// The same, for those who may do this by the organization's resource policy as well.
    pub(crate) fn seen_by_policy(cx: &Cx, from: &(impl Read + ?Sized), action: &str) -> Result<Self> {
        match Self::seen(cx, from) {
            Ok(home) => Ok(home),
            Err(denied) => {
                let home = Self::of_member(cx, from)?;
                if crate::access::lets(cx, &home, action)? { Ok(home) } else { Err(denied) }
            }
        }
    }

    /// The services that an account administers in it.
    pub(crate) fn administered_by(&self, account: &str) -> impl Iterator<Item = &str> {
        let of = self.organization.delegated.keys().filter(move |(by, _)| by == account);
        of.map(|(_, service)| service.as_str())
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        ORGANIZATIONS.put(tx, &(&self.management,), &self.organization);
    }

    /// Has the authoriser look again.
    pub(crate) fn touch(&mut self, tx: &mut Tx<'_>) {
        self.organization.revision += 1;
        self.put(tx);
    }

    /// An account of it.
    pub(crate) fn member(&self, from: &(impl Read + ?Sized), account: &str) -> Result<Member> {
        let found = MEMBERS.get(from, &(account,))?.filter(|member| member.management == self.management);
        found.ok_or_else(error::no_account)
    }

    /// All its accounts.
    pub(crate) fn members(&self, from: &(impl Read + ?Sized)) -> Result<Vec<(String, Member)>> {
        let mut all = Vec::new();
        for entry in MEMBERS.all(from, &())? {
            if let Some((account,)) = entry.key::<(String,)>().filter(|_| entry.row.management == self.management) {
                all.push((account, entry.row));
            }
        }
        Ok(all)
    }

    pub(crate) fn unit(&self, from: &(impl Read + ?Sized), id: &str) -> Result<Option<Unit>> {
        Ok(UNITS.get(from, &(&self.management, id))?)
    }

    /// All its units.
    pub(crate) fn units(&self, from: &(impl Read + ?Sized)) -> Result<Vec<(String, Unit)>> {
        let rows = UNITS.all(from, &(&self.management,))?;
        Ok(rows.into_iter().filter_map(|e| e.key::<(String, String)>().map(|(_, id)| (id, e.row))).collect())
    }

    /// Whether it is its root or a unit of it.
    pub(crate) fn is_parent(&self, from: &(impl Read + ?Sized), id: &str) -> Result<bool> {
        Ok(id == self.organization.root || self.unit(from, id)?.is_some())
    }

    /// What a root, unit or account is called. `None`: it is not of this organization.
    pub(crate) fn name(&self, from: &(impl Read + ?Sized), id: &str) -> Result<Option<String>> {
        Ok(match Kind::of(id) {
            Kind::Root => (id == self.organization.root).then(|| "Root".to_owned()),
            Kind::Unit => self.unit(from, id)?.map(|unit| unit.name),
            Kind::Account => match self.member(from, id) {
                Ok(member) => Some(member.name),
                Err(failure) if failure.code() == Some("AccountNotFoundException") => None,
                Err(failure) => return Err(failure),
            },
        })
    }

    /// From the root down to a root, unit or account, itself included. Empty: it is not of this organization.
    pub(crate) fn line(&self, from: &(impl Read + ?Sized), id: &str) -> Result<Vec<String>> {
        let mut line = Vec::new();
        let mut at = id.to_owned();
        loop {
            line.push(at.clone());
            let parent = match Kind::of(&at) {
                Kind::Root => break,
                Kind::Unit => self.unit(from, &at)?.map(|unit| unit.parent),
                Kind::Account => MEMBERS.get(from, &(&at,))?.map(|member| member.parent),
            };
            match parent.filter(|_| line.len() <= DEEPEST + 2) {
                Some(parent) => at = parent,
                None => return Ok(Vec::new()),
            }
        }
        if at != self.organization.root {
            return Ok(Vec::new());
        }
        line.reverse();
        Ok(line)
    }

    /// `o-…/r-…/ou-…/`
    pub(crate) fn path(&self, from: &(impl Read + ?Sized), id: &str) -> Result<String> {
        let steps = self.line(from, id)?;
        let steps = [&self.organization.id].into_iter().chain(&steps).map(|step| format!("{step}/"));
        Ok(steps.collect())
    }

    /// The ids of the policies that are attached to a root, unit or account.
    pub(crate) fn attached(&self, from: &(impl Read + ?Sized), target: &str) -> Result<Vec<String>> {
        let rows = ATTACHMENTS.all(from, &(&self.management, target))?;
        Ok(rows.iter().filter_map(|entry| entry.key::<(String, String, String)>().map(|key| key.2)).collect())
    }

    /// A new root, unit or account gets what AWS attaches to each, of the types that are enabled.
    pub(crate) fn attach_managed(&self, cx: &Cx, tx: &mut Tx<'_>, target: &str) {
        for kind in &self.organization.types {
            if let Some(id) = crate::policies::managed_of(kind) {
                ATTACHMENTS.put(tx, &(&self.management, target, id), &cx.now_millis());
            }
        }
    }
}
