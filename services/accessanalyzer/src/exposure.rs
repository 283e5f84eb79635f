//! The findings of one resource: who from outside of the zone of trust can do something to it.

use std::collections::{BTreeMap, BTreeSet};

use undercast_kernel::policy::{Document, Effect, Policy, PolicyKind, Wildcard};
use undercast_kernel::{Cx, Result};

use crate::external::{Entry, Guarded, by_policy, findings, lets};
use crate::facts;
use crate::reach::Undecided;
use crate::resources::{From, Resource};
use crate::rows::{Found, Source};
use crate::zone::Zone;

/// What a finding of a resource says whatever it is.
fn about(resource: &Resource, kind: &str) -> Found {
    Found {
        kind: kind.to_owned(),
        resource: resource.arn.clone(),
        resource_type: resource.kind.to_owned(),
        owner: resource.owner.clone(),
        ..Found::default()
    }
}

/// A finding that says that a resource could not be looked at.
pub(crate) fn failed(resource: &Resource, kind: &str, why: &str) -> Found {
    Found { error: Some(why.to_owned()), ..about(resource, kind) }
}

/// Whether resource control policies of the owner's organization speak of a service.
///
/// # Errors
/// When the store fails.
pub(crate) fn restriction(cx: &Cx, owner: &str, service: &str) -> Result<&'static str> {
    let known = cx.kernel().organizations().filter(|known| known.any());
    let membership = known.map(|known| known.membership(&cx.read(), owner)).transpose()?.flatten();
    let Some(membership) = membership else { return Ok("NOT_APPLICABLE") };
    let denies = |document: &Document| {
        document.statements.iter().any(|statement| {
            let named = statement.action.patterns.iter().any(|pattern| {
                let of = pattern.split(':').next().unwrap_or_default();
                Wildcard::ignoring_case(of).matches(service)
            });
            statement.effect == Effect::Deny && (named || statement.action.negated)
        })
    };
    let any = membership.resource_control.iter().flatten().any(|named| denies(named.policy.document()));
    Ok(if any { "APPLICABLE" } else { "NOT_APPLICABLE" })
}

/// The findings of a resource.
///
/// # Errors
/// When the store fails.
pub(crate) fn of(cx: &Cx, zone: &Zone, resource: &Resource) -> Result<Vec<Found>> {
    const KIND: &str = "ExternalAccess";
    if let Some(why) = resource.error {
        return Ok(vec![failed(resource, KIND, why)]);
    }
    let (service, _) = Resource::actions(resource.kind);
    let restricted = Some(restriction(cx, &resource.owner, service)?.to_owned());
    let found = Found { resource_control: restricted, ..about(resource, KIND) };
    Ok(match entries(zone, resource) {
        Ok(entries) => findings(entries, &found),
        Err(_) => vec![failed(resource, KIND, "INTERNAL_ERROR")],
    })
}

/// The document of a policy; one that cannot be read cannot be analyzed.
fn parse(resource: &Resource, text: &str) -> std::result::Result<Document, Undecided> {
    let kind = if resource.kind == "AWS::IAM::Role" { PolicyKind::Trust } else { PolicyKind::Resource };
    let policy = Policy::parse(kind, text).map_err(|malformed| Undecided::new(malformed.to_string()))?;
    Ok(policy.document().clone())
}

fn entries(zone: &Zone, resource: &Resource) -> std::result::Result<Vec<Entry>, Undecided> {
    let (service, types) = Resource::actions(resource.kind);
    let actions = facts::actions_on(service, types);
    let places = resource.places();
    let is_bucket = resource.kind == "AWS::S3::Bucket";
    let mut all: Vec<Entry> = outside(zone, &resource.entries);
    let own = resource.policies.iter().find(|given| given.from == From::Resource);
    let own = own.map(|given| parse(resource, &given.text)).transpose()?;
    if let Some(document) = &own {
        let known = BTreeMap::new();
        let guarded = Guarded { document, service, actions: &actions, resources: &places, known: &known };
        let entries = by_policy(&guarded, zone)?;
        // A public policy that is blocked lets in nobody but the owner's account and services.
        let blocked = resource.restricts && entries.iter().any(|entry| entry.public);
        let source = is_bucket.then(|| Source { kind: "POLICY".to_owned(), access_point: None });
        let own = entries.into_iter().filter(|_| !blocked).map(|entry| Entry { source: source.clone(), ..entry });
        all.extend(own);
    }
    if let Some(bucket) = own.filter(|_| is_bucket) {
        all.extend(through_access_points(zone, resource, &bucket, &places)?);
    }
    Ok(all)
}

/// Entries of whom is outside.
fn outside(zone: &Zone, entries: &[Entry]) -> Vec<Entry> {
    let own: BTreeSet<String> = zone.accounts.iter().map(|a| undercast_kernel::auth::canonical_user(a)).collect();
    let is_outside = |entry: &&Entry| {
        let (_, value) = &entry.principal;
        let account = undercast_kernel::arn::Arn::parse(value).map(|arn| arn.account);
        !own.contains(value) && !account.is_some_and(|account| zone.has(&account))
    };
    entries.iter().filter(is_outside).cloned().collect()
}

/// Whom access points let in, as far as the policy of the bucket does so for requests that come through them.
fn through_access_points(
    zone: &Zone,
    resource: &Resource,
    bucket: &Document,
    places: &[String],
) -> std::result::Result<Vec<Entry>, Undecided> {
    let at_point = facts::actions_on("s3", &["accesspoint", "accesspointobject"]);
    let at_bucket: BTreeSet<String> = facts::actions_on("s3", &["bucket", "object"]).into_iter().collect();
    let actions: Vec<String> = at_point.into_iter().filter(|action| at_bucket.contains(action)).collect();
    let mut all = Vec::new();
    for given in &resource.policies {
        let From::AccessPoint { arn, restricts, vpc } = &given.from else { continue };
        let mut known = BTreeMap::from([
            ("s3:dataaccesspointaccount".to_owned(), resource.owner.clone()),
            ("s3:dataaccesspointarn".to_owned(), arn.clone()),
        ]);
        let origin = if vpc.is_some() { "VPC" } else { "Internet" };
        known.insert("s3:accesspointnetworkorigin".to_owned(), origin.to_owned());
        if let Some(vpc) = vpc {
            known.insert("aws:sourcevpc".to_owned(), vpc.clone());
        }
        let document = parse(resource, &given.text)?;
        let point = [arn.clone(), format!("{arn}/object/*")];
        let guarded =
            Guarded { document: &document, service: "s3", actions: &actions, resources: &point, known: &known };
        let entries = by_policy(&guarded, zone)?;
        if *restricts && entries.iter().any(|entry| entry.public) {
            continue;
        }
        let behind = Guarded { document: bucket, service: "s3", actions: &actions, resources: places, known: &known };
        for mut entry in entries {
            let allowed = lets(&behind, zone, (&entry.principal.0, &entry.principal.1), &document)?;
            entry.actions.retain(|action| allowed.contains(action));
            // From one network only it is nobody's but those who are in it.
            entry.public &= vpc.is_none();
            entry.source = Some(Source { kind: "S3_ACCESS_POINT".to_owned(), access_point: Some(arn.clone()) });
            if !entry.actions.is_empty() {
                all.push(entry);
            }
        }
    }
    Ok(all)
}
