//! The interpreters found on this machine really run in a sandbox, with what they are said to need.

use std::path::Path;

use undercast_engines::runtimes::{Language, discover, usual_places};

use crate::setup::{MEBIBYTE, run, spec};

const PYTHON: &str = "import ssl, sqlite3, ctypes, json, sys; print('.'.join(map(str, sys.version_info[:3])))";
const NODE: &str = "require('crypto'); require('https'); console.log(process.versions.node)";

#[tokio::test]
async fn every_interpreter_found_runs_inside() {
    let home = std::env::home_dir();
    let places = usual_places(std::env::var_os("PATH").as_deref(), home.as_deref());
    let found = discover(&places).await;
    for runtime in &found {
        println!("{:?} {:?} {} {:?}", runtime.language, runtime.version, runtime.program.display(), runtime.needs);
        let (flag, script) = match runtime.language {
            Language::Python => ("-c", PYTHON),
            Language::Node => ("-e", NODE),
        };
        let mut spec = spec(&[runtime.program.to_str().unwrap(), flag, script]);
        spec.memory_bytes = 256 * MEBIBYTE;
        spec.mounts = runtime.mounts();
        let version = runtime.version;
        let expected = format!("{}.{}.{}\n", version.major, version.minor, version.patch);
        assert_eq!(run(spec).await.ok(), expected, "{runtime:?}");
    }
    let system = Path::new("/usr/bin/python3").canonicalize().unwrap();
    let system = found.iter().find(|runtime| runtime.program == system).unwrap();
    assert_eq!(system.needs, Vec::<std::path::PathBuf>::new(), "it is in /usr, which is shown anyway");
    let mut programs = found.iter().map(|runtime| &runtime.program).collect::<Vec<_>>();
    programs.dedup();
    assert_eq!(programs.len(), found.len(), "each once");
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is() {
    let dir = crate::setup::readable_dir();
    std::fs::write(dir.path().join("python3"), "#!/bin/sh\necho '{}'\n").unwrap();
    std::fs::copy("/bin/true", dir.path().join("node")).unwrap();
    assert_eq!(discover(&[dir.path().into(), "/no/such/place".into()]).await, []);
}
