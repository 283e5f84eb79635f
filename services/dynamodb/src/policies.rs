//! Policies of tables and of their streams: PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy.
//!
//! A table's policy speaks of the table and its indexes, and is kept with the table; a stream has one of its own, and it is kept with the
//! stream. `permission` hands them to the authoriser.
//!
//! Source: "Using resource-based policies for DynamoDB" in the developer guide; answers as they were observed in 2026. At AWS a policy takes
//! effect some seconds, or minutes, after it was put, and for fifteen seconds no other can be; here it takes effect at once, and can
//! be changed at once.

use crate::DynamoDb;
use crate::api::{
    DeleteResourcePolicyInput, DeleteResourcePolicyOutput, GetResourcePolicyInput, GetResourcePolicyOutput,
    PutResourcePolicyInput, PutResourcePolicyOutput,
};
use crate::error::{Error, Result};
use crate::request::scope;
use crate::rows;
use crate::streams::store::{self, Stream};
use crate::table::Table;
use minicbor::{Decode, Encode};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{
    Document, Fault, Policy, PolicyKind, PrincipalKind, PrincipalType, Principals, Version,
};
use undercast_kernel::{Access, Cx};
use undercast_store::{Read, Tx};

/// Most bytes of a policy, its blanks included.
const MAX_BYTES: usize = 20_480;
/// The revision that a policy is expected to have where none is expected to be.
const NO_POLICY: &str = "NO_POLICY";
/// What can be done to a stream, and only to a stream.
const OF_STREAMS: &[&str] = &["describestream", "getrecords", "getsharditerator"];
/// What is done to no single table or stream, so that no policy of one can speak of it.
const OF_NOTHING: &[&str] =
    &["listbackups", "listexports", "listimports", "liststreams", "listtables", "describelimits"];

/// A policy of a table or a stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ResourcePolicy {
    /// The policy, as DynamoDB writes it.
    #[n(0)]
    pub text: String,
    /// When it was put, in milliseconds since 1970, which is what its revision is called by.
    #[n(1)]
    pub revision: i64,
}

/// Whether any table here has a policy, as far as that is known. The root user, whom nothing else holds back, is asked nothing
/// where none has.
#[derive(Debug, Default)]
pub(crate) struct Any(AtomicU8);

const UNKNOWN: u8 = 0;
const NONE: u8 = 1;
const SOME: u8 = 2;

impl Any {
    /// One will have.
    fn begin(&self) {
        self.0.store(SOME, Ordering::Release);
    }

    fn is_none(&self, cx: &Cx) -> Result<bool> {
        if self.0.load(Ordering::Acquire) == UNKNOWN {
            let some = rows::every_table(&cx.read())?.iter().any(|(_, table)| table.policy.is_some());
            // Whoever has put one in the meantime knows better.
            let found = if some { SOME } else { NONE };
            let _known = self.0.compare_exchange(UNKNOWN, found, Ordering::AcqRel, Ordering::Acquire);
        }
        Ok(self.0.load(Ordering::Acquire) == NONE)
    }
}

/// What a policy is of.
enum Owner {
    Table(Arc<Table>),
    Stream(Box<Stream>),
}

impl Owner {
    fn policy(&self) -> Option<&ResourcePolicy> {
        match self {
            Self::Table(table) => table.policy.as_ref(),
            Self::Stream(stream) => stream.policy.as_ref(),
        }
    }

    fn table(&self) -> &str {
        match self {
            Self::Table(table) => &table.name,
            Self::Stream(stream) => &stream.table,
        }
    }

    fn put(self, cx: &Cx, tx: &mut Tx<'_>, policy: Option<ResourcePolicy>) {
        match self {
            Self::Table(table) => rows::put_table(tx, scope(cx), &Table { policy, ..(*table).clone() }),
            Self::Stream(stream) => store::put(tx, scope(cx), &Stream { policy, ..*stream }),
        }
    }

    /// Refuses a change of another revision than is expected.
    fn expect(&self, revision: Option<&str>) -> Result<()> {
        let Some(expected) = revision else { return Ok(()) };
        let table = self.table();
        let problem = match self.policy() {
            None if expected == NO_POLICY => return Ok(()),
            None => format!(
                "Requested update for policy with revision id {expected}, but table {table} has no associated policy."
            ),
            Some(policy) if expected == policy.revision.to_string() => return Ok(()),
            Some(policy) if expected == NO_POLICY => format!(
                "Requested policy update expecting none to be present for table {table}, but a policy exists with revision id {}.",
                policy.revision
            ),
            Some(policy) => format!(
                "Requested update for policy with revision id {expected}, but the policy associated to target table {table} has \
                 revision id {}.",
                policy.revision
            ),
        };
        Err(Error::policy_not_found(&problem))
    }
}

/// What kind of thing a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    Stream,
}

