//! Users, roles and groups: what they have in common is nearly all of them.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{Policy, PolicyKind};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};

use crate::api::{errors, input, output};
use crate::{exercised, usage};

static USERS: Table<Entity> = Table::new("iam.users");
static ROLES: Table<Entity> = Table::new("iam.roles");
static GROUPS: Table<Entity> = Table::new("iam.groups");

/// A user or role has at most so many tags.
const MOST_TAGS: usize = 50;
/// A trust policy has so many characters that are no blanks, at most.
pub(crate) const MOST_TRUST: usize = 2_048;

/// And so many managed policies.
pub(crate) const MOST_ATTACHED: usize = 10;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    User,
    Role,
    Group,
}

/// A user, role or group. A group has neither tags nor a boundary.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Entity {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) name: String,
    #[n(2)]
    pub(crate) path: String,
    /// Seconds since 1970.
    #[n(3)]
    pub(crate) created: i64,
    /// Who may assume the role; empty for a user.
    #[n(4)]
    pub(crate) trust: String,
    #[n(5)]
    pub(crate) description: Option<String>,
    /// How long a session of the role may last (s).
    #[n(6)]
    pub(crate) max_session: i32,
    /// ARN of the permissions boundary.
    #[n(7)]
    pub(crate) boundary: Option<String>,
    #[n(8)]
    pub(crate) tags: BTreeMap<String, String>,
    /// Inline policies by name.
    #[n(9)]
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of managed policies, in the order they were attached.
    #[n(10)]
    pub(crate) attached: Vec<String>,
    /// The groups that a user is in: their names in small letters.
    #[cbor(n(11), default)]
    pub(crate) groups: Vec<String>,
    /// The service whose role it is: `ecs.amazonaws.com`. Nobody else changes it.
    #[n(12)]
    pub(crate) linked: Option<String>,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::User, Self::Role, Self::Group];

    pub(crate) fn table(self) -> &'static Table<Entity> {
        match self {
            Self::User => &USERS,
            Self::Role => &ROLES,
            Self::Group => &GROUPS,
        }
    }

    /// What ids of this kind begin with.
    fn prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Role => "AROA",
            Self::Group => "AGPA",
        }
    }

    /// Characters of all inline policies together, white space left out.
    pub(crate) fn inline_limit(self) -> usize {
        match self {
            Self::User => 2_048,
            Self::Role => 10_240,
            Self::Group => 5_120,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Group => "group",
        }
    }

    /// The same as AWS writes it in quotas and at the beginning of sentences.
    pub(crate) fn capital(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Role => "Role",
            Self::Group => "Group",
        }
    }

    fn not_found(self, name: &str) -> AwsError {
        errors::no_such_entity_exception(format!("The {} with name {name} cannot be found.", self.word()))
    }

    /// The user, role or group that an ARN names, whatever its path is there: kind, account and name.
    pub(crate) fn named(arn: &str) -> Option<(Self, String, String)> {
        let arn = Arn::parse(arn).filter(|arn| arn.service == "iam")?;
        let (word, place) = arn.resource.split_once('/')?;
        let kind = Self::ALL.into_iter().find(|kind| kind.word() == word)?;
        let name = place.rsplit('/').next()?.to_owned();
        Some((kind, arn.account, name))
    }

    pub(crate) fn find(self, from: &(impl Read + ?Sized), account: &str, name: &str) -> Result<Entity> {
        let found = self.table().get(from, &(account, name.to_lowercase()))?;
        found.ok_or_else(|| self.not_found(name).into())
    }

    pub(crate) fn all(self, from: &(impl Read + ?Sized), account: &str) -> Result<Vec<Entity>> {
        Ok(self.table().all(from, &(account,))?.into_iter().map(|e| e.row).collect())
    }

    pub(crate) fn put(self, tx: &mut Tx<'_>, account: &str, entity: &Entity) {
        self.table().put(tx, &(account, entity.name.to_lowercase()), entity);
    }

    /// Refuses a name that another one has.
    pub(crate) fn check_free(self, from: &(impl Read + ?Sized), account: &str, name: &str) -> Result<()> {
        if self.table().has(from, &(account, name.to_lowercase()))? {
            let message = format!("{} with name {name} already exists.", self.capital());
            return Err(errors::entity_already_exists_exception(message).into());
        }
        Ok(())
    }

    /// Adds a new one.
    pub(crate) fn add(self, tx: &mut Tx<'_>, account: &str, entity: &Entity) -> Result<()> {
        self.check_free(tx, account, &entity.name)?;
        let (most, quota) = self.quota();
        if self.all(tx, account)?.len() >= most {
            return Err(errors::limit_exceeded_exception(format!("Cannot exceed quota for {quota}: {most}")).into());
        }
        self.put(tx, account, entity);
        Ok(())
    }

    /// How many an account may have, and what AWS calls that.
    pub(crate) fn quota(self) -> (usize, &'static str) {
        match self {
            Self::User => (5_000, "UsersPerAccount"),
            Self::Role => (1_000, "RolesPerAccount"),
            Self::Group => (300, "GroupsPerAccount"),
        }
    }

    /// Changes one that is nobody's but the account's.
    pub(crate) async fn change(
        self,
        cx: &Cx,
        name: &str,
        mut change: impl FnMut(&mut Tx<'_>, &mut Entity) -> Result<()>,
    ) -> Result<()> {
        let guarded = |tx: &mut Tx<'_>, entity: &mut Entity| {
            entity.refuse_protected()?;
            change(tx, entity)
        };
        self.change_any(cx, name, guarded).await
    }

    /// Changes what may be changed of a service's own role, too: its tags and its description.
    pub(crate) async fn change_any(
        self,
        cx: &Cx,
        name: &str,
        mut change: impl FnMut(&mut Tx<'_>, &mut Entity) -> Result<()>,
    ) -> Result<()> {
        cx.write(|tx| {
            let mut entity = self.find(tx, cx.account(), name)?;
            change(tx, &mut entity)?;
            self.put(tx, cx.account(), &entity);
            Ok(())
        })
        .await
    }

    /// Removes one that has no policies any more.
    pub(crate) fn remove(self, tx: &mut Tx<'_>, account: &str, name: &str) -> Result<()> {
        let entity = self.find(tx, account, name)?;
        entity.refuse_protected()?;
        let reason = if !entity.attached.is_empty() {
            Some("must detach all policies first.")
        } else if !entity.inline.is_empty() {
            Some("must delete policies first.")
        } else {
            None
        };
        if let Some(reason) = reason {
            return Err(errors::delete_conflict_exception(format!("Cannot delete entity, {reason}")).into());
        }
        self.table().delete(tx, &(account, name.to_lowercase()));
        exercised::forget(tx, account, &entity.id)?;
        usage::forget(tx, account, &entity.id)
    }
}

