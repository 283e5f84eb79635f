//! Runtimes: from a name such as `python3.12` to a program of this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use undercast_engines::runtimes::{Language, Runtime};
use undercast_engines::sandbox::Mount;
use undercast_kernel::{Cx, Failure, Result};

use crate::api;
use crate::function::{Function, FunctionName};

/// Our runtime clients, which AWS's images have too, in its way.
const PYTHON: &str = include_str!("../runtime/python.py");
const NODE: &str = include_str!("../runtime/node.mjs");

/// How a function's runtime is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) command: Vec<OsString>,
    /// What of the host its interpreter needs to see.
    pub(crate) mounts: Vec<Mount>,
    /// Files that exist inside only.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    /// Variables that the runtime has of itself.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// What `INIT_START` says.
    pub(crate) version: String,
}

impl Start {
    /// The same, as the content of a function and its layers has it: a program of one's own may stand in either, and a
    /// script may be put before the interpreter.
    pub(crate) fn with(mut self, code: &Path, layers: Option<&Path>, function: &Function) -> Self {
        if self.mounts.is_empty() {
            if !code.join("bootstrap").exists() && layers.is_some_and(|folder| folder.join("bootstrap").exists()) {
                self.command = vec!["/opt/bootstrap".into()];
            }
        } else if let Some(wrapper) = function.variables.get("AWS_LAMBDA_EXEC_WRAPPER") {
            self.command.insert(0, wrapper.into());
        }
        self
    }
}

/// A runtime's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Python(u32),
    Node(u32),
    Provided,
}

fn named(runtime: &str) -> Option<Named> {
    if let Some(minor) = runtime.strip_prefix("python3.") {
        return minor.parse().ok().map(Named::Python);
    }
    if let Some(major) = runtime.strip_prefix("nodejs").and_then(|r| r.strip_suffix(".x")) {
        return major.parse().ok().map(Named::Node);
    }
    matches!(runtime, "provided.al2" | "provided.al2023").then_some(Named::Provided)
}

/// Finds the way to start a runtime.
///
/// # Errors
/// When this machine has no interpreter of that version; the error says which it has.
pub(crate) fn find(runtime: &str, interpreters: &[Runtime]) -> Result<Start> {
    match named(runtime) {
        Some(Named::Provided) => Ok(Start {
            command: vec!["/var/task/bootstrap".into()],
            mounts: Vec::new(),
            files: Vec::new(),
            variables: Vec::new(),
            version: runtime.to_owned(),
        }),
        Some(Named::Python(minor)) => {
            let fits =
                |r: &&Runtime| r.language == Language::Python && r.version.major == 3 && r.version.minor == minor;
            // AWS's images bring boto3 along, so the interpreter that has it is the one to take.
            let found = interpreters.iter().filter(fits).max_by_key(|r| has_boto3(r));
            found.map(python).ok_or_else(|| missing(runtime, &format!("Python 3.{minor}"), interpreters))
        }
        Some(Named::Node(major)) => {
            let found = interpreters.iter().filter(|r| r.language == Language::Node && r.version.major == major).max();
            found.map(node).ok_or_else(|| missing(runtime, &format!("Node.js {major}"), interpreters))
        }
        None => Err(Failure::not_built(format!("Runtime {runtime}; this machine runs {}", list(interpreters)))),
    }
}

/// `GetRuntimeManagementConfig`: an interpreter is of the patch that the machine has.
pub(crate) fn management(
    cx: &Cx,
    function: &str,
    qualifier: Option<&str>,
) -> Result<api::GetRuntimeManagementConfigOutput> {
    let name = FunctionName::parse(cx, function, qualifier)?;
    name.find_version(cx, &cx.read())?;
    Ok(api::GetRuntimeManagementConfigOutput {
        update_runtime_on: Some("Auto".to_owned()),
        function_arn: Some(name.qualified_arn(cx)),
        runtime_version_arn: None,
    })
}

/// `PutRuntimeManagementConfig`: what the machine does anyhow can be asked for.
pub(crate) fn manage(
    cx: &Cx,
    input: &api::PutRuntimeManagementConfigInput,
) -> Result<api::PutRuntimeManagementConfigOutput> {
    let shown = management(cx, &input.function_name, input.qualifier.as_deref())?;
    if input.update_runtime_on != "Auto" {
        let mode = &input.update_runtime_on;
        return Err(Failure::not_built(format!(
            "lambda runtimes with UpdateRuntimeOn {mode}: the machine's is the only one"
        )));
    }
    Ok(api::PutRuntimeManagementConfigOutput {
        update_runtime_on: input.update_runtime_on.clone(),
        function_arn: shown.function_arn.unwrap_or_else(String::new),
        runtime_version_arn: None,
    })
}

