//! Analyzers: CreateAnalyzer and its kin.

use serde_json::Value as Json;
use undercast_kernel::arn::Arn;
use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Repeated, Result, fingerprint, tags};

use crate::api::kept::AnalyzerConfiguration;
use crate::api::{self, output};
use crate::error::{conflict, invalid, missing, page, quota, unsupported};
use crate::rows::{ANALYZED, ANALYZERS, Analyzer, FINDINGS, RULES, moment};
use crate::zone::Zone;
use crate::{SERVICE, archive_rules, internal, previews, recommendations, role, scan, unused};

/// An account has so many of each type in a region, and an organization so many.
///
/// Source: CreateAnalyzer in the API reference.
const MOST_OF_ACCOUNT: usize = 1;
const MOST_OF_ORGANIZATION: usize = 5;
const MOST_TAGS: usize = 50;
/// A token is known for so long.
pub(crate) const DAY_MILLIS: i64 = 86_400_000;

/// The analyzer of a call.
pub(crate) fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &str) -> Result<Analyzer> {
    ANALYZERS.get(from, &cx.key(name))?.ok_or_else(|| missing("analyzer", name))
}

/// The same, by its ARN.
pub(crate) fn by_arn(cx: &Cx, from: &(impl Read + ?Sized), arn: &str) -> Result<Analyzer> {
    let name = arn.strip_prefix(&cx.arn("access-analyzer", "analyzer/")).filter(|name| !name.contains('/'));
    let found = name.map(|name| ANALYZERS.get(from, &cx.key(name))).transpose()?.flatten();
    found.ok_or_else(|| missing("analyzer", arn))
}

/// Whether a request was done before under its token.
///
/// # Errors
/// When the token was used with another request.
pub(crate) fn is_repeated(
    cx: &Cx,
    tx: &mut undercast_kernel::store::Tx<'_>,
    token: Option<&str>,
    request: &impl std::fmt::Debug,
) -> Result<bool> {
    let Some(token) = token else { return Ok(false) };
    match cx.repeated(tx, SERVICE, token, &fingerprint(request), DAY_MILLIS)? {
        Repeated::New => Ok(false),
        Repeated::Same => Ok(true),
        Repeated::Another => Err(invalid("The clientToken was used with other parameters.").into()),
    }
}

/// Holds a configuration against the type of its analyzer.
fn check(kind: &str, zone: &Zone, cx: &Cx, configuration: Option<&AnalyzerConfiguration>) -> Result<()> {
    let Some(configuration) = configuration else { return Ok(()) };
    let is = (configuration.unused_access.as_ref(), configuration.internal_access.as_ref());
    match is {
        (Some(unused), None) if kind.ends_with("_UNUSED_ACCESS") => unused::check(unused, zone, cx.account()),
        (None, Some(internal)) if kind.ends_with("_INTERNAL_ACCESS") => internal::check(internal, zone),
        (None, None) => Ok(()),
        _ => Err(invalid(format!("The configuration is not one of an analyzer of the type {kind}.")).into()),
    }
}

fn stored(configuration: Option<&AnalyzerConfiguration>) -> Result<Option<String>> {
    configuration.map(|all| serde_json::to_string(all).map_err(Failure::broken)).transpose()
}

/// What a configuration is where it is not said: 90 days.
fn completed(kind: &str, configuration: Option<AnalyzerConfiguration>) -> Option<AnalyzerConfiguration> {
    let mut configuration = configuration;
    if kind.ends_with("_UNUSED_ACCESS") {
        let all = configuration.get_or_insert_default();
        let unused = all.unused_access.get_or_insert_default();
        unused.unused_access_age.get_or_insert(unused::DEFAULT_AGE);
    }
    configuration
}

