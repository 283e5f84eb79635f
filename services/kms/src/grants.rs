//! Grants: permissions to use a key that stand beside its policy.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::json;
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::{PolicyKind, PrincipalFacts, PrincipalKind, ResourceRule};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Access, Cx, Failure, Result, paging};

use crate::api::{self, errors, input, output};
use crate::permission::Ask;
use crate::reference::Reference;
use crate::rows::Key;
use crate::specs::SYMMETRIC;
use crate::{error, keys, pages};

/// Account, region, key id, grant id.
pub(crate) static GRANTS: Table<Grant> = Table::new("kms.grants");

/// A key has at most so many grants. Source: "Resource quotas" in the KMS developer guide.
const MOST: usize = 50_000;
/// What a grant's token is called as the token of a list.
const TOKEN: &str = "kms grant";

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Grant {
    #[n(0)]
    pub(crate) id: String,
    #[n(1)]
    pub(crate) account: String,
    #[n(2)]
    pub(crate) region: String,
    #[n(3)]
    pub(crate) key_id: String,
    #[n(4)]
    pub(crate) name: Option<String>,
    /// Milliseconds since 1970.
    #[n(5)]
    pub(crate) created: i64,
    /// An ARN or a service principal.
    #[n(6)]
    pub(crate) grantee: String,
    #[n(7)]
    pub(crate) retiring: Option<String>,
    /// The account of whoever made it.
    #[n(8)]
    pub(crate) issuer: String,
    #[n(9)]
    pub(crate) operations: Vec<String>,
    #[n(10)]
    pub(crate) subset: Option<BTreeMap<String, String>>,
    #[n(11)]
    pub(crate) equals: Option<BTreeMap<String, String>>,
    #[n(12)]
    pub(crate) source_arn: Option<String>,
}

impl Grant {
    fn place(&self) -> (&str, &str, &str, &str) {
        (&self.account, &self.region, &self.key_id, &self.id)
    }

    /// A text that proves nothing but names the grant.
    fn token(&self) -> String {
        paging::token(TOKEN, &[self.account.as_str(), &self.region, &self.key_id, &self.id].join("/"))
    }

    /// Whether it allows an operation, and its constraints hold for what is asked.
    fn covers(&self, cx: &Cx, operation: &str, ask: &Ask) -> bool {
        // Who may make grants by a grant may not give more than it has.
        let widens =
            ask.operations.iter().any(|o| !self.operations.contains(o)) || (self.equals.is_some() && !ask.exact);
        let within = self.operations.iter().any(|o| o == operation) && !(operation == "CreateGrant" && widens);
        // Operations without an encryption context are not constrained by one.
        within && (operation == "DescribeKey" || self.holds(cx, &ask.context))
    }

    fn holds(&self, cx: &Cx, context: &BTreeMap<String, String>) -> bool {
        let subset = |wanted: &BTreeMap<String, String>| wanted.iter().all(|(k, v)| context.get(k) == Some(v));
        let source = |wanted: &String| {
            cx.origin().service.as_ref().and_then(|(_, source)| source.as_ref()).is_some_and(|given| given == wanted)
        };
        self.subset.as_ref().is_none_or(subset)
            && self.equals.as_ref().is_none_or(|wanted| wanted == context)
            && self.source_arn.as_ref().is_none_or(source)
    }

    fn constrains_context(&self) -> bool {
        self.subset.is_some() || self.equals.is_some()
    }

    fn entry(&self, cx: &Cx) -> Result<output::GrantListEntry> {
        let arn = format!("arn:{}:kms:{}:{}:key/{}", cx.partition(), self.region, self.account, self.key_id);
        let constrained = self.constrains_context() || self.source_arn.is_some();
        let (grantee, grantee_service) = by_kind(Some(self.grantee.clone()));
        let (retiring, retiring_service) = by_kind(self.retiring.clone());
        Ok(output::GrantListEntry {
            key_id: Some(arn),
            grant_id: Some(self.id.clone()),
            name: self.name.clone(),
            creation_date: Some(keys::moment(self.created)?),
            grantee_principal: grantee,
            retiring_principal: retiring,
            issuing_account: Some(format!("arn:{}:iam::{}:root", cx.partition(), self.issuer)),
            operations: Some(self.operations.clone()),
            constraints: constrained.then(|| output::GrantConstraints {
                encryption_context_subset: self.subset.clone(),
                encryption_context_equals: self.equals.clone(),
                source_arn: self.source_arn.clone(),
            }),
            grantee_service_principal: grantee_service,
            retiring_service_principal: retiring_service,
        })
    }
}

