//! How many findings there are: GetFindingsStatistics.

use std::collections::BTreeMap;

use undercast_kernel::{Cx, Result};

use crate::analyzers::by_arn;
use crate::api::{self, output};
use crate::filter::Whole;
use crate::rows::{Analyzer, findings, moment};

/// So many accounts are told of.
const TOP: usize = 10;

fn number(count: usize) -> Option<i32> {
    i32::try_from(count).ok()
}

fn with<'a>(all: &'a [Whole], status: &'a str) -> impl Iterator<Item = &'a Whole> {
    all.iter().filter(move |whole| whole.row.status == status)
}

pub(crate) fn get(cx: &Cx, input: &api::GetFindingsStatisticsInput) -> Result<api::GetFindingsStatisticsOutput> {
    let from = cx.read();
    let analyzer = by_arn(cx, &from, &input.analyzer_arn)?;
    let all = findings(cx, &from, &analyzer.name)?.into_iter().map(Whole::new).collect::<Result<Vec<_>>>()?;
    let last_updated_at = analyzer.last.as_ref().map(|(_, at)| moment(*at));
    let statistics = of(&analyzer, &all);
    Ok(api::GetFindingsStatisticsOutput { findings_statistics: Some(vec![statistics]), last_updated_at })
}

fn of(analyzer: &Analyzer, all: &[Whole]) -> output::FindingsStatistics {
    let [active, archived, resolved] =
        ["ACTIVE", "ARCHIVED", "RESOLVED"].map(|status| number(with(all, status).count()));
    if analyzer.is_unused() {
        return output::FindingsStatistics {
            unused_access_findings_statistics: Some(output::UnusedAccessFindingsStatistics {
                unused_access_type_statistics: Some(by_type(all)),
                top_accounts: top_accounts(all),
                total_active_findings: active,
                total_archived_findings: archived,
                total_resolved_findings: resolved,
            }),
            ..output::FindingsStatistics::default()
        };
    }
    let mut kinds: Vec<&str> = all.iter().map(|whole| whole.found.resource_type.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if analyzer.is_external() {
        let of_kind = |kind: &str| {
            let count = |is: &dyn Fn(&Whole) -> bool| {
                number(with(all, "ACTIVE").filter(|whole| whole.found.resource_type == kind && is(whole)).count())
            };
            output::ResourceTypeDetails {
                total_active_public: count(&|w| w.found.public),
                total_active_cross_account: count(&|w| !w.found.public && w.found.error.is_none()),
                total_active_errors: count(&|w| w.found.error.is_some()),
            }
        };
        return output::FindingsStatistics {
            external_access_findings_statistics: Some(output::ExternalAccessFindingsStatistics {
                resource_type_statistics: Some(
                    kinds.into_iter().map(|kind| (kind.to_owned(), of_kind(kind))).collect(),
                ),
                total_active_findings: active,
                total_archived_findings: archived,
                total_resolved_findings: resolved,
            }),
            ..output::FindingsStatistics::default()
        };
    }
    let of_kind = |kind: &str| {
        let count = |status| number(with(all, status).filter(|whole| whole.found.resource_type == kind).count());
        output::InternalAccessResourceTypeDetails {
            total_active_findings: count("ACTIVE"),
            total_resolved_findings: count("RESOLVED"),
            total_archived_findings: count("ARCHIVED"),
        }
    };
    output::FindingsStatistics {
        internal_access_findings_statistics: Some(output::InternalAccessFindingsStatistics {
            resource_type_statistics: Some(kinds.into_iter().map(|kind| (kind.to_owned(), of_kind(kind))).collect()),
            total_active_findings: active,
            total_archived_findings: archived,
            total_resolved_findings: resolved,
        }),
        ..output::FindingsStatistics::default()
    }
}

fn by_type(all: &[Whole]) -> Vec<output::UnusedAccessTypeStatistics> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    with(all, "ACTIVE").for_each(|whole| *counts.entry(&whole.found.kind).or_default() += 1);
    let one = |(kind, count): (&str, usize)| output::UnusedAccessTypeStatistics {
        unused_access_type: Some(kind.to_owned()),
        total: number(count),
    };
    counts.into_iter().map(one).collect()
}

/// The accounts with most active findings. `None`: there is none.
fn top_accounts(all: &[Whole]) -> Option<Vec<output::FindingAggregationAccountDetails>> {
    let mut accounts: BTreeMap<&str, BTreeMap<String, i32>> = BTreeMap::new();
    for whole in with(all, "ACTIVE") {
        *accounts.entry(&whole.found.owner).or_default().entry(whole.found.kind.clone()).or_default() += 1;
    }
    let mut shown: Vec<_> = accounts
        .into_iter()
        .map(|(account, details)| output::FindingAggregationAccountDetails {
            account: Some(account.to_owned()),
            number_of_active_findings: Some(details.values().sum()),
            details: Some(details),
        })
        .collect();
    shown.sort_by_key(|account| std::cmp::Reverse(account.number_of_active_findings));
    shown.truncate(TOP);
    (!shown.is_empty()).then_some(shown)
}
