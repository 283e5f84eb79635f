//! Names: what the domain name system would say of them in this cloud. Records are published by whoever runs the cloud, by
//! services on behalf of their users, and by services that have zones ([`Service::resolve`](crate::Service::resolve)).
//!
//! Who waits for a record is told when the name changes: a task of theirs runs at once.

use minicbor::{Decode, Encode};
use serde::Serialize;
use undercast_store::{Order, Shared, Table, Tx};

use crate::{Cx, Kernel, Result};

/// Name, kind → record.
static RECORDS: Table<NameRecord> = Table::new("kernel.names");
/// Name, service, task → who waits for a record of that name.
static WAITING: Table<Waiting> = Table::new("kernel.names.waiting");

/// The kinds of records that somebody here asks for.
const KINDS: &[&str] = &["CAA", "CNAME"];

/// A record of a name.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct NameRecord {
    /// In small letters, without a dot at the end.
    #[n(0)]
    pub name: String,
    /// `CNAME`, `CAA`
    #[n(1)]
    pub kind: String,
    /// Its values.
    #[n(2)]
    pub values: Vec<String>,
    /// The account that it was published for.
    #[n(3)]
    pub account: String,
    /// The service that published it for its user. `None`: whoever runs the cloud did.
    #[n(4)]
    pub by: Option<String>,
    /// Milliseconds since 1970.
    #[n(5)]
    pub time: i64,
}

/// A task that runs when a name changes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Waiting {
    #[n(0)]
    account: String,
    #[n(1)]
    region: String,
    #[n(2)]
    kind: String,
    #[n(3)]
    payload: String,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nobody would ask for it.
    #[error("nothing here asks for records of the kind `{0}`: there are CNAME and CAA")]
    Kind(String),
    /// It is no name.
    #[error("`{0}` is not a name: labels of letters, digits, - and _, with dots between them")]
    Name(String),
    /// It says nothing.
    #[error("a record has a value; a CNAME has one only")]
    Values,
}

/// Whose the records are.
pub(crate) fn shared() -> [Shared; 2] {
    [Shared::by_row(&RECORDS, |record| &record.account), Shared::by_row(&WAITING, |waiting| &waiting.account)]
}

/// A name as it is looked up: case does not count, and every name ends at the root.
fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl NameRecord {
    /// A record to be published.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn new(
        cx: &Cx,
        name: &str,
        kind: &str,
        values: Vec<String>,
        by: Option<&str>,
    ) -> std::result::Result<Self, BadName> {
        let kind = kind.to_ascii_uppercase();
        if !KINDS.contains(&kind.as_str()) {
            return Err(BadName::Kind(kind));
        }
        let is_label = |label: &str| {
            let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
            !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed)
        };
        let canonical = canonical(name);
        if canonical.len() > 253 || !canonical.split('.').all(is_label) {
            return Err(BadName::Name(name.to_owned()));
        }
        if values.is_empty() || (kind == "CNAME" && values.len() > 1) {
            return Err(BadName::Values);
        }
        let (account, by) = (cx.account().to_owned(), by.map(ToOwned::to_owned));
        Ok(Self { name: canonical, kind, values, account, by, time: cx.now_millis() })
    }
}

impl Cx {
    /// Publishes a record with the writes of a transaction, in the place of the one that its name had of its kind.
    ///
    /// # Errors
    /// When the store fails.
    pub fn publish_name(&self, tx: &mut Tx<'_>, record: &NameRecord) -> Result<()> {
        RECORDS.put(tx, &(&record.name, &record.kind), record);
        self.name_changed(tx, &record.name)
    }

    /// Has those who wait for records of a name look again: for services that answer for names themselves.
    ///
    /// # Errors
    /// When the store fails.
    pub fn name_changed(&self, tx: &mut Tx<'_>, name: &str) -> Result<()> {
        let name = canonical(name);
        for entry in WAITING.all(tx, &(&name,))? {
            let Some((_, service, task)) = entry.key::<(String, String, String)>() else { continue };
            let waiting = entry.row;
            let theirs = self.elsewhere(&waiting.account, &waiting.region);
            self.tasks().schedule(&theirs, tx, &service, &task, &waiting.kind, waiting.payload, self.now())?;
            WAITING.delete(tx, &(&name, &service, &task));
        }
        Ok(())
    }

    /// Has a task of a service run, once, when a name changes.
    pub fn await_name(&self, tx: &mut Tx<'_>, name: &str, service: &str, task: &str, kind: &str, payload: &str) {
        let waiting = Waiting {
            account: self.account().to_owned(),
            region: self.region().to_owned(),
            kind: kind.to_owned(),
            payload: payload.to_owned(),
        };
        WAITING.put(tx, &(canonical(name), service, task), &waiting);
    }

    /// What the records of a name say that are of one kind, now.
    ///
    /// # Errors
    /// When the store fails.
    pub fn resolve(&self, name: &str, kind: &str) -> Result<Vec<String>> {
        let (name, from) = (canonical(name), self.read());
        let mut values = RECORDS.get(&from, &(&name, kind))?.map_or_else(Vec::new, |record| record.values);
        for service in self.kernel().services() {
            values.extend(service.resolve(&from, &name, kind)?);
        }
        Ok(values)
    }
}

impl Kernel {
    /// The records that are published, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub fn names(&self) -> Result<Vec<NameRecord>> {
        Ok(RECORDS.all(&self.database().read(), &())?.into_iter().map(|entry| entry.row).collect())
    }

    /// Takes the records of a name back, all of them or those of one kind; says how many there were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn withdraw_name(&self, name: &str, kind: Option<&str>) -> Result<usize> {
        let name = canonical(name);
        self.database()
            .write(|tx| {
                let there = RECORDS.page(tx, &(&name,), None::<&()>, Order::Ascending, KINDS.len())?;
                let going =
                    there.into_iter().filter(|entry| kind.is_none_or(|k| entry.row.kind.eq_ignore_ascii_case(k)));
                let going: Vec<NameRecord> = going.map(|entry| entry.row).collect();
                for record in &going {
                    RECORDS.delete(tx, &(&record.name, &record.kind));
                }
                Ok(going.len())
            })
            .await
    }
}
