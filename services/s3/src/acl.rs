//! Access control lists: canned, in headers, in bodies; and what they let whom do.
//!
//! A bucket whose ownership is BucketOwnerEnforced has none that count.
//!
//! Source: "Access control list (ACL) overview" in the user guide; refusals as recorded by public test suites.

use undercast_kernel::auth;
use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Failure, Result};

use crate::api::{input, output};
use crate::rows::{Acl, Block, Bucket, Grant, Grantee, Ownership, Permission};
use crate::{control, error};

/// Groups are named by these URIs.
const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";

/// The canonical user to whom `aws-exec-read` grants: EC2, where it fetches images.
const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// The canonical user that owns what was written without credentials.
const ANONYMOUS: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

/// An ACL has so many grants at most.
const MOST_GRANTS: usize = 100;

/// What a request says of the ACL of what it makes or changes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) canned: Option<&'a str>,
    /// Full control, read, write, read ACL, write ACL.
    pub(crate) headers: [Option<&'a str>; 5],
}

/// The ACL in the members of a request that makes an object, which has no header for writing.
macro_rules! asked_of_object {
    ($input:expr) => {
        $crate::acl::Asked {
            canned: $input.acl.as_deref(),
            headers: [
                $input.grant_full_control.as_deref(),
                $input.grant_read.as_deref(),
                None,
                $input.grant_read_acp.as_deref(),
                $input.grant_write_acp.as_deref(),
            ],
        }
    };
}

/// The same for requests that have all five headers.
macro_rules! asked {
    ($input:expr) => {
        $crate::acl::Asked {
            canned: $input.acl.as_deref(),
            headers: [
                $input.grant_full_control.as_deref(),
                $input.grant_read.as_deref(),
                $input.grant_write.as_deref(),
                $input.grant_read_acp.as_deref(),
                $input.grant_write_acp.as_deref(),
            ],
        }
    };
}

pub(crate) use {asked, asked_of_object};

/// The permissions of the five headers, in their order.
const OF_HEADERS: [Permission; 5] =
    [Permission::FullControl, Permission::Read, Permission::Write, Permission::ReadAcp, Permission::WriteAcp];

impl Permission {
    fn name(self) -> &'static str {
        match self {
            Self::FullControl => "FULL_CONTROL",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        OF_HEADERS.into_iter().find(|p| p.name() == name)
    }
}

impl Grantee {
    fn of_uri(uri: &str) -> Result<Self> {
        match uri {
            EVERYBODY => Ok(Self::Everybody),
            AUTHENTICATED => Ok(Self::Authenticated),
            LOG_DELIVERY => Ok(Self::LogDelivery),
            _ => Err(error::invalid_argument("Invalid group uri", "uri", uri).into()),
        }
    }

    fn of_id(id: &str) -> Result<Self> {
        let known = id == ANONYMOUS || (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        if known { Ok(Self::User(id.to_owned())) } else { Err(error::invalid_argument("Invalid id", "id", id).into()) }
    }

    fn is_public(&self) -> bool {
        matches!(self, Self::Everybody | Self::Authenticated)
    }

    fn shown(&self) -> output::Grantee {
        let group = |uri: &str| output::Grantee {
            uri: Some(uri.to_owned()),
            type_: "Group".to_owned(),
            ..output::Grantee::default()
        };
        match self {
            Self::User(id) => output::Grantee {
                id: Some(id.clone()),
                type_: "CanonicalUser".to_owned(),
                ..output::Grantee::default()
            },
            Self::Everybody => group(EVERYBODY),
            Self::Authenticated => group(AUTHENTICATED),
            Self::LogDelivery => group(LOG_DELIVERY),
        }
    }
}

/// The canonical user id of an account; no account is whoever has no credentials.
pub(crate) fn user(account: &str) -> String {
    if account.is_empty() { ANONYMOUS.to_owned() } else { auth::canonical_user(account) }
}

fn grant(grantee: Grantee, permission: Permission) -> Grant {
    Grant { grantee, permission }
}

/// Nobody knows anybody's address here.
fn by_email(address: &str) -> Failure {
    let message = "The email address you provided does not match any account on record.";
    AwsError::new("UnresolvableGrantByEmailAddress", 400, message).with("EmailAddress", address).into()
}

/// The grantees of a header: `id="…", uri="…"`.
fn of_header(text: &str) -> Result<Vec<Grantee>> {
    let malformed = || error::invalid_argument("Argument format not recognized", "x-amz-grant", text);
    text.split(',')
        .map(|one| {
            let (kind, value) = one.trim().split_once('=').ok_or_else(malformed)?;
            let value = value.trim().trim_matches('"');
            match kind.trim().to_ascii_lowercase().as_str() {
                "id" => Grantee::of_id(value),
                "uri" => Grantee::of_uri(value),
                "emailaddress" => Err(by_email(value)),
                _ => Err(malformed().into()),
            }
        })
        .collect()
}

impl Asked<'_> {
    /// The grants that are asked for, for something of `owner` in `bucket`. `None`: nothing is said.
    fn grants(&self, owner: &str, bucket: &Bucket) -> Result<Option<Vec<Grant>>> {
        let mut grants = Vec::new();
        for (header, permission) in self.headers.iter().zip(OF_HEADERS) {
            if let Some(text) = header {
                grants.extend(of_header(text)?.into_iter().map(|g| grant(g, permission)));
            }
        }
        match (self.canned, grants.is_empty()) {
            (Some(_), false) => {
                Err(error::invalid_request("Specifying both Canned ACLs and Header Grants is not allowed").into())
            }
            (Some(canned), true) => canned_acl(canned, owner, bucket).map(Some),
            (None, false) => Ok(Some(grants)),
            (None, true) => Ok(None),
        }
    }
}