impl Entity {
    pub(crate) fn new(
        cx: &Cx,
        kind: Kind,
        name: String,
        path: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Self> {
        let created = cx.now().as_second();
        check_tags(&tags, 0)?;
        Ok(Self {
            id: cx.random().id(kind.prefix(), 17),
            name,
            path: path.unwrap_or_else(|| "/".to_owned()),
            created,
            trust: String::new(),
            description: None,
            max_session: 3_600,
            boundary: None,
            tags,
            inline: BTreeMap::new(),
            attached: Vec::new(),
            groups: Vec::new(),
            linked: None,
        })
    }

    /// A service's own role is changed and removed by nobody else.
    pub(crate) fn refuse_protected(&self) -> Result<()> {
        if self.linked.is_none() {
            return Ok(());
        }
        let message = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            self.name
        );
        Err(errors::unmodifiable_entity_exception(message).into())
    }

    pub(crate) fn arn(&self, cx: &Cx, kind: Kind) -> String {
        cx.global_arn("iam", &format!("{}{}{}", kind.word(), self.path, self.name))
    }

    pub(crate) fn put_inline(&mut self, kind: Kind, name: String, document: String) -> Result<()> {
        check_document(PolicyKind::Inline, &document)?;
        self.inline.insert(name, document);
        let characters = |d: &String| d.chars().filter(|c| !c.is_whitespace()).count();
        if self.inline.values().map(characters).sum::<usize>() > kind.inline_limit() {
            let (word, limit) = (kind.word(), kind.inline_limit());
            let message = format!("Maximum policy size of {limit} bytes exceeded for {word} {}", self.name);
            return Err(errors::limit_exceeded_exception(message).into());
        }
        Ok(())
    }

    pub(crate) fn inline(&self, name: &str) -> Result<String> {
        let found = self.inline.get(name).cloned();
        found.ok_or_else(|| {
            errors::no_such_entity_exception(format!("The policy with name {name} cannot be found.")).into()
        })
    }

    pub(crate) fn boundary_output(&self) -> Option<output::AttachedPermissionsBoundary> {
        self.boundary.as_ref().map(|arn| output::AttachedPermissionsBoundary {
            permissions_boundary_type: Some("Policy".to_owned()),
            permissions_boundary_arn: Some(arn.clone()),
        })
    }

