//! Scans: what an analyzer finds, and what becomes of what it found before.
//!
//! A scan is a task. It is due when the analyzer is made, when something changed that it looks at ([`crate::watch`]), when it is asked
//! for, and each day. AWS takes up to 30 minutes to see a change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use undercast_kernel::store::Tx;
use undercast_kernel::{Announcement, Cx, Next, Result, Task, Timestamp};
use undercast_wire::text::hex_encode;

use crate::analyzers::{self, told};
use crate::api;
use crate::error::{missing, unsupported};
use crate::filter::{Whole, matches};
use crate::resources::{self, Resource};
use crate::rows::{ANALYZED, ANALYZERS, Analyzed, Analyzer, FINDINGS, Filter, Finding, Found, findings, rules};
use crate::zone::Zone;
use crate::{SERVICE, exposure, internal, role, unused};

/// The kind of the tasks.
pub(crate) const KIND: &str = "scan";

const DAY_MILLIS: i64 = 86_400_000;
/// A finding that is resolved is kept for so long.
///
/// Source: "Resolve IAM Access Analyzer findings" in the IAM user guide.
const KEPT_MILLIS: i64 = 90 * DAY_MILLIS;

/// Has an analyzer look at everything now.
pub(crate) fn order(cx: &Cx, tx: &mut Tx<'_>, analyzer: &str) -> Result<()> {
    let id = format!("scan/{}/{}/{analyzer}", cx.account(), cx.region());
    cx.tasks().schedule_sooner(cx, tx, SERVICE, &id, KIND, analyzer.to_owned(), cx.now())
}

/// Looks at everything, and again in a day.
pub(crate) async fn run(cx: &Cx, task: &Task) -> Result<Next> {
    let Some(analyzer) = ANALYZERS.get(&cx.read(), &cx.key(&task.payload))? else { return Ok(Next::Done) };
    let zone = match Zone::of(cx, &analyzer.kind).await {
        Ok(zone) => zone,
        // The organization is gone, or the account may not look at it any more.
        Err(failure) if failure.code().is_some() => {
            let gone = failure.code() == Some("ValidationException");
            let reason = if gone { "ORGANIZATION_DELETED" } else { "DELEGATED_ADMINISTRATOR_DEREGISTERED" };
            disable(cx, &analyzer, Some(reason)).await?;
            return Ok(Next::Again(tomorrow(cx)));
        }
        Err(failure) => return Err(failure),
    };
    for account in &zone.accounts {
        role::make(cx, account).await?;
    }
    let (looked_at, found) = look(cx, &analyzer, &zone).await?;
    cx.write(|tx| settle(cx, tx, &analyzer.name, &looked_at, &found)).await?;
    Ok(Next::Again(tomorrow(cx)))
}

fn tomorrow(cx: &Cx) -> Timestamp {
    Timestamp::from_millisecond(cx.now_millis() + DAY_MILLIS).unwrap_or(Timestamp::MAX)
}

async fn disable(cx: &Cx, analyzer: &Analyzer, reason: Option<&str>) -> Result<()> {
    cx.write(|tx| {
        if let Some(row) = ANALYZERS.get(tx, &cx.key(&analyzer.name))? {
            ANALYZERS.put(tx, &cx.key(&row.name), &Analyzer { disabled: reason.map(ToOwned::to_owned), ..row.clone() });
        }
        Ok(())
    })
    .await
}

/// Everything of the zone, and what is found of it.
async fn look(cx: &Cx, analyzer: &Analyzer, zone: &Zone) -> Result<(Vec<Resource>, Vec<Found>)> {
    if analyzer.is_unused() {
        return Ok((Vec::new(), unused::look(cx, analyzer, zone).await?));
    }
    let mut all = Vec::new();
    for account in &zone.accounts {
        all.extend(resources::all(&role::session(cx, account, cx.region())).await?);
    }
    if !analyzer.is_external() {
        return internal::look(cx, analyzer, zone, all).await;
    }
    let mut found = Vec::new();
    for resource in &all {
        found.extend(exposure::of(cx, zone, resource)?);
    }
    Ok((all, found))
}