impl DynamoDb {
    /// Puts the policy of a table or a stream.
    ///
    /// # Errors
    /// What AWS says of it, and when the store fails.
    pub(crate) async fn put_policy(&self, cx: &Cx, input: PutResourcePolicyInput) -> Result<PutResourcePolicyOutput> {
        let arn = &input.resource_arn;
        let (kind, _) = parts(cx, arn)?;
        let text = checked(kind, &input.policy)?;
        if input.confirm_remove_self_resource_access != Some(true) {
            check_lockout(cx, arn, &text)?;
        }
        self.policies.begin();
        let revision = cx
            .write(|tx| {
                let owner = self.owner(cx, tx, arn)?;
                owner.expect(input.expected_revision_id.as_deref())?;
                let now = cx.now_millis();
                let revision = match owner.policy() {
                    Some(policy) if policy.text == text => return Ok(policy.revision),
                    Some(policy) => now.max(policy.revision + 1),
                    None => now,
                };
                owner.put(cx, tx, Some(ResourcePolicy { text: text.clone(), revision }));
                Ok(revision)
            })
            .await?;
        Ok(PutResourcePolicyOutput { revision_id: Some(revision.to_string()) })
    }

    /// The policy of a table or a stream.
    ///
    /// # Errors
    /// What AWS says of the ARN, when there is none, and when the store fails.
    pub(crate) fn get_policy(&self, cx: &Cx, input: &GetResourcePolicyInput) -> Result<GetResourcePolicyOutput> {
        let owner = self.owner(cx, &cx.read(), &input.resource_arn)?;
        let policy = owner.policy().ok_or_else(|| Error::policy_not_found(&input.resource_arn))?;
        Ok(GetResourcePolicyOutput {
            policy: Some(policy.text.clone()),
            revision_id: Some(policy.revision.to_string()),
        })
    }

    /// Takes the policy of a table or a stream away, if it has one.
    ///
    /// # Errors
    /// What AWS says of the ARN and of the revision that is expected, and when the store fails.
    pub(crate) async fn delete_policy(
        &self,
        cx: &Cx,
        input: DeleteResourcePolicyInput,
    ) -> Result<DeleteResourcePolicyOutput> {
        let revision = cx
            .write(|tx| {
                let owner = self.owner(cx, tx, &input.resource_arn)?;
                owner.expect(input.expected_revision_id.as_deref())?;
                let Some(revision) = owner.policy().map(|policy| policy.revision) else { return Ok(None) };
                owner.put(cx, tx, None);
                Ok(Some(revision))
            })
            .await?;
        Ok(DeleteResourcePolicyOutput { revision_id: revision.map(|revision| revision.to_string()) })
    }

    /// The policy that a new table begins with.
    ///
    /// # Errors
    /// What AWS says of it.
    pub(crate) fn policy_of_new_table(&self, cx: &Cx, text: &str) -> Result<ResourcePolicy> {
        self.policies.begin();
        Ok(ResourcePolicy { text: checked(Kind::Table, text)?, revision: cx.now_millis() })
    }

    /// Whether nobody asks anything of the caller: the root user of an account in which no table has a policy.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) fn asks_nothing(&self, cx: &Cx, home: &Cx) -> Result<bool> {
        let principal = cx.principal();
        let own = matches!(principal.kind, PrincipalKind::Root) && principal.account == home.account();
        Ok(own && self.policies.is_none(cx)?)
    }

    fn owner(&self, cx: &Cx, from: &impl Read, arn: &str) -> Result<Owner> {
        let (_, resource) = parts(cx, arn)?;
        let (name, label) = match resource.split_once("/stream/") {
            None => (resource.as_str(), None),
            Some((name, label)) => (name, Some(label)),
        };
        let Some(label) = label else {
            let table = self.descriptions.get(from, scope(cx), name)?;
            return table.map(Owner::Table).ok_or_else(|| Error::table_not_found(name));
        };
        let stream = store::get(from, scope(cx), name, label)?.filter(|stream| !stream.is_over(cx.now_millis()));
        stream
            .map(|stream| Owner::Stream(Box::new(stream)))
            .ok_or_else(|| Error::stream_of_table_not_found(label, name))
    }
}

/// What kind of thing an ARN means, and what stands after `table/` in it.
fn parts(cx: &Cx, arn: &str) -> Result<(Kind, String)> {
    if !arn.starts_with("arn:") {
        return Err(Error::invalid(format_args!("ARNs must start with 'arn:': {arn}")));
    }
    let foreign = || Error::invalid(format_args!("Provided Arn is not a DynamoDB resource arn: {arn}"));
    let parsed = Arn::parse(arn).filter(|parsed| parsed.service == "dynamodb").ok_or_else(foreign)?;
    if parsed.partition != cx.partition() || parsed.region != cx.region() {
        return Err(Error::invalid(format_args!("Invalid resource Arn: {arn}")));
    }
    if parsed.account != cx.account() {
        return Err(Error::validation(
            "This action is only supported by accounts that match the resource owner’s account.",
        ));
    }
    let resource = parsed.resource.strip_prefix("table/").ok_or_else(foreign)?;
    match resource.split('/').collect::<Vec<_>>().as_slice() {
        [_] => Ok((Kind::Table, resource.to_owned())),
        [_, "stream", _] => Ok((Kind::Stream, resource.to_owned())),
        [_, "index", ..] => Err(Error::invalid(format_args!(
            "Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}"
        ))),
        _ => Err(foreign()),
    }
}

