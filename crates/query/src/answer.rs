//! What a query found, as text.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_plan::ExecutionPlan;

/// What a query found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows. `None`: nothing is there.
    pub rows: Vec<Vec<Option<String>>>,
    /// So many rows were looked at.
    pub scanned: usize,
    /// So many of them were what is asked for.
    pub matched: usize,
}

/// How Trino writes a moment.
const MOMENT: &str = "%Y-%m-%d %H:%M:%S%.3f";

pub(crate) fn of(batches: &[RecordBatch], plan: &Arc<dyn ExecutionPlan>, scanned: usize) -> Result<Answer, ArrowError> {
    let columns = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    let options = FormatOptions::default().with_timestamp_format(Some(MOMENT)).with_timestamp_tz_format(Some(MOMENT));
    let mut rows = Vec::new();
    for batch in batches {
        let formatters = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let formatters = formatters.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cell = |(at, formatter): (usize, &ArrayFormatter<'_>)| {
                (!batch.column(at).is_null(row)).then(|| formatter.value(row).to_string())
            };
            rows.push(formatters.iter().enumerate().map(cell).collect());
        }
    }
    Ok(Answer { columns, rows, scanned, matched: filtered(plan).unwrap_or(scanned) })
}

/// How many rows went through the lowest filter; `None`: there is none.
fn filtered(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let below = plan.children().into_iter().find_map(filtered);
    let own = || plan.metrics().and_then(|metrics| metrics.output_rows());
    below.or_else(|| own().filter(|_| plan.name() == "FilterExec"))
}
