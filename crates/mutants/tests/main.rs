//! A crate whose tests notice everything, and one whose tests notice nothing.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = r#"//! A crate to be wrong.

pub mod api {
    pub struct SendInput {
        pub body: String,
        pub delay: Option<i32>,
        pub entries: Vec<Entry>,
    }
    pub struct Entry {
        pub id: String,
    }
}

pub fn send(input: api::SendInput) -> String {
    if input.delay.is_some_and(|d| d > 900) || input.body.is_empty() {
        return "refused".to_owned();
    }
    let mut ids = Vec::new();
    for entry in &input.entries {
        ids.push(entry.id.as_str());
    }
    format!("{} after {} with {}", input.body, input.delay.unwrap_or(-1), ids.join(","))
}
"#;

const TESTS: &str = r#"
fn send(body: &str, delay: Option<i32>) -> String {
    let entries = vec![victim::api::Entry { id: "a".to_owned() }];
    victim::send(victim::api::SendInput { body: body.to_owned(), delay, entries })
}

#[test]
fn it_is_sent() {
    assert_eq!(send("x", Some(900)), "x after 900 with a");
    assert_eq!(send("x", Some(901)), "refused");
    assert_eq!(send("", Some(1)), "refused");
}
"#;

/// A workspace of one crate.
fn workspace(name: &str, tests: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("undercast-mutants-{}-{name}", std::process::id()));
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"victim\"]\n");
    write("victim/Cargo.toml", "[package]\nname = \"victim\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    write("victim/src/lib.rs", SOURCE);
    write("victim/tests/main.rs", tests);
    assert!(Command::new("git").args(["init", "--quiet"]).current_dir(&folder).status().unwrap().success());
    folder
}

/// What is said of a workspace, and whether it is well.
fn mutants(folder: &Path, more: &[&str]) -> (String, bool) {
    let copy = folder.join("target/copy");
    let mut command = Command::new(env!("CARGO_BIN_EXE_undercast-mutants"));
    command.args([folder, copy.as_path()]).args(["victim", "victim"]).args(more);
    let done = command.env("CARGO_NET_OFFLINE", "true").output().unwrap();
    (String::from_utf8(done.stdout).unwrap(), done.status.success())
}

#[test]
fn what_is_noticed_and_what_is_not() {
    let good = workspace("good", TESTS);
    let (said, well) = mutants(&good, &[]);
    assert!(well, "{said}");
    // Dropped: body, delay, entries, an entry's id. Turned: the whole condition, both sides of it, `d > 900`; `||`.
    assert!(said.contains("9 mutants of victim, 0 more"), "{said}");
    assert!(said.contains("9 of 9 were noticed: 100.0 %"), "{said}");
    let bad = workspace("bad", "#[test]\nfn nothing() {\n    assert!(true);\n}\n");
    let (said, well) = mutants(&bad, &["--sample", "5", "--seed", "3"]);
    assert!(!well, "{said}");
    assert!(said.contains("0 of 5 were noticed: 0.0 %") && said.contains("90 % must be"), "{said}");
    assert_eq!(said.matches("survived: victim/src/lib.rs:").count(), 5, "{said}");
    let (again, _) = mutants(&bad, &["--sample", "5", "--seed", "3"]);
    let survivors =
        |said: &str| said.lines().filter(|l| l.starts_with("survived")).map(ToOwned::to_owned).collect::<Vec<_>>();
    assert_eq!(survivors(&said), survivors(&again), "a seed chooses the same ones");
    for folder in [good, bad] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}
