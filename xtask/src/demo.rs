//! `./x demo`: the search example, from nothing to an answer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::shell::{self, Failed, command, output, root, run_command, say};
use crate::tools::{self, Python};

/// How a demonstration is run.
pub(crate) struct Plan {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// The port.
    pub(crate) port: u16,
    /// Documents to index.
    pub(crate) documents: u32,
    /// Where state and documents go. It is emptied first.
    pub(crate) folder: PathBuf,
}

/// A cloud that ends with its owner.
pub(crate) struct Cloud {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cloud {
    /// Starts a cloud and waits until it answers.
    fn start(plan: &Plan, python: &Python) -> Result<Self, Failed> {
        let data = plan.folder.join("data").display().to_string();
        Self::launch(&plan.binary, plan.port, &["--data", &data], &plan.folder.join("undercast.log"), python)
    }

    /// The same with other options of `undercast up`.
    pub(crate) fn launch(
        binary: &Path,
        port: u16,
        options: &[&str],
        log: &Path,
        python: &Python,
    ) -> Result<Self, Failed> {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|source| Failed::File { path: log.to_owned(), source })?;
        let mut up = Command::new(binary);
        up.args(["up", "--listen", &format!("127.0.0.1:{port}")]).args(options);
        // The interpreter that functions run in is the one that has boto3, as on AWS.
        up.env("PATH", python.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = up.spawn().map_err(|source| Failed::Start { command: binary.display().to_string(), source })?;
        let mut cloud = Self { child, port };
        cloud.wait(log)?;
        Ok(cloud)
    }

