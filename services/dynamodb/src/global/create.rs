//! The table that a new replica is, before it holds anything.

use super::group::{Group, Home, Standing};
use super::refusals;
use super::request::{IndexOverrides, Overrides};
use crate::DynamoDb;
use crate::api::input::OnDemandThroughput;
use crate::encryption::{self, Encryption, Wanted};
use crate::error::Result;
use crate::request::scope;
use crate::table::{Billing, Index, Table};
use crate::throughput::Allowance;
use crate::throughput::settings::{self, When, Whose};
use undercast_kernel::Cx;

impl DynamoDb {
    /// What a replica in the region of `there` is encrypted with: as the table that it is filled from, with a key of its own.
    ///
    /// # Errors
    /// When its key does not go with the others, and what KMS refuses.
    pub(super) async fn encrypt_replica(
        &self,
        there: &Cx,
        source: (&Cx, &Table),
        key: Option<&str>,
    ) -> Result<Option<Encryption>> {
        let (here, source) = source;
        let of_source = source.encryption.as_ref().and_then(|encryption| encryption.kms.as_ref());
        let wanted = match (of_source, key) {
            (None, None) => Wanted::Owned,
            (None, Some(_)) => return Err(refusals::key_for_each()),
            (Some(kms), key) => match (encryption::is_managed(here, &kms.arn).await?, key) {
                (true, None) => encryption::managed(),
                (true, Some(key)) | (false, Some(key)) => Wanted::Kms(key.to_owned()),
                (false, None) => return Err(refusals::key_for_each()),
            },
        };
        if self.descriptions.any(&there.read(), scope(there), &source.name)?.is_some() {
            return Err(refusals::taken(&source.name));
        }
        let encryption = self.encrypt(there, &source.name, &wanted).await?;
        let (of_source, made) = (of_source, encryption.as_ref().and_then(|made| made.kms.as_ref()));
        if let (Some(of_source), Some(made)) = (of_source, made)
            && encryption::is_managed(here, &of_source.arn).await? != encryption::is_managed(there, &made.arn).await?
        {
            self.let_go(there, encryption.as_ref()).await?;
            return Err(refusals::keys_of_two_kinds());
        }
        Ok(encryption)
    }

    /// A replica in the region of `there`, of a table that it will be filled from.
    ///
    /// # Errors
    /// What AWS says of overrides that do not fit.
    pub(super) fn replica(
        &self,
        there: &Cx,
        id: &str,
        source: &Table,
        overrides: &Overrides,
        encryption: Option<Encryption>,
    ) -> Result<Table> {
        let mut table = Table {
            id: id.to_owned(),
            created: there.now_millis(),
            deletion_protection: false,
            class: overrides.class.clone().or_else(|| source.class.clone()),
            on_demand_since: source.on_demand_since.map(|_| there.now_millis()),
            stream: None,
            recovery: None,
            restored: None,
            encryption,
            allowance: anew(&source.allowance, source.billing),
            policy: None,
            insights: None,
            destinations: None,
            replica: None,
            stays: None,
            ..source.clone()
        };
        for index in &mut table.global {
            index.allowance = anew(&index.allowance, index.billing);
            index.insights = None;
        }
        for index in &mut table.local {
            index.insights = None;
        }
        override_all(there, &mut table, overrides, When::Made)?;
        self.descriptions.attach(&mut table);
        Ok(table)
    }
}

/// What a replica has of what another one may read and write.
fn anew(old: &Allowance, billing: Billing) -> Allowance {
    Allowance {
        most_read: old.most_read,
        most_write: old.most_write,
        warmed: old.warm(billing),
        ..Allowance::default()
    }
}

/// Gives a replica what it shall have by itself.
///
/// # Errors
/// What AWS says of it.
pub(super) fn override_all(there: &Cx, table: &mut Table, overrides: &Overrides, when: When) -> Result<()> {
    if let Some(class) = overrides.class.as_ref().filter(|_| when == When::Changed) {
        table.class = Some(class.clone());
    }
    let (billing, allowance) = overridden(
        there,
        (table.billing, table.allowance),
        (overrides.read, overrides.most.as_ref()),
        Whose::Table,
        when,
    )?;
    (table.billing, table.allowance) = (billing, allowance);
    for wanted in &overrides.indexes {
        override_index(there, &mut table.global, &table.name, wanted, when)?;
    }
    Ok(())
}

fn override_index(there: &Cx, indexes: &mut [Index], table: &str, wanted: &IndexOverrides, when: When) -> Result<()> {
    let Some(index) = indexes.iter_mut().find(|index| index.name == wanted.name) else {
        // A replica that is made ignores what is said of indexes that there are not, as AWS's does.
        let missing = crate::error::Error::index_of_table_not_found(&wanted.name, table);
        return if when == When::Made { Ok(()) } else { Err(missing) };
    };
    let asked = (wanted.read, wanted.most.as_ref());
    let whose = Whose::Index(&wanted.name);
    (index.billing, index.allowance) = overridden(there, (index.billing, index.allowance), asked, whose, when)?;
    Ok(())
}

fn overridden(
    there: &Cx,
    (billing, mut allowance): (Billing, Allowance),
    (read, most): (Option<i64>, Option<&OnDemandThroughput>),
    whose: Whose<'_>,
    when: When,
) -> Result<(Billing, Allowance)> {
    let new = match (billing, read) {
        (Billing::Provisioned { write, .. }, Some(read)) => Billing::Provisioned { read, write },
        // A replica that is made takes it, as AWS's does, for the day on which it is paid for by capacity.
        (Billing::OnDemand, Some(_)) if when == When::Changed => return Err(refusals::no_capacity()),
        _ => billing,
    };
    settings::check_provisioned(there, new, whose)?;
    allowance.change(billing, new, there.now_millis())?;
    let asked = settings::Asked { most, warm: None };
    // A replica can be without the limit that the table has, and says so with `-1`.
    asked.follow(there, &mut allowance, new, whose, When::Changed)?;
    Ok((new, allowance))
}

/// What a new group knows of its first table.
pub(super) fn first(cx: &Cx, id: String, table: &Table, strong: bool) -> Group {
    let member = super::group::Member {
        home: Home { account: cx.account().to_owned(), region: cx.region().to_owned() },
        table: table.id.clone(),
        standing: Standing::Active,
        source: None,
        added: cx.now_millis(),
        filled: None,
    };
    Group { id, name: table.name.clone(), strong, members: vec![member], witness: None, owner: cx.account().to_owned() }
}
