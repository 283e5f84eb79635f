//! The clients that people use — the AWS CLI, boto3, the SDK for JavaScript — against a cloud of their own.

use std::path::PathBuf;
use std::time::Instant;

use crate::demo::{self, Cloud};
use crate::shell::{self, Failed, command, root, say};
use crate::tools::{self, Python, pointed};

/// Runs each suite. It prints a line for each thing that holds, and ends at the first that does not.
pub(crate) fn run() -> Result<(), Failed> {
    let binary = tools::build(false)?;
    let python = Python::ensure()?;
    let node = tools::node_runtime()?;
    let folder = tools::cache().join("test-clients");
    demo::empty(&folder)?;
    let log = folder.join("undercast.log");
    let cloud = Cloud::launch(&binary, free_port()?, &["--ephemeral"], &log, &python)?;
    let javascript = javascript()?.display().to_string();
    for (name, program, file) in [
        ("AWS CLI", "bash", "clients/cli.sh"),
        ("boto3", "python", "clients/boto3_client.py"),
        ("SDK for JavaScript", "node", &javascript),
    ] {
        say(&format!("{name}:"));
        let started = Instant::now();
        let mut suite = pointed(command(program, &[file]), cloud.port);
        suite.env("PATH", python.path()).env("PYTHON_RUNTIME", python.runtime()?).env("NODE_RUNTIME", &node);
        // Settings that somebody has at home are not part of what is tested.
        suite.env("AWS_CONFIG_FILE", folder.join("config")).env("AWS_SHARED_CREDENTIALS_FILE", folder.join("keys"));
        shell::run_command(suite)
            .map_err(|failed| Failed::Check(format!("{failed}; the cloud's log is {}", log.display())))?;
        say(&format!("{name}: {} s", started.elapsed().as_secs()));
    }
    Ok(())
}

/// A port that nobody has.
fn free_port() -> Result<u16, Failed> {
    let asked = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    asked.map(|address| address.port()).map_err(|error| Failed::Check(format!("there is no free port: {error}")))
}

/// The JavaScript suite beside its packages, which are installed into the cache, not into the checkout.
fn javascript() -> Result<PathBuf, Failed> {
    let (source, folder) = (root().join("clients/js"), tools::cache().join("clients-js"));
    let copy = |name: &str| shell::write(&folder.join(name), &shell::read(&source.join(name))?);
    copy("client.mjs")?;
    let lock = shell::read(&source.join("package-lock.json"))?;
    let mark = folder.join("installed.json");
    if shell::read(&mark).ok().as_deref() != Some(&lock) {
        say(&format!("installing the SDK for JavaScript into {}", folder.display()));
        copy("package.json")?;
        copy("package-lock.json")?;
        tools::npm_ci(&folder)?;
        shell::write(&mark, &lock)?;
    }
    Ok(folder.join("client.mjs"))
}
