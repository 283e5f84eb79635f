//! Findings as they are shown: GetFinding, ListFindings and their second versions, UpdateFindings, and the resources looked at.

use std::collections::BTreeMap;

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Result};

use crate::analyzers::{by_arn, is_repeated};
use crate::api::{self, output};
use crate::error::{invalid, missing, page, unsupported};
use crate::filter::{self, Whole};
use crate::rows::{ANALYZED, Analyzed, Analyzer, FINDINGS, Filter, Found, Source, Unused, findings, moment};
use crate::scan;

/// The analyzer of a call that only those for external access know.
fn external(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Analyzer> {
    let analyzer = by_arn(cx, from, arn)?;
    if !analyzer.is_external() {
        return Err(unsupported("The operation is supported for external access analyzers only.").into());
    }
    Ok(analyzer)
}

/// A finding of an analyzer.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), analyzer: &Analyzer, id: &str) -> Result<Whole> {
    let row = FINDINGS.get(from, &(cx.key(analyzer.name.as_str()), id))?;
    Whole::new(row.ok_or_else(|| missing("finding", id))?)
}

/// How access is given, as it is shown: of buckets only.
pub(crate) fn sources(found: &Found) -> Option<Vec<output::FindingSource>> {
    let source = |source: &Source| output::FindingSource {
        type_: source.kind.clone(),
        detail: source
            .access_point
            .clone()
            .map(|arn| output::FindingSourceDetail { access_point_arn: Some(arn), access_point_account: None }),
    };
    (!found.sources.is_empty()).then(|| found.sources.iter().map(source).collect())
}

/// What a finding has unless it says that something could not be looked at.
fn unless_failed<T>(found: &Found, value: impl FnOnce() -> T) -> Option<T> {
    found.error.is_none().then(value)
}

/// A finding as it is shown: two shapes with the same members.
macro_rules! shown {
    ($of:ident, $whole:expr) => {{
        let Whole { row, found } = $whole;
        output::$of {
            id: row.id,
            principal: unless_failed(&found, || found.principal.clone()),
            action: unless_failed(&found, || found.action.clone()),
            is_public: unless_failed(&found, || found.public),
            sources: sources(&found),
            resource: Some(found.resource),
            resource_type: found.resource_type,
            condition: found.condition,
            created_at: moment(row.created),
            analyzed_at: moment(row.analyzed),
            updated_at: moment(row.updated),
            status: row.status,
            resource_owner_account: found.owner,
            error: found.error,
            resource_control_policy_restriction: found.resource_control,
        }
    }};
}

pub(crate) fn get(cx: &Cx, input: &api::GetFindingInput) -> Result<api::GetFindingOutput> {
    let from = cx.read();
    let whole = find(cx, &from, &external(cx, &from, &input.analyzer_arn)?, &input.id)?;
    Ok(api::GetFindingOutput { finding: Some(shown!(Finding, whole)) })
}

/// The findings of an analyzer that meet a filter, in order.
fn chosen(
    cx: &Cx,
    analyzer: &Analyzer,
    wanted: Option<&Filter>,
    sort: Option<&api::input::SortCriteria>,
) -> Result<Vec<Whole>> {
    if let Some(wanted) = wanted {
        filter::check(wanted)?;
    }
    let rows = findings(cx, &cx.read(), &analyzer.name)?;
    let mut all = rows.into_iter().map(Whole::new).collect::<Result<Vec<_>>>()?;
    all.retain(|whole| wanted.is_none_or(|wanted| filter::matches(wanted, whole)));
    let (by, order) = sort.map_or((None, None), |s| (s.attribute_name.as_deref(), s.order_by.as_deref()));
    filter::sort(&mut all, by, order)?;
    Ok(all)
}

fn scope(operation: &str, analyzer: &Analyzer, filter: &impl std::fmt::Debug) -> String {
    format!("{operation}/{}/{filter:?}", analyzer.id)
}

pub(crate) fn list(cx: &Cx, input: &api::ListFindingsInput) -> Result<api::ListFindingsOutput> {
    let analyzer = external(cx, &cx.read(), &input.analyzer_arn)?;
    let all = chosen(cx, &analyzer, input.filter.as_ref(), input.sort.as_ref())?;
    let shown = all.into_iter().map(|whole| shown!(FindingSummary, whole));
    let scope = scope("ListFindings", &analyzer, &(&input.filter, &input.sort));
    let (findings, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListFindingsOutput { findings, next_token })
}

