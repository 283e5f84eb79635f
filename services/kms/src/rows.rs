//! What is stored of keys, their material, and their other names.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Entry, Read, Table, Tx};
use undercast_kernel::{Cx, Result};

/// Account, region, key id.
pub(crate) static KEYS: Table<Key> = Table::new("kms.keys");
/// Account, region, material id: what a ciphertext names.
pub(crate) static MATERIALS: Table<Material> = Table::new("kms.materials");
/// Account, region, `alias/name`.
pub(crate) static ALIASES: Table<Alias> = Table::new("kms.aliases");

/// Account, region, key id, `alias/name`: the aliases of a key.
static ALIASES_OF: Table<()> = Table::new("kms.aliases_of");

/// What can be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum State {
    #[n(0)]
    Enabled,
    #[n(1)]
    Disabled,
    #[n(2)]
    PendingDeletion,
    /// Its material is to come, or to come again.
    #[n(3)]
    PendingImport,
    /// A primary key that waits for the deletion of its replicas before its own waiting begins.
    #[n(4)]
    PendingReplicaDeletion,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
        }
    }
}

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Key {
    #[n(0)]
    pub(crate) account: String,
    #[n(1)]
    pub(crate) region: String,
    #[n(2)]
    pub(crate) id: String,
    /// Milliseconds since 1970.
    #[n(3)]
    pub(crate) created: i64,
    #[n(4)]
    pub(crate) description: String,
    /// `ENCRYPT_DECRYPT` and so on.
    #[n(5)]
    pub(crate) usage: String,
    /// `SYMMETRIC_DEFAULT` and so on.
    #[n(6)]
    pub(crate) spec: String,
    #[n(7)]
    pub(crate) state: State,
    /// The key policy, as it was put.
    #[n(8)]
    pub(crate) policy: String,
    #[n(9)]
    pub(crate) tags: BTreeMap<String, String>,
    /// The service whose AWS managed key it is: `s3`.
    #[n(10)]
    pub(crate) managed_by: Option<String>,
    /// When it is deleted, in milliseconds since 1970.
    #[n(11)]
    pub(crate) deletion: Option<i64>,
    /// Ids of its material, the current one last.
    #[n(12)]
    pub(crate) materials: Vec<String>,
    #[n(13)]
    pub(crate) rotation: Option<Rotation>,
    /// Days between the wish that it be deleted and its deletion.
    #[n(14)]
    pub(crate) deletion_days: Option<i32>,
    /// Its material comes from outside.
    #[n(15)]
    pub(crate) external: bool,
    /// Imported material that becomes the current one with the next rotation.
    #[n(16)]
    pub(crate) pending: Option<String>,
    #[n(17)]
    pub(crate) family: Option<Family>,
}

/// The keys of one id in many Regions. Each of them has the same row of it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Family {
    /// The Region of the primary key.
    #[n(0)]
    pub(crate) primary: String,
    /// Those of its replicas.
    #[n(1)]
    pub(crate) replicas: Vec<String>,
}

impl Family {
    /// All Regions, the primary key's first.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }
}

/// How a key is rotated by itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Rotation {
    #[n(0)]
    pub(crate) period_days: i32,
    /// The next time, in milliseconds since 1970.
    #[n(1)]
    pub(crate) next: i64,
}

/// Key material: the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Material {
    #[n(0)]
    pub(crate) key_id: String,
    /// The secret, sealed: 32 bytes of a symmetric key, those of an HMAC key, or a private key in PKCS #8. Imported
    /// material that was taken away or has expired leaves nothing.
    #[n(1)]
    pub(crate) sealed: Option<minicbor::bytes::ByteVec>,
    /// When it was rotated in, in milliseconds since 1970; the first material was not.
    #[n(2)]
    pub(crate) rotated: Option<i64>,
    /// Somebody asked for the rotation.
    #[n(3)]
    pub(crate) on_demand: bool,
    #[n(4)]
    pub(crate) import: Option<Import>,
}

