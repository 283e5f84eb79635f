//! Contributor Insights: which keys of a table or a global index are used most, and which are refused most.
//!
//! Rules of CloudWatch count them, which are made here and read with CloudWatch's `GetInsightRuleReport`. A key counts with what
//! it consumed, a unit of writing for three of reading; a refusal counts once. Writes that a global index holds up count as
//! refusals of nobody, and what a scan reads as accesses of nobody.
//!
//! Source: "CloudWatch Contributor Insights for DynamoDB: How it works" in the developer guide; answers as they were observed in
//! 2026. Limits: statements of PartiQL that write count as other writes do, where AWS does not count them; there is no quota of
//! rules, so nothing fails.

use crate::DynamoDb;
use crate::api::output::ContributorInsightsSummary;
use crate::api::{
    DescribeContributorInsightsInput, DescribeContributorInsightsOutput, ListContributorInsightsInput,
    ListContributorInsightsOutput, UpdateContributorInsightsInput, UpdateContributorInsightsOutput,
};
use crate::error::{Error, Result};
use crate::request::scope;
use crate::rows;
use crate::table::{Index, KeySchema, Table};
use minicbor::{Decode, Encode};
use undercast_kernel::insights::{self, Rule};
use undercast_kernel::{Cx, Timestamp, paging};
use undercast_store::Tx;

/// Most entries of a page.
const MAX_LISTED: usize = 100;
const EVERYTHING: &str = "ACCESSED_AND_THROTTLED_KEYS";
const REFUSALS: &str = "THROTTLED_KEYS";

/// What is kept of the insights into a table or an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Insights {
    /// Whether keys are counted.
    #[n(0)]
    pub enabled: bool,
    /// Whether all uses of keys are counted, and not their refusals alone.
    #[n(1)]
    pub accesses: bool,
    /// When the rules were made, in milliseconds since 1970.
    #[n(2)]
    pub made: i64,
    /// When any of it changed last, in milliseconds since 1970.
    #[n(3)]
    pub changed: i64,
}

impl Insights {
    fn mode(self) -> &'static str {
        if self.accesses { EVERYTHING } else { REFUSALS }
    }

    fn status(self) -> &'static str {
        if self.enabled { "ENABLED" } else { "DISABLED" }
    }

    /// The names of the rules that count, for what has this key: those of the partition first, then those of both.
    fn rules(self, table: &Table, index: Option<&Index>) -> Vec<(String, usize)> {
        if !self.enabled {
            return Vec::new();
        }
        let key = key_of(table, index);
        let (partitions, sorts) = (key.partitions().count(), key.sorts().count());
        let mut rules = Vec::new();
        for event in if self.accesses { &["C", "T"][..] } else { &["T"] } {
            rules.push((self.rule("PK", event, table, index), partitions));
            if sorts > 0 {
                rules.push((self.rule("SK", event, table, index), partitions + sorts));
            }
        }
        rules
    }

    fn rule(self, keys: &str, event: &str, table: &Table, index: Option<&Index>) -> String {
        let index = index.map_or(String::new(), |index| format!("-{}", index.name));
        format!("DynamoDBContributorInsights-{keys}{event}-{}{index}-{}", table.name, self.made)
    }
}

fn key_of<'a>(table: &'a Table, index: Option<&'a Index>) -> &'a KeySchema {
    index.map_or(&table.key, |index| &index.key)
}

fn insights_of(table: &Table, index: Option<&Index>) -> Option<Insights> {
    index.map_or(table.insights, |index| index.insights)
}

/// What a request did to a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    /// It consumed so much, by the count of insights.
    Accessed(f64),
    /// It was not let in.
    Refused,
}

/// Whether keys of a table or of a global index are counted.
pub(crate) fn counts(table: &Table, index: Option<&Index>) -> bool {
    insights_of(table, index).is_some_and(|insights| insights.enabled)
}

/// Counts what was done to a key: the values of its partition, and those of its sort key where they are known.
pub(crate) fn count(cx: &Cx, table: &Table, index: Option<&Index>, keys: &[String], event: Event) {
    let Some(insights) = insights_of(table, index).filter(|insights| insights.enabled) else { return };
    let (letter, value) = match event {
        Event::Accessed(_) if !insights.accesses => return,
        Event::Accessed(units) => ("C", units),
        Event::Refused => ("T", 1.0),
    };
    let key = key_of(table, index);
    let (partitions, sorts) = (key.partitions().count(), key.sorts().count());
    let Some(partition) = keys.get(..partitions).filter(|_| partitions > 0) else { return };
    cx.contribute(&insights.rule("PK", letter, table, index), partition, value);
    if sorts > 0 && keys.len() == partitions + sorts {
        cx.contribute(&insights.rule("SK", letter, table, index), keys, value);
    }
}

/// Deletes the rules of an index that goes, or of a table that goes with its indexes.
pub(crate) fn end(cx: &Cx, tx: &mut Tx<'_>, table: &Table, index: Option<&Index>) {
    let whole = index.is_none().then(|| table.global.iter().map(Some)).into_iter().flatten();
    for index in std::iter::once(index).chain(whole) {
        let rules = insights_of(table, index).map(|insights| insights.rules(table, index));
        rules.into_iter().flatten().for_each(|(rule, _)| insights::delete(cx, tx, &rule));
    }
}