/// A principal as answers have it: an ARN in one member, a service in the other.
fn by_kind(principal: Option<String>) -> (Option<String>, Option<String>) {
    match principal {
        Some(name) if !name.starts_with("arn:") => (None, Some(name)),
        other => (other, None),
    }
}

/// Whether a grant's principal is the caller: itself, the role or user behind its session, or its account.
fn names(principal: &str, caller: &PrincipalFacts) -> bool {
    let behind = match &caller.kind {
        PrincipalKind::AssumedRole { role_arn, .. } => role_arn == principal,
        PrincipalKind::FederatedUser { user_arn, .. } => user_arn == principal,
        PrincipalKind::Service { name } => name == principal,
        _ => false,
    };
    behind || caller.arn == principal || account_of(principal).is_some_and(|account| account == caller.account)
}

/// The account that is meant by `arn:aws:iam::111122223333:root`.
fn account_of(principal: &str) -> Option<String> {
    let arn = Arn::parse(principal).filter(|arn| arn.service == "iam" && arn.resource == "root")?;
    Some(arn.account).filter(|account| !account.is_empty())
}

/// Adds to a permission what grants allow: each that names the caller, has the operation, and whose constraints hold.
pub(crate) fn allow(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    key: &Key,
    operation: &str,
    ask: &Ask,
    mut access: Access,
) -> Result<Access> {
    for grant in GRANTS.all(from, &key.place())?.into_iter().map(|entry| entry.row) {
        if names(&grant.grantee, cx.principal()) && grant.covers(cx, operation, ask) {
            // What an account is granted, its own policies give on.
            if account_of(&grant.grantee).is_none() {
                access.rule = ResourceRule::Granted;
            }
            access = granted(cx, access, &grant.id, &[&grant.grantee])?;
        }
    }
    Ok(access)
}

/// A permission that these principals have by a grant.
fn granted(cx: &Cx, access: Access, grant: &str, principals: &[&str]) -> Result<Access> {
    let (arns, services): (Vec<&str>, Vec<&str>) = principals.iter().partition(|p| p.starts_with("arn:"));
    let mut principal = json!({});
    if !arns.is_empty() {
        principal["AWS"] = json!(arns);
    }
    if !services.is_empty() {
        principal["Service"] = json!(services);
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal,
                        "Action": access.action, "Resource": "*"}]});
    let policy = cx.policies().compile(PolicyKind::Resource, &policy.to_string()).map_err(Failure::broken)?;
    Ok(access.with_policy(&format!("grant {grant}"), policy))
}

/// Who may retire a grant is said by the grant: its retiring principal, its grantee where it may, the account that made it.
pub(crate) fn may_retire(cx: &Cx, from: &(impl Read + ?Sized), input: &undercast_wire::Fields) -> Result<Vec<Access>> {
    let grant = to_retire(cx, from, input.text("GrantToken"), input.text("KeyId"), input.text("GrantId"))?;
    let arn = format!("arn:{}:kms:{}:{}:key/{}", cx.partition(), grant.region, grant.account, grant.key_id);
    let root = format!("arn:{}:iam::{}:root", cx.partition(), grant.issuer);
    let mut principals = vec![root.as_str()];
    principals.extend(grant.retiring.as_deref());
    principals.extend(grant.operations.iter().any(|o| o == "RetireGrant").then_some(grant.grantee.as_str()));
    let mut access = Access::new("kms:RetireGrant", arn).in_account(grant.account.clone());
    access.rule = ResourceRule::Granted;
    Ok(vec![granted(cx, access, &grant.id, &principals)?])
}

/// Refuses tokens that are none.
pub(crate) fn check_tokens(tokens: Option<Vec<String>>) -> Result<()> {
    // Grants work at once here, so a token has nothing to add: it only must be one.
    for token in tokens.into_iter().flatten() {
        paging::position(TOKEN, &token).ok_or_else(bad_token)?;
    }
    Ok(())
}

fn bad_token() -> undercast_kernel::AwsError {
    errors::invalid_grant_token_exception("The grant token is invalid.")
}

/// Refuses what is no id of a grant.
fn check_id(id: &str) -> Result<()> {
    let good = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if good { Ok(()) } else { Err(errors::invalid_grant_id_exception(format!("Invalid grantId '{id}'")).into()) }
}

fn bad_grant() -> undercast_kernel::AwsError {
    errors::not_found_exception("The grant could not be found.")
}