/// What is known of imported material.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Import {
    /// By which the same material is known when it comes again: a keyed hash.
    #[n(0)]
    pub(crate) fingerprint: String,
    /// When it expires, in milliseconds since 1970.
    #[n(1)]
    pub(crate) valid_to: Option<i64>,
    #[n(2)]
    pub(crate) description: Option<String>,
}

impl Import {
    /// `KEY_MATERIAL_EXPIRES`, or that it does not.
    pub(crate) fn expiration_model(&self) -> &'static str {
        if self.valid_to.is_some() { "KEY_MATERIAL_EXPIRES" } else { "KEY_MATERIAL_DOES_NOT_EXPIRE" }
    }
}

/// Another name of a key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Alias {
    /// With `alias/` before it.
    #[n(0)]
    pub(crate) name: String,
    #[n(1)]
    pub(crate) key_id: String,
    /// Milliseconds since 1970.
    #[n(2)]
    pub(crate) created: i64,
    #[n(3)]
    pub(crate) updated: i64,
}

impl Key {
    pub(crate) fn place(&self) -> (&str, &str, &str) {
        (&self.account, &self.region, &self.id)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:kms:{}:{}:key/{}", cx.partition(), self.region, self.account, self.id)
    }

    pub(crate) fn put(&self, tx: &mut Tx<'_>) {
        KEYS.put(tx, &self.place(), self);
    }

    /// `AWS_KMS` or `EXTERNAL`.
    pub(crate) fn origin(&self) -> &'static str {
        if self.external { "EXTERNAL" } else { "AWS_KMS" }
    }

    /// `PRIMARY` or `REPLICA`, of a key of many Regions.
    pub(crate) fn kind_in_family(&self) -> Option<&'static str> {
        self.family.as_ref().map(|family| if family.primary == self.region { "PRIMARY" } else { "REPLICA" })
    }

    /// It is a replica of a key in another Region.
    pub(crate) fn is_replica(&self) -> bool {
        self.kind_in_family() == Some("REPLICA")
    }

    /// The Regions where it is: its own, or those of its family.
    pub(crate) fn regions(&self) -> Vec<String> {
        self.family.as_ref().map_or_else(|| vec![self.region.clone()], |family| family.regions().cloned().collect())
    }

    /// Its material in all Regions where it is.
    pub(crate) fn put_material(&self, tx: &mut Tx<'_>, id: &str, material: &Material) {
        for region in self.regions() {
            MATERIALS.put(tx, &(&self.account, &region, id), material);
        }
    }

    /// Some of its material.
    pub(crate) fn material(&self, cx: &Cx, from: &(impl Read + ?Sized), id: &str) -> Result<Material> {
        let found = MATERIALS.get(from, &(&self.account, &self.region, id))?;
        found.ok_or_else(|| cx.broken(format!("key {} has lost its material {id}", self.id)))
    }

    /// The id of its current material.
    pub(crate) fn current(&self) -> &str {
        self.materials.last().map_or("", String::as_str)
    }

    /// The names under which it is known, in order.
    pub(crate) fn aliases(&self, from: &(impl Read + ?Sized)) -> Result<Vec<String>> {
        let all = ALIASES_OF.all(from, &self.place())?;
        let names = all.iter().filter_map(Entry::key::<(String, String, String, String)>);
        Ok(names.map(|(.., name)| name).collect())
    }
}

impl Alias {
    /// Stores it, and takes it from the key that it named `before`.
    pub(crate) fn put(&self, cx: &Cx, tx: &mut Tx<'_>, before: Option<&Self>) {
        if let Some(before) = before {
            ALIASES_OF.delete(tx, &before.of_key(cx));
        }
        ALIASES.put(tx, &cx.key(&self.name), self);
        ALIASES_OF.put(tx, &self.of_key(cx), &());
    }

    pub(crate) fn delete(&self, cx: &Cx, tx: &mut Tx<'_>) {
        ALIASES.delete(tx, &cx.key(&self.name));
        ALIASES_OF.delete(tx, &self.of_key(cx));
    }

    fn of_key<'a>(&'a self, cx: &'a Cx) -> (&'a str, &'a str, &'a str, &'a str) {
        (cx.account(), cx.region(), &self.key_id, &self.name)
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        cx.arn("kms", &self.name)
    }
}
