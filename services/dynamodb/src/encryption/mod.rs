//! Encryption of tables with keys of KMS.
//!
//! A table without one is as safe as the data directory is: AWS's own key. With one, each row of its items and indexes,
//! each record of its stream and of its history, is sealed (`ring`) with a key of the table, which is kept as ciphertext of
//! the key of KMS alone (`kms`). A caller's right to decrypt is looked at every five minutes, as at AWS; what happens
//! without a caller is done by a grant.
//! Source: "DynamoDB encryption at rest" in the developer guide; refusals as measured against AWS in 2026.
//!
//! Limits: values of keys stand in the keys of rows, where they must be in order, and are not sealed. Records that were
//! written before a table got a key stay as they were. A table whose key is gone is not archived after a week.

mod anew;
mod change;
mod kms;
mod quota;
mod ring;

pub(crate) use kms::{For, is_managed};
pub use quota::Changes;
pub use ring::{Attached, Keys, Ring, TableKey};

use crate::DynamoDb;
use crate::api::input::SSESpecification;
use crate::api::output::SSEDescription;
use crate::error::{Error, Result};
use crate::request::{scope, table_name};
use crate::rows;
use crate::table::Table;
use crate::tables::describe::moment;
use minicbor::{Decode, Encode};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use undercast_kernel::{Cx, Next};
use undercast_store::Tx;
use undercast_wire::{Fields, Value};

/// How long a key is used before KMS is asked again, in milliseconds.
const FRESH: i64 = 5 * 60_000;

/// How often the key of a table is looked after.
pub(crate) const LOOK: Duration = Duration::from_secs(30 * 60);

/// So many rows are sealed anew at a time.
const STEP: usize = 1000;

/// Rights of more callers than so many are not remembered.
const MOST_CALLERS: usize = 4096;

/// What a table is encrypted with, or was.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Encryption {
    /// The keys of its rows, of which the last one seals.
    #[n(0)]
    pub keys: Vec<TableKey>,
    /// The key of KMS that those are ciphertext of; without one they seal nothing any more.
    #[n(1)]
    pub kms: Option<KmsKey>,
    /// Since when it is known that the key of KMS cannot be used, in milliseconds since 1970.
    #[n(2)]
    pub inaccessible: Option<i64>,
    /// Whether rows are being sealed anew.
    #[n(3)]
    pub updating: bool,
    /// How often that was changed of late.
    #[n(4)]
    pub changes: Option<Changes>,
}

/// A key of KMS that a table uses.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KmsKey {
    /// Its ARN.
    #[n(0)]
    pub arn: String,
    /// The grant by which DynamoDB uses it.
    #[n(1)]
    pub grant: String,
}

/// What a specification wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The key that DynamoDB owns.
    Owned,
    /// A key of KMS, as it is named.
    Kms(String),
}

/// What a specification wants.
///
/// # Errors
/// What AWS says of members that do not go together.
pub(crate) fn wanted(given: &SSESpecification) -> Result<Wanted> {
    let (kind, key) = (given.sse_type.as_deref(), given.kms_master_key_id.as_deref());
    let enabled = given.enabled.unwrap_or(kind.is_some() || key.is_some());
    match (enabled, kind, key) {
        (false, Some(_), _) => Err(Error::invalid("SSEType can not be specified if Enabled is false")),
        (false, None, Some(_)) => Err(Error::invalid("KMSMasterKeyId can not be specified if Enabled is false")),
        (false, None, None) => Ok(Wanted::Owned),
        (true, Some("AES256"), _) => Err(Error::invalid("SSEType AES256 is not supported")),
        (true, None, Some(_)) => Err(Error::invalid("SSEType KMS is required if KMSMasterKeyId is specified")),
        (true, _, key) => Ok(Wanted::Kms(key.unwrap_or(kms::MANAGED).to_owned())),
    }
}

/// How answers tell of a table's encryption. A table with the key that DynamoDB owns says nothing.
pub(crate) fn description(table: &Table) -> Option<SSEDescription> {
    let encryption = table.encryption.as_ref()?;
    let kms = encryption.kms.as_ref()?;
    Some(SSEDescription {
        status: Some(if encryption.updating { "UPDATING" } else { "ENABLED" }.to_owned()),
        sse_type: Some("KMS".to_owned()),
        kms_master_key_arn: Some(kms.arn.clone()),
        inaccessible_encryption_date_time: encryption.inaccessible.map(moment),
    })
}

/// Who may use the keys of which tables, and until when that need not be asked again.
#[derive(Default)]
pub(crate) struct Rights(Mutex<HashMap<(String, String), i64>>);

impl std::fmt::Debug for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rights")
    }
}

impl Rights {
    fn has(&self, now: i64, caller: &(String, String)) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(caller).is_some_and(|until| now < *until)
    }

    fn note(&self, now: i64, caller: (String, String)) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_CALLERS {
            all.clear();
        }
        all.insert(caller, now.saturating_add(FRESH));
    }
}