/// A policy as DynamoDB writes it, once it is one that it takes.
fn checked(kind: Kind, text: &str) -> Result<String> {
    if text.len() > MAX_BYTES {
        return Err(Error::invalid(format_args!("Maximum policy size of {MAX_BYTES} bytes exceeded")));
    }
    let malformed = |why: &str| Error::invalid(format_args!("Invalid policy document: {why}"));
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(document)) => {
            if document.get("Statement").and_then(|given| given.as_array()).is_some_and(Vec::is_empty) {
                return Err(malformed("Could not parse the policy: Statement is empty!"));
            }
        }
        Ok(serde_json::Value::Null) => return Err(malformed("This text appears not to be a policy")),
        _ => return Err(malformed("This policy contains invalid Json")),
    }
    let policy = Policy::parse(PolicyKind::Resource, text).map_err(|error| match &error.fault {
        Fault::DuplicateSid => malformed("The Statement Ids in the policy are not unique"),
        Fault::NoActions => malformed("Missing required field Action"),
        Fault::InvalidPrincipal { .. } => Error::invalid("Invalid principal in policy document."),
        fault => malformed(&fault.to_string()),
    })?;
    for statement in &policy.document().statements {
        if statement.principal.is_none() {
            return Err(malformed("Missing required field Principal"));
        }
        let resource = statement.resource.as_ref().ok_or_else(|| malformed("Missing required field Resource"))?;
        for pattern in &resource.patterns {
            check_resource(kind, pattern).map_err(|why| malformed(&why))?;
        }
        let wrong: Vec<String> = statement.action.patterns.iter().filter(|a| !fits(kind, a)).map(quoted).collect();
        if !wrong.is_empty() {
            return Err(malformed(&format!("The following action names are invalid: {}", wrong.join(", "))));
        }
    }
    if policy.is_public(&[]) {
        return Err(Error::validation(
            "Resource-based policy grants unbounded access in one or more elements. Please revise the policy to ensure \
             least-privilege form of access",
        ));
    }
    Ok(as_written(policy.document().clone()))
}

fn quoted(name: &String) -> String {
    format!("\"{name}\"")
}

/// Whether an action is one that a policy of this kind can speak of. Which actions there are besides is not known here.
fn fits(kind: Kind, action: &str) -> bool {
    if action == "*" {
        return true;
    }
    let action = action.to_lowercase();
    let Some(name) = action.strip_prefix("dynamodb:") else { return false };
    let of_stream = OF_STREAMS.contains(&name);
    let own = if kind == Kind::Stream { of_stream } else { !of_stream };
    name.contains(['*', '?']) || (own && !OF_NOTHING.contains(&name))
}

/// Resources are tables and their indexes, also others than the policy's own, or streams.
fn check_resource(kind: Kind, pattern: &str) -> std::result::Result<(), String> {
    if pattern == "*" {
        return Ok(());
    }
    let relative = pattern.splitn(6, ':').nth(5).unwrap_or_default();
    let of_stream = relative.contains("/stream/");
    let wild = relative.contains(['*', '?']);
    let own = relative.starts_with("table/") && of_stream == (kind == Kind::Stream);
    if own || wild { Ok(()) } else { Err(format!("The relative-id \"{relative}\" is invalid for ARN \"{pattern}\"")) }
}

/// A policy as DynamoDB writes it: without blanks, its elements in one order, lists of one as that one, and accounts by their ARN.
fn as_written(mut document: Document) -> String {
    document.version.get_or_insert(Version::V2008);
    for statement in &mut document.statements {
        let Some(Principals::Named(named)) = statement.principal.as_mut().map(|element| &mut element.principals) else {
            continue;
        };
        for (_, values) in named.iter_mut().filter(|(kind, _)| *kind == PrincipalType::Aws) {
            let mut seen = HashSet::new();
            let written = std::mem::take(values).into_iter().map(|value| {
                let account = value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit());
                if account { format!("arn:aws:iam::{value}:root") } else { value }
            });
            *values = written.filter(|value| seen.insert(value.clone())).collect();
        }
    }
    document.to_value().to_string()
}

/// Refuses a policy under which its author could not put another one.
fn check_lockout(cx: &Cx, arn: &str, text: &str) -> Result<()> {
    let access = guarded(cx, Access::new("dynamodb:PutResourcePolicy", arn), arn, text)?;
    match cx.denied(&access)? {
        None => Ok(()),
        Some(_) => Err(Error::access_denied(
            "The new resource policy will not allow you to update the resource policy in the future.".to_owned(),
        )),
    }
}

/// A permission over which a policy has a say.
///
/// # Errors
/// When the policy is none.
pub(crate) fn guarded(cx: &Cx, access: Access, arn: &str, text: &str) -> Result<Access> {
    let policy = cx.policies().compile(PolicyKind::Resource, text).map_err(undercast_kernel::Failure::broken)?;
    Ok(access.with_policy(arn, policy))
}