impl DynamoDb {
    /// Begins or ends to count the keys of a table or of a global index, or counts others of their uses.
    ///
    /// # Errors
    /// When there is no such table or index, and when the store fails.
    pub(crate) async fn update_insights(
        &self,
        cx: &Cx,
        input: UpdateContributorInsightsInput,
    ) -> Result<UpdateContributorInsightsOutput> {
        let enable = input.contributor_insights_action == "ENABLE";
        let name = input.index_name.as_deref();
        let (table, now, settled) = cx
            .write(|tx| {
                let mut table = (*self.table_of(cx, tx, &input.table_name)?).clone();
                let before = insights_of(&table, index_of(&table, name)?);
                let now = changed(before, enable, input.contributor_insights_mode.as_deref(), cx.now_millis());
                if now == before {
                    return Ok((table, now, true));
                }
                let index = index_of(&table, name)?;
                let rules = |insights: Option<Insights>| insights.map_or(Vec::new(), |i| i.rules(&table, index));
                let (old, new) = (rules(before), rules(now));
                old.iter().filter(|rule| !new.contains(rule)).for_each(|(rule, _)| insights::delete(cx, tx, rule));
                for (rule, keys) in &new {
                    insights::put(cx, tx, rule, &Rule { labels: labels(&table, index, *keys) });
                }
                match table.global.iter_mut().find(|index| Some(index.name.as_str()) == name) {
                    Some(index) => index.insights = now,
                    None => table.insights = now,
                }
                rows::put_table(tx, scope(cx), &table);
                Ok((table, now, false))
            })
            .await?;
        let status = match (now, settled) {
            (None, _) => "DISABLED",
            (Some(insights), true) => insights.status(),
            (Some(_), false) if enable => "ENABLING",
            (Some(_), false) => "DISABLING",
        };
        Ok(UpdateContributorInsightsOutput {
            table_name: Some(table.name),
            index_name: input.index_name,
            contributor_insights_status: Some(status.to_owned()),
            contributor_insights_mode: now.map(|insights| insights.mode().to_owned()),
        })
    }

    /// Whether the keys of a table or of a global index are counted, and by which rules.
    ///
    /// # Errors
    /// When there is no such table or index, and when the store fails.
    pub(crate) fn describe_insights(
        &self,
        cx: &Cx,
        input: DescribeContributorInsightsInput,
    ) -> Result<DescribeContributorInsightsOutput> {
        let table = self.table_of(cx, &cx.read(), &input.table_name)?;
        let index = index_of(&table, input.index_name.as_deref())?;
        let insights = insights_of(&table, index);
        let rules = insights.map_or(Vec::new(), |insights| insights.rules(&table, index));
        let rules: Vec<String> = rules.into_iter().map(|(rule, _)| rule).collect();
        Ok(DescribeContributorInsightsOutput {
            table_name: Some(table.name.clone()),
            index_name: input.index_name,
            contributor_insights_rule_list: (!rules.is_empty()).then_some(rules),
            contributor_insights_status: Some(insights.map_or("DISABLED", Insights::status).to_owned()),
            last_update_date_time: insights.and_then(|i| Timestamp::from_millisecond(i.changed).ok()),
            failure_exception: None,
            contributor_insights_mode: insights.map(|insights| insights.mode().to_owned()),
        })
    }

    /// The tables and global indexes whose keys are counted.
    ///
    /// # Errors
    /// When there is no such table, when the token is none, and when the store fails.
    pub(crate) fn list_insights(
        &self,
        cx: &Cx,
        input: &ListContributorInsightsInput,
    ) -> Result<ListContributorInsightsOutput> {
        let from = cx.read();
        let tables = match &input.table_name {
            Some(given) => vec![(*self.table_of(cx, &from, given)?).clone()],
            None => rows::list_tables(&from, scope(cx), None, usize::MAX)?,
        };
        let mut all = Vec::new();
        for table in &tables {
            for index in std::iter::once(None).chain(table.global.iter().map(Some)) {
                let insights = insights_of(table, index).filter(|insights| insights.enabled);
                all.extend(insights.map(|insights| ContributorInsightsSummary {
                    table_name: Some(table.name.clone()),
                    index_name: index.map(|index| index.name.clone()),
                    contributor_insights_status: Some(insights.status().to_owned()),
                    contributor_insights_mode: Some(insights.mode().to_owned()),
                }));
            }
        }
        let limit = input.max_results.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0);
        let list = format!("ListContributorInsights {}", input.table_name.as_deref().unwrap_or_default());
        let page = paging::page(&list, all, input.next_token.as_deref(), limit.unwrap_or(MAX_LISTED));
        let (page, next_token) = page.ok_or_else(|| Error::validation("Invalid NextToken"))?;
        Ok(ListContributorInsightsOutput { contributor_insights_summaries: Some(page), next_token })
    }
}

/// The global index of this name.
fn index_of<'a>(table: &'a Table, name: Option<&str>) -> Result<Option<&'a Index>> {
    let Some(name) = name else { return Ok(None) };
    let found = table.global.iter().find(|index| index.name == name);
    found.map(Some).ok_or_else(|| Error::index_of_table_not_found(name, &table.name))
}

/// What insights become. The rules that stay keep what they have counted, so the moment of their making stays.
fn changed(before: Option<Insights>, enable: bool, mode: Option<&str>, now: i64) -> Option<Insights> {
    let accesses = mode != Some(REFUSALS);
    match before {
        None if !enable => None,
        Some(known) if !enable => match known.enabled {
            true => Some(Insights { enabled: false, changed: now, ..known }),
            false => Some(known),
        },
        Some(known) if known.enabled && known.accesses == accesses => Some(known),
        Some(known) if known.enabled => Some(Insights { accesses, changed: now, ..known }),
        _ => Some(Insights { enabled: true, accesses, made: now, changed: now }),
    }
}

/// What the texts are that tell contributors apart.
fn labels(table: &Table, index: Option<&Index>, keys: usize) -> Vec<String> {
    let partitions = key_of(table, index).partitions().count();
    let label = |n: usize| if n < partitions { "PartitionKey" } else { "SortKey" };
    (0..keys).map(|n| label(n).to_owned()).collect()
}
