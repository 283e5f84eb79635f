//! `ListMetrics`.

use undercast_kernel::metrics::{self, DAY, Series};
use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, kept};
use crate::error::invalid;

/// A page has so many.
const PAGE: usize = 500;

/// Seconds: a metric without a value for so long is not listed.
const LISTED: i64 = 14 * DAY;
const RECENTLY: i64 = 3 * 3600;

pub(crate) async fn list(cx: &Cx, input: api::ListMetricsInput) -> Result<api::ListMetricsOutput> {
    let now = cx.now().as_second();
    let since = now - if input.recently_active.is_some() { RECENTLY } else { LISTED };
    cx.kernel().keep_metrics().await?;
    let all = metrics::list(&cx.read(), (cx.account(), cx.region()), input.namespace.as_deref(), since)?;
    let filters = input.dimensions.as_deref().unwrap_or_default();
    let has = |series: &Series, name: &str, value: Option<&String>| {
        series.dimensions.iter().any(|(n, v)| n == name && value.is_none_or(|wanted| wanted == v))
    };
    let wanted = |series: &Series| {
        input.metric_name.as_ref().is_none_or(|name| *name == series.name)
            && filters.iter().all(|f| has(series, &f.name, f.value.as_ref()))
    };
    let mut found: Vec<Series> = all.into_iter().filter(wanted).collect();
    // With another unit it is the same metric.
    found.dedup_by(|a, b| a.namespace == b.namespace && a.name == b.name && a.dimensions == b.dimensions);
    let page = paging::page("ListMetrics", found, input.next_token.as_deref(), PAGE);
    let (page, next_token) = page.ok_or_else(|| invalid("The value for parameter NextToken is invalid."))?;
    let page = page.into_iter().map(shown).collect();
    Ok(api::ListMetricsOutput { metrics: Some(page), next_token, owning_accounts: None })
}

fn shown(series: Series) -> kept::Metric {
    let dimensions = series.dimensions.into_iter().map(|(name, value)| kept::Dimension { name, value });
    kept::Metric {
        namespace: Some(series.namespace),
        metric_name: Some(series.name),
        dimensions: Some(dimensions.collect()),
    }
}
