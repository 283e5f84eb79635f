//! How replicas and witnesses are added, changed and taken away.

use super::create::{first, override_all};
use super::group::{self, Group, Home, Member, Standing, Witness};
use super::request::{Asked, Overrides};
use super::{refusals, scaled, stamps};
use crate::DynamoDb;
use crate::api::UpdateTableOutput;
use crate::encryption::Encryption;
use crate::error::{Error, Result};
use crate::request::{scope, table_name};
use crate::rows::{self, Scope};
use crate::streams::store::View;
use crate::table::{BASE, Table};
use crate::tables::describe::description;
use crate::throughput::settings::When;
use std::sync::Arc;
use undercast_kernel::Cx;
use undercast_store::{Read, Tx};

/// What a new replica is made of, before the transaction that makes it.
struct Prepared {
    region: String,
    overrides: Overrides,
    encryption: Option<Encryption>,
    table: String,
    stream: String,
}

impl DynamoDb {
    /// Does to the replicas of a table what is asked for.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) async fn change_replicas(&self, cx: &Cx, given: &str, asked: Asked) -> Result<UpdateTableOutput> {
        let name = table_name(cx, given)?;
        match asked {
            Asked::Create { replicas, witness, strong } => self.add(cx, name, replicas, witness, strong).await,
            Asked::Update(region, overrides) => self.change_replica(cx, name, &region, &overrides).await,
            Asked::Disassociate(region) => self.disassociate(cx, name, &region).await,
            Asked::Delete { replicas, witness } => self.take_away(cx, name, &replicas, witness.as_deref()).await,
        }
    }

    /// The table, of which nothing is being changed.
    pub(super) fn steady(&self, cx: &Cx, from: &impl Read, name: &str) -> Result<Arc<Table>> {
        let table = self.descriptions.any(from, scope(cx), name)?.ok_or_else(|| Error::table_not_found(name))?;
        match table.replica.as_ref().map(|replica| replica.standing) {
            Some(Standing::Creating) => Err(refusals::being_made(name, cx.region())),
            _ => self.settled(cx, from, name),
        }
    }

    /// The group of a table, if it has one.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn group_of(&self, from: &impl Read, table: &Table) -> Result<Option<Group>> {
        table.replica.as_ref().map_or(Ok(None), |replica| group::get(from, &replica.owner, &replica.group))
    }

    async fn add(
        &self,
        cx: &Cx,
        name: &str,
        wanted: Vec<(String, Overrides)>,
        witness: Option<String>,
        strong: Option<bool>,
    ) -> Result<UpdateTableOutput> {
        let regions: Vec<String> = wanted.iter().map(|(region, _)| region.clone()).collect();
        let source = {
            let from = cx.read();
            let source = self.steady(cx, &from, name)?;
            self.check_addition(cx, &from, &source, &regions, strong)?;
            source
        };
        scaled::require(cx, &source).await?;
        let mut prepared: Vec<Prepared> = Vec::with_capacity(wanted.len());
        for (region, overrides) in wanted {
            let there = cx.elsewhere(cx.account(), &region);
            let encryption = match self.encrypt_replica(&there, (cx, &source), overrides.key.as_deref()).await {
                Ok(encryption) => encryption,
                Err(refused) => {
                    self.give_back(cx, &prepared).await?;
                    return Err(refused);
                }
            };
            let (table, stream) = (cx.random().uuid(), cx.random().uuid());
            prepared.push(Prepared { region, overrides, encryption, table, stream });
        }
        let ids = (cx.random().uuid(), cx.random().uuid());
        let added = cx
            .write(|tx| {
                let table = self.steady(cx, tx, name)?;
                if table.id != source.id || table.encryption != source.encryption {
                    return Err(refusals::busy().into());
                }
                self.check_addition(cx, tx, &table, &regions, strong)?;
                Ok(self.add_in(
                    cx,
                    tx,
                    (*table).clone(),
                    &prepared,
                    witness.as_deref(),
                    (strong == Some(true), &ids),
                )?)
            })
            .await;
        if added.is_err() {
            self.give_back(cx, &prepared).await?;
        }
        Ok(added?)
    }

    /// Gives back what was asked of KMS for replicas that were not made.
    async fn give_back(&self, cx: &Cx, prepared: &[Prepared]) -> Result<()> {
        for one in prepared {
            self.let_go(&cx.elsewhere(cx.account(), &one.region), one.encryption.as_ref()).await?;
        }
        Ok(())
    }

    /// Whether replicas of a table can be made.
    fn check_addition(
        &self,
        cx: &Cx,
        from: &impl Read,
        table: &Table,
        regions: &[String],
        strong: Option<bool>,
    ) -> Result<()> {
        let group = self.group_of(from, table)?;
        if let Some(group) = &group {
            if strong.is_some() {
                return Err(Error::validation(
                    "MultiRegionConsistency parameter is unsupported on existing global table",
                ));
            }
            if group.is_shared() {
                return Err(refusals::shared());
            }
            if group.strong {
                return Err(Error::validation(
                    "Cannot add replicas to a global table with strong MultiRegionConsistency",
                ));
            }
        }
        for region in regions {
            if self.descriptions.any(from, Scope { account: cx.account(), region }, &table.name)?.is_some() {
                let making = group.as_ref().and_then(|group| group.member(region)).map(|member| member.standing);
                let making = matches!(making, Some(Standing::Creating));
                return Err(if making { refusals::busy() } else { refusals::taken(&table.name) });
            }
        }
        if let Some(group) = &group {
            if !group.is_settled() {
                return Err(refusals::busy());
            }
            for member in &group.members {
                self.check_link(cx, &member.home.region)?;
            }
        }
        for region in regions {
            self.check_link(cx, region)?;
        }
        if strong == Some(true) {
            check_strong(cx, from, table)?;
        }
        Ok(())
    }

    /// Whether a region can be reached from here.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) fn check_link(&self, cx: &Cx, region: &str) -> Result<()> {
        let linked = cx.kernel().faults().are_linked(cx.region(), region) || region == cx.region();
        if linked { Ok(()) } else { Err(refusals::unreachable(region)) }
    }

    fn add_in(
        &self,
        cx: &Cx,
        tx: &mut Tx<'_>,
        mut table: Table,
        prepared: &[Prepared],
        witness: Option<&str>,
        (strong, ids): (bool, &(String, String)),
    ) -> Result<UpdateTableOutput> {
        let known = self.group_of(tx, &table)?;
        let mut group = known.unwrap_or_else(|| first(cx, ids.0.clone(), &table, strong));
        if !strong && !table.stream.as_ref().is_some_and(|stream| stream.enabled) {
            // Replication reads it, at AWS.
            self.begin_stream(cx, tx, &mut table, &ids.1, View::NewAndOldImages)?;
        }
        table.replica = Some(group.seen_from(cx.region(), Standing::Updating));
        // The answer shows those that were there before.
        let shown = {
            rows::put_table(tx, scope(cx), &table);
            group.put(tx);
            description(cx, tx, &table, "UPDATING")?
        };
        for one in prepared {
            let there = cx.elsewhere(cx.account(), &one.region);
            let mut replica = self.replica(&there, &one.table, &table, &one.overrides, one.encryption.clone())?;
            if let Some(stream) = table.stream.as_ref().filter(|stream| stream.enabled && !strong) {
                self.begin_stream(&there, tx, &mut replica, &one.stream, stream.view)?;
            }
            group.members.push(Member {
                home: Home { account: cx.account().to_owned(), region: one.region.clone() },
                table: replica.id.clone(),
                standing: Standing::Creating,
                source: Some(cx.region().to_owned()),
                added: cx.now_millis(),
                filled: None,
            });
            replica.replica = Some(group.seen_from(&one.region, Standing::Creating));
            rows::put_table(tx, scope(&there), &replica);
            self.watch_key(&there, tx, &replica)?;
            if !strong {
                begin_telling(tx, &group, cx.region(), &one.region)?;
            }
            self.schedule_making(&there, tx, &group, &one.region)?;
        }
        group.witness =
            witness.map(|region| Witness { region: region.to_owned(), standing: Standing::Creating }).or(group.witness);
        group.put(tx);
        self.regroup(tx, &group)?;
        if strong {
            self.note_strong();
        }
        if group.members.len() == prepared.len() + 1 && !strong {
            self.schedule_forgetting(cx, tx, &group)?;
        }
        Ok(UpdateTableOutput { table_description: Some(shown) })
    }

    /// Tells the tables of a group who is in it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn regroup(&self, tx: &mut Tx<'_>, group: &Group) -> Result<()> {
        let changing = !group.is_settled();
        for member in &group.members {
            let there = member.home.scope();
            let Some(table) = self.descriptions.any(tx, there, &group.name)?.filter(|table| table.id == member.table)
            else {
                continue;
            };
            let before = table.replica.as_ref().map_or(Standing::Active, |replica| replica.standing);
            let standing = match (member.standing, before) {
                (Standing::Active, Standing::Updating) if changing => Standing::Updating,
                (standing, _) => standing,
            };
            let seen = Some(group.seen_from(&member.home.region, standing));
            if table.replica != seen {
                rows::put_table(tx, there, &Table { replica: seen, ..(*table).clone() });
            }
        }
        Ok(())
    }

    async fn change_replica(
        &self,
        cx: &Cx,
        name: &str,
        region: &str,
        overrides: &Overrides,
    ) -> Result<UpdateTableOutput> {
        let there = cx.elsewhere(cx.account(), region);
        let shown = cx
            .write(|tx| {
                let table = self.steady(cx, tx, name)?;
                let group = self.group_of(tx, &table)?;
                let group = group.filter(|group| group.member(region).is_some());
                let group = group.ok_or_else(|| refusals::no_member(region))?;
                if group.is_shared() {
                    return Err(refusals::shared().into());
                }
                if !group.is_settled() {
                    return Err(refusals::busy().into());
                }
                self.check_link(cx, region)?;
                // The answer does not show yet what is asked for.
                let shown = description(cx, tx, &table, "UPDATING")?;
                let replica = self.descriptions.any(tx, scope(&there), name)?;
                let mut replica = replica.map(|known| (*known).clone()).ok_or_else(|| refusals::no_member(region))?;
                override_all(&there, &mut replica, overrides, When::Changed)?;
                rows::put_table(tx, scope(&there), &replica);
                Ok(shown)
            })
            .await?;
        Ok(UpdateTableOutput { table_description: Some(shown) })
    }

    async fn take_away(
        &self,
        cx: &Cx,
        name: &str,
        regions: &[String],
        witness: Option<&str>,
    ) -> Result<UpdateTableOutput> {
        let shown = cx
            .write(|tx| {
                let table = self.steady(cx, tx, name)?;
                let group = self.group_of(tx, &table)?;
                let missing = |region: &&String| group.as_ref().is_none_or(|group| group.member(region).is_none());
                if let Some(region) = regions.iter().find(missing) {
                    return Err(refusals::no_member(region).into());
                }
                let Some(mut group) = group else { return Err(refusals::no_action().into()) };
                if group.is_shared() {
                    return Err(refusals::shared().into());
                }
                check_removal(cx, &group, regions, witness)?;
                if !group.is_settled() {
                    return Err(refusals::busy().into());
                }
                for region in regions {
                    self.check_link(cx, region)?;
                    let there = Scope { account: cx.account(), region };
                    let protected = self.descriptions.any(tx, there, name)?;
                    if protected.is_some_and(|table| table.deletion_protection) {
                        return Err(refusals::protected(name, region).into());
                    }
                    if group.needs(region, cx.now_millis()) {
                        return Err(refusals::is_source().into());
                    }
                }
                let shown = description(cx, tx, &table, "UPDATING")?;
                let updating = Some(group.seen_from(cx.region(), Standing::Updating));
                rows::put_table(tx, scope(cx), &Table { replica: updating, ..(*table).clone() });
                for region in regions {
                    self.begin_removal(cx, tx, &mut group, region)?;
                }
                if let Some(witness) = group.witness.as_mut().filter(|_| witness.is_some()) {
                    witness.standing = Standing::Deleting;
                }
                group.put(tx);
                self.regroup(tx, &group)?;
                Ok(shown)
            })
            .await?;
        Ok(UpdateTableOutput { table_description: Some(shown) })
    }

    fn begin_removal(&self, cx: &Cx, tx: &mut Tx<'_>, group: &mut Group, region: &str) -> Result<()> {
        let Some(member) = group.member_mut(region) else { return Ok(()) };
        member.standing = Standing::Deleting;
        let there = member.home.cx(cx);
        self.schedule_removal(&there, tx, group, region)
    }

    /// Begins to take the replica out of its group that `DeleteTable` names.
    ///
    /// # Errors
    /// What AWS says, and when the store fails.
    pub(crate) fn remove_here(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<()> {
        let Some(mut group) = self.group_of(tx, table)? else { return Ok(()) };
        if group.strong {
            return Err(refusals::one_of_strong());
        }
        if table.deletion_protection {
            return Err(refusals::protected(&table.name, cx.region()));
        }
        if group.needs(cx.region(), cx.now_millis()) {
            return Err(refusals::is_source());
        }
        if !group.is_settled() {
            return Err(refusals::busy());
        }
        self.begin_removal(cx, tx, &mut group, cx.region())?;
        group.put(tx);
        self.regroup(tx, &group)
    }
}

