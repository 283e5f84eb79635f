//! Access points: named ways to a bucket, each with its own policy and Block Public Access.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use undercast_kernel::store::{Order, Read};
use undercast_kernel::{Access, AwsError, Cx, Result, paging};

use super::api::{self, output};
use super::rows::{ALIASES, ATTACHED, POINTS, Point, point_arn};
use super::{block, error, tags};
use crate::policy::{check_for, is_public};
use crate::rows::{BUCKETS, Block, Bucket};

/// An alias has so many characters at most.
const ALIAS_LENGTH: usize = 63;

/// What makes an alias hard to guess.
const ALIAS_RANDOM: usize = 34;

/// A list gives so many at a time at most.
const MOST: usize = 1000;

/// The rules for names.
///
/// Source: "Naming rules for access points" in the user guide; which broken rule has which answer as LocalStack's
/// `test_access_point_name_validation` recorded it.
fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !(3..=50).contains(&name.len()) || name.bytes().any(|b| !plain(b) && b != b'-' && b != b'.') {
        return Err(error::invalid_uri(&format!("accesspoint/{name}")).into());
    }
    let ends = name.starts_with('-') || name.ends_with('-');
    if ends || name.contains('.') || name.starts_with("xn--") || name.ends_with("-s3alias") {
        return Err(error::invalid_request("Your Amazon S3 AccessPoint name is invalid").into());
    }
    Ok(())
}

/// `<name>-<random>-s3alias`
fn alias(cx: &Cx, name: &str) -> String {
    let room = ALIAS_LENGTH - ALIAS_RANDOM - "--s3alias".len();
    let short = name.get(..room.min(name.len())).unwrap_or(name).trim_end_matches('-');
    format!("{short}-{}-s3alias", cx.random().text(ALIAS_RANDOM, "abcdefghijklmnopqrstuvwxyz0123456789"))
}

pub(crate) async fn create(cx: &Cx, input: api::CreateAccessPointInput) -> Result<api::CreateAccessPointOutput> {
    check_name(&input.name)?;
    let tags = tags::of(input.tags.into_iter().flatten().map(|t| (t.key, t.value)))?;
    let mut point = Point {
        name: input.name,
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        bucket: input.bucket,
        bucket_account: input.bucket_account_id.unwrap_or_else(|| cx.account().to_owned()),
        created: cx.now_millis(),
        alias: String::new(),
        vpc: input.vpc_configuration.map(|v| v.vpc_id),
        block: input.public_access_block_configuration.as_ref().map_or(Block::ALL, block::of_input),
        policy: None,
        public: false,
        tags,
    };
    point.alias = alias(cx, &point.name);
    cx.write(|tx| {
        if POINTS.has(tx, &cx.key(&point.name))? {
            let message = "Your previous request to create the named accesspoint succeeded and you already own it.";
            return Err(AwsError::new("AccessPointAlreadyOwnedByYou", 409, message)
                .with("AccessPointName", point.name.as_str())
                .into());
        }
        let bucket = BUCKETS.get(tx, &(&point.bucket,))?.filter(|b| b.region == point.region);
        let missing = || error::invalid_request("Amazon S3 AccessPoint can only be created for existing bucket");
        if bucket.ok_or_else(missing)?.account != point.bucket_account {
            return Err(error::access_denied().into());
        }
        POINTS.put(tx, &cx.key(&point.name), &point);
        ALIASES.put(tx, &(&point.alias,), &(point.account.clone(), point.region.clone(), point.name.clone()));
        ATTACHED.put(tx, &attachment(&point), &0);
        Ok(())
    })
    .await?;
    Ok(api::CreateAccessPointOutput { access_point_arn: Some(point.arn()), alias: Some(point.alias) })
}

/// Sets the Block Public Access of an access point, which only templates do: S3 has no operation for it. Without a word all is
/// blocked, as where one is made.
pub(crate) async fn set_block(cx: &Cx, name: &str, block: Option<&Json>) -> Result<()> {
    let denied = cx.denied(&Access::new("s3:PutAccessPointPublicAccessBlock", arn_of(cx, name)))?;
    if let Some(message) = denied {
        return Err(AwsError::new("AccessDenied", 403, message).into());
    }
    let on = |setting: &str| block.is_none_or(|block| block.get(setting).is_some_and(|on| *on == true));
    let block = Block {
        public_acls: on("BlockPublicAcls"),
        ignore_acls: on("IgnorePublicAcls"),
        public_policy: on("BlockPublicPolicy"),
        restrict: on("RestrictPublicBuckets"),
    };
    cx.write(|tx| {
        let point = Point { block, ..existing(cx, tx, name)? };
        POINTS.put(tx, &cx.key(&point.name), &point);
        Ok(())
    })
    .await
}

