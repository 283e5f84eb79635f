//! Provisioned concurrency: environments of a version that are started before anybody asks, and stay.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Order, Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Kernel, Result, paging};

use crate::api::{self, errors, output};
use crate::configuration::moment;
use crate::environment::{Environment, Started};
use crate::function::{FUNCTIONS, Function, FunctionName, Qualifier};
use crate::holder::Holder;
use crate::pool::{self, Pool};
use crate::report::INIT;
use crate::state::State;
use crate::{alias, error, version};

/// Account, region, name, qualifier → what is wanted.
static CONFIGS: Table<Provisioned> = Table::new("lambda.provisioned");
/// So many environments of a version are started at a time.
const AT_ONCE: usize = 4;

/// How many environments of a version, or of what an alias leads to, shall be there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Provisioned {
    #[n(0)]
    qualifier: String,
    #[n(1)]
    wanted: i32,
    /// Milliseconds since 1970.
    #[n(2)]
    modified: i64,
}

/// What there is of what is wanted.
struct Standing {
    wanted: i32,
    there: i32,
    status: &'static str,
    reason: Option<String>,
    modified: String,
}

fn all(from: &(impl Read + ?Sized), function: &Function) -> Result<Vec<Provisioned>> {
    Ok(CONFIGS.all(from, &function.key())?.into_iter().map(|entry| entry.row).collect())
}

/// What all configurations of a function want together.
pub(crate) fn total(from: &(impl Read + ?Sized), function: &Function) -> Result<i32> {
    Ok(all(from, function)?.iter().map(|config| config.wanted).sum())
}

/// The versions that a configuration is for, each with its share.
fn shares(from: &(impl Read + ?Sized), function: &Function, config: &Provisioned) -> Result<Vec<(u64, usize)>> {
    let wanted = usize::try_from(config.wanted).unwrap_or(0);
    if let Ok(number) = config.qualifier.parse() {
        return Ok(vec![(number, wanted)]);
    }
    let Some(alias) = alias::find(from, function, &config.qualifier)? else { return Ok(Vec::new()) };
    // Of two versions each has as much as calls will come to it.
    let share = alias.other.as_ref().map_or(0.0, |(_, share)| *share);
    let other = (f64::from(config.wanted) * share).round();
    let other = (0..=wanted).rev().find(|n| i32::try_from(*n).is_ok_and(|n| f64::from(n) <= other)).unwrap_or(0);
    let second = alias.other.as_ref().and_then(|(version, _)| Some((version.parse().ok()?, other)));
    let first = alias.version.parse().ok().map(|number| (number, wanted - other));
    Ok(first.into_iter().chain(second).collect())
}

/// How many environments of a version shall be there.
fn wanted(from: &(impl Read + ?Sized), function: &Function, number: u64) -> Result<usize> {
    let mut sum = 0;
    for config in all(from, function)? {
        let shares = shares(from, function, &config)?;
        sum += shares.into_iter().filter(|(of, _)| *of == number).map(|(_, share)| share).sum::<usize>();
    }
    Ok(sum)
}

/// Has all versions of a function have as many environments as they shall.
pub(crate) fn reconcile(state: &Arc<State>, cx: &Cx, name: &FunctionName) {
    let (state, cx, name) = (Arc::clone(state), cx.kernel().cx_for(&name.account, &name.region), name.unqualified());
    cx.clone().spawn(async move {
        if let Err(failure) = reconcile_all(&state, &cx, &name).await {
            tracing::warn!(
                function = name.name,
                error = &failure as &dyn std::error::Error,
                "provisioned concurrency is not as it shall be"
            );
        }
    });
}

async fn reconcile_all(state: &Arc<State>, cx: &Cx, name: &FunctionName) -> Result<()> {
    let Some(function) = FUNCTIONS.get(&cx.read(), &name.key())? else { return Ok(()) };
    for version in version::all(&cx.read(), &function)? {
        let pool = state.pool(&version.version_place());
        let number = version.version.unwrap_or(0);
        if wanted(&cx.read(), &function, number)? > 0 || pool.wanted() > 0 {
            settle(state, cx, &function, &version, &pool).await?;
        }
    }
    Ok(())
}

/// Starts what is missing of one version's environments, and ends what is too much.
async fn settle(state: &Arc<State>, cx: &Cx, function: &Function, version: &Function, pool: &Pool) -> Result<()> {
    let _turn = pool.provisioning.lock().await;
    loop {
        pool.want(wanted(&cx.read(), function, version.version.unwrap_or(0))?);
        pool.refresh(&version.generation, cx.kernel().clock().now());
        let missing = pool.wanted().saturating_sub(pool.provisioned());
        if missing == 0 {
            return Ok(());
        }
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..missing.min(AT_ONCE) {
            let (state, cx, version) = (Arc::clone(state), cx.clone(), version.clone());
            starts.spawn(async move { start(&state, &cx, &version).await });
        }
        while let Some(started) = starts.join_next().await {
            match started.map_err(Failure::broken)? {
                Some(environment) => pool.add_provisioned(cx, &environment),
                None => {
                    pool.set_failed(true);
                    return Ok(());
                }
            }
        }
        pool.set_failed(false);
    }
}