/// Source: "Canned ACL" in the overview.
fn canned_acl(name: &str, owner: &str, bucket: &Bucket) -> Result<Vec<Grant>> {
    let mut grants = vec![grant(Grantee::User(user(owner)), Permission::FullControl)];
    let bucket_owner = || Grantee::User(user(&bucket.account));
    match name {
        "private" => {}
        "public-read" => grants.push(grant(Grantee::Everybody, Permission::Read)),
        "public-read-write" => {
            grants.push(grant(Grantee::Everybody, Permission::Read));
            grants.push(grant(Grantee::Everybody, Permission::Write));
        }
        "authenticated-read" => grants.push(grant(Grantee::Authenticated, Permission::Read)),
        "aws-exec-read" => grants.push(grant(Grantee::User(EC2.to_owned()), Permission::Read)),
        "bucket-owner-read" if owner != bucket.account => grants.push(grant(bucket_owner(), Permission::Read)),
        "bucket-owner-full-control" if owner != bucket.account => {
            grants.push(grant(bucket_owner(), Permission::FullControl));
        }
        "bucket-owner-read" | "bucket-owner-full-control" => {}
        "log-delivery-write" => {
            grants.push(grant(Grantee::LogDelivery, Permission::Write));
            grants.push(grant(Grantee::LogDelivery, Permission::ReadAcp));
        }
        _ => return Err(error::invalid_argument("Argument format not recognized", "x-amz-acl", name).into()),
    }
    Ok(grants)
}

/// Grants as rows keep them: those that every owner has anyway are `None`.
fn kept(grants: Vec<Grant>, owner: &str) -> Option<Acl> {
    let own = [grant(Grantee::User(user(owner)), Permission::FullControl)];
    (grants != own).then_some(Acl { grants })
}

/// Public ACLs are refused where the bucket or its account blocks them.
fn check_block(from: &(impl Read + ?Sized), bucket: &Bucket, grants: &[Grant]) -> Result<()> {
    let public = grants.iter().any(|g| g.grantee.is_public());
    if public && control::block::of(from, bucket)?.public_acls { Err(error::access_denied().into()) } else { Ok(()) }
}

/// Who owns an object that an account writes now, and its ACL.
pub(crate) fn of_new_object(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    writer: &str,
    asked: &Asked<'_>,
) -> Result<(Option<String>, Option<Acl>)> {
    if bucket.ownership == Ownership::Enforced {
        check_enforced(asked)?;
        return Ok((None, None));
    }
    let given = bucket.ownership == Ownership::Preferred && asked.canned == Some("bucket-owner-full-control");
    let owner = if given { bucket.account.as_str() } else { writer };
    let grants = asked.grants(owner, bucket)?.unwrap_or_else(Vec::new);
    check_block(from, bucket, &grants)?;
    let acl = if grants.is_empty() { None } else { kept(grants, owner) };
    Ok(((owner != bucket.account).then(|| owner.to_owned()), acl))
}

/// Where no ACL counts, only those are taken that change nothing.
fn check_enforced(asked: &Asked<'_>) -> Result<()> {
    let fine = matches!(asked.canned, None | Some("private" | "bucket-owner-full-control"));
    if fine && asked.headers.iter().all(Option::is_none) { Ok(()) } else { Err(error::acl_not_supported().into()) }
}

