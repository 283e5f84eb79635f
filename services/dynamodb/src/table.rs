//! What is kept of a table: its keys, its indexes, its settings.

use crate::compact::{Corrupt, MapRef, ValueRef};
use crate::destinations::Destinations;
use crate::encryption::{Attached, Encryption, Keys};
use crate::error::{Error, Result};
use crate::expression::key_condition::KeyAttribute;
use crate::expression::update::{Action, Update};
use crate::global::{Replica, Standing};
use crate::insights::Insights;
use crate::key::{KeyValue, MAX_PARTITION_KEY, MAX_SORT_KEY, encode_key, encode_keys};
use crate::policies::ResourcePolicy;
use crate::streams::store::Latest;
use crate::throughput::Allowance;
use crate::value::{AttributeValue, Item, Type};
use crate::vectors::VectorIndex;
use minicbor::{Decode, Encode};

/// A table.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Table {
    /// Its name, unique in its account and region.
    #[n(0)]
    pub name: String,
    /// Unique for all time: a table of the same name made later has another.
    #[n(1)]
    pub id: String,
    /// When it was made, in milliseconds since 1970.
    #[n(2)]
    pub created: i64,
    /// The types of all key attributes, of the table and of its indexes, in the order of the request.
    #[n(3)]
    pub attributes: Vec<KeyDefinition>,
    /// Its key.
    #[n(4)]
    pub key: KeySchema,
    /// Indexes of its partitions.
    #[n(5)]
    pub local: Vec<Index>,
    /// Indexes with partitions of their own.
    #[n(6)]
    pub global: Vec<Index>,
    /// The number that the next index gets. No number is used twice, so that rows of a deleted index are no one else's.
    #[n(7)]
    pub next_index: u16,
    /// How it is paid for.
    #[n(8)]
    pub billing: Billing,
    /// Whether it refuses to be deleted.
    #[n(9)]
    pub deletion_protection: bool,
    /// The table class, where one was asked for.
    #[n(10)]
    pub class: Option<String>,
    /// The attribute that says when an item expires.
    #[n(11)]
    pub ttl: Option<String>,
    /// When it last went over to paying per request, in milliseconds since 1970.
    #[n(12)]
    pub on_demand_since: Option<i64>,
    /// The stream that it has, or had last.
    #[n(13)]
    pub stream: Option<Latest>,
    /// The history from which a moment of the past can be restored, if one is kept.
    #[n(14)]
    pub recovery: Option<Recovery>,
    /// What it was restored from, if it was.
    #[n(15)]
    pub restored: Option<Restored>,
    /// Whether it is still being made of what an import finds in S3.
    #[cbor(n(16), default)]
    pub importing: bool,
    /// What it is encrypted with, or was, where that is not the key that DynamoDB owns.
    #[n(17)]
    pub encryption: Option<Encryption>,
    /// The ring on which its keys hang.
    #[cbor(skip)]
    pub ring: Attached,
    /// What it may read and write, besides what it is paid for.
    #[cbor(n(20), default)]
    pub allowance: Allowance,
    /// Its policy, if it has one.
    #[n(21)]
    pub policy: Option<ResourcePolicy>,
    /// Whether its keys are counted.
    #[n(22)]
    pub insights: Option<Insights>,
    /// Its place in a global table, if it is a replica of one.
    #[n(23)]
    pub replica: Option<Replica>,
    /// `GlobalTableSettingsReplicationMode`, where it was said: whether its settings are those of replicas in other accounts.
    #[n(24)]
    pub follows: Option<bool>,
    /// Whether it refuses to leave its global table, where that was said.
    #[n(25)]
    pub stays: Option<bool>,
    /// Indexes of vectors.
    #[cbor(n(40), default)]
    pub vectors: Vec<VectorIndex>,
    /// The streams of Kinesis to which its writes go.
    #[n(26)]
    pub destinations: Option<Destinations>,
}

/// The history of a table.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Recovery {
    /// Under which its records are kept, as those of a stream are.
    #[n(0)]
    pub history: Latest,
    /// Since when it is kept, in milliseconds since 1970.
    #[n(1)]
    pub since: i64,
    /// For how many days it is kept.
    #[n(2)]
    pub days: i32,
}

impl Recovery {
    /// The earliest moment that can be restored, in milliseconds since 1970.
    pub fn earliest(&self, now: i64) -> i64 {
        self.since.max(now.saturating_sub(i64::from(self.days).saturating_mul(86_400_000)))
    }
}

