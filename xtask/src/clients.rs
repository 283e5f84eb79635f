//! The clients that people use — the AWS CLI and the SDKs, and programs of others that speak to S3 — against a cloud of
//! their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::demo::{self, Cloud};
use crate::shell::{self, Failed, command, root, say, variable};
use crate::tools::{self, Python, pointed};

/// A client: the word that chooses it, its name, and what makes it ready to run.
type Suite = (&'static str, &'static str, fn() -> Result<Command, Failed>);

const SUITES: &[Suite] = &[
    ("cli", "AWS CLI", || Ok(command("bash", &["clients/cli.sh"]))),
    ("boto3", "boto3", || Ok(command("python", &["clients/boto3_client.py"]))),
    ("js", "SDK for JavaScript", javascript),
    ("java", "SDK for Java", java),
    ("rust", "SDK for Rust", rust),
    ("celery", "Celery", celery),
    ("identity", "signxml and PyJWT", identity),
    ("encryption", "Encryption SDK and S3 encryption client", encryption),
    ("second", "rclone, s5cmd, s3cmd, MinIO's client, s3fs and PynamoDB", second),
];

/// Runs each suite, or those that are named. It prints a line for each thing that holds, and ends at the first that does not.
pub(crate) fn run(words: &[&str]) -> Result<(), Failed> {
    if let Some(unknown) = words.iter().find(|w| !SUITES.iter().any(|(word, ..)| word == *w)) {
        let known: Vec<&str> = SUITES.iter().map(|(word, ..)| *word).collect();
        return Err(Failed::Check(format!("`clients` knows no {unknown}: it knows {}", known.join(", "))));
    }
    let binary = tools::build(false)?;
    let python = Python::ensure()?;
    let node = tools::node_runtime()?;
    let folder = tools::cache().join("test-clients");
    demo::empty(&folder)?;
    let log = folder.join("undercast.log");
    let cloud = Cloud::launch(&binary, free_port()?, &["--ephemeral"], &log, &python)?;
    let mut left_out = Vec::new();
    for (_, name, prepare) in SUITES.iter().filter(|(word, ..)| words.is_empty() || words.contains(word)) {
        let started = Instant::now();
        let Some(suite) = ready(name, prepare(), &mut left_out)? else { continue };
        let prepared = started.elapsed().as_secs();
        say(&format!("{name}:"));
        let mut suite = pointed(suite, cloud.port);
        if suite.get_envs().all(|(variable, _)| variable != "PATH") {
            suite.env("PATH", python.path());
        }
        suite.env("PYTHON_RUNTIME", python.runtime()?).env("NODE_RUNTIME", &node);
        // Settings that somebody has at home are not part of what is tested.
        suite.env("AWS_CONFIG_FILE", folder.join("config")).env("AWS_SHARED_CREDENTIALS_FILE", folder.join("keys"));
        shell::run_command(suite)
            .map_err(|failed| Failed::Check(format!("{failed}; the cloud's log is {}", log.display())))?;
        say(&format!("{name}: {} s, of which {prepared} s to make it ready", started.elapsed().as_secs()));
    }
    left_out.iter().for_each(|line: &String| say(line));
    Ok(())
}

/// A suite that cannot be had on this machine is said to be left out. In CI (`CI` is set) that is a failure; one that is
/// broken is a failure everywhere.
fn ready(name: &str, prepared: Result<Command, Failed>, left_out: &mut Vec<String>) -> Result<Option<Command>, Failed> {
    match prepared {
        Ok(suite) => Ok(Some(suite)),
        Err(Failed::Missing(why)) if variable("CI").is_none() => {
            left_out.push(format!("not run: {name}: {why}"));
            Ok(None)
        }
        Err(why) => Err(Failed::Check(format!("{name} could not be made ready: {why}"))),
    }
}

/// A port that nobody has.
fn free_port() -> Result<u16, Failed> {
    let asked = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    asked.map(|address| address.port()).map_err(|error| Failed::Check(format!("there is no free port: {error}")))
}

/// The JavaScript suite beside its packages, which are installed into the cache, not into the checkout.
fn javascript() -> Result<Command, Failed> {
    let (source, folder) = (root().join("clients/js"), tools::cache().join("clients-js"));
    let copy = |name: &str| shell::write(&folder.join(name), &shell::read(&source.join(name))?);
    copy("client.mjs")?;
    let lock = shell::read(&source.join("package-lock.json"))?;
    let mark = folder.join("installed.json");
    if shell::read(&mark).ok().as_deref() != Some(&lock) {
        say(&format!("installing the SDK for JavaScript into {}", folder.display()));
        copy("package.json")?;
        copy("package-lock.json")?;
        tools::npm_ci(&folder).map_err(Failed::missing)?;
        shell::write(&mark, &lock)?;
    }
    Ok(command("node", &[&folder.join("client.mjs").display().to_string()]))
}

