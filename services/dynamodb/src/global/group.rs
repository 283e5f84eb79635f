//! Which tables belong together, and how each of them stands.

use crate::error::Result;
use crate::rows::Scope;
use minicbor::{Decode, Encode};
use undercast_kernel::Cx;
use undercast_store::{Read, Tx};

const GROUPS: &str = "dynamodb.global-tables";

/// What stands for the region in keys of what belongs to several.
const EVERYWHERE: &str = "global";

/// What a table knows of the global table that it is a replica of.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Replica {
    /// Id of the group.
    #[n(0)]
    pub group: String,
    /// Whether its consistency is strong.
    #[n(1)]
    pub strong: bool,
    /// How it stands.
    #[n(2)]
    pub standing: Standing,
    /// Where the other replicas are.
    #[n(3)]
    pub others: Vec<Home>,
    /// The account that the group is kept in.
    #[n(4)]
    pub owner: String,
}

/// Where a replica is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Home {
    /// Its account.
    #[n(0)]
    pub account: String,
    /// Its region; no other replica is in it.
    #[n(1)]
    pub region: String,
}

impl Home {
    /// Whose state it is.
    pub fn scope(&self) -> Scope<'_> {
        Scope { account: &self.account, region: &self.region }
    }

    /// The same call there.
    pub fn cx(&self, cx: &Cx) -> Cx {
        cx.elsewhere(&self.account, &self.region)
    }
}

/// How a replica or a witness stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Standing {
    /// It is there.
    #[n(0)]
    Active,
    /// It is being made.
    #[n(1)]
    Creating,
    /// Others of its group are being made or taken away from here.
    #[n(2)]
    Updating,
    /// It is going.
    #[n(3)]
    Deleting,
}

impl Standing {
    /// AWS's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Creating => "CREATING",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

/// Tables that hold the same items.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Group {
    /// Unique for all time.
    #[n(0)]
    pub id: String,
    /// The name of its tables.
    #[n(1)]
    pub name: String,
    /// Whether its consistency is strong.
    #[n(2)]
    pub strong: bool,
    /// Its replicas, the first one first.
    #[n(3)]
    pub members: Vec<Member>,
    /// Its witness, if it has one.
    #[n(4)]
    pub witness: Option<Witness>,
    /// The account of the first replica, in which the group is kept.
    #[n(5)]
    pub owner: String,
}

/// A replica of a group.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Member {
    /// Where it is.
    #[n(0)]
    pub home: Home,
    /// Id of its table.
    #[n(1)]
    pub table: String,
    /// How it stands.
    #[n(2)]
    pub standing: Standing,
    /// The region that it was filled from.
    #[n(3)]
    pub source: Option<String>,
    /// When it was added, in milliseconds since 1970.
    #[n(4)]
    pub added: i64,
    /// The place behind which it has yet to be filled.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub filled: Option<Vec<u8>>,
}

/// A region that keeps what was written without being read.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Witness {
    /// Where it is.
    #[n(0)]
    pub region: String,
    /// How it stands.
    #[n(1)]
    pub standing: Standing,
}

/// For how long a region that others were filled from has to stay, in milliseconds.
const SOURCE_STAYS: i64 = 24 * 3_600_000;

impl Group {
    /// The replica in a region.
    pub fn member(&self, region: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.home.region == region)
    }

    /// The replica in a region, to be changed.
    pub fn member_mut(&mut self, region: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.home.region == region)
    }

    /// Whether nothing of it is being made or taken away.
    pub fn is_settled(&self) -> bool {
        let witness = self.witness.as_ref().is_none_or(|witness| witness.standing == Standing::Active);
        witness && self.members.iter().all(|member| member.standing == Standing::Active)
    }

    /// Whether another replica was filled from a region so lately that the region has to stay.
    pub fn needs(&self, region: &str, now: i64) -> bool {
        let of_it = |member: &Member| member.source.as_deref() == Some(region);
        self.members.iter().any(|member| of_it(member) && now < member.added.saturating_add(SOURCE_STAYS))
    }

    /// What the replica in a region knows of it.
    pub fn seen_from(&self, region: &str, standing: Standing) -> Replica {
        let others = self.members.iter().map(|member| member.home.clone()).filter(|other| other.region != region);
        Replica {
            group: self.id.clone(),
            strong: self.strong,
            standing,
            others: others.collect(),
            owner: self.owner.clone(),
        }
    }

    /// Whether its replicas are in several accounts.
    pub fn is_shared(&self) -> bool {
        self.members.iter().any(|member| member.home.account != self.owner)
    }

    /// What a task needs to find it again, with a region of it.
    pub(crate) fn payload(&self, region: &str) -> String {
        format!("{}/{}/{region}", self.owner, self.id)
    }

    /// Keeps it.
    pub fn put(&self, tx: &mut Tx<'_>) {
        let mut bytes = Vec::with_capacity(256);
        // Writing to a vector cannot fail.
        let _infallible = minicbor::encode(self, &mut bytes);
        tx.put(key(&self.owner, &self.id), bytes.into());
    }

    /// Forgets it.
    pub fn delete(&self, tx: &mut Tx<'_>) {
        tx.delete(key(&self.owner, &self.id));
    }
}

fn key(owner: &str, id: &str) -> Vec<u8> {
    Scope { account: owner, region: EVERYWHERE }.rows(GROUPS, id)
}

/// A group by its owner and its id.
///
/// # Errors
/// When the store fails, or what it has cannot be read.
pub fn get(from: &(impl Read + ?Sized), owner: &str, id: &str) -> Result<Option<Group>> {
    Ok(from.get(&key(owner, id))?.map(|stored| minicbor::decode(&stored)).transpose()?)
}