/// What tells a finding from all others of its analyzer: it keeps its id when it is found again.
pub(crate) fn id(analyzer: &Analyzer, found: &Found) -> String {
    let key = found.access_key.as_deref().unwrap_or("");
    let who = (&found.principal, &found.condition, found.error.is_some());
    let text = format!("{} {} {} {key} {who:?}", analyzer.id, found.kind, found.resource);
    let hex = hex_encode(&Sha256::digest(text.as_bytes()));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

/// Writes down what was found, and what was not any more.
fn settle(cx: &Cx, tx: &mut Tx<'_>, name: &str, looked_at: &[Resource], found: &[Found]) -> Result<()> {
    // It may have been deleted meanwhile.
    let Some(mut analyzer) = ANALYZERS.get(tx, &cx.key(name))? else { return Ok(()) };
    let archives = rules(cx, tx, name)?.iter().map(crate::rows::Rule::filter).collect::<Result<Vec<Filter>>>()?;
    let mut before: BTreeMap<String, Finding> =
        findings(cx, tx, name)?.into_iter().map(|row| (row.id.clone(), row)).collect();
    for one in found {
        let id = id(&analyzer, one);
        let known = before.remove(&id);
        settle_one(cx, tx, &analyzer, &archives, known, Finding::new(id, "ACTIVE", cx.now_millis(), one)?)?;
    }
    for row in before.into_values() {
        leave(cx, tx, &analyzer, row)?;
    }
    settle_resources(cx, tx, name, looked_at)?;
    let last = looked_at.last().map(|resource| resource.arn.clone()).or(found.last().map(|f| f.resource.clone()));
    analyzer.last = last.map(|arn| (arn, cx.now_millis())).or(analyzer.last);
    analyzer.disabled = None;
    ANALYZERS.put(tx, &cx.key(name), &analyzer);
    Ok(())
}

/// A finding that was found now.
fn settle_one(
    cx: &Cx,
    tx: &mut Tx<'_>,
    analyzer: &Analyzer,
    archives: &[Filter],
    known: Option<Finding>,
    new: Finding,
) -> Result<()> {
    let mut whole = Whole::new(new)?;
    let before = known.as_ref().map_or_else(String::new, |row| row.status.clone());
    let again = known.as_ref().is_none_or(|row| row.status == "RESOLVED");
    if let Some(known) = known {
        whole.row.created = known.created;
        let same = known.found()? == whole.found;
        if !again {
            whole.row.status.clone_from(&known.status);
            if same {
                whole.row.updated = known.updated;
            }
        }
    }
    if again && archives.iter().any(|rule| matches(rule, &whole)) {
        "ARCHIVED".clone_into(&mut whole.row.status);
    }
    FINDINGS.put(tx, &(cx.key(&analyzer.name), &whole.row.id), &whole.row);
    if whole.row.status != before { tell(cx, tx, analyzer, &whole, &before, false) } else { Ok(()) }
}

/// A finding that is not so any more.
fn leave(cx: &Cx, tx: &mut Tx<'_>, analyzer: &Analyzer, row: Finding) -> Result<()> {
    let (now, key) = (cx.now_millis(), (cx.key(analyzer.name.as_str()), row.id.clone()));
    let mut whole = Whole::new(row)?;
    if whole.row.status != "RESOLVED" {
        let before = std::mem::replace(&mut whole.row.status, "RESOLVED".to_owned());
        (whole.row.updated, whole.row.analyzed) = (now, now);
        FINDINGS.put(tx, &key, &whole.row);
        return tell(cx, tx, analyzer, &whole, &before, false);
    }
    if whole.row.updated + KEPT_MILLIS <= now {
        FINDINGS.delete(tx, &key);
        let status = whole.row.status.clone();
        return tell(cx, tx, analyzer, &whole, &status, true);
    }
    Ok(())
}

fn settle_resources(cx: &Cx, tx: &mut Tx<'_>, name: &str, looked_at: &[Resource]) -> Result<()> {
    let now = cx.now_millis();
    let there: BTreeSet<&str> = looked_at.iter().map(|resource| resource.arn.as_str()).collect();
    for entry in ANALYZED.all(tx, &cx.key(name))? {
        let key = entry.key::<(String, String, String, String)>();
        if let Some((.., arn)) = key.filter(|(.., arn)| !there.contains(arn.as_str())) {
            ANALYZED.delete(tx, &(cx.key(name), arn));
        }
    }
    for resource in looked_at {
        let key = (cx.key(name), resource.arn.as_str());
        let policies = hex_encode(&Sha256::digest(resource.told().as_bytes()));
        let known = ANALYZED.get(tx, &key)?;
        let updated = known.as_ref().filter(|row| row.policies == policies).map_or(now, |row| row.updated);
        let created = resource.created.or(known.map(|row| row.created)).unwrap_or(now);
        let row = Analyzed {
            kind: resource.kind.to_owned(),
            owner: resource.owner.clone(),
            created,
            analyzed: now,
            updated,
            error: resource.error.map(ToOwned::to_owned),
            policies,
        };
        ANALYZED.put(tx, &key, &row);
    }
    Ok(())
}

/// The findings of an analyzer that goes are told of as gone.
pub(crate) fn farewell(cx: &Cx, tx: &mut Tx<'_>, analyzer: &Analyzer) -> Result<()> {
    for row in findings(cx, tx, &analyzer.name)? {
        let (whole, status) = (Whole::new(row.clone())?, row.status);
        tell(cx, tx, analyzer, &whole, &status, true)?;
    }
    Ok(())
}

/// Tells EventBridge of a finding.
///
/// Source: "Monitoring IAM Access Analyzer with Amazon EventBridge" in the IAM user guide.
pub(crate) fn tell(
    cx: &Cx,
    tx: &mut Tx<'_>,
    analyzer: &Analyzer,
    whole: &Whole,
    before: &str,
    gone: bool,
) -> Result<()> {
    let (row, found) = (&whole.row, &whole.found);
    let mut detail = json!({
        "resource": found.resource, "resourceType": found.resource_type, "accountId": found.owner,
        "createdAt": told(row.created), "updatedAt": told(row.updated), "analyzedAt": told(row.analyzed),
        "status": row.status, "isDeleted": gone,
    });
    let mut more = |name: &str, value: Json| detail[name] = value;
    if let Some(error) = &found.error {
        more("error", json!(error));
    }
    let kind = if analyzer.is_unused() {
        more("findingId", json!(row.id));
        more("previousStatus", json!(before));
        more("version", json!(cx.random().uuid()));
        more("findingType", json!(found.kind));
        if found.kind == "UnusedPermission" {
            let actions = found.unused.iter().filter_map(|unused| unused.actions.as_ref()).map(Vec::len).sum::<usize>();
            more("numberOfUnusedServices", json!(found.unused.iter().filter(|u| u.actions.is_none()).count()));
            more("numberOfUnusedActions", json!(actions));
        }
        "Unused Access Finding for IAM entities"
    } else {
        more("id", json!(row.id));
        more("version", json!("1.0"));
        if found.error.is_none() {
            more("principal", json!(found.principal));
            more("action", json!(found.action));
            more("condition", json!(found.condition));
        }
        within(found, &mut more);
        more("region", json!(cx.region()));
        if analyzer.is_external() { "Access Analyzer Finding" } else { "Internal Access Finding" }
    };
    cx.announce(tx, &Announcement::new(cx, "aws.access-analyzer", kind, analyzer.arn(cx), detail))
}

/// What an event says of access from outside, and of access within.
fn within(found: &Found, more: &mut impl FnMut(&str, Json)) {
    match &found.within {
        None if found.error.is_none() && found.kind == "ExternalAccess" => more("isPublic", json!(found.public)),
        Some(within) => {
            more("findingType", json!(found.kind));
            more("accessType", json!(within.access));
            more("principalType", json!(within.kind));
            more("principalOwnerAccount", json!(within.account));
            more("resourceControlPolicyRestrictionType", json!(found.resource_control));
            more("serviceControlPolicyRestrictionType", json!(found.service_control));
        }
        None => {}
    }
}

/// Has a resource looked at now, which is done for all of them.
pub(crate) async fn start(cx: &Cx, input: &api::StartResourceScanInput) -> Result<()> {
    let analyzer = analyzers::by_arn(cx, &cx.read(), &input.analyzer_arn)?;
    if !analyzer.is_external() {
        return Err(unsupported("The operation is supported for external access analyzers only.").into());
    }
    let zone = Zone::of(cx, &analyzer.kind).await?;
    if input.resource_owner_account.as_ref().is_some_and(|owner| !zone.has(owner)) {
        return Err(missing("resource", &input.resource_arn));
    }
    let mut there = false;
    for account in &zone.accounts {
        let of_account = resources::all(&role::session(cx, account, cx.region())).await?;
        there |= of_account.iter().any(|resource| resource.arn == input.resource_arn);
    }
    if !there {
        return Err(missing("resource", &input.resource_arn));
    }
    cx.write(|tx| order(cx, tx, &analyzer.name)).await
}
