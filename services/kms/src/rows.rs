//! What is stored of keys, their material, and their other names.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
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
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
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
    /// The secret, sealed: 32 bytes of a symmetric key, those of an HMAC key, or a private key in PKCS #8.
    #[n(1)]
    pub(crate) sealed: minicbor::bytes::ByteVec,
    /// When it was rotated in, in milliseconds since 1970; the first material was not.
    #[n(2)]
    pub(crate) rotated: Option<i64>,
    /// Somebody asked for the rotation.
    #[n(3)]
    pub(crate) on_demand: bool,
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

    /// The id of its current material.
    pub(crate) fn current(&self) -> &str {
        self.materials.last().map_or("", String::as_str)
    }

    /// The names under which it is known, in order.
    pub(crate) fn aliases(&self, from: &(impl Read + ?Sized)) -> Result<Vec<String>> {
        let all = ALIASES_OF.all(from, &self.place())?;
        let names = all.iter().filter_map(|entry| entry.key::<(String, String, String, String)>());
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