pub(crate) async fn create(cx: &Cx, input: api::CreateAnalyzerInput) -> Result<api::CreateAnalyzerOutput> {
    let request = fingerprint(&input);
    let (name, kind) = (input.analyzer_name, input.type_);
    let zone = Zone::of(cx, &kind).await?;
    check(&kind, &zone, cx, input.configuration.as_ref())?;
    let tags = input.tags.unwrap_or_else(tags::Tags::new);
    tags::check(&tags, 0, MOST_TAGS).map_err(|why| invalid(why.to_string()))?;
    let now = cx.now_millis();
    let mut rules = Vec::new();
    for rule in input.archive_rules.unwrap_or_else(Vec::new) {
        rules.push(archive_rules::new(&rule.rule_name, &rule.filter, now)?);
    }
    for account in &zone.accounts {
        role::make(cx, account).await?;
    }
    let configuration = stored(completed(&kind, input.configuration).as_ref())?;
    let id = cx.random().uuid();
    let analyzer = Analyzer { name, kind, created: now, tags, configuration, last: None, disabled: None, id };
    cx.write(|tx| {
        if is_repeated(cx, tx, input.client_token.as_deref(), &request)? {
            return Ok(());
        }
        if ANALYZERS.has(tx, &cx.key(&analyzer.name))? {
            let message = format!("An analyzer with the name {} already exists.", analyzer.name);
            return Err(conflict("analyzer", &analyzer.name, message));
        }
        let of_kind = ANALYZERS.all(tx, &(cx.account(), cx.region()))?.into_iter();
        let count = of_kind.filter(|entry| entry.row.kind == analyzer.kind).count();
        let most = if analyzer.kind.starts_with("ACCOUNT") { MOST_OF_ACCOUNT } else { MOST_OF_ORGANIZATION };
        if count >= most {
            let message =
                format!("You have reached the maximum number of analyzers of the type {}: {most}.", analyzer.kind);
            return Err(quota("analyzer", &analyzer.name, message));
        }
        ANALYZERS.put(tx, &cx.key(&analyzer.name), &analyzer);
        rules.iter().for_each(|rule| RULES.put(tx, &(cx.key(&analyzer.name), &rule.name), rule));
        scan::order(cx, tx, &analyzer.name)
    })
    .await?;
    Ok(api::CreateAnalyzerOutput { arn: Some(analyzer.arn(cx)) })
}