    fn wait(&mut self, log: &Path) -> Result<(), Failed> {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(15) {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Failed::Check(format!("the cloud ended with {status}; its log:\n{}", shell::read(log)?)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Failed::Check(format!("the cloud did not answer in 15 s; its log is {}", log.display())))
    }

    /// Ends it without warning.
    fn kill(mut self) -> Result<(), Failed> {
        let failed = |source| Failed::Start { command: "kill".to_owned(), source };
        self.child.kill().map_err(failed)?;
        self.child.wait().map_err(failed)?;
        Ok(())
    }

    /// Lets it run until it ends.
    fn join(mut self) -> Result<(), Failed> {
        self.child.wait().map_err(|source| Failed::Start { command: "wait".to_owned(), source })?;
        Ok(())
    }
}

pub(crate) fn run(flags: &[&str]) -> Result<(), Failed> {
    if let Some(unknown) = flags.iter().find(|f| !matches!(**f, "--once" | "--debug")) {
        return Err(Failed::Check(format!("`demo` has no option {unknown}")));
    }
    let once = flags.contains(&"--once");
    say("Building Undercast …");
    let binary = tools::build(!flags.contains(&"--debug"))?;
    let plan = Plan { binary, port: 4566, documents: 2_500, folder: tools::cache().join("demo") };
    let (cloud, answer, page) = show(&plan, once)?;
    if once {
        drop(cloud);
        say(&answer);
        return Ok(());
    }
    say(&answer);
    say(&format!("\nThe search page   {page}"));
    say(&format!("Its JSON          curl '{page}search?q=parse+xml'"));
    say(&format!("The cloud         http://localhost:{}/_undercast/health", plan.port));
    say("\nIt runs until Ctrl-C. In another shell: eval \"$(undercast env)\", then `aws` as always.");
    cloud.join()
}

const QUERIES: &[&str] =
    &["parse xml", "open a file for reading", "regular expression match", "thread lock timeout", "http server request"];

/// Deploys, feeds, searches; with `crash`, also kills the cloud and searches again.
pub(crate) fn show(plan: &Plan, crash: bool) -> Result<(Cloud, String, String), Failed> {
    let python = Python::ensure()?;
    let node = tools::node_runtime()?;
    empty(&plan.folder)?;
    let mut cloud = Cloud::start(plan, &python)?;
    let outputs = deploy(plan, &python, &node)?;
    let documents = plan.folder.join("documents");
    say(&format!("Making {} documents out of the docstrings of Python's standard library …", plan.documents));
    let (folder, count) = (documents.display().to_string(), plan.documents.to_string());
    run_command(python.program("python", &["examples/search/documents.py", &folder, &count], plan.port))?;
    say("Putting them into the bucket, and indexing …");
    let target = format!("s3://{}/", text(&outputs, "Documents")?);
    run_command(python.program("aws", &["s3", "sync", &folder, &target, "--only-show-errors"], plan.port))?;
    let started = Instant::now();
    run_command(python.program("python", &["examples/search/wait.py", text(&outputs, "Index")?, &count], plan.port))?;
    say(&format!("Indexed ({} s after the last upload).", started.elapsed().as_secs()));
    let page = text(&outputs, "Page")?.to_owned();
    let buckets = [text(&outputs, "Documents")?, text(&outputs, "Copies")?];
    let mut answer = check(plan, &python, &page, &folder, buckets)?;
    if crash {
        run_command(python.program(
            "python",
            &["examples/search/wait.py", "--queries", text(&outputs, "Queries")?, &QUERIES.len().to_string()],
            plan.port,
        ))?;
        say("Killing the cloud without warning, and starting it again …");
        cloud.kill()?;
        cloud = Cloud::start(plan, &python)?;
        answer = check(plan, &python, &page, &folder, buckets)?;
    }
    // Each time one by curl and the others by program; one that found nothing is not in the table.
    let searches = (QUERIES.len() + 1) * if crash { 2 } else { 1 };
    let (bucket, archive, bus) = (text(&outputs, "Queries")?, text(&outputs, "Archive")?, text(&outputs, "Searches")?);
    let table = ["examples/search/table.py", bucket, archive, bus, &searches.to_string()];
    output(python.program("python", &table, plan.port))?;
    say(&format!(
        "The {searches} searches that found something went through SNS, SQS, EventBridge and Firehose into Parquet, and out of the archive again."
    ));
    Ok((cloud, answer, page))
}

pub(crate) fn empty(folder: &Path) -> Result<(), Failed> {
    let fail = |source| Failed::File { path: folder.to_owned(), source };
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(fail)?;
    }
    std::fs::create_dir_all(folder).map_err(fail)
}

/// Deploys the example with the AWS CLI, and gives back the stack's outputs.
fn deploy(plan: &Plan, python: &Python, node: &str) -> Result<Json, Failed> {
    say("Deploying examples/search with `aws cloudformation deploy` …");
    tools::npm_ci(&root().join("examples/search/recorder"))?;
    let aws = |arguments: &[&str]| python.program("aws", arguments, plan.port);
    run_command(aws(&["s3", "mb", "s3://search-artifacts"]))?;
    let packaged = plan.folder.join("packaged.yaml").display().to_string();
    let package = [
        "cloudformation",
        "package",
        "--template-file",
        "examples/search/template.yaml",
        "--s3-bucket",
        "search-artifacts",
        "--output-template-file",
        &packaged,
    ];
    output(aws(&package))?;
    let (python_parameter, node_parameter) =
        (format!("PythonRuntime={}", python.runtime()?), format!("NodeRuntime={node}"));
    let deploy = [
        "cloudformation",
        "deploy",
        "--template-file",
        &packaged,
        "--stack-name",
        "search",
        "--capabilities",
        "CAPABILITY_IAM",
        "--parameter-overrides",
        &python_parameter,
        &node_parameter,
    ];
    run_command(aws(&deploy))?;
    let described = output(aws(&["cloudformation", "describe-stacks", "--stack-name", "search", "--output", "json"]))?;
    let json: Json = serde_json::from_str(&described).map_err(|e| Failed::Check(e.to_string()))?;
    Ok(json["Stacks"][0]["Outputs"].clone())
}

fn text<'a>(outputs: &'a Json, key: &str) -> Result<&'a str, Failed> {
    let found = outputs
        .as_array()
        .into_iter()
        .flatten()
        .find(|o| o["OutputKey"] == key)
        .and_then(|o| o["OutputValue"].as_str());
    found.ok_or_else(|| Failed::Check(format!("the stack has no output {key}")))
}

/// Searches with curl and by program, and compares with a direct computation; looks at the versions and copies of documents.
fn check(
    plan: &Plan,
    python: &Python,
    page: &str,
    documents: &str,
    [bucket, copies]: [&str; 2],
) -> Result<String, Failed> {
    let host = page.trim_start_matches("http://").trim_end_matches('/');
    let header = format!("Host: {host}");
    let url = format!("http://127.0.0.1:{}/search?q=parse+xml", plan.port);
    say(&format!("curl '{page}search?q=parse+xml'"));
    let answer = output(command("curl", &["-sS", "--fail-with-body", "-H", &header, &url]))?;
    let json: Json = serde_json::from_str(&answer).map_err(|e| Failed::Check(format!("{e}: {answer}")))?;
    for result in json["results"].as_array().into_iter().flatten().take(3) {
        say(&format!(
            "  {:>7.3}  {}",
            result["score"].as_f64().unwrap_or_default(),
            result["name"].as_str().unwrap_or_default()
        ));
    }
    let mut arguments = vec!["examples/search/check.py", page, documents, bucket, copies];
    arguments.extend(QUERIES);
    let checked = output(python.program("python", &arguments, plan.port))?;
    say(&format!(
        "The top results of {} queries are those of a direct computation over the same documents.",
        QUERIES.len()
    ));
    say(
        "Each document has its copy in a second bucket, and one that was overwritten keeps its first version there and here.",
    );
    Ok(checked.trim().to_owned())
}
