//! The environments of a function that wait for work, and how much work is under way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use undercast_kernel::{Cx, Result, Timestamp};

use crate::environment::Environment;
use crate::error;
use crate::function::{FUNCTIONS, Function};
use crate::state::{State, locked};

/// An account's invocations at a time.
pub(crate) const ACCOUNT_LIMIT: i32 = 1_000;
/// So many of them cannot be reserved.
pub(crate) const UNRESERVED_LEAST: i32 = 100;
/// An environment without work ends after so long.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// An environment that gets work again within this time is not even stopped between.
const FREEZE_AFTER: Duration = Duration::from_millis(5);

struct Idle {
    environment: Arc<Environment>,
    since: Instant,
}

/// The environments of one function.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<Idle>>,
    busy: AtomicUsize,
    /// The environments that are there whether anybody asks or not.
    provisioned: Mutex<Vec<Weak<Environment>>>,
    /// So many of them shall be there.
    wanted: AtomicUsize,
    /// The last one did not start.
    failed: AtomicBool,
    /// Held by who starts and ends them.
    pub(crate) provisioning: tokio::sync::Mutex<()>,
}

impl Pool {
    /// An environment that waits and fits; others that do not fit any more end.
    pub(crate) fn take(&self, generation: &str, now: Timestamp) -> Option<Arc<Environment>> {
        let mut idle = locked(&self.idle);
        // Those that are there anyhow come first.
        while let Some(at) = idle.iter().rposition(|i| i.environment.provisioned).or(idle.len().checked_sub(1)) {
            let last = idle.swap_remove(at);
            if last.environment.fits(generation, now) {
                last.environment.set_in_use(true);
                return Some(last.environment);
            }
            last.environment.retire();
        }
        None
    }

    /// Gives an environment back for the next invocation.
    pub(crate) fn give_back(&self, cx: &Cx, environment: &Arc<Environment>) {
        if environment.provisioned && self.provisioned() > self.wanted() {
            Arc::clone(environment).retire();
            return;
        }
        environment.set_in_use(false);
        locked(&self.idle).push(Idle { environment: Arc::clone(environment), since: Instant::now() });
        let environment = Arc::clone(environment);
        cx.spawn(async move {
            tokio::time::sleep(FREEZE_AFTER).await;
            environment.freeze().await;
        });
    }

    /// Ends what has waited for too long.
    pub(crate) fn reap(&self) {
        let mut idle = locked(&self.idle);
        let (over, kept) = std::mem::take(&mut *idle)
            .into_iter()
            .partition(|i| !i.environment.provisioned && i.since.elapsed() >= IDLE);
        *idle = kept;
        let over: Vec<Idle> = over;
        over.into_iter().for_each(|i| i.environment.retire());
    }

    /// How many environments shall be there whether anybody asks or not.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Acquire)
    }

    pub(crate) fn want(&self, wanted: usize) {
        self.wanted.store(wanted, Ordering::Release);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn set_failed(&self, failed: bool) {
        self.failed.store(failed, Ordering::Release);
    }

    /// How many of the environments that shall be there are there.
    pub(crate) fn provisioned(&self) -> usize {
        let mut all = locked(&self.provisioned);
        all.retain(|one| one.upgrade().is_some_and(|environment| !environment.is_retired()));
        all.len()
    }

    /// Takes in one that shall be there.
    pub(crate) fn add_provisioned(&self, cx: &Cx, environment: &Arc<Environment>) {
        locked(&self.provisioned).push(Arc::downgrade(environment));
        self.give_back(cx, environment);
    }

    /// Ends those that do not fit any more, and those that are too many, of those that wait.
    pub(crate) fn refresh(&self, generation: &str, now: Timestamp) {
        let mut excess = self.provisioned().saturating_sub(self.wanted());
        locked(&self.idle).retain(|one| {
            let stays = !one.environment.provisioned || (excess == 0 && one.environment.fits(generation, now));
            if !stays {
                excess = excess.saturating_sub(1);
                Arc::clone(&one.environment).retire();
            }
            stays
        });
    }

    /// Ends all that wait.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *locked(&self.idle));
        all.into_iter().for_each(|i| i.environment.retire());
    }
}

/// The right to run one invocation. Dropped, it makes room for another.
pub(crate) struct Permit {
    pool: Arc<Pool>,
    state: Arc<State>,
    /// Account and region, where the invocation counts against the account's limit.
    account: Option<(String, String)>,
}

impl Permit {
    /// How many invocations of the function are under way.
    pub(crate) fn running(&self) -> usize {
        self.pool.busy.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.busy.fetch_sub(1, Ordering::AcqRel);
        if let Some(account) = &self.account
            && let Some(busy) = locked(&self.state.busy).get_mut(account)
        {
            *busy = busy.saturating_sub(1);
        }
    }
}

/// What of an account's limit is reserved for functions.
pub(crate) fn reserved(cx: &Cx, account: &str, region: &str) -> Result<i32> {
    let all = FUNCTIONS.all(&cx.read(), &(account, region))?;
    Ok(all.iter().filter_map(|e| e.row.reserved).sum())
}

/// Lets an invocation in, or refuses it as one too many.
pub(crate) fn admit(state: &Arc<State>, cx: &Cx, function: &Function) -> Result<Permit> {
    let pool = state.pool(&function.place());
    let busy = pool.busy.fetch_add(1, Ordering::AcqRel);
    let mut permit = Permit { pool, state: Arc::clone(state), account: None };
    if let Some(reserved) = function.reserved {
        if busy >= usize::try_from(reserved).unwrap_or(0) {
            return Err(error::throttled("ReservedFunctionConcurrentInvocationLimitExceeded"));
        }
        return Ok(permit);
    }
    let account = (function.account.clone(), function.region.clone());
    let now = locked(&state.busy).get(&account).copied().unwrap_or(0);
    // Below what cannot be reserved there is always room, so that nobody has to count.
    let least = usize::try_from(UNRESERVED_LEAST).unwrap_or(0);
    if now >= least && now >= usize::try_from(ACCOUNT_LIMIT - reserved(cx, &account.0, &account.1)?).unwrap_or(0) {
        return Err(error::throttled("ConcurrentInvocationLimitExceeded"));
    }
    *locked(&state.busy).entry(account.clone()).or_insert(0) += 1;
    permit.account = Some(account);
    Ok(permit)
}
