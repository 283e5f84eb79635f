//! Users and roles: what they have in common is nearly all of them.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::policy::{Policy, PolicyKind};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{AwsError, Cx, Result, Timestamp};

use crate::api::{errors, input, output};

static USERS: Table<Entity> = Table::new("iam.users");
static ROLES: Table<Entity> = Table::new("iam.roles");

/// A user or role has at most so many tags.
const MOST_TAGS: usize = 50;
/// A trust policy has so many characters that are no blanks, at most.
const MOST_TRUST: usize = 2_048;

/// And so many managed policies.
pub(crate) const MOST_ATTACHED: usize = 10;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Role,
}

/// A user or role.
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
}

impl Kind {
    pub(crate) fn table(self) -> &'static Table<Entity> {
        match self {
            Self::User => &USERS,
            Self::Role => &ROLES,
        }
    }

    /// Characters of all inline policies together, white space left out.
    fn inline_limit(self) -> usize {
        match self {
            Self::User => 2_048,
            Self::Role => 10_240,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
        }
    }

    fn not_found(self, name: &str) -> AwsError {
        let sentence = match self {
            Self::User => format!("The user with name {name} cannot be found."),
            Self::Role => format!("The role with name {name} cannot be found."),
        };
        errors::no_such_entity_exception(sentence)
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

    /// Adds a new one.
    pub(crate) fn add(self, tx: &mut Tx<'_>, account: &str, entity: &Entity) -> Result<()> {
        if self.table().has(tx, &(account, entity.name.to_lowercase()))? {
            let capital = if self == Self::User { "User" } else { "Role" };
            return Err(errors::entity_already_exists_exception(format!(
                "{capital} with name {} already exists.",
                entity.name
            ))
            .into());
        }
        let (most, quota) = self.quota();
        if self.all(tx, account)?.len() >= most {
            return Err(errors::limit_exceeded_exception(format!("Cannot exceed quota for {quota}: {most}")).into());
        }
        self.put(tx, account, entity);
        Ok(())
    }

    /// How many an account may have, and what AWS calls that.
    fn quota(self) -> (usize, &'static str) {
        match self {
            Self::User => (5_000, "UsersPerAccount"),
            Self::Role => (1_000, "RolesPerAccount"),
        }
    }

    /// Changes one.
    pub(crate) async fn change(
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
        Ok(())
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
        let (prefix, created) = (if kind == Kind::User { "AIDA" } else { "AROA" }, cx.now().as_second());
        check_tags(&tags, 0)?;
        Ok(Self {
            id: cx.random().id(prefix, 17),
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
        })
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

    fn boundary_output(&self) -> Option<output::AttachedPermissionsBoundary> {
        self.boundary.as_ref().map(|arn| output::AttachedPermissionsBoundary {
            permissions_boundary_type: Some("Policy".to_owned()),
            permissions_boundary_arn: Some(arn.clone()),
        })
    }

    fn create_date(&self) -> Timestamp {
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

    /// As `GetUser` shows it; lists leave out tags and boundary.
    pub(crate) fn user(&self, cx: &Cx, whole: bool) -> output::User {
        output::User {
            path: self.path.clone(),
            user_name: self.name.clone(),
            user_id: self.id.clone(),
            arn: self.arn(cx, Kind::User),
            create_date: self.create_date(),
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
    let others = there.keys().filter(|k| !tags.contains_key(*k)).count();
    check_tags(tags, others)?;
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
