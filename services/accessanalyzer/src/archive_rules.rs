//! Archive rules: findings that meet one are archived when they are new.

use undercast_kernel::store::Read;
use undercast_kernel::{AwsError, Cx, Failure, Result};

use crate::analyzers::{find, is_repeated};
use crate::api::{self, output};
use crate::error::{conflict, missing, page, quota};
use crate::filter::{Whole, matches};
use crate::rows::{FINDINGS, Filter, RULES, Rule, findings, moment, rules};
use crate::{analyzers, filter, scan};

/// An analyzer has so many.
///
/// Source: "IAM Access Analyzer quotas" in the IAM user guide.
const MOST: usize = 100;
/// What only a finding that is there has.
const NOT_OF_RULES: &[&str] = &[
    "analyzedAt",
    "changeType",
    "createdAt",
    "existingFindingId",
    "existingFindingStatus",
    "id",
    "status",
    "updatedAt",
];

/// A rule that is begun.
pub(crate) fn new(name: &str, wanted: &Filter, now: i64) -> Result<Rule> {
    check(wanted)?;
    let filter = serde_json::to_string(wanted).map_err(Failure::broken)?;
    Ok(Rule { name: name.to_owned(), filter, created: now, updated: now })
}

fn check(wanted: &Filter) -> std::result::Result<(), AwsError> {
    filter::check(wanted)?;
    match wanted.keys().find(|key| NOT_OF_RULES.contains(&key.as_str())) {
        Some(key) => Err(crate::error::invalid(format!("The filter key {key} is not valid in an archive rule."))),
        None => Ok(()),
    }
}

fn rule(cx: &Cx, from: &(impl Read + ?Sized), analyzer: &str, name: &str) -> Result<Rule> {
    RULES.get(from, &(cx.key(analyzer), name))?.ok_or_else(|| missing("archive-rule", name))
}

pub(crate) async fn create(cx: &Cx, input: &api::CreateArchiveRuleInput) -> Result<()> {
    let (analyzer, name) = (&input.analyzer_name, &input.rule_name);
    let rule = new(name, &input.filter, cx.now_millis())?;
    cx.write(|tx| {
        if is_repeated(cx, tx, input.client_token.as_deref(), &("rule", analyzer, name, &input.filter))? {
            return Ok(());
        }
        find(cx, tx, analyzer)?;
        if RULES.has(tx, &(cx.key(analyzer), name))? {
            let message = format!("An archive rule with the name {name} already exists.");
            return Err(conflict("archive-rule", name, message));
        }
        if rules(cx, tx, analyzer)?.len() >= MOST {
            let message = format!("You have reached the maximum number of archive rules of an analyzer: {MOST}.");
            return Err(quota("archive-rule", name, message));
        }
        RULES.put(tx, &(cx.key(analyzer), name), &rule);
        Ok(())
    })
    .await
}

fn summary(rule: Rule) -> Result<output::ArchiveRuleSummary> {
    let filter = rule.filter()?;
    let (created_at, updated_at) = (moment(rule.created), moment(rule.updated));
    Ok(output::ArchiveRuleSummary { rule_name: rule.name, filter, created_at, updated_at })
}

pub(crate) fn get(cx: &Cx, input: &api::GetArchiveRuleInput) -> Result<api::GetArchiveRuleOutput> {
    let from = cx.read();
    find(cx, &from, &input.analyzer_name)?;
    let archive_rule = summary(rule(cx, &from, &input.analyzer_name, &input.rule_name)?)?;
    Ok(api::GetArchiveRuleOutput { archive_rule })
}

/// Those of an analyzer that is not there are none: the operation has no error that would say so.
pub(crate) fn list(cx: &Cx, input: &api::ListArchiveRulesInput) -> Result<api::ListArchiveRulesOutput> {
    let all = rules(cx, &cx.read(), &input.analyzer_name)?.into_iter().map(summary).collect::<Result<Vec<_>>>()?;
    let scope = format!("ListArchiveRules/{}", input.analyzer_name);
    let (archive_rules, next_token) = page(&scope, all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListArchiveRulesOutput { archive_rules, next_token })
}

pub(crate) async fn update(cx: &Cx, input: &api::UpdateArchiveRuleInput) -> Result<()> {
    let (analyzer, name) = (&input.analyzer_name, &input.rule_name);
    let wanted = new(name, &input.filter, cx.now_millis())?;
    cx.write(|tx| {
        if is_repeated(cx, tx, input.client_token.as_deref(), &("update", analyzer, name, &input.filter))? {
            return Ok(());
        }
        find(cx, tx, analyzer)?;
        let there = rule(cx, tx, analyzer, name)?;
        RULES.put(tx, &(cx.key(analyzer), name), &Rule { created: there.created, ..wanted.clone() });
        Ok(())
    })
    .await
}

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteArchiveRuleInput) -> Result<()> {
    let (analyzer, name) = (&input.analyzer_name, &input.rule_name);
    cx.write(|tx| {
        if is_repeated(cx, tx, input.client_token.as_deref(), &("delete-rule", analyzer, name))? {
            return Ok(());
        }
        find(cx, tx, analyzer)?;
        rule(cx, tx, analyzer, name)?;
        RULES.delete(tx, &(cx.key(analyzer), name));
        Ok(())
    })
    .await
}

/// Archives the active findings that meet it.
pub(crate) async fn apply(cx: &Cx, input: &api::ApplyArchiveRuleInput) -> Result<()> {
    cx.write(|tx| {
        if is_repeated(cx, tx, input.client_token.as_deref(), &("apply", &input.analyzer_arn, &input.rule_name))? {
            return Ok(());
        }
        let analyzer = analyzers::by_arn(cx, tx, &input.analyzer_arn)?;
        let wanted = rule(cx, tx, &analyzer.name, &input.rule_name)?.filter()?;
        for row in findings(cx, tx, &analyzer.name)?.into_iter().filter(|row| row.status == "ACTIVE") {
            let mut whole = Whole::new(row)?;
            if matches(&wanted, &whole) {
                let before = std::mem::replace(&mut whole.row.status, "ARCHIVED".to_owned());
                whole.row.updated = cx.now_millis();
                FINDINGS.put(tx, &(cx.key(&analyzer.name), &whole.row.id), &whole.row);
                scan::tell(cx, tx, &analyzer, &whole, &before, false)?;
            }
        }
        Ok(())
    })
    .await
}