fn missing(runtime: &str, what: &str, interpreters: &[Runtime]) -> Failure {
    Failure::not_built(format!(
        "Runtime {runtime} on this machine, which has no {what}: install it, or choose one of {}",
        list(interpreters)
    ))
}

/// The runtimes that this machine can run.
pub(crate) fn list(interpreters: &[Runtime]) -> String {
    let name = |r: &Runtime| match r.language {
        Language::Python => format!("python3.{}", r.version.minor),
        Language::Node => format!("nodejs{}.x", r.version.major),
    };
    let mut names: Vec<String> = interpreters.iter().map(name).collect();
    names.extend(["provided.al2".to_owned(), "provided.al2023".to_owned()]);
    names.dedup();
    names.join(", ")
}

/// Whether an interpreter brings the AWS SDK along.
fn has_boto3(runtime: &Runtime) -> bool {
    let minor = runtime.version.minor;
    let Some(prefix) = runtime.program.parent().and_then(Path::parent) else { return false };
    let system = if prefix == Path::new("/usr") {
        vec![
            PathBuf::from("/usr/lib/python3/dist-packages"),
            PathBuf::from(format!("/usr/local/lib/python3.{minor}/dist-packages")),
        ]
    } else {
        Vec::new()
    };
    let own = prefix.join(format!("lib/python3.{minor}/site-packages"));
    system.into_iter().chain([own]).any(|folder| folder.join("boto3").is_dir())
}

fn version(name: &str, runtime: &Runtime) -> String {
    format!("{name}:{}.{}.{}", runtime.version.major, runtime.version.minor, runtime.version.patch)
}

fn python(runtime: &Runtime) -> Start {
    let file = PathBuf::from("/var/runtime/bootstrap.py");
    Start {
        // `-B`: the code is mounted read-only, so there is no place for compiled files.
        command: vec![runtime.program.clone().into(), "-B".into(), file.clone().into()],
        mounts: runtime.mounts(),
        files: vec![(file, PYTHON.into())],
        variables: vec![
            ("AWS_EXECUTION_ENV", format!("AWS_Lambda_python3.{}", runtime.version.minor)),
            ("PYTHONPATH", "/var/runtime".to_owned()),
        ],
        version: version("python", runtime),
    }
}

/// Where modules are looked for, first in layers.
fn node_path(major: u32) -> String {
    format!(
        "/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    )
}

fn node(runtime: &Runtime) -> Start {
    let file = PathBuf::from("/var/runtime/index.mjs");
    Start {
        command: vec![runtime.program.clone().into(), file.clone().into()],
        mounts: runtime.mounts(),
        files: vec![(file, NODE.into())],
        variables: vec![
            ("AWS_EXECUTION_ENV", format!("AWS_Lambda_nodejs{}.x", runtime.version.major)),
            ("NODE_PATH", node_path(runtime.version.major)),
        ],
        version: version("nodejs", runtime),
    }
}

#[cfg(test)]
mod tests {
    use undercast_engines::runtimes::Version;

    use super::*;

    #[test]
    fn a_runtime_is_the_interpreter_of_its_version_or_an_error_that_lists_the_others() {
        let of = |language, major, minor| Runtime {
            language,
            version: Version { major, minor, patch: 7 },
            program: "/usr/bin/x".into(),
            needs: Vec::new(),
        };
        let all = [of(Language::Python, 3, 11), of(Language::Node, 20, 1)];
        assert_eq!(find("python3.11", &all).unwrap().version, "python:3.11.7");
        assert_eq!(find("nodejs20.x", &all).unwrap().version, "nodejs:20.1.7");
        assert_eq!(find("provided.al2023", &[]).unwrap().command, ["/var/task/bootstrap"]);
        let told = find("python3.12", &all).unwrap_err().to_string();
        assert!(told.contains("no Python 3.12") && told.contains("python3.11, nodejs20.x"), "{told}");
        assert!(find("java21", &all).is_err());
    }
}