/// The ACL of a new bucket.
pub(crate) fn of_new_bucket(bucket: &Bucket, asked: &Asked<'_>) -> Result<Option<Acl>> {
    if bucket.ownership == Ownership::Enforced {
        return check_enforced(asked).map(|()| None).map_err(|_| {
            let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
            AwsError::new("InvalidBucketAclWithObjectOwnership", 400, message).into()
        });
    }
    let grants = asked.grants(&bucket.account, bucket)?.unwrap_or_else(Vec::new);
    if grants.iter().any(|g| g.grantee.is_public()) {
        // Every new bucket blocks public ACLs, so none can be made with one.
        let message = "Bucket cannot have public ACLs set with BlockPublicAccess enabled";
        return Err(AwsError::new("InvalidBucketAclWithBlockPublicAccessError", 400, message).into());
    }
    Ok(if grants.is_empty() { None } else { kept(grants, &bucket.account) })
}

/// The ACL that a request puts on something of `owner`: a canned one, headers, or a body, and exactly one of them.
pub(crate) fn of_change(
    from: &(impl Read + ?Sized),
    bucket: &Bucket,
    owner: &str,
    asked: &Asked<'_>,
    body: Option<&input::AccessControlPolicy>,
) -> Result<Option<Acl>> {
    if bucket.ownership == Ownership::Enforced {
        if body.is_some_and(|b| !is_own(b, owner)) {
            return Err(error::acl_not_supported().into());
        }
        return check_enforced(asked).map(|()| None);
    }
    let grants = match (asked.grants(owner, bucket)?, body) {
        (Some(_), Some(_)) => {
            return Err(AwsError::new("UnexpectedContent", 400, "This request does not support content").into());
        }
        (Some(grants), None) => grants,
        (None, Some(body)) => of_body(body, owner)?,
        (None, None) => {
            let error = AwsError::new("MissingSecurityHeader", 400, "Your request was missing a required header");
            return Err(error.with("MissingHeaderName", "x-amz-acl").into());
        }
    };
    check_block(from, bucket, &grants)?;
    Ok(kept(grants, owner))
}

/// A body that grants all to the owner, and nothing else.
fn is_own(body: &input::AccessControlPolicy, owner: &str) -> bool {
    of_body(body, owner).is_ok_and(|grants| kept(grants, owner).is_none())
}

fn of_body(body: &input::AccessControlPolicy, owner: &str) -> Result<Vec<Grant>> {
    let malformed = || {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Failure::from(AwsError::new("MalformedACLError", 400, message))
    };
    let named = body.owner.as_ref().and_then(|o| o.id.as_deref()).ok_or_else(malformed)?;
    if named != user(owner) {
        return Err(error::access_denied().into());
    }
    let given = body.grants.as_deref().unwrap_or_default();
    if given.len() > MOST_GRANTS {
        let message = "The request contains more grants than are allowed";
        return Err(error::invalid_argument(message, "Grants", &given.len().to_string()).into());
    }
    let mut grants = Vec::with_capacity(given.len());
    for one in given {
        let (Some(grantee), Some(permission)) = (&one.grantee, &one.permission) else { return Err(malformed()) };
        let grantee = match grantee.type_.as_str() {
            "CanonicalUser" => Grantee::of_id(grantee.id.as_deref().ok_or_else(malformed)?)?,
            "Group" => Grantee::of_uri(grantee.uri.as_deref().ok_or_else(malformed)?)?,
            _ => return Err(by_email(grantee.email_address.as_deref().unwrap_or(""))),
        };
        grants.push(grant(grantee, Permission::parse(permission).ok_or_else(malformed)?));
    }
    Ok(grants)
}

/// The grants of something of `owner`, as answers show them.
pub(crate) fn shown(acl: Option<&Acl>, owner: &str) -> Vec<output::Grant> {
    let own = || vec![grant(Grantee::User(user(owner)), Permission::FullControl)];
    let grants = acl.map_or_else(own, |acl| acl.grants.clone());
    let show = |g: &Grant| output::Grant {
        grantee: Some(g.grantee.shown()),
        permission: Some(g.permission.name().to_owned()),
    };
    grants.iter().map(show).collect()
}

/// On what an ACL stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Bucket,
    Object,
}

/// The permission of an ACL that lets somebody do something. `None`: no ACL does.
///
/// Source: "Mapping of ACL permissions and access policy permissions" in the overview.
fn permission(on: On, action: &str) -> Option<Permission> {
    Some(match (on, action) {
        (On::Bucket, "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads") => Permission::Read,
        (On::Bucket, "s3:PutObject" | "s3:DeleteObject" | "s3:DeleteObjectVersion") => Permission::Write,
        (On::Bucket, "s3:GetBucketAcl") => Permission::ReadAcp,
        (On::Bucket, "s3:PutBucketAcl") => Permission::WriteAcp,
        (On::Object, "s3:GetObject" | "s3:GetObjectVersion") => Permission::Read,
        (On::Object, "s3:GetObjectAcl" | "s3:GetObjectVersionAcl") => Permission::ReadAcp,
        (On::Object, "s3:PutObjectAcl" | "s3:PutObjectVersionAcl") => Permission::WriteAcp,
        _ => return None,
    })
}