/// An analyzer as it is shown. Lists leave its configuration out.
fn summary(cx: &Cx, analyzer: Analyzer, whole: bool) -> Result<output::AnalyzerSummary> {
    let configuration = if whole { analyzer.configuration()? } else { None };
    let arn = analyzer.arn(cx);
    let (resource, at) = analyzer.last.unzip();
    Ok(output::AnalyzerSummary {
        arn,
        name: analyzer.name,
        type_: analyzer.kind,
        created_at: moment(analyzer.created),
        last_resource_analyzed: resource,
        last_resource_analyzed_at: at.map(moment),
        tags: Some(analyzer.tags),
        status: if analyzer.disabled.is_some() { "DISABLED" } else { "ACTIVE" }.to_owned(),
        status_reason: analyzer.disabled.map(|code| output::StatusReason { code }),
        configuration,
        managed_by: None,
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetAnalyzerInput) -> Result<api::GetAnalyzerOutput> {
    let analyzer = summary(cx, find(cx, &cx.read(), &input.analyzer_name)?, true)?;
    Ok(api::GetAnalyzerOutput { analyzer })
}

pub(crate) fn list(cx: &Cx, input: &api::ListAnalyzersInput) -> Result<api::ListAnalyzersOutput> {
    let rows = ANALYZERS.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row);
    let wanted = rows.filter(|row| input.type_.as_ref().is_none_or(|kind| *kind == row.kind));
    let all = wanted.map(|row| summary(cx, row, false)).collect::<Result<Vec<_>>>()?;
    let scope = format!("ListAnalyzers/{}", input.type_.as_deref().unwrap_or(""));
    let (analyzers, next_token) = page(&scope, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListAnalyzersOutput { analyzers, next_token })
}

/// Changes the configuration of one that has any.
pub(crate) async fn update(cx: &Cx, input: api::UpdateAnalyzerInput) -> Result<api::UpdateAnalyzerOutput> {
    let analyzer = find(cx, &cx.read(), &input.analyzer_name)?;
    if analyzer.is_external() {
        return Err(unsupported("The operation is not supported for external access analyzers.").into());
    }
    let zone = Zone::of(cx, &analyzer.kind).await?;
    check(&analyzer.kind, &zone, cx, input.configuration.as_ref())?;
    let mut wanted = input.configuration;
    let before =
        analyzer.configuration()?.and_then(|all| all.unused_access).and_then(|unused| unused.unused_access_age);
    if let Some(unused) = wanted.as_mut().and_then(|all| all.unused_access.as_mut()) {
        if unused.unused_access_age.is_some_and(|age| Some(age) != before) {
            return Err(invalid("The unusedAccessAge of an analyzer cannot be changed.").into());
        }
        unused.unused_access_age = before;
    }
    let wanted = completed(&analyzer.kind, wanted);
    let configuration = stored(wanted.as_ref())?;
    cx.write(|tx| {
        let row = find(cx, tx, &input.analyzer_name)?;
        ANALYZERS.put(tx, &cx.key(&row.name), &Analyzer { configuration: configuration.clone(), ..row.clone() });
        scan::order(cx, tx, &row.name)
    })
    .await?;
    Ok(api::UpdateAnalyzerOutput { configuration: wanted })
}

/// All that it found goes with it.
pub(crate) async fn delete(cx: &Cx, input: &api::DeleteAnalyzerInput) -> Result<()> {
    let name = &input.analyzer_name;
    cx.write(|tx| {
        if is_repeated(cx, tx, input.client_token.as_deref(), &("delete", name))? {
            return Ok(());
        }
        let analyzer = find(cx, tx, name)?;
        scan::farewell(cx, tx, &analyzer)?;
        ANALYZERS.delete(tx, &cx.key(name));
        RULES.clear(tx, &cx.key(name))?;
        FINDINGS.clear(tx, &cx.key(name))?;
        ANALYZED.clear(tx, &cx.key(name))?;
        previews::forget(cx, tx, name)?;
        recommendations::forget(cx, tx, name)
    })
    .await
}

/// What CloudFormation and the tests of rights want to know of tags.
pub(crate) fn tags_of(cx: &Cx, arn: &str) -> Option<tags::Tags> {
    by_arn(cx, &cx.read(), arn).ok().map(|analyzer| analyzer.tags)
}

/// The tags of an analyzer.
pub(crate) fn list_tags(cx: &Cx, input: &api::ListTagsForResourceInput) -> Result<api::ListTagsForResourceOutput> {
    check_arn(&input.resource_arn)?;
    Ok(api::ListTagsForResourceOutput { tags: Some(by_arn(cx, &cx.read(), &input.resource_arn)?.tags) })
}

fn check_arn(arn: &str) -> Result<()> {
    match Arn::parse(arn).filter(|arn| arn.service == "access-analyzer") {
        Some(_) => Ok(()),
        None => Err(invalid(format!("The resourceArn {arn} is not valid.")).into()),
    }
}

async fn retag(cx: &Cx, arn: &str, change: impl Fn(&mut tags::Tags) -> Result<()>) -> Result<()> {
    check_arn(arn)?;
    cx.write(|tx| {
        let mut analyzer = by_arn(cx, tx, arn)?;
        change(&mut analyzer.tags)?;
        ANALYZERS.put(tx, &cx.key(&analyzer.name), &analyzer);
        Ok(())
    })
    .await
}

pub(crate) async fn tag(cx: &Cx, input: api::TagResourceInput) -> Result<()> {
    retag(cx, &input.resource_arn, |there| {
        let others = there.keys().filter(|key| !input.tags.contains_key(*key)).count();
        tags::check(&input.tags, others, MOST_TAGS).map_err(|why| invalid(why.to_string()))?;
        there.extend(input.tags.clone());
        Ok(())
    })
    .await
}

pub(crate) async fn untag(cx: &Cx, input: &api::UntagResourceInput) -> Result<()> {
    retag(cx, &input.resource_arn, |there| {
        there.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
    .await
}

/// A moment as events tell it.
pub(crate) fn told(millis: i64) -> Json {
    moment(millis).to_string().into()
}