impl DynamoDb {
    /// What a new table of this name is encrypted with.
    ///
    /// # Errors
    /// What KMS refuses.
    pub(crate) async fn encrypt(&self, cx: &Cx, table: &str, wanted: &Wanted) -> Result<Option<Encryption>> {
        let Wanted::Kms(given) = wanted else { return Ok(None) };
        let granted = kms::grant(cx, table, given).await?;
        let key = self.new_key(cx, table, &granted.arn).await?;
        let kms = Some(KmsKey { arn: granted.arn, grant: granted.grant });
        Ok(Some(Encryption { keys: vec![key], kms, inaccessible: None, updating: false, changes: None }))
    }

    async fn new_key(&self, cx: &Cx, table: &str, key: &str) -> Result<TableKey> {
        let (wrapped, plain) = kms::new_key(cx, table, key).await?;
        let id = cx.random().uuid();
        self.descriptions.ring().add(&id, &plain);
        Ok(TableKey { id, wrapped, plain: false })
    }

    /// The keys of a table as they are, once they are on the ring.
    async fn plain_keys(&self, cx: &Cx, whose: For, table: &Table) -> Result<Vec<Vec<u8>>> {
        let Some(encryption) = &table.encryption else { return Ok(Vec::new()) };
        let mut all = Vec::with_capacity(encryption.keys.len());
        for key in &encryption.keys {
            let plain = match &encryption.kms {
                Some(kms) if !key.plain => kms::unwrap(cx, whose, &table.name, &kms.arn, &key.wrapped).await?,
                _ => key.wrapped.clone(),
            };
            self.descriptions.ring().add(&key.id, &plain);
            all.push(plain);
        }
        Ok(all)
    }

    /// Sees to it that what a table holds can be read and written: that its keys are at hand, and the caller may use them.
    ///
    /// # Errors
    /// What KMS refuses.
    pub(crate) async fn open(&self, cx: &Cx, whose: For, table: &Table) -> Result<()> {
        let Some(encryption) = &table.encryption else { return Ok(()) };
        let ring = self.descriptions.ring();
        let there = encryption.keys.iter().all(|key| ring.has(&key.id));
        let newest = encryption.keys.last().map_or("", |key| key.id.as_str());
        // Who asks through another key of KMS than before is asked anew.
        let key = encryption.kms.as_ref().map_or("", |kms| kms.arn.as_str());
        let who = if whose == For::Caller { cx.principal().arn.as_str() } else { "" };
        let caller = (who.to_owned(), format!("{newest} {key}"));
        if there && (encryption.kms.is_none() || self.rights.has(cx.now_millis(), &caller)) {
            return Ok(());
        }
        self.plain_keys(cx, whose, table).await?;
        self.rights.note(cx.now_millis(), caller);
        Ok(())
    }

    /// The same of all tables that a call on items is about.
    ///
    /// # Errors
    /// What KMS refuses, and when the store fails.
    pub(crate) async fn open_all(&self, cx: &Cx, input: &Value) -> Result<()> {
        let Some(fields) = input.as_fields() else { return Ok(()) };
        let from = cx.read();
        let mut tables = Vec::new();
        for given in named(fields) {
            // What names no table is refused by the operation.
            let Ok(name) = table_name(cx, &given) else { continue };
            tables.extend(self.descriptions.get(&from, scope(cx), name)?);
        }
        drop(from);
        for table in tables.iter().filter(|table| table.encryption.is_some()) {
            self.open(cx, For::Caller, table).await?;
        }
        Ok(())
    }