/// The Java suite, which is compiled in the cache where it has changed. Maven puts its libraries beside it.
fn java() -> Result<Command, Failed> {
    tools::java().map_err(Failed::missing)?;
    let (source, folder) = (root().join("clients/java"), tools::cache().join("clients-java"));
    let path = |name: &str| folder.join(name).display().to_string();
    let project = shell::read(&source.join("pom.xml"))?;
    let libraries = folder.join("libraries.txt");
    if shell::read(&libraries).ok().as_deref() != Some(&project) {
        say(&format!("installing the SDK for Java into {}", folder.display()));
        demo::empty(&folder)?;
        shell::write(&folder.join("pom.xml"), &project)?;
        let goals = ["--quiet", "--batch-mode", "--no-transfer-progress", "dependency:copy-dependencies@beside"];
        let mut maven = command("mvn", &goals);
        maven.current_dir(&folder);
        shell::run_command(maven).map_err(Failed::missing)?;
        shell::write(&libraries, &project)?;
    }
    let code = source_files(&source.join("src"))?;
    let all = code.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
    let mark = folder.join("built.txt");
    if shell::read(&mark).ok().as_deref() != Some(&all) {
        demo::empty(&folder.join("classes"))?;
        let (classes, jars) = (path("classes"), format!("{}/*", path("target/lib")));
        let mut compiler = command("javac", &["--release", "17", "-encoding", "UTF-8", "-d", &classes, "-cp", &jars]);
        compiler.args(code.iter().map(|(path, _)| source.join("src").join(path)));
        shell::run_command(compiler)?;
        shell::write(&mark, &all)?;
    }
    // Names under `localhost` lead to this machine (RFC 6761), which not every system's resolver knows.
    let names = ["localhost", "s3.localhost", "s3.us-east-1.localhost"].map(|host| format!("{host} java-host.{host}"));
    let hosts = folder.join("hosts");
    shell::write(&hosts, &format!("127.0.0.1 {}\n", names.join(" ")))?;
    let classes = format!("{}:{}/*", path("classes"), path("target/lib"));
    let names = format!("-Djdk.net.hosts.file={}", hosts.display());
    Ok(command("java", &["-XX:TieredStopAtLevel=1", &names, "-cp", &classes, "undercast.Main"]))
}

/// The Rust suite, which is a workspace of its own with a folder of its own for what is built.
fn rust() -> Result<Command, Failed> {
    let folder = tools::cache().join("clients-rust");
    let of = ["--quiet", "--locked", "--manifest-path", "clients/rust/Cargo.toml"];
    let mut fetch = command("cargo", &["fetch"]);
    fetch.args(of);
    shell::run_command(fetch).map_err(Failed::missing)?;
    let mut cargo = command("cargo", &["build", "--offline"]);
    cargo.args(of);
    cargo.env("CARGO_TARGET_DIR", &folder);
    shell::run_command(cargo)?;
    Ok(Command::new(folder.join("debug/undercast-client")))
}

/// Celery's workers on queues, from an environment of its own.
fn celery() -> Result<Command, Failed> {
    let mut suite = command("python", &["clients/celery_client.py"]);
    suite.env("PATH", Python::celery().map_err(Failed::missing)?.path());
    Ok(suite)
}

/// Identity providers, whose words are signed by libraries of others.
fn identity() -> Result<Command, Failed> {
    let mut suite = command("python", &["clients/identity_client.py"]);
    suite.env("PATH", Python::identity().map_err(Failed::missing)?.path());
    Ok(suite)
}

/// What encrypts before it sends, with keys that KMS wraps.
fn encryption() -> Result<Command, Failed> {
    let mut suite = command("python", &["clients/encryption_client.py"]);
    suite.env("PATH", Python::encryption().map_err(Failed::missing)?.path());
    Ok(suite)
}

/// Other people's clients, from an environment of their own.
fn second() -> Result<Command, Failed> {
    let mut suite = command("bash", &["clients/second.sh"]);
    suite.env("PATH", Python::second().map_err(Failed::missing)?.path());
    Ok(suite)
}

/// The files below a folder and what is in them, in the order of their paths.
fn source_files(folder: &Path) -> Result<Vec<(PathBuf, String)>, Failed> {
    let fail = |source| Failed::File { path: folder.to_owned(), source };
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_owned();
                found.push((name, shell::read(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}