/// Refuses operations that a grant of this key cannot have.
fn check_operations(key: &Key, operations: &[String], constrained: bool) -> Result<()> {
    const SYMMETRIC_ONES: &[&str] = &[
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    ];
    let of_usage: &[&str] = match key.usage.as_str() {
        crate::specs::SIGN => &["Sign", "Verify", "GetPublicKey"],
        crate::specs::AGREE => &["DeriveSharedSecret", "GetPublicKey"],
        crate::specs::ENCAPSULATE => &["Encapsulate", "Decapsulate", "GetPublicKey"],
        crate::specs::MAC => &["GenerateMac", "VerifyMac"],
        _ if key.spec == SYMMETRIC => SYMMETRIC_ONES,
        _ => &["Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"],
    };
    let always = ["CreateGrant", "RetireGrant", "DescribeKey"];
    let allowed = |o: &String| of_usage.contains(&o.as_str()) || always.contains(&o.as_str());
    if operations.is_empty() {
        return Err(error::validation("Grant operations cannot be empty.").into());
    }
    if !operations.iter().all(allowed) {
        let message = "Grant operations are not supported by the KMS key.";
        return Err(error::validation(message).into());
    }
    if constrained && key.spec != SYMMETRIC {
        let message = "Encryption context constraints are only supported by symmetric encryption keys.";
        return Err(error::validation(message).into());
    }
    Ok(())
}

/// A principal of a grant: an ARN, or in the member for services a service.
fn principal(arn: Option<String>, service: Option<String>, member: &str) -> Result<Option<String>> {
    match (arn, service) {
        (Some(_), Some(_)) => {
            let message = format!("You cannot specify both {member}Principal and {member}ServicePrincipal.");
            Err(error::validation(message).into())
        }
        (Some(arn), None) => {
            let known = Arn::parse(&arn).is_some_and(|arn| matches!(arn.service.as_str(), "iam" | "sts"));
            let service = arn.ends_with(".amazonaws.com");
            if known || service { Ok(Some(arn)) } else { Err(errors::invalid_arn_exception("Invalid Arn").into()) }
        }
        (None, service) => Ok(service),
    }
}

fn constraints(
    given: Option<input::GrantConstraints>,
) -> (Option<BTreeMap<String, String>>, Option<BTreeMap<String, String>>, Option<String>) {
    given.map_or((None, None, None), |c| (c.encryption_context_subset, c.encryption_context_equals, c.source_arn))
}

/// A grant as a request wants it, with an id of its own.
fn wanted(cx: &Cx, key: &Key, input: api::CreateGrantInput) -> Result<Grant> {
    let grantee = principal(input.grantee_principal, input.grantee_service_principal, "Grantee")?;
    let grantee = grantee.ok_or_else(|| error::validation("GranteePrincipal must be specified."))?;
    let (subset, equals, source_arn) = constraints(input.constraints);
    if subset.is_some() && equals.is_some() {
        let message = "Constraints cannot have both EncryptionContextSubset and EncryptionContextEquals.";
        return Err(error::validation(message).into());
    }
    let grant = Grant {
        id: cx.random().hex(64),
        account: key.account.clone(),
        region: key.region.clone(),
        key_id: key.id.clone(),
        name: input.name,
        created: cx.now_millis(),
        grantee,
        retiring: principal(input.retiring_principal, input.retiring_service_principal, "Retiring")?,
        issuer: if cx.principal().account.is_empty() { cx.account() } else { &cx.principal().account }.to_owned(),
        operations: input.operations,
        subset,
        equals,
        source_arn,
    };
    check_operations(key, &grant.operations, grant.constrains_context())?;
    Ok(grant)
}

pub(crate) async fn create(cx: &Cx, mut input: api::CreateGrantInput) -> Result<api::CreateGrantOutput> {
    check_tokens(input.grant_tokens.take())?;
    let (given, dry) = (input.key_id.clone(), input.dry_run == Some(true));
    let key = Reference::parse_key(cx, &given)?.get(cx, &cx.read())?;
    keys::usable(cx, &key)?;
    let grant = wanted(cx, &key, input)?;
    if dry {
        return Err(error::dry_run().into());
    }
    let made = cx
        .write(|tx| {
            let key = Reference::parse_key(cx, &given)?.get(cx, tx)?;
            keys::usable(cx, &key)?;
            let all = GRANTS.all(tx, &key.place())?;
            // With a name, the same request again is the same grant.
            let same = |there: &Grant| {
                let new = Grant { id: there.id.clone(), created: there.created, ..grant.clone() };
                there.name.is_some() && *there == new
            };
            if let Some(there) = all.iter().map(|entry| &entry.row).find(|there| same(there)) {
                return Ok(there.clone());
            }
            if all.len() >= MOST {
                let message = format!("{} has {MOST} grants, which is the most a key can have.", key.arn(cx));
                return Err(errors::limit_exceeded_exception(message).into());
            }
            GRANTS.put(tx, &grant.place(), &grant);
            Ok(grant.clone())
        })
        .await?;
    Ok(api::CreateGrantOutput { grant_token: Some(made.token()), grant_id: Some(made.id) })
}