/// From now on all others note for a new replica what is written to them; what they have yet to tell the region that it is
/// filled from, they have yet to tell it as well.
pub(super) fn begin_telling(tx: &mut Tx<'_>, group: &Group, source: &str, region: &str) -> Result<()> {
    let Some(new) = group.member(region) else { return Ok(()) };
    for member in group.members.iter().filter(|member| member.home.region != region) {
        let told = stamps::cursor(tx, member.home.scope(), &member.table, source)?;
        let position = told.map_or_else(|| stamps::end(tx, member.home.scope(), &member.table), Ok)?;
        stamps::set_cursor(tx, member.home.scope(), &member.table, region, position);
        stamps::set_cursor(tx, new.home.scope(), &new.table, &member.home.region, 0);
    }
    Ok(())
}

/// Whether a table can become strongly consistent.
fn check_strong(cx: &Cx, from: &impl Read, table: &Table) -> Result<()> {
    if !table.local.is_empty() {
        return Err(refusals::unsupported_by_strong("Local secondary indexes are"));
    }
    if table.ttl.is_some() {
        return Err(refusals::unsupported_by_strong("Time to live is"));
    }
    if rows::counts(from, scope(cx), table, BASE)?.items > 0 {
        return Err(refusals::unsupported_by_strong("Tables that contain items are"));
    }
    Ok(())
}

/// Whether these replicas can go together.
fn check_removal(cx: &Cx, group: &Group, regions: &[String], witness: Option<&str>) -> Result<()> {
    if let Some(region) = witness
        && group.witness.as_ref().is_none_or(|witness| witness.region != region)
    {
        return Err(refusals::no_witness(region));
    }
    if !group.strong {
        return if regions.len() > 1 { Err(refusals::several()) } else { Ok(()) };
    }
    if group.witness.is_some() && witness.is_none() {
        return Err(Error::validation("Update table delete operation does not include all witnesses."));
    }
    let all = |member: &Member| member.home.region == cx.region() || regions.contains(&member.home.region);
    if group.members.iter().all(all) { Ok(()) } else { Err(refusals::one_of_strong()) }
}