/// What a table was restored from.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Restored {
    /// ARN of the backup, if it was one.
    #[n(0)]
    pub backup: Option<String>,
    /// ARN of the table that the items come from.
    #[n(1)]
    pub table: String,
    /// The moment that was restored, in milliseconds since 1970.
    #[n(2)]
    pub at: i64,
}

/// A key attribute and its type.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KeyDefinition {
    /// Name of the attribute.
    #[n(0)]
    pub name: String,
    /// `S`, `N` or `B`.
    #[n(1)]
    pub code: String,
}

/// The attributes that make a key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KeySchema {
    /// Which partition.
    #[n(0)]
    pub partition: String,
    /// Where in the partition.
    #[n(1)]
    pub sort: Option<String>,
    /// Further attributes that say which partition; only keys of global indexes have them.
    #[cbor(n(2), default)]
    pub more_partition: Vec<String>,
    /// Further attributes that say where in the partition, after the first; only keys of global indexes have them.
    #[cbor(n(3), default)]
    pub more_sort: Vec<String>,
}

impl KeySchema {
    /// The names of the attributes that say which partition.
    pub fn partitions(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.partition).chain(&self.more_partition).map(String::as_str)
    }

    /// The names of the attributes that say where in the partition, in order.
    pub fn sorts(&self) -> impl Iterator<Item = &str> {
        self.sort.iter().chain(&self.more_sort).map(String::as_str)
    }

    /// The names of the attributes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.partitions().chain(self.sorts())
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Index {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its number in the table, from 1.
    #[n(1)]
    pub number: u16,
    /// Its key.
    #[n(2)]
    pub key: KeySchema,
    /// Which attributes it has.
    #[n(3)]
    pub projection: IndexProjection,
    /// How it is paid for; a local index is paid for with its table.
    #[n(4)]
    pub billing: Billing,
    /// What it may read and write, besides what it is paid for.
    #[cbor(n(5), default)]
    pub allowance: Allowance,
    /// Whether its keys are counted.
    #[n(6)]
    pub insights: Option<Insights>,
}

/// Which attributes an index has besides the keys of the table and its own.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum IndexProjection {
    /// All.
    #[n(0)]
    All,
    /// None.
    #[n(1)]
    KeysOnly,
    /// These.
    #[n(2)]
    Include(#[n(0)] Vec<String>),
}

/// How a table or an index is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Billing {
    /// By request.
    #[n(0)]
    OnDemand,
    /// By capacity held ready: units of reading and of writing a second.
    #[n(1)]
    Provisioned {
        /// Units of reading.
        #[n(0)]
        read: i64,
        /// Units of writing.
        #[n(1)]
        write: i64,
    },
}

/// The number under which the rows of the table itself are kept.
pub const BASE: u16 = 0;

/// An item's place in its table: the values of its key, and the bytes under which it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryKey {
    /// The partition.
    pub partition: KeyValue,
    /// The place in it.
    pub sort: Option<KeyValue>,
    /// Both, as [`encode_key`] makes them.
    pub bytes: Vec<u8>,
}

impl PrimaryKey {
    fn new(partition: KeyValue, sort: Option<KeyValue>) -> Result<Self> {
        if partition.size() > MAX_PARTITION_KEY {
            // The missing blank is AWS's.
            return Err(Error::invalid(format_args!(
                "Size of hashkey has exceeded the maximum size limit of{MAX_PARTITION_KEY} bytes"
            )));
        }
        if sort.as_ref().is_some_and(|sort| sort.size() > MAX_SORT_KEY) {
            return Err(Error::invalid(format_args!(
                "Aggregated size of all range keys has exceeded the size limit of {MAX_SORT_KEY} bytes"
            )));
        }
        let bytes = encode_key(&partition, sort.as_ref());
        Ok(Self { partition, sort, bytes })
    }
}

/// What AWS says when the key of an operation is not one of the table.
pub(crate) const MISMATCH: &str = "The provided key element does not match the schema";

impl Table {
    /// Whether it holds items for others to read.
    pub fn is_there(&self) -> bool {
        !self.importing && !self.comes_or_goes()
    }

    /// Whether it is a replica that is being made or taken away.
    pub fn comes_or_goes(&self) -> bool {
        let standing = self.replica.as_ref().map(|replica| replica.standing);
        matches!(standing, Some(Standing::Creating | Standing::Deleting))
    }

