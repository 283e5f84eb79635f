//! The environment: read once, here, all of it.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the environment says. None of it changes what is true, only where and how fast.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// `UNDERCAST_DATA`: where state is kept.
    pub(crate) data: Option<PathBuf>,
    /// `UNDERCAST_ORIGINS`: origins of pages that may call, comma-separated.
    pub(crate) origins: Vec<String>,
    /// `UNDERCAST_HOSTS`: further host names to answer to, comma-separated.
    pub(crate) hosts: Vec<String>,
    /// `UNDERCAST_DYNAMODB_LIMITS`: `off` lets tables take whatever is asked of them.
    pub(crate) dynamodb_limits: Option<String>,
    /// `UNDERCAST_KINESIS_LIMITS`: `off` lets shards take and give whatever is asked of them.
    pub(crate) kinesis_limits: Option<String>,
    /// `UNDERCAST_LOG`, else `RUST_LOG`: what is logged.
    pub(crate) log: Option<String>,
    /// `AWS_ENDPOINT_URL`: where commands look for a running cloud.
    pub(crate) endpoint: Option<String>,
    /// `GATEWAY_LISTEN`, a habit kept: `0.0.0.0:4566`, several by commas.
    pub(crate) gateway_listen: Option<String>,
    /// `EDGE_PORT`, a habit kept.
    pub(crate) edge_port: Option<String>,
    /// `LOCALSTACK_HOST`, a habit kept: host and port for URLs.
    pub(crate) localstack_host: Option<String>,
    /// `PERSISTENCE`, a habit kept: 0 keeps nothing.
    pub(crate) persistence: Option<bool>,
    /// `SERVICES`, a habit kept: the services to start, comma-separated.
    pub(crate) services: Vec<String>,
    /// `XDG_DATA_HOME`, else `HOME/.local/share`: the platform's data directory.
    pub(crate) data_home: Option<PathBuf>,
    /// `PATH`: where the interpreters of functions are looked for.
    pub(crate) path: Option<OsString>,
    /// `HOME`: where the interpreters of version managers are looked for.
    pub(crate) home: Option<PathBuf>,
}

impl Environment {
    /// Reads it.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn read() -> Self {
        let text = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let list = |name: &str| text(name).map(|v| split(&v)).unwrap_or_default();
        let home = text("HOME").map(PathBuf::from);
        Self {
            data: text("UNDERCAST_DATA").map(PathBuf::from),
            origins: list("UNDERCAST_ORIGINS"),
            hosts: list("UNDERCAST_HOSTS"),
            dynamodb_limits: text("UNDERCAST_DYNAMODB_LIMITS"),
            kinesis_limits: text("UNDERCAST_KINESIS_LIMITS"),
            log: text("UNDERCAST_LOG").or_else(|| text("RUST_LOG")),
            endpoint: text("AWS_ENDPOINT_URL"),
            gateway_listen: text("GATEWAY_LISTEN"),
            edge_port: text("EDGE_PORT"),
            localstack_host: text("LOCALSTACK_HOST"),
            persistence: text("PERSISTENCE").map(|v| !matches!(v.as_str(), "0" | "false")),
            services: list("SERVICES"),
            data_home: text("XDG_DATA_HOME")
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|h| h.join(".local/share"))),
            path: std::env::var_os("PATH"),
            home,
        }
    }

    /// Where state is kept unless the command line says otherwise.
    pub(crate) fn data_directory(&self) -> PathBuf {
        let fallback = || self.data_home.clone().unwrap_or_else(|| PathBuf::from(".")).join("undercast");
        self.data.clone().unwrap_or_else(fallback)
    }

    /// Where commands look for a running cloud.
    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| "http://localhost:4566".to_owned())
    }
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(ToOwned::to_owned).collect()
}