/// A new environment that waits for its first invocation. `None`: its function does not start.
async fn start(state: &Arc<State>, cx: &Cx, version: &Function) -> Option<Arc<Environment>> {
    let environment = Environment::launch(state, cx, version, true).await.ok()?;
    if environment.started(INIT).await == Started::Ready {
        return Some(environment);
    }
    environment.retire();
    None
}

/// Goes on with what was wanted before the program ended.
pub(crate) fn resume(state: &Arc<State>, kernel: &Kernel) -> Result<()> {
    let read = kernel.database().read();
    for entry in FUNCTIONS.page(&read, &(), None::<&()>, Order::Ascending, usize::MAX)? {
        if !all(&read, &entry.row)?.is_empty() {
            let cx = kernel.cx_for(&entry.row.account, &entry.row.region);
            reconcile(state, &cx, &entry.row.place());
        }
    }
    Ok(())
}

/// Forgets what was wanted of a function that is deleted.
pub(crate) fn forget(tx: &mut Tx<'_>, name: &FunctionName) -> Result<()> {
    CONFIGS.clear(tx, &name.key())?;
    Ok(())
}

/// Forgets what was wanted of a version or an alias that is deleted.
pub(crate) fn forget_one(tx: &mut Tx<'_>, name: &FunctionName) {
    CONFIGS.delete(tx, &(&name.account, &name.region, &name.name, name.qualifier.as_deref().unwrap_or_default()));
}

fn standing(state: &State, from: &(impl Read + ?Sized), function: &Function, config: &Provisioned) -> Result<Standing> {
    let (mut there, mut failed) = (0, false);
    for (number, share) in shares(from, function, config)? {
        let place = FunctionName { qualifier: Some(number.to_string()), ..function.place() };
        let pool = state.pool(&place);
        there += pool.provisioned().min(share);
        failed |= pool.has_failed();
    }
    let there = i32::try_from(there).unwrap_or(i32::MAX);
    let status = if there >= config.wanted {
        "READY"
    } else if failed {
        "FAILED"
    } else {
        "IN_PROGRESS"
    };
    let reason = (status == "FAILED").then(|| "FUNCTION_ERROR_INIT_FAILURE".to_owned());
    Ok(Standing { wanted: config.wanted, there, status, reason, modified: moment(config.modified) })
}

/// What a call names: a published version, or an alias of one.
fn named(cx: &Cx, function: &str, qualifier: &str, latest: &'static str) -> Result<FunctionName> {
    let name = FunctionName::parse(cx, function, Some(qualifier))?;
    if name.what() == Qualifier::Latest {
        return Err(error::invalid(latest));
    }
    Ok(name)
}

/// Refuses more than there may be.
fn check(from: &(impl Read + ?Sized), function: &Function, qualifier: &str, asked: i32) -> Result<()> {
    let others: i32 = all(from, function)?.iter().filter(|c| c.qualifier != qualifier).map(|c| c.wanted).sum();
    if let Some(reserved) = function.reserved {
        if reserved < others.saturating_add(asked) {
            return Err(error::invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
            ));
        }
        return Ok(());
    }
    if asked > pool::ACCOUNT_LIMIT {
        return Err(error::invalid(format!(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{}].",
            pool::ACCOUNT_LIMIT
        )));
    }
    let mut taken = others;
    for entry in FUNCTIONS.all(from, &(&function.account, &function.region))? {
        let of_others = if entry.row.name == function.name { 0 } else { total(from, &entry.row)? };
        taken += entry.row.reserved.unwrap_or(of_others);
    }
    if pool::ACCOUNT_LIMIT - taken - asked < pool::UNRESERVED_LEAST {
        return Err(error::invalid(format!(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{}].",
            pool::UNRESERVED_LEAST
        )));
    }
    Ok(())
}

/// Refuses to provision a version twice: by itself and by an alias.
fn check_conflict(from: &(impl Read + ?Sized), holder: &Holder) -> Result<()> {
    let function = holder.function();
    let there = all(from, function)?;
    let is_there = |qualifier: &str| there.iter().any(|config| config.qualifier == qualifier);
    match holder {
        Holder::Alias(_, alias) if alias.version == "$LATEST" => {
            Err(error::invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions."))
        }
        Holder::Alias(_, alias) if is_there(&alias.version) => Err(error::conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        )),
        Holder::Function(of) => {
            let leading = alias::leading_to(from, function, of.version.unwrap_or(0))?;
            if leading.iter().any(|alias| is_there(alias)) {
                return Err(error::conflict("Version is pointed by a Provisioned Concurrency alias"));
            }
            Ok(())
        }
        Holder::Alias(..) => Ok(()),
    }
}

