//! A cloud for one test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use undercast_gateway::{DoorSettings, Gateway, Init};
use undercast_kernel::store::{Blobs, Database, Durable, Error, Memory, Snapshots};
use undercast_kernel::{AuthMode, IamMode, Kernel, Random, Service, Settings};

use crate::client::{Client, Credentials};

/// A directory that goes with its owner.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new, empty one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("undercast-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A failing test keeps its store, to be looked at.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A cloud on a port of its own.
pub struct Cloud {
    /// Its kernel.
    pub kernel: Kernel,
    /// Where it listens.
    pub address: SocketAddr,
    gateway: Arc<Gateway>,
    /// The one that goes with it; `None`: it lives in its caller's.
    _folder: Option<Folder>,
}

impl Cloud {
    /// Starts one that keeps its state in memory.
    pub async fn start(services: Vec<Arc<dyn Service>>) -> Self {
        Self::with(services, |_| {}, false).await
    }

    /// Starts one that keeps its state on disk.
    pub async fn durable(services: Vec<Arc<dyn Service>>) -> Self {
        Self::with(services, |_| {}, true).await
    }

    /// Opens the one whose state is in this folder, or begins it there. It outlives the cloud, to be opened again once
    /// everything of the cloud has gone, its runtime as well.
    pub async fn in_folder(services: Vec<Arc<dyn Service>>, folder: &Folder) -> Self {
        Self::at(services, |_| {}, true, &folder.0, None).await
    }

    /// Starts one with other settings.
    pub async fn with(services: Vec<Arc<dyn Service>>, change: impl FnOnce(&mut Settings), durable: bool) -> Self {
        let folder = Folder::new();
        let path = folder.0.clone();
        Self::at(services, change, durable, &path, Some(folder)).await
    }

    async fn at(
        services: Vec<Arc<dyn Service>>,
        change: impl FnOnce(&mut Settings),
        durable: bool,
        path: &Path,
        folder: Option<Folder>,
    ) -> Self {
        let listener = undercast_gateway::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let address = listener.local_addr().expect("its own address");
        let mut settings = Settings {
            iam: IamMode::Enforce,
            auth: AuthMode::Open,
            strict: false,
            host: format!("localhost:{}", address.port()),
            data: durable.then(|| path.to_owned()),
            files: path.to_owned(),
        };
        change(&mut settings);
        let database = if durable {
            Database::new(Arc::new(durable_at(path).await)).expect("a store")
        } else {
            Database::new(Arc::new(Memory::new())).expect("a store")
        };
        let blobs = Blobs::open(&path.join("blobs"), durable).expect("a folder for blobs");
        let kernel = Kernel::new(settings, database, blobs, Random::default(), services).expect("a state");
        crate::promises::watch(&kernel);
        kernel.start();
        let door = DoorSettings {
            hosts: Vec::new(),
            origins: Vec::new(),
            ca: path.join("ca"),
            snapshots: Snapshots::new(path.join("snapshots")),
            files: path.to_owned(),
            init: Init::default(),
        };
        let gateway = Gateway::new(kernel.clone(), door);
        kernel.spawn(undercast_gateway::listen(gateway.clone(), listener));
        Self { kernel, address, gateway, _folder: folder }
    }

    /// A client that signs nothing.
    pub fn anonymous(&self) -> Client {
        self.client_of(Credentials::new("", ""))
    }

    /// A client with the usual made-up keys.
    pub fn client(&self) -> Client {
        self.client_of(Credentials::new("test", "test"))
    }

    /// A client with these keys.
    pub fn client_of(&self, credentials: Credentials) -> Client {
        Client {
            address: self.address,
            services: self.kernel.services().to_vec(),
            credentials,
            region: "us-east-1".to_owned(),
            protocol: None,
        }
    }
}

/// The store in a directory, whose owner before may be about to let go of it.
async fn durable_at(path: &Path) -> Durable {
    for _ in 0..500 {
        match Durable::open(path) {
            Err(Error::Locked { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened.expect("a directory"),
        }
    }
    panic!("the cloud before does not let go of its directory");
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.gateway.stop();
    }
}