fn attachment(point: &Point) -> (&str, &str, &str, &str, &str) {
    (&point.bucket_account, &point.region, &point.bucket, &point.account, &point.name)
}

/// Refuses to let a bucket go that has access points.
pub(crate) fn refuse_attached(from: &(impl Read + ?Sized), bucket: &Bucket) -> Result<()> {
    if ATTACHED.page(from, &bucket.all(), None::<&()>, Order::Ascending, 1)?.is_empty() {
        return Ok(());
    }
    let message = "The bucket you tried to delete has access points attached. Delete your access points before deleting your bucket.";
    let error = AwsError::new("BucketHasAccessPointsAttached", 400, message);
    Err(error.with("BucketName", bucket.name.as_str()).into())
}

/// The access point of that name in the caller's account and region.
pub(crate) fn existing(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Point> {
    // Some clients put its ARN where the name belongs.
    let named =
        super::via::of_arn(name).filter(|(account, region, _)| account == cx.account() && region == cx.region());
    let name = named.as_ref().map_or(name, |(_, _, name)| name);
    POINTS.get(from, &cx.key(name))?.ok_or_else(|| error::no_such_point(name).into())
}

/// The hosts under which access points are reached, by kind.
fn endpoints(cx: &Cx, region: &str) -> BTreeMap<String, String> {
    let host = &cx.kernel().settings().host;
    let names = [
        ("ipv4", "s3-accesspoint"),
        ("dualstack", "s3-accesspoint.dualstack"),
        ("fips", "s3-accesspoint-fips"),
        ("fips_dualstack", "s3-accesspoint-fips.dualstack"),
    ];
    names.map(|(kind, label)| (kind.to_owned(), format!("{label}.{region}.{host}"))).into()
}

pub(crate) fn get(cx: &Cx, name: &str) -> Result<api::GetAccessPointOutput> {
    let point = existing(cx, &cx.read(), name)?;
    Ok(api::GetAccessPointOutput {
        access_point_arn: Some(point.arn()),
        network_origin: Some(point.origin().to_owned()),
        endpoints: Some(endpoints(cx, &point.region)),
        creation_date: Some(crate::buckets::shown(point.created)),
        vpc_configuration: point.vpc.map(|vpc_id| output::VpcConfiguration { vpc_id }),
        public_access_block_configuration: Some(block::shown(point.block)),
        name: Some(point.name),
        bucket: Some(point.bucket),
        alias: Some(point.alias),
        bucket_account_id: Some(point.bucket_account),
        ..Default::default()
    })
}

pub(crate) fn list(cx: &Cx, input: &api::ListAccessPointsInput) -> Result<api::ListAccessPointsOutput> {
    let scope = format!("s3control.ListAccessPoints:{}", input.bucket.as_deref().unwrap_or(""));
    let invalid = || error::invalid_request("The continuation token provided is incorrect");
    let after = input.next_token.as_deref().map(|t| paging::position(&scope, t).ok_or_else(invalid)).transpose()?;
    let most = most(input.max_results);
    let from = cx.read();
    let mut points = Vec::new();
    let mut next = None;
    let after = after.as_deref().map(|name| cx.key(name));
    for entry in POINTS.page(&from, &(cx.account(), cx.region()), after.as_ref(), Order::Ascending, usize::MAX)? {
        let point = entry.row;
        if input.bucket.as_ref().is_some_and(|bucket| *bucket != point.bucket) {
            continue;
        }
        if points.len() == most {
            next = points.last().map(|p: &output::AccessPoint| paging::token(&scope, &p.name));
            break;
        }
        points.push(output::AccessPoint {
            access_point_arn: Some(point.arn()),
            network_origin: point.origin().to_owned(),
            vpc_configuration: point.vpc.map(|vpc_id| output::VpcConfiguration { vpc_id }),
            name: point.name,
            bucket: point.bucket,
            alias: Some(point.alias),
            bucket_account_id: Some(point.bucket_account),
            ..Default::default()
        });
    }
    Ok(api::ListAccessPointsOutput { access_point_list: Some(points), next_token: next })
}

/// How many entries a page has; what is not said, or zero, is as many as can be.
pub(crate) fn most(asked: Option<i32>) -> usize {
    asked.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(MOST)
}

pub(crate) async fn delete(cx: &Cx, name: &str) -> Result<()> {
    cx.write(|tx| {
        let point = existing(cx, tx, name)?;
        POINTS.delete(tx, &cx.key(&point.name));
        ALIASES.delete(tx, &(&point.alias,));
        ATTACHED.delete(tx, &attachment(&point));
        Ok(())
    })
    .await
}

pub(crate) async fn put_policy(cx: &Cx, name: &str, policy: &str) -> Result<()> {
    cx.write(|tx| {
        let mut point = existing(cx, tx, name)?;
        let compiled = check_for(&point.arn(), "/object/", policy)?;
        // From a VPC nobody is everybody.
        let public = point.vpc.is_none() && is_public(&compiled);
        if public && blocks_public_policy(tx, &point)? {
            let message = format!(
                "User: {} is not authorized to perform: s3:PutAccessPointPolicy on resource: \"{}\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
                cx.principal().arn,
                point.arn()
            );
            return Err(AwsError::new("AccessDenied", 403, message).into());
        }
        point.public = public;
        point.policy = Some(policy.to_owned());
        POINTS.put(tx, &cx.key(&point.name), &point);
        Ok(())
    })
    .await
}

/// BlockPublicPolicy is on in the access point, in its account, or in a bucket of the same account.
fn blocks_public_policy(from: &(impl Read + ?Sized), point: &Point) -> Result<bool> {
    let account = super::rows::ACCOUNTS.get(from, &(&point.account,))?.is_some_and(|b| b.public_policy);
    let bucket = BUCKETS.get(from, &(&point.bucket,))?.filter(|b| b.account == point.account);
    Ok(account || point.block.public_policy || bucket.and_then(|b| b.block).is_some_and(|b| b.public_policy))
}

fn no_policy(point: &Point) -> AwsError {
    AwsError::new("NoSuchAccessPointPolicy", 404, "The specified accesspoint policy does not exist")
        .with("AccessPointName", point.name.as_str())
}

pub(crate) fn get_policy(cx: &Cx, name: &str) -> Result<api::GetAccessPointPolicyOutput> {
    let point = existing(cx, &cx.read(), name)?;
    let policy = point.policy.clone().ok_or_else(|| no_policy(&point))?;
    Ok(api::GetAccessPointPolicyOutput { policy: Some(policy) })
}

pub(crate) fn policy_status(cx: &Cx, name: &str) -> Result<api::GetAccessPointPolicyStatusOutput> {
    let point = existing(cx, &cx.read(), name)?;
    if point.policy.is_none() {
        return Err(no_policy(&point).into());
    }
    let status = output::PolicyStatus { is_public: Some(point.public) };
    Ok(api::GetAccessPointPolicyStatusOutput { policy_status: Some(status) })
}

pub(crate) async fn delete_policy(cx: &Cx, name: &str) -> Result<()> {
    cx.write(|tx| {
        let mut point = existing(cx, tx, name)?;
        point.public = false;
        point.policy = None;
        POINTS.put(tx, &cx.key(&point.name), &point);
        Ok(())
    })
    .await
}

/// The ARN of an access point that a request of the caller names.
pub(crate) fn arn_of(cx: &Cx, name: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { point_arn(cx.account(), cx.region(), name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_access_points() {
        for (name, code) in [
            ("abc", None),
            ("a-1", None),
            ("ab", Some("InvalidURI")),
            (&*"a".repeat(51), Some("InvalidURI")),
            ("Upper", Some("InvalidURI")),
            ("under_score", Some("InvalidURI")),
            ("-abc", Some("InvalidRequest")),
            ("abc-", Some("InvalidRequest")),
            ("a.b", Some("InvalidRequest")),
            ("abc-s3alias", Some("InvalidRequest")),
        ] {
            let error = check_name(name).err();
            assert_eq!(error.as_ref().and_then(|e| e.code()), code, "{name}");
        }
    }
}