    /// What its rows are sealed with.
    pub fn keys(&self) -> Keys<'_> {
        let encryption = self.encryption.as_ref();
        Keys {
            all: encryption.map_or(&[], |encryption| &encryption.keys),
            seals: encryption.is_some_and(|encryption| encryption.kms.is_some()),
            ring: self.ring.0.as_deref(),
        }
    }

    /// The type of a key attribute.
    pub fn kind(&self, name: &str) -> Type {
        let found = self.attributes.iter().find(|attribute| attribute.name == name);
        found.and_then(|attribute| Type::from_code(&attribute.code)).unwrap_or(Type::S)
    }

    /// The attributes of a key of the table or of one of its indexes.
    pub fn key_attributes<'a>(&'a self, key: &'a KeySchema) -> (Vec<KeyAttribute<'a>>, Vec<KeyAttribute<'a>>) {
        let attribute = |name: &'a str| KeyAttribute { name, kind: self.kind(name) };
        (key.partitions().map(attribute).collect(), key.sorts().map(attribute).collect())
    }

    /// All indexes, the local ones first.
    pub fn indexes(&self) -> impl Iterator<Item = &Index> {
        self.local.iter().chain(&self.global)
    }

    /// Refuses paths into key attributes, which have no inside. `nested` gives the attributes that paths lead into.
    ///
    /// # Errors
    /// AWS's refusal.
    pub fn check_scalar_keys<'a>(&self, nested: impl Iterator<Item = &'a str>) -> Result<()> {
        let nested: Vec<&str> = nested.collect();
        if nested.is_empty() {
            return Ok(());
        }
        let own = self.key.names().map(|name| ("Key", name));
        let indexes = self.global.iter().chain(&self.local).flat_map(|index| index.key.names());
        let found = own.chain(indexes.map(|name| ("IndexKey", name))).find(|(_, name)| nested.contains(name));
        found.map_or(Ok(()), |(kind, name)| {
            Err(Error::validation(format_args!(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: {kind}: {name}"
            )))
        })
    }

    /// The index of this name.
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes().find(|index| index.name == name)
    }

    /// Whether an index has partitions of its own.
    pub fn is_global(&self, index: &Index) -> bool {
        self.global.iter().any(|global| global.number == index.number)
    }

    /// The place that a `Key` parameter names: exactly the key attributes, with values that keys may have.
    ///
    /// # Errors
    /// What AWS says of a key that is not one of this table.
    pub fn key_of(&self, key: &Item) -> Result<PrimaryKey> {
        if key.len() != self.key.names().count() {
            return Err(Error::validation(MISMATCH));
        }
        let part = |name: &str| {
            let value = key.get(name).filter(|value| value.kind() == self.kind(name));
            not_empty(name, value.and_then(KeyValue::from_attribute).ok_or_else(|| Error::validation(MISMATCH))?)
        };
        PrimaryKey::new(part(&self.key.partition)?, self.key.sort.as_deref().map(part).transpose()?)
    }

    /// The place of an item to be put.
    ///
    /// # Errors
    /// What AWS says of an item without the key attributes, or with values that keys may not have.
    pub fn place_of(&self, item: &Item) -> Result<PrimaryKey> {
        let part = |name: &str| {
            let value =
                item.get(name).ok_or_else(|| Error::invalid(format_args!("Missing the key {name} in the item")))?;
            let (expected, actual) = (self.kind(name), value.kind());
            let value = KeyValue::from_attribute(value).filter(|_| expected == actual).ok_or_else(|| {
                let (expected, actual) = (expected.code(), actual.code());
                Error::invalid(format_args!("Type mismatch for key {name} expected: {expected} actual: {actual}"))
            })?;
            not_empty(name, value)
        };
        PrimaryKey::new(part(&self.key.partition)?, self.key.sort.as_deref().map(part).transpose()?)
    }

    /// Refuses an item with an attribute that is a key of an index but of another type, or empty.
    ///
    /// # Errors
    /// What AWS says, of the first index in order of names.
    pub fn check_index_keys(&self, item: &Item) -> Result<()> {
        for (index, name) in self.index_keys() {
            if let Some(value) = item.get(name) {
                self.check_index_key(index, name, value)?;
            }
        }
        Ok(())
    }

    /// Refuses an update that writes values of another type to keys of indexes, as far as it can be told without the item.
    ///
    /// # Errors
    /// What AWS says, of the first index in order of names.
    pub fn check_index_key_updates(&self, update: &Update) -> Result<()> {
        for (index, name) in self.index_keys() {
            let of_it = |action: &&Action| !action.path.is_nested() && action.path.root == name;
            if let Some(kind) = update.actions.iter().find(of_it).and_then(|action| action.change.kind()) {
                self.check_index_key_type(index, name, kind)?;
            }
        }
        Ok(())
    }

    /// The key attributes of indexes that are not of the table's own key, in order of the indexes' names.
    fn index_keys(&self) -> impl Iterator<Item = (&Index, &str)> {
        let mut indexes: Vec<&Index> = self.indexes().collect();
        indexes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        indexes.into_iter().flat_map(move |index| {
            index.key.names().filter(|name| !self.key.names().any(|own| own == *name)).map(move |name| (index, name))
        })
    }

    fn check_index_key_type(&self, index: &Index, name: &str, actual: Type) -> Result<()> {
        let expected = self.kind(name);
        if expected == actual {
            return Ok(());
        }
        let (expected, actual, index) = (expected.code(), actual.code(), &index.name);
        Err(Error::invalid(format_args!(
            "Type mismatch for Index Key {name} Expected: {expected} Actual: {actual} IndexName: {index}"
        )))
    }

    fn check_index_key(&self, index: &Index, name: &str, value: &AttributeValue) -> Result<()> {
        self.check_index_key_type(index, name, value.kind())?;
        let empty = match value {
            AttributeValue::S(text) if text.is_empty() => "string",
            AttributeValue::B(bytes) if bytes.is_empty() => "binary",
            _ => return Ok(()),
        };
        Err(Error::validation(format_args!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
             The AttributeValue for a key attribute cannot contain an empty {empty} value. IndexName: {}, IndexKey: {name}",
            index.name
        )))
    }

    /// The attributes of the key of an item, for `LastEvaluatedKey`: those of the table, and those of the index read.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn last_key(&self, index: Option<&Index>, item: MapRef<'_>) -> std::result::Result<Item, Corrupt> {
        let names = self.key.names().chain(index.into_iter().flat_map(|index| index.key.names()));
        let mut key = Item::new();
        for name in names {
            if let Some(value) = item.get(name)? {
                key.insert(name, value.to_value()?);
            }
        }
        Ok(key)
    }
}

