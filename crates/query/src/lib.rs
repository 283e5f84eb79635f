//! SQL as Trino has it, over rows of JSON: what CloudTrail Lake's queries are run by. DataFusion does the work.
//!
//! Knows: DataFusion, Trino's words. Must not know: whose rows they are.
//!
//! Names are found whatever the case of their letters is, as Trino does. Names of tables may be UUIDs without quotes, as CloudTrail Lake
//! has them. Functions of Trino that DataFusion calls otherwise are translated ([`words`]); one that neither knows is refused.

mod answer;
mod rows;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use serde_json::Value as Json;

pub use answer::Answer;
pub use rows::{Column, Kind};

/// A query may take so much memory, in bytes.
const MEMORY: usize = 512 * 1024 * 1024;

/// What is wrong with a query.
#[derive(Debug, thiserror::Error)]
pub enum BadQuery {
    /// It is no SQL, or names what is not there.
    #[error("{0}")]
    Statement(String),
    /// It went wrong on its way.
    #[error("{0}")]
    Run(String),
}

fn statement(error: &DataFusionError) -> BadQuery {
    // What stands before the first sentence is about the engine.
    let text = error.strip_backtrace();
    let (head, rest) = text.split_once(": ").unwrap_or(("", &text));
    let told = if head.contains("error") { rest } else { &text };
    BadQuery::Statement(told.lines().next().unwrap_or(told).to_owned())
}

/// A statement that was read: one query.
#[derive(Debug, Clone)]
pub struct Query {
    statement: Statement,
    tables: BTreeSet<String>,
    named: BTreeSet<String>,
    /// It asks for all columns.
    all: bool,
}

/// A table that a query reads.
#[derive(Debug)]
pub struct Table<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its columns.
    pub columns: &'a [Column],
    /// Its rows: objects by the names of the columns.
    pub rows: Vec<Json>,
}

impl Query {
    /// Reads a statement. `columns`: those that the tables have. `now`: the moment that the query has, as `2026-11-27T19:30:00Z`.
    ///
    /// # Errors
    /// [`BadQuery::Statement`] when it is not one query.
    pub fn parse(text: &str, columns: &[Column], now: &str) -> Result<Self, BadQuery> {
        let quoted = words::quote_ids(text);
        let mut all = Parser::parse_sql(&GenericDialect {}, &quoted).map_err(|e| BadQuery::Statement(e.to_string()))?;
        let (Some(mut statement @ Statement::Query(_)), true) = (all.pop(), all.is_empty()) else {
            return Err(BadQuery::Statement("Only one SELECT statement is supported.".to_owned()));
        };
        let found = words::translate(&mut statement, columns, now)?;
        Ok(Self { statement, tables: found.tables, named: found.named, all: found.all })
    }

    /// The tables that it names.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(String::as_str)
    }

    /// Whether it needs a column at all.
    pub fn needs(&self, column: &str) -> bool {
        self.all || self.named.contains(column)
    }

    /// Whether it can be run over tables with these columns: nothing is read.
    ///
    /// # Errors
    /// [`BadQuery::Statement`] when it names what is not there.
    pub async fn check(&self, columns: &[Column]) -> Result<(), BadQuery> {
        let empty = self.tables().map(|name| Table { name, columns, rows: Vec::new() }).collect();
        let (_, _) = self.plan(empty).await?;
        Ok(())
    }

    /// Runs it, on a thread of its own: it may take the processor for long, and nobody else is to wait for that. Whoever drops the
    /// future ends it.
    ///
    /// # Errors
    /// [`BadQuery`] when it names what is not there, or goes wrong.
    pub async fn run(&self, tables: Vec<Table<'_>>) -> Result<Answer, BadQuery> {
        let scanned = tables.iter().map(|table| table.rows.len()).sum();
        let (context, plan) = self.plan(tables).await?;
        let (wanted, dropped) = tokio::sync::oneshot::channel::<()>();
        let apart = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.map_err(|error| BadQuery::Run(error.to_string()))?.block_on(async {
                tokio::select! {
                    biased;
                    _ = dropped => Err(BadQuery::Run("Nobody waits for it any more.".to_owned())),
                    found = find(context, plan, scanned) => found,
                }
            })
        });
        let found = apart.await.map_err(|error| BadQuery::Run(error.to_string()))?;
        drop(wanted);
        found
    }

    async fn plan(&self, tables: Vec<Table<'_>>) -> Result<(SessionContext, LogicalPlan), BadQuery> {
        let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let runtime = RuntimeEnvBuilder::new().with_memory_limit(MEMORY, 1.0).build_arc();
        let runtime = runtime.map_err(|error| BadQuery::Run(error.to_string()))?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        for table in tables {
            let wanted: Vec<Column> = table.columns.iter().filter(|c| self.needs(&c.name)).cloned().collect();
            let batches = rows::batches(&wanted, table.rows).map_err(|error| BadQuery::Run(error.to_string()))?;
            let held = MemTable::try_new(rows::schema(&wanted), vec![batches]).map_err(|e| statement(&e))?;
            let name = format!("\"{}\"", table.name);
            context.register_table(name, Arc::new(held)).map_err(|error| statement(&error))?;
        }
        words::register(&context);
        let parsed = Parsed::Statement(Box::new(self.statement.clone()));
        let plan = context.state().statement_to_plan(parsed).await.map_err(|error| statement(&error))?;
        Ok((context, plan))
    }
}

/// What a plan finds.
async fn find(context: SessionContext, plan: LogicalPlan, scanned: usize) -> Result<Answer, BadQuery> {
    let failed = |error: DataFusionError| BadQuery::Run(error.strip_backtrace());
    let frame = context.execute_logical_plan(plan).await.map_err(failed)?;
    let physical = pausing(frame.create_physical_plan().await.map_err(failed)?).map_err(failed)?;
    let collected = datafusion::physical_plan::collect(physical.clone(), context.task_ctx()).await;
    let batches = collected.map_err(failed)?;
    answer::of(&batches, &physical, scanned).map_err(|error| BadQuery::Run(error.to_string()))
}

/// A plan that pauses now and then, where it makes much of little by itself: so it can be ended.
fn pausing(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let joined = plan.transform_up(|node| {
        if ["CrossJoinExec", "NestedLoopJoinExec"].contains(&node.name()) {
            return Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>));
        }
        Ok(Transformed::no(node))
    });
    joined.map(|done| done.data)
}