pub(crate) fn list_v2(cx: &Cx, input: &api::ListFindingsV2Input) -> Result<api::ListFindingsV2Output> {
    let analyzer = by_arn(cx, &cx.read(), &input.analyzer_arn)?;
    let all = chosen(cx, &analyzer, input.filter.as_ref(), input.sort.as_ref())?;
    let shown = all.into_iter().map(|Whole { row, found }| output::FindingSummaryV2 {
        id: row.id,
        resource: Some(found.resource),
        resource_type: found.resource_type,
        created_at: moment(row.created),
        analyzed_at: moment(row.analyzed),
        updated_at: moment(row.updated),
        status: row.status,
        resource_owner_account: found.owner,
        error: found.error,
        finding_type: Some(found.kind),
    });
    let scope = scope("ListFindingsV2", &analyzer, &(&input.filter, &input.sort));
    let (findings, next_token) = page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListFindingsV2Output { findings, next_token })
}

/// What a service's unused permissions look like.
fn permission(unused: Unused) -> output::UnusedPermissionDetails {
    let actions = unused.actions.map(|all| {
        let action =
            |(action, last): (String, Option<i64>)| output::UnusedAction { action, last_accessed: last.map(moment) };
        all.into_iter().map(action).collect()
    });
    output::UnusedPermissionDetails {
        actions,
        service_namespace: unused.service,
        last_accessed: unused.last.map(moment),
    }
}

/// What a finding says, one thing after another.
fn details(found: Found) -> Vec<output::FindingDetails> {
    let last_accessed = found.last_accessed.map(moment);
    if found.error.is_some() && found.kind != "ExternalAccess" {
        return Vec::new();
    }
    let one = match found.kind.as_str() {
        "ExternalAccess" => output::FindingDetails {
            external_access_details: Some(output::ExternalAccessDetails {
                action: unless_failed(&found, || found.action.clone()),
                condition: found.condition.clone(),
                is_public: unless_failed(&found, || found.public),
                principal: unless_failed(&found, || found.principal.clone()),
                sources: sources(&found),
                resource_control_policy_restriction: found.resource_control,
            }),
            ..output::FindingDetails::default()
        },
        "InternalAccess" => internal_details(found),
        "UnusedIAMRole" => {
            let details = Some(output::UnusedIamRoleDetails { last_accessed });
            output::FindingDetails { unused_iam_role_details: details, ..output::FindingDetails::default() }
        }
        "UnusedIAMUserPassword" => {
            let details = Some(output::UnusedIamUserPasswordDetails { last_accessed });
            output::FindingDetails { unused_iam_user_password_details: details, ..output::FindingDetails::default() }
        }
        "UnusedIAMUserAccessKey" => {
            let access_key_id = found.access_key.unwrap_or_else(String::new);
            let details = Some(output::UnusedIamUserAccessKeyDetails { access_key_id, last_accessed });
            output::FindingDetails { unused_iam_user_access_key_details: details, ..output::FindingDetails::default() }
        }
        _ => {
            let one = |unused| output::FindingDetails {
                unused_permission_details: Some(permission(unused)),
                ..output::FindingDetails::default()
            };
            return found.unused.into_iter().map(one).collect();
        }
    };
    vec![one]
}

fn internal_details(found: Found) -> output::FindingDetails {
    let sources = sources(&found);
    let (account, kind, access) = match found.within {
        Some(within) => (Some(within.account), Some(within.kind), Some(within.access)),
        None => (None, None, None),
    };
    let details = output::InternalAccessDetails {
        action: Some(found.action),
        condition: Some(found.condition),
        principal: Some(found.principal),
        principal_owner_account: account,
        access_type: access,
        principal_type: kind,
        sources,
        resource_control_policy_restriction: found.resource_control,
        service_control_policy_restriction: found.service_control,
    };
    output::FindingDetails { internal_access_details: Some(details), ..output::FindingDetails::default() }
}

pub(crate) fn get_v2(cx: &Cx, input: &api::GetFindingV2Input) -> Result<api::GetFindingV2Output> {
    let from = cx.read();
    let Whole { row, found } = find(cx, &from, &by_arn(cx, &from, &input.analyzer_arn)?, &input.id)?;
    let scope = format!("GetFindingV2/{}", row.id);
    let all = details(found.clone());
    let (finding_details, next_token) = page(&scope, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::GetFindingV2Output {
        analyzed_at: moment(row.analyzed),
        created_at: moment(row.created),
        error: found.error,
        id: row.id,
        next_token,
        resource: Some(found.resource),
        resource_type: found.resource_type,
        resource_owner_account: found.owner,
        status: row.status,
        updated_at: moment(row.updated),
        finding_details,
        finding_type: Some(found.kind),
    })
}