    pub(crate) fn create_date(&self) -> Timestamp {
        Timestamp::from_second(self.created).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// As `GetRole` shows it; lists leave out tags and boundary.
    pub(crate) fn role(&self, cx: &Cx, whole: bool) -> output::Role {
        output::Role {
            path: self.path.clone(),
            role_name: self.name.clone(),
            role_id: self.id.clone(),
            arn: self.arn(cx, Kind::Role),
            create_date: self.create_date(),
            assume_role_policy_document: Some(url_encoded(&self.trust)),
            description: self.description.clone(),
            max_session_duration: Some(self.max_session),
            permissions_boundary: self.boundary_output().filter(|_| whole),
            tags: tags_output(&self.tags).filter(|_| whole),
            ..output::Role::default()
        }
    }

    /// As `GetGroup` shows it.
    pub(crate) fn group(&self, cx: &Cx) -> output::Group {
        output::Group {
            path: self.path.clone(),
            group_name: self.name.clone(),
            group_id: self.id.clone(),
            arn: self.arn(cx, Kind::Group),
            create_date: self.create_date(),
        }
    }

    /// As `GetUser` shows it; lists leave out tags and boundary.
    pub(crate) fn user(&self, cx: &Cx, whole: bool) -> output::User {
        output::User {
            path: self.path.clone(),
            user_name: self.name.clone(),
            user_id: self.id.clone(),
            arn: self.arn(cx, Kind::User),
            create_date: self.create_date(),
            // Passwords are for the console, which is not here: none was ever used.
            password_last_used: None,
            permissions_boundary: self.boundary_output().filter(|_| whole),
            tags: tags_output(&self.tags).filter(|_| whole),
        }
    }
}

/// Refuses a trust policy that is none, or too long.
pub(crate) fn check_trust(document: &str) -> Result<()> {
    check_document(PolicyKind::Trust, document)?;
    if document.chars().filter(|c| !c.is_whitespace()).count() > MOST_TRUST {
        let message = format!("Cannot exceed quota for ACLSizePerRole: {MOST_TRUST}");
        return Err(errors::limit_exceeded_exception(message).into());
    }
    Ok(())
}

/// IAM answers policy documents URL-encoded (RFC 3986).
pub(crate) fn url_encoded(document: &str) -> String {
    let mut out = String::with_capacity(document.len() * 2);
    undercast_wire::text::percent_encode(document, false, &mut out);
    out
}

/// Refuses what is no policy of its kind.
pub(crate) fn check_document(kind: PolicyKind, document: &str) -> Result<()> {
    match Policy::parse(kind, document) {
        Ok(_) => Ok(()),
        Err(malformed) => Err(errors::malformed_policy_document_exception(malformed.fault.to_string()).into()),
    }
}

/// Tags as a request gives them. The same key twice is refused.
pub(crate) fn tags_input(tags: Option<Vec<input::Tag>>) -> Result<BTreeMap<String, String>> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    for tag in tags.into_iter().flatten() {
        if out.keys().any(|k| k.eq_ignore_ascii_case(&tag.key)) {
            return Err(errors::invalid_input_exception(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            )
            .into());
        }
        out.insert(tag.key, tag.value);
    }
    Ok(out)
}

/// Tags as an answer shows them; none at all leave the member out.
pub(crate) fn tags_output(tags: &BTreeMap<String, String>) -> Option<Vec<output::Tag>> {
    (!tags.is_empty())
        .then(|| tags.iter().map(|(key, value)| output::Tag { key: key.clone(), value: value.clone() }).collect())
}

/// Adds tags to those there.
pub(crate) fn add_tags(there: &mut BTreeMap<String, String>, tags: &BTreeMap<String, String>) -> Result<()> {
    // "If you have tagged a user with `Department` and you add `department`, it replaces the first tag" (user guide, tagging).
    let same = |key: &String| tags.keys().any(|new| new.eq_ignore_ascii_case(key));
    check_tags(tags, there.keys().filter(|key| !same(key)).count())?;
    there.retain(|key, _| !same(key));
    there.extend(tags.clone());
    Ok(())
}

fn check_tags(tags: &BTreeMap<String, String>, others: usize) -> Result<()> {
    match undercast_kernel::tags::check(tags, others, MOST_TAGS) {
        Ok(()) => Ok(()),
        Err(undercast_kernel::tags::BadTag::TooMany(most)) => Err(errors::limit_exceeded_exception(format!(
            "The number of tags has reached the maximum limit of {most}."
        ))
        .into()),
        Err(bad) => Err(errors::invalid_input_exception(bad.to_string()).into()),
    }
}