/// To whom an ACL opens an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// To nobody who asks here.
    Nobody,
    /// To the asker's account, whose own policies decide for its users.
    Account,
    /// To everybody.
    Everybody,
}

/// To whom an ACL opens an action, of those to whom the asker belongs. `caller` is the asker's canonical user id, if there
/// is one.
///
/// `logs`: the asker is S3, delivering logs.
pub(crate) fn opens(block: Block, acl: Option<&Acl>, on: On, action: &str, caller: Option<&str>, logs: bool) -> Opened {
    let (Some(acl), Some(wanted)) = (acl, permission(on, action)) else { return Opened::Nobody };
    let public = !block.ignore_acls;
    let mut opened = Opened::Nobody;
    for grant in acl.grants.iter().filter(|g| g.permission == wanted || g.permission == Permission::FullControl) {
        match &grant.grantee {
            Grantee::Everybody if public => return Opened::Everybody,
            Grantee::LogDelivery if logs => return Opened::Everybody,
            Grantee::Authenticated if public && caller.is_some() => opened = Opened::Account,
            Grantee::User(id) if caller == Some(id.as_str()) => opened = Opened::Account,
            _ => {}
        }
    }
    opened
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use undercast_kernel::store::{Database, Memory, Snapshot};

    use super::*;

    const ME: &str = "000000000000";

    fn bucket(ownership: Ownership) -> Bucket {
        Bucket { ownership, block: None, ..Bucket::new("b", ME, "us-east-1", 0) }
    }

    /// A state with nothing in it.
    fn nothing() -> Snapshot {
        Database::new(Arc::new(Memory::default())).map(|d| d.read()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn canned(name: &str) -> Asked<'_> {
        Asked { canned: Some(name), ..Asked::default() }
    }

    #[test]
    fn grants_in_headers() {
        let id = user("111111111111");
        for (text, wanted) in [
            (format!("id=\"{id}\""), Ok(vec![Grantee::User(id.clone())])),
            (format!("id={id}, uri=\"{EVERYBODY}\""), Ok(vec![Grantee::User(id.clone()), Grantee::Everybody])),
            ("id=1".to_owned(), Err("InvalidArgument")),
            ("uri=\"http://example.com\"".to_owned(), Err("InvalidArgument")),
            ("emailAddress=\"a@example.com\"".to_owned(), Err("UnresolvableGrantByEmailAddress")),
            ("nonsense".to_owned(), Err("InvalidArgument")),
        ] {
            let found = of_header(&text).map_err(|e| e.code().unwrap_or_default().to_owned());
            assert_eq!(found, wanted.map_err(ToOwned::to_owned), "{text}");
        }
    }

    #[test]
    fn who_owns_what_is_written() {
        let other = "111111111111";
        let owner = |ownership, writer, asked: &Asked<'_>| {
            of_new_object(&nothing(), &bucket(ownership), writer, asked).ok().map(|o| o.0)
        };
        assert_eq!(owner(Ownership::Enforced, other, &Asked::default()), Some(None));
        assert_eq!(owner(Ownership::Writer, other, &Asked::default()), Some(Some(other.to_owned())));
        assert_eq!(owner(Ownership::Writer, ME, &Asked::default()), Some(None));
        assert_eq!(owner(Ownership::Preferred, other, &canned("bucket-owner-full-control")), Some(None));
        assert_eq!(owner(Ownership::Preferred, other, &Asked::default()), Some(Some(other.to_owned())));
        assert_eq!(owner(Ownership::Enforced, ME, &canned("public-read")), None);
    }

    #[test]
    fn what_an_acl_opens() {
        let open = bucket(Ownership::Writer);
        let acl = of_new_object(&nothing(), &open, ME, &canned("public-read")).ok().and_then(|(_, acl)| acl);
        let opens = |block, action, caller| opens(block, acl.as_ref(), On::Object, action, caller, false);
        let none = control::block::NONE;
        assert_eq!(opens(none, "s3:GetObject", None), Opened::Everybody);
        assert_eq!(opens(none, "s3:PutObjectAcl", None), Opened::Nobody);
        assert_eq!(opens(Block::ALL, "s3:GetObject", None), Opened::Nobody);
        let me = user(ME);
        assert_eq!(opens(Block::ALL, "s3:PutObjectAcl", Some(&me)), Opened::Account);
        let closed = Bucket { block: Some(Block::ALL), ..open.clone() };
        assert!(of_new_object(&nothing(), &closed, ME, &canned("public-read")).is_err(), "public ACLs are blocked");
    }
}