/// Archives findings, or takes them out of the archive. What is resolved stays so.
pub(crate) async fn update(cx: &Cx, input: &api::UpdateFindingsInput) -> Result<()> {
    let ids = input.ids.as_deref().unwrap_or(&[]);
    if ids.is_empty() && input.resource_arn.is_none() {
        return Err(invalid("Either ids or resourceArn must be given.").into());
    }
    cx.write(|tx| {
        let request = ("findings", &input.analyzer_arn, &input.status, &input.ids, &input.resource_arn);
        if is_repeated(cx, tx, input.client_token.as_deref(), &request)? {
            return Ok(());
        }
        let analyzer = by_arn(cx, tx, &input.analyzer_arn)?;
        let mut all = ids.iter().map(|id| find(cx, tx, &analyzer, id)).collect::<Result<Vec<_>>>()?;
        if let Some(arn) = &input.resource_arn {
            let rows = findings(cx, tx, &analyzer.name)?.into_iter().map(Whole::new);
            let of_resource = rows.filter(|whole| whole.as_ref().is_ok_and(|whole| whole.found.resource == *arn));
            all.extend(of_resource.collect::<Result<Vec<_>>>()?);
        }
        for mut whole in all {
            if whole.row.status == "RESOLVED" || whole.row.status == input.status {
                continue;
            }
            let before = std::mem::replace(&mut whole.row.status, input.status.clone());
            whole.row.updated = cx.now_millis();
            FINDINGS.put(tx, &(cx.key(analyzer.name.as_str()), whole.row.id.as_str()), &whole.row);
            scan::tell(cx, tx, &analyzer, &whole, &before, false)?;
        }
        Ok(())
    })
    .await
}

pub(crate) fn resources(cx: &Cx, input: &api::ListAnalyzedResourcesInput) -> Result<api::ListAnalyzedResourcesOutput> {
    let from = cx.read();
    let analyzer = by_arn(cx, &from, &input.analyzer_arn)?;
    let rows = ANALYZED.all(&from, &cx.key(analyzer.name.as_str()))?.into_iter();
    let named = rows.filter_map(|entry| Some((entry.key::<(String, String, String, String)>()?.3, entry.row)));
    let wanted = named.filter(|(_, row)| input.resource_type.as_ref().is_none_or(|kind| *kind == row.kind));
    let shown = wanted.map(|(resource_arn, row)| output::AnalyzedResourceSummary {
        resource_arn,
        resource_owner_account: row.owner,
        resource_type: row.kind,
    });
    let scope = scope("ListAnalyzedResources", &analyzer, &input.resource_type);
    let (analyzed_resources, next_token) =
        page(&scope, shown.collect(), input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAnalyzedResourcesOutput { analyzed_resources, next_token })
}

/// A resource that was looked at, with what all findings of it say together.
pub(crate) fn resource(cx: &Cx, input: &api::GetAnalyzedResourceInput) -> Result<api::GetAnalyzedResourceOutput> {
    let from = cx.read();
    let analyzer = external(cx, &from, &input.analyzer_arn)?;
    let key = (cx.key(analyzer.name.as_str()), input.resource_arn.as_str());
    let row: Analyzed = ANALYZED.get(&from, &key)?.ok_or_else(|| missing("resource", &input.resource_arn))?;
    let all = findings(cx, &from, &analyzer.name)?.into_iter().map(Whole::new).collect::<Result<Vec<_>>>()?;
    let of_resource: Vec<Whole> =
        all.into_iter().filter(|w| w.found.resource == input.resource_arn && w.row.status != "RESOLVED").collect();
    let mut actions: Vec<String> = of_resource.iter().flat_map(|whole| whole.found.action.clone()).collect();
    actions.sort();
    actions.dedup();
    let status = of_resource.iter().map(|whole| whole.row.status.clone()).min();
    let mut via: BTreeMap<String, ()> = BTreeMap::new();
    of_resource.iter().flat_map(|w| &w.found.sources).for_each(|source| _ = via.insert(source.kind.clone(), ()));
    let via: Vec<String> = via.into_keys().collect();
    let resource = output::AnalyzedResource {
        resource_arn: input.resource_arn.clone(),
        resource_type: row.kind,
        created_at: moment(row.created),
        analyzed_at: moment(row.analyzed),
        updated_at: moment(row.updated),
        is_public: of_resource.iter().any(|whole| whole.found.public),
        actions: (!actions.is_empty()).then_some(actions),
        shared_via: (!via.is_empty()).then_some(via),
        status,
        resource_owner_account: row.owner,
        error: row.error,
    };
    Ok(api::GetAnalyzedResourceOutput { resource: Some(resource) })
}