/// `PutProvisionedConcurrencyConfig`
pub(crate) async fn put(
    state: &Arc<State>,
    cx: &Cx,
    input: api::PutProvisionedConcurrencyConfigInput,
) -> Result<api::PutProvisionedConcurrencyConfigOutput> {
    let latest = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    let name = named(cx, &input.function_name, &input.qualifier, latest)?;
    let qualifier = name.qualifier.clone().unwrap_or_else(String::new);
    let config = Provisioned { qualifier, wanted: input.provisioned_concurrent_executions, modified: cx.now_millis() };
    cx.write(|tx| {
        let holder = Holder::find(cx, tx, &name)?;
        let function = holder.function();
        check(tx, function, &config.qualifier, config.wanted)?;
        check_conflict(tx, &holder)?;
        CONFIGS.put(tx, &(&name.account, &name.region, &name.name, &config.qualifier), &config);
        Ok(())
    })
    .await?;
    reconcile(state, cx, &name);
    Ok(api::PutProvisionedConcurrencyConfigOutput {
        requested_provisioned_concurrent_executions: Some(config.wanted),
        available_provisioned_concurrent_executions: Some(0),
        allocated_provisioned_concurrent_executions: Some(0),
        status: Some("IN_PROGRESS".to_owned()),
        status_reason: None,
        last_modified: Some(moment(config.modified)),
    })
}

const NEITHER: &str = "The function resource provided must be an alias or a published version.";

/// `GetProvisionedConcurrencyConfig`
pub(crate) fn get(
    state: &State,
    cx: &Cx,
    input: &api::GetProvisionedConcurrencyConfigInput,
) -> Result<api::GetProvisionedConcurrencyConfigOutput> {
    let name = named(cx, &input.function_name, &input.qualifier, NEITHER)?;
    let read = cx.read();
    let holder = Holder::find(cx, &read, &name)?;
    let qualifier = name.qualifier.as_deref().unwrap_or_default();
    let config = CONFIGS.get(&read, &(&name.account, &name.region, &name.name, qualifier))?.ok_or_else(|| {
        let message = "No Provisioned Concurrency Config found for this function";
        errors::provisioned_concurrency_config_not_found_exception(message).with("Type", "User")
    })?;
    let standing = standing(state, &read, holder.function(), &config)?;
    Ok(api::GetProvisionedConcurrencyConfigOutput {
        requested_provisioned_concurrent_executions: Some(standing.wanted),
        available_provisioned_concurrent_executions: Some(standing.there),
        allocated_provisioned_concurrent_executions: Some(standing.there),
        status: Some(standing.status.to_owned()),
        status_reason: standing.reason,
        last_modified: Some(standing.modified),
    })
}

/// `DeleteProvisionedConcurrencyConfig`. One that is not there is fine.
pub(crate) async fn delete(
    state: &Arc<State>,
    cx: &Cx,
    input: &api::DeleteProvisionedConcurrencyConfigInput,
) -> Result<()> {
    let name = named(cx, &input.function_name, &input.qualifier, NEITHER)?;
    cx.write(|tx| {
        Holder::find(cx, tx, &name)?;
        forget_one(tx, &name);
        Ok(())
    })
    .await?;
    reconcile(state, cx, &name);
    Ok(())
}

/// `ListProvisionedConcurrencyConfigs`
pub(crate) fn list(
    state: &State,
    cx: &Cx,
    input: &api::ListProvisionedConcurrencyConfigsInput,
) -> Result<api::ListProvisionedConcurrencyConfigsOutput> {
    let read = cx.read();
    let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &read)?;
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let scope = format!("ListProvisionedConcurrencyConfigs/{}", function.name);
    let (page, next_marker) = paging::page(&scope, all(&read, &function)?, input.marker.as_deref(), most)
        .ok_or_else(|| error::invalid("Invalid Marker"))?;
    let item = |config: &Provisioned| -> Result<output::ProvisionedConcurrencyConfigListItem> {
        let standing = standing(state, &read, &function, config)?;
        Ok(output::ProvisionedConcurrencyConfigListItem {
            function_arn: Some(format!("{}:{}", function.arn(cx), config.qualifier)),
            requested_provisioned_concurrent_executions: Some(standing.wanted),
            available_provisioned_concurrent_executions: Some(standing.there),
            allocated_provisioned_concurrent_executions: Some(standing.there),
            status: Some(standing.status.to_owned()),
            status_reason: standing.reason,
            last_modified: Some(standing.modified),
        })
    };
    let provisioned_concurrency_configs = Some(page.iter().map(item).collect::<Result<_>>()?);
    Ok(api::ListProvisionedConcurrencyConfigsOutput { provisioned_concurrency_configs, next_marker })
}
