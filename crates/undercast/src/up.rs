//! `undercast up`: opens the store, starts the services, opens the door.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use undercast_gateway::{DoorSettings, Gateway, Init, Stage};
use undercast_kernel::store::{Beginning, Blobs, Database, Durable, Memory, Snapshots};
use undercast_kernel::{AuthMode, IamMode, Kernel, Random, Settings};

use crate::command::UpArguments;
use crate::hooks::Hooks;
use crate::services;
use crate::settings::Environment;

/// Why the cloud does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpError {
    #[error("`{0}` is not an address to listen on: expected something like 127.0.0.1:4566")]
    Address(String),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the data directory cannot be opened")]
    Store(#[from] undercast_kernel::store::Error),
    #[error("the state cannot be read")]
    State(#[from] undercast_kernel::Failure),
    #[error("no temporary directory can be made in {path}")]
    Temporary { path: PathBuf, source: std::io::Error },
    #[error("signals cannot be caught")]
    Signals(#[source] std::io::Error),
    #[error("the program cannot begin again")]
    Again(#[source] std::io::Error),
}

/// Where the state of a run is.
struct Place {
    /// `None`: nothing is kept.
    data: Option<PathBuf>,
    /// Blobs and the CA.
    files: PathBuf,
    /// Saved states, which outlive a cloud that keeps nothing.
    snapshots: PathBuf,
    /// Removed in the end.
    temporary: bool,
}

impl Place {
    fn choose(arguments: &UpArguments, environment: &Environment) -> Result<Self, UpError> {
        let keep = !arguments.ephemeral && environment.persistence != Some(false);
        if keep || arguments.data.is_some() {
            let data = arguments.data.clone().unwrap_or_else(|| environment.data_directory());
            return Ok(Self {
                snapshots: data.join("snapshots"),
                files: data.clone(),
                data: Some(data),
                temporary: false,
            });
        }
        let path = std::env::temp_dir().join(format!("undercast-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|source| UpError::Temporary { path: path.clone(), source })?;
        let snapshots = environment.data_directory().join("snapshots");
        Ok(Self { data: None, files: path, snapshots, temporary: true })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is in the system's temporary directory, which the system clears.
            let _ = std::fs::remove_dir_all(&self.files);
        }
    }
}

fn addresses(arguments: &UpArguments, environment: &Environment) -> Result<Vec<SocketAddr>, UpError> {
    let default = format!("127.0.0.1:{}", environment.edge_port.as_deref().unwrap_or("4566"));
    let text = arguments.listen.clone().or_else(|| environment.gateway_listen.clone()).unwrap_or(default);
    let parse = |part: &str| -> Result<SocketAddr, UpError> {
        let part = part.replace("localhost", "127.0.0.1");
        let with_host = if part.starts_with(':') { format!("127.0.0.1{part}") } else { part.clone() };
        with_host.parse().map_err(|_| UpError::Address(part))
    };
    text.split(',').map(str::trim).map(parse).collect()
}

/// Runs a cloud until it is told to stop.
pub(crate) async fn run(arguments: UpArguments, environment: Environment) -> Result<(), UpError> {
    let addresses = addresses(&arguments, &environment)?;
    let place = Place::choose(&arguments, &environment)?;
    let mut listeners = Vec::new();
    for address in &addresses {
        let listener =
            undercast_gateway::bind(*address).await.map_err(|source| UpError::Listen { address: *address, source })?;
        listeners.push(listener);
    }
    // Those that were asked for, but for ports that were left to the system.
    let at: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let port = at.first().map_or(4566, SocketAddr::port);
    let init = Init::default();
    let hooks = Hooks::new(arguments.init.clone(), port, init.clone());
    // A state that was saved has been prepared once already.
    let fresh = Beginning::ordered(&place.files)?.is_none_or(|beginning| beginning.is_empty());
    if fresh {
        hooks.run(Stage::Boot).await;
    } else {
        hooks.pass();
    }
    let kernel = open(&arguments, &environment, &place, port).await?;
    kernel.start();
    if fresh {
        hooks.run(Stage::Start).await;
    }
    let mut hosts = environment.hosts.clone();
    hosts.extend(environment.localstack_host.iter().map(|h| h.split(':').next().unwrap_or(h).to_owned()));
    let door = DoorSettings {
        hosts,
        origins: environment.origins.clone(),
        ca: undercast_authority::folder(&place.files),
        snapshots: Snapshots::new(place.snapshots.clone()),
        files: place.files.clone(),
        init,
    };
    let gateway = Gateway::new(kernel.clone(), door);
    warn_if_exposed(&addresses);
    let mut closed = serve(&kernel, &gateway, listeners);
    tracing::info!("Ready.");
    let names: Vec<&str> = kernel.services().iter().map(|s| s.api().name).collect();
    tracing::info!(addresses = ?at, data = ?place.data, services = names.join(","), "listening");
    let stopper = gateway.clone();
    let mut signals = Signals::new().map_err(UpError::Signals)?;
    kernel.spawn(async move {
        signals.wait().await;
        tracing::info!("stopping: requests in flight are finished first");
        stopper.stop();
    });
    if fresh {
        let ready = hooks.clone();
        kernel.spawn(async move { ready.run(Stage::Ready).await });
    }
    // Nobody sends: it ends with the last door.
    let _ = closed.recv().await;
    if let Err(error) = kernel.keep_metrics().await {
        tracing::error!(error = &error as &dyn std::error::Error, "the last metrics could not be kept");
    }
    kernel.database().close();
    if Beginning::ordered(&place.files)?.is_some() {
        return Err(begin_again(place));
    }
    hooks.run(Stage::Shutdown).await;
    Ok(())
}

/// Opens all doors. What is returned ends when all of them are closed and nothing is in flight.
fn serve(kernel: &Kernel, gateway: &Arc<Gateway>, listeners: Vec<TcpListener>) -> mpsc::Receiver<()> {
    let (open, closed) = mpsc::channel(1);
    for listener in listeners {
        let (gateway, open) = (gateway.clone(), open.clone());
        kernel.spawn(async move {
            undercast_gateway::listen(gateway, listener).await;
            drop(open);
        });
    }
    closed
}

/// Puts this program, as it was started, in the place of this process: nothing in memory outlives the state it was of.
/// Sandboxes and servers end by themselves, because what connects them with this process is closed.
fn begin_again(place: Place) -> UpError {
    use std::os::unix::process::CommandExt as _;
    tracing::info!("beginning again with another state");
    // The files of a cloud that keeps nothing are those of its process id, which stays the same.
    std::mem::forget(place);
    let program = std::env::current_exe();
    UpError::Again(
        program.map_or_else(|e| e, |p| std::process::Command::new(p).args(std::env::args_os().skip(1)).exec()),
    )
}

async fn open(arguments: &UpArguments, environment: &Environment, place: &Place, port: u16) -> Result<Kernel, UpError> {
    let database = match &place.data {
        Some(data) => Database::new(Arc::new(Durable::open(data)?))?,
        None => Database::new(Arc::new(Memory::new()))?,
    };
    let wanted = if arguments.services.is_empty() { &environment.services } else { &arguments.services };
    let said = services::Said {
        dynamodb: arguments.dynamodb_limits,
        kinesis: arguments.kinesis_limits,
        acm_names: arguments.acm_names,
    };
    let services = services::all(wanted, said, environment);
    if let Some(beginning) = Beginning::ordered(&place.files)? {
        beginning.bring_blobs(&place.files)?;
        match beginning.bring_rows(&place.files, &database, &undercast_kernel::owners(&services)).await {
            // Somebody made it between the order and this moment; the state stays as it was.
            Err(error @ undercast_kernel::store::Error::InTheWay { .. }) => tracing::error!("not brought: {error}"),
            brought => brought?,
        }
    }
    let blobs = Blobs::open(&place.files.join("blobs"), place.data.is_some())?;
    let settings = Settings {
        iam: match arguments.iam {
            crate::command::Iam::Enforce => IamMode::Enforce,
            crate::command::Iam::Audit => IamMode::Audit,
            crate::command::Iam::Off => IamMode::Off,
        },
        auth: match arguments.auth {
            crate::command::Auth::Open => AuthMode::Open,
            crate::command::Auth::Strict => AuthMode::Strict,
        },
        strict: arguments.strict,
        host: environment.localstack_host.clone().unwrap_or_else(|| format!("localhost:{port}")),
        data: place.data.clone(),
        files: place.files.clone(),
    };
    Ok(Kernel::new(settings, database, blobs, Random::default(), services)?)
}

fn warn_if_exposed(addresses: &[SocketAddr]) {
    let open = |ip: IpAddr| !ip.is_loopback();
    if let Some(address) = addresses.iter().find(|a| open(a.ip())) {
        tracing::warn!(%address, "listening beyond this machine: whoever reaches this address is the root user of every account");
    }
}

/// Ctrl-C and the usual signal to end.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