    /// Whether any table may have keys. The first to ask looks at all tables of all accounts.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn has_encrypted(&self, cx: &Cx) -> Result<bool> {
        if !self.looked.load(Ordering::Acquire) {
            if anew::any_encrypted(&cx.read())? {
                self.descriptions.ring().note();
            }
            self.looked.store(true, Ordering::Release);
        }
        Ok(self.descriptions.ring().is_used())
    }

    /// Gives back the grant of a table that no longer uses its key.
    ///
    /// # Errors
    /// When KMS breaks.
    pub(crate) async fn let_go(&self, cx: &Cx, encryption: Option<&Encryption>) -> Result<()> {
        match encryption.and_then(|encryption| encryption.kms.as_ref()) {
            Some(kms) => kms::retire(cx, &kms.arn, &kms.grant).await,
            None => Ok(()),
        }
    }

    /// Schedules the looking after the key of a table, and the sealing of its rows where that is to be done.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn watch_key(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table) -> Result<()> {
        let Some(encryption) = table.encryption.as_ref().filter(|encryption| encryption.kms.is_some()) else {
            return Ok(());
        };
        self.descriptions.ring().note();
        if encryption.updating {
            self.schedule_sealing(cx, tx, table)?;
        }
        self.schedule_key_check(cx, tx, table)
    }

    /// Does the task that looks after the key of a table, `payload` being the table's name and its id.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn check_key(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let Some(table) = self.still_there(cx, payload)? else { return Ok(Next::Done) };
        let Some(encryption) = table.encryption.as_ref().filter(|encryption| encryption.kms.is_some()) else {
            return Ok(Next::Done);
        };
        let outcome = match self.plain_keys(cx, For::Itself, &table).await.map_err(Error::unwrapped) {
            Ok(_) => true,
            Err(Error::Aws(_)) => false,
            Err(other) => return Err(other),
        };
        if outcome == encryption.inaccessible.is_some() {
            cx.write(|tx| {
                let now = self.descriptions.any(tx, scope(cx), &table.name)?;
                let Some(mut table) = now.filter(|now| now.id == table.id).map(|now| (*now).clone()) else {
                    return Ok(());
                };
                if let Some(encryption) = table.encryption.as_mut().filter(|encryption| encryption.kms.is_some()) {
                    encryption.inaccessible = (!outcome).then(|| cx.now_millis());
                    rows::put_table(tx, scope(cx), &table);
                }
                Ok(())
            })
            .await?;
        }
        Ok(Next::Again(cx.now().saturating_add(LOOK).unwrap_or(cx.now())))
    }

    /// The table that a task is about, unless it is gone.
    fn still_there(&self, cx: &Cx, payload: &str) -> Result<Option<Arc<Table>>> {
        let Some((name, id)) = payload.split_once('/') else { return Ok(None) };
        let table = self.descriptions.any(&cx.read(), scope(cx), name)?;
        Ok(table.filter(|table| table.id == id))
    }

    /// Does the task that seals the rows of a table with its newest key, `payload` being the table's name and its id.
    ///
    /// # Errors
    /// When the store fails, or the key cannot be used: then it is tried again.
    pub(crate) async fn seal_anew(&self, cx: &Cx, payload: &str) -> Result<Next> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let Some(table) = self.still_there(cx, payload)? else { return Ok(Next::Done) };
            if !table.encryption.as_ref().is_some_and(|encryption| encryption.updating) {
                return Ok(Next::Done);
            }
            self.open(cx, For::Itself, &table).await?;
            let next = cx.write(|tx| Ok(self.seal_some(cx, tx, &table, after.as_deref())?)).await?;
            match next {
                None => return Ok(Next::Done),
                next => after = next,
            }
        }
    }

    /// Seals some rows of a table if it is still encrypted so; behind the last one it notes that all are.
    fn seal_some(&self, cx: &Cx, tx: &mut Tx<'_>, table: &Table, after: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let Some(now) = self.descriptions.any(tx, scope(cx), &table.name)? else { return Ok(None) };
        if now.encryption != table.encryption {
            return Ok(None);
        }
        let next = anew::reseal(tx, scope(cx), &now, after, STEP)?;
        if next.is_none() {
            let mut done = (*now).clone();
            if let Some(encryption) = &mut done.encryption {
                encryption.updating = false;
            }
            rows::put_table(tx, scope(cx), &done);
        }
        Ok(next)
    }
}

/// A ring with the keys of a table of this name on it, for whoever reads its stream.
///
/// # Errors
/// What KMS refuses.
pub(crate) async fn ring_for(cx: &Cx, table: &str, encryption: &Encryption) -> Result<Ring> {
    let ring = Ring::default();
    for key in &encryption.keys {
        match &encryption.kms {
            Some(kms) if !key.plain => {
                ring.add(&key.id, &kms::unwrap(cx, For::Caller, table, &kms.arn, &key.wrapped).await?);
            }
            _ => ring.add(&key.id, &key.wrapped),
        }
    }
    Ok(ring)
}

/// Puts those keys of a table on a ring that need nobody's leave.
pub(crate) fn hang(ring: &Ring, table: &Table) {
    for key in table.encryption.iter().flat_map(|encryption| &encryption.keys) {
        ring.note();
        if key.plain {
            ring.add(&key.id, &key.wrapped);
        }
    }
}

/// The key that AWS manages.
pub(crate) fn managed() -> Wanted {
    Wanted::Kms(kms::MANAGED.to_owned())
}

/// The tables that a call on items names, as they are given.
pub(crate) fn named(fields: &Fields) -> Vec<String> {
    let statement = |fields: &Fields| fields.text("Statement").and_then(crate::partiql::table_of);
    let mut all: Vec<String> = fields.text("TableName").map(ToOwned::to_owned).into_iter().collect();
    all.extend(statement(fields));
    if let Some(Value::Map(tables)) = fields.get("RequestItems") {
        all.extend(tables.keys().cloned());
    }
    for list in ["Statements", "TransactItems", "TransactStatements"] {
        let Some(Value::List(items)) = fields.get(list) else { continue };
        for item in items.iter().filter_map(Value::as_fields) {
            all.extend(statement(item));
            let inner = item.set.iter().filter_map(|(_, value)| value.as_fields()?.text("TableName"));
            all.extend(inner.map(ToOwned::to_owned));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// A table by what an operation on tables calls it, for the time before a transaction.
pub(crate) fn before(service: &DynamoDb, cx: &Cx, given: &str) -> Result<Option<Arc<Table>>> {
    let Ok(name) = table_name(cx, given) else { return Ok(None) };
    service.descriptions.get(&cx.read(), scope(cx), name)
}