fn not_empty(name: &str, value: KeyValue) -> Result<KeyValue> {
    let empty = match &value {
        KeyValue::S(text) if text.is_empty() => "string",
        KeyValue::B(bytes) if bytes.is_empty() => "binary",
        _ => return Ok(value),
    };
    Err(Error::validation(format_args!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {empty} \
         value. Key: {name}"
    )))
}

impl Index {
    /// Where an item stands in the index, if it has the index's key: the key of the index, then the key of the table,
    /// which keeps apart what has the same key in the index.
    ///
    /// # Errors
    /// [`Corrupt`].
    pub fn place_of(
        &self,
        table: &Table,
        item: MapRef<'_>,
        primary: &[u8],
    ) -> std::result::Result<Option<Vec<u8>>, Corrupt> {
        let part = |name: &str| -> std::result::Result<Option<KeyValue>, Corrupt> {
            let value = item.get(name)?.filter(|value| value.kind() == table.kind(name));
            Ok(match value {
                Some(ValueRef::S("")) | Some(ValueRef::B([])) | None => None,
                Some(value) => KeyValue::from_attribute(&value.to_value()?),
            })
        };
        let mut values = [Vec::new(), Vec::new()];
        let sides: [Vec<&str>; 2] = [self.key.partitions().collect(), self.key.sorts().collect()];
        for (names, values) in sides.iter().zip(&mut values) {
            for name in names {
                let Some(value) = part(name)? else { return Ok(None) };
                values.push(value);
            }
        }
        let [partition, sort] = &values;
        let mut place = encode_keys(partition, sort);
        place.extend_from_slice(primary);
        Ok(Some(place))
    }

    /// Whether the index has every attribute.
    pub fn projects_all(&self) -> bool {
        self.projection == IndexProjection::All
    }

    /// Whether the index has this attribute of an item.
    pub fn projects(&self, table: &Table, name: &str) -> bool {
        match &self.projection {
            IndexProjection::All => true,
            _ if table.key.names().chain(self.key.names()).any(|own| own == name) => true,
            IndexProjection::KeysOnly => false,
            IndexProjection::Include(names) => names.iter().any(|own| own == name),
        }
    }
}