pub(crate) fn list(cx: &Cx, input: api::ListGrantsInput) -> Result<api::ListGrantsOutput> {
    let read = cx.read();
    let key = Reference::parse_key(cx, &input.key_id)?.get(cx, &read)?;
    input.grant_id.as_deref().map(check_id).transpose()?;
    let grantee = principal(input.grantee_principal, input.grantee_service_principal, "Grantee")?;
    let all = GRANTS.all(&read, &key.place())?.into_iter().map(|entry| entry.row).filter(|grant| {
        input.grant_id.as_ref().is_none_or(|id| *id == grant.id) && grantee.as_ref().is_none_or(|g| *g == grant.grantee)
    });
    let scope = format!("ListGrants/{}", key.id);
    let page = pages::page(all, |grant| grant.id.clone(), &scope, 50, input.limit, input.marker)?;
    Ok(api::ListGrantsOutput {
        grants: Some(page.items.iter().map(|grant| grant.entry(cx)).collect::<Result<_>>()?),
        truncated: Some(page.next.is_some()),
        next_marker: page.next,
    })
}

pub(crate) fn list_retirable(cx: &Cx, input: api::ListRetirableGrantsInput) -> Result<api::ListRetirableGrantsOutput> {
    let retiring = principal(input.retiring_principal, input.retiring_service_principal, "Retiring")?;
    let retiring = retiring.ok_or_else(|| error::validation("RetiringPrincipal must be specified."))?;
    let all = GRANTS.all(&cx.read(), &(cx.account(), cx.region()))?;
    let all = all.into_iter().map(|entry| entry.row).filter(|grant| grant.retiring.as_ref() == Some(&retiring));
    let scope = format!("ListRetirableGrants/{retiring}");
    let page = pages::page(all, |grant| grant.id.clone(), &scope, 50, input.limit, input.marker)?;
    Ok(api::ListRetirableGrantsOutput {
        grants: Some(page.items.iter().map(|grant| grant.entry(cx)).collect::<Result<_>>()?),
        truncated: Some(page.next.is_some()),
        next_marker: page.next,
    })
}

pub(crate) async fn revoke(cx: &Cx, input: api::RevokeGrantInput) -> Result<()> {
    cx.write(|tx| {
        let key = Reference::parse_key(cx, &input.key_id)?.get(cx, tx)?;
        check_id(&input.grant_id)?;
        let place = (&key.account, &key.region, &key.id, &input.grant_id);
        let grant = GRANTS.get(tx, &place)?.ok_or_else(bad_grant)?;
        if input.dry_run == Some(true) {
            return Err(error::dry_run().into());
        }
        GRANTS.delete(tx, &grant.place());
        Ok(())
    })
    .await
}

/// The grant that a caller wants to retire: by its token, or by its id and its key's ARN.
fn to_retire(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    token: Option<&str>,
    key: Option<&str>,
    id: Option<&str>,
) -> Result<Grant> {
    match (token, key, id) {
        (Some(token), None, None) => {
            let position = paging::position(TOKEN, token).ok_or_else(bad_token)?;
            let parts: Vec<&str> = position.split('/').collect();
            let [account, region, key, id] = parts[..] else { return Err(bad_token().into()) };
            GRANTS.get(from, &(account, region, key, id))?.ok_or_else(|| bad_token().into())
        }
        (None, Some(key), Some(id)) => {
            if !key.starts_with("arn:") {
                return Err(error::bad_arn(key).into());
            }
            check_id(id)?;
            let key = Reference::parse_key(cx, key)?.get(cx, from)?;
            GRANTS.get(from, &(&key.account, &key.region, &key.id, id))?.ok_or_else(|| bad_grant().into())
        }
        _ => Err(error::validation("You must specify either a grant token or a KeyId and a GrantId.").into()),
    }
}

pub(crate) async fn retire(cx: &Cx, input: api::RetireGrantInput) -> Result<()> {
    cx.write(|tx| {
        let token = input.grant_token.as_deref();
        let grant = to_retire(cx, tx, token, input.key_id.as_deref(), input.grant_id.as_deref())?;
        if input.dry_run == Some(true) {
            return Err(error::dry_run().into());
        }
        GRANTS.delete(tx, &grant.place());
        Ok(())
    })
    .await
}
