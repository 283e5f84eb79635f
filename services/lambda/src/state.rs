//! What lives only as long as the program: environments, pollers, what was found of interpreters.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use undercast_engines::runtimes::{self, Runtime};
use undercast_kernel::store::Order;
use undercast_kernel::{Cx, Kernel, Timestamp};

use crate::function::{FUNCTIONS, FunctionName};
use crate::pool::Pool;
use crate::version::VERSIONS;
use crate::{mapping, package, provisioned, sources};

/// Environments that nobody needs are looked for so often.
const REAP_EVERY: Duration = Duration::from_secs(15);

/// What lives only as long as the program.
pub(crate) struct State {
    places: Vec<PathBuf>,
    found: OnceCell<Vec<Runtime>>,
    pools: Mutex<HashMap<FunctionName, Arc<Pool>>>,
    /// Account and region → how many invocations are under way.
    pub(crate) busy: Mutex<HashMap<(String, String), usize>>,
    /// What takes from sources, by the ids of mappings.
    pub(crate) running: undercast_sources::Running,
    /// Mapping's id → what came of the last batch of a stream.
    results: Mutex<HashMap<String, &'static str>>,
    /// Held while a package is unpacked.
    pub(crate) unpacking: tokio::sync::Mutex<()>,
    /// Token → package and end (ms), for the links in `GetFunction`'s answers.
    pub(crate) links: Mutex<HashMap<String, (String, i64)>>,
}

/// A lock whose holder panicked is still a lock on whole data: each holder changes one entry.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn new(places: Vec<PathBuf>) -> Self {
        Self {
            places,
            found: OnceCell::new(),
            pools: Mutex::default(),
            busy: Mutex::default(),
            running: undercast_sources::Running::default(),
            results: Mutex::default(),
            unpacking: tokio::sync::Mutex::default(),
            links: Mutex::default(),
        }
    }

    /// The interpreters of this machine.
    pub(crate) async fn interpreters(&self) -> &[Runtime] {
        self.found.get_or_init(|| runtimes::discover(&self.places)).await
    }

    /// The environments of a function's version, and, without a number, how many invocations of all versions are under way.
    pub(crate) fn pool(&self, name: &FunctionName) -> Arc<Pool> {
        locked(&self.pools).entry(name.clone()).or_default().clone()
    }

    /// Ends the environments of one version that is gone.
    pub(crate) fn forget_pool(&self, version: &FunctionName) {
        let pool = locked(&self.pools).remove(version);
        if let Some(pool) = pool {
            pool.clear();
        }
    }

    /// Ends the environments of a function that is gone, with all its versions.
    pub(crate) fn forget_pools(&self, name: &FunctionName) {
        let mut pools = locked(&self.pools);
        let gone: Vec<FunctionName> = pools.keys().filter(|place| place.key() == name.key()).cloned().collect();
        gone.iter().filter_map(|place| pools.remove(place)).for_each(|pool| pool.clear());
    }

    /// What came of the last batch that a mapping took from a stream.
    pub(crate) fn last_result(&self, mapping: &str) -> &'static str {
        locked(&self.results).get(mapping).copied().unwrap_or("No records processed")
    }

    pub(crate) fn set_last_result(&self, mapping: &str, result: &'static str) {
        locked(&self.results).insert(mapping.to_owned(), result);
    }

    /// Where packages are unpacked.
    pub(crate) fn folder(cx: &Cx) -> PathBuf {
        Path::new(&cx.kernel().settings().files).join("lambda")
    }

    /// Makes a link to a package, good for ten minutes.
    pub(crate) fn link(&self, cx: &Cx, package: &str) -> String {
        let token = cx.random().hex(40);
        let mut links = locked(&self.links);
        links.retain(|_, (_, until)| *until > cx.now_millis());
        links.insert(token.clone(), (package.to_owned(), cx.now_millis() + 600_000));
        token
    }

    /// The package that a link leads to.
    pub(crate) fn linked(&self, token: &str, now: Timestamp) -> Option<String> {
        locked(&self.links)
            .get(token)
            .filter(|(_, until)| *until > now.as_millisecond())
            .map(|(package, _)| package.clone())
    }

    /// Begins what runs beside the calls.
    pub(crate) fn start(self: &Arc<Self>, kernel: &Kernel) {
        forget_packages(kernel);
        let (state, work) = (Arc::clone(self), kernel.clone());
        kernel.spawn(async move {
            // Asked before the first function needs to know.
            state.interpreters().await;
            state.resume(&work).await;
        });
        let (state, own) = (Arc::downgrade(self), kernel.clone());
        kernel.spawn(async move {
            while let Some(state) = state.upgrade() {
                let pools: Vec<(FunctionName, Arc<Pool>)> =
                    locked(&state.pools).iter().map(|(name, pool)| (name.clone(), Arc::clone(pool))).collect();
                for (name, pool) in &pools {
                    pool.reap();
                    // Sessions end, and zones die: what shall be there is looked after.
                    if pool.wanted() > 0 {
                        provisioned::reconcile(&state, &own.cx_for(&name.account, &name.region), name);
                    }
                }
                drop((pools, state));
                tokio::time::sleep(REAP_EVERY).await;
            }
        });
    }

    /// Goes on with what an earlier run of the program left: packages not unpacked, pollers.
    async fn resume(self: &Arc<Self>, kernel: &Kernel) {
        let everything = FUNCTIONS.page(&kernel.database().read(), &(), None::<&()>, Order::Ascending, usize::MAX);
        let waiting = everything.map(|rows| rows.into_iter().map(|e| e.row).filter(|f| !f.active).collect::<Vec<_>>());
        for function in waiting.unwrap_or_else(complain) {
            let cx = kernel.cx_for(&function.account, &function.region);
            package::activate(self, &cx, &function).await;
        }
        if let Err(failure) = provisioned::resume(self, kernel) {
            tracing::error!(error = &failure as &dyn std::error::Error, "provisioned concurrency is not resumed");
        }
        for mapping in mapping::all(kernel).unwrap_or_else(complain) {
            sources::apply(self, kernel, &mapping);
        }
    }
}

/// Removes unpacked packages that no function has any more. Done before anything runs, so that none is in use.
fn forget_packages(kernel: &Kernel) {
    let read = kernel.database().read();
    let Ok(rows) = FUNCTIONS.page(&read, &(), None::<&()>, Order::Ascending, usize::MAX) else { return };
    let Ok(versions) = VERSIONS.page(&read, &(), None::<&()>, Order::Ascending, usize::MAX) else { return };
    let both = || rows.iter().chain(&versions).map(|e| &e.row);
    let layers = both().filter_map(|function| package::layers_folder(&function.layers));
    let known: HashSet<String> = both().map(|function| function.code.id.clone()).chain(layers).collect();
    let folder = Path::new(&kernel.settings().files).join("lambda");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.file_name().to_str().is_some_and(|name| !known.contains(name))) {
        if let Err(error) = std::fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), error = &error as &dyn std::error::Error, "an old package could not be removed");
        }
    }
}

fn complain<T>(failure: impl std::error::Error + 'static) -> Vec<T> {
    tracing::error!(error = &failure as &dyn std::error::Error, "the tables of Lambda cannot be read");
    Vec::new()
}
