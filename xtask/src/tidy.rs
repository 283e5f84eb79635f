//! The rules of this code base, as a program.

use std::path::{Path, PathBuf};

use crate::shell::{Failed, read, root, say};

/// Exceptions, reviewed: `rule path`. The list may only shrink.
const EXCEPTIONS: &str = "tidy-exceptions.txt";

const LONG_FUNCTION: usize = 70;
const LONG_FILE: usize = 600;

/// Texts that must not be in the source, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo!(", "unfinished"),
    ("unimplemented!(", "unfinished"),
    ("#[ignore", "a test that is not run tests nothing"),
    ("#[allow(", "write #[expect(…, reason)]"),
    ("for now", "either it is right or it is an error"),
    ("/root/", "a path of somebody's machine"),
    ("/home/", "a path of somebody's machine"),
];

struct Findings {
    exceptions: Vec<String>,
    found: Vec<String>,
}

impl Findings {
    fn add(&mut self, rule: &str, path: &Path, line: usize, what: &str) {
        let path = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        if !self.exceptions.iter().any(|e| *e == format!("{rule} {path}")) {
            self.found.push(format!("{path}:{line}: {rule}: {what}"));
        }
    }
}

pub(crate) fn run() -> Result<(), Failed> {
    let text = read(&root().join(EXCEPTIONS)).unwrap_or_default();
    let exceptions = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(ToOwned::to_owned).collect();
    let mut findings = Findings { exceptions, found: Vec::new() };
    let mut files = Vec::new();
    for folder in ["crates", "services", "xtask"] {
        sources(&root().join(folder), &mut files)?;
    }
    let (mut lengths, mut long_files) = (Vec::new(), 0);
    for path in &files {
        let text = read(path)?;
        let production = !path.components().any(|c| c.as_os_str() == "tests");
        check_file(path, &text, production, &mut findings);
        if production {
            long_files += usize::from(text.lines().count() > LONG_FILE);
            lengths.extend(functions(&text));
        }
    }
    lengths.sort_unstable();
    let p90 = lengths.get(lengths.len() * 9 / 10).copied().unwrap_or_default();
    let long = lengths.iter().filter(|l| **l > LONG_FUNCTION).count();
    if p90 > 40 || long * 50 > lengths.len() {
        findings.found.push(format!("functions: 9 of 10 have {p90} lines or less (40 is the limit), {long} of {} have more than {LONG_FUNCTION} (2 % is the limit)", lengths.len()));
    }
    if long_files * 20 > files.len() {
        findings.found.push(format!(
            "files: {long_files} of {} have more than {LONG_FILE} lines (5 % is the limit)",
            files.len()
        ));
    }
    if findings.found.is_empty() {
        say(&format!(
            "tidy: {} files, {} functions, 9 of 10 have {p90} lines or less, {long} more than {LONG_FUNCTION}",
            files.len(),
            lengths.len()
        ));
        return Ok(());
    }
    Err(Failed::Check(format!("{} findings\n{}", findings.found.len(), findings.found.join("\n"))))
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) -> Result<(), Failed> {
    let fail = |source| Failed::File { path: folder.to_owned(), source };
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).map_err(fail)?.filter_map(|e| e.ok().map(|e| e.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    Ok(())
}

fn check_file(path: &Path, text: &str, production: bool, findings: &mut Findings) {
    if production && !text.starts_with("//!") {
        findings.add("header", path, 1, "a file begins with a sentence that says what it is");
    }
    // This file names what it forbids.
    if path.ends_with("tidy.rs") {
        return;
    }
    for (n, line) in text.lines().enumerate() {
        for (forbidden, why) in FORBIDDEN {
            if line.contains(forbidden) {
                findings.add("forbidden", path, n + 1, &format!("`{forbidden}`: {why}"));
            }
        }
        let of_input = line.split("input.").nth(1).and_then(|rest| rest.split_once(".unwrap_or_default()"));
        if production && of_input.is_some_and(|(member, _)| member.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        {
            findings.add("default", path, n + 1, "defaults come from the model, or are said in words");
        }
    }
}

/// The lengths of the functions of a formatted file.
fn functions(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let signature = trimmed.split('(').next().unwrap_or_default();
        let is_function =
            signature.split_whitespace().any(|w| w == "fn") && !trimmed.starts_with("//") && !trimmed.starts_with('"');
        if !is_function || trimmed.ends_with(';') {
            continue;
        }
        if trimmed.ends_with('}') {
            out.push(1);
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[start..].iter().position(|l| *l == close) {
            out.push(length + 1);
        }
    }
    out
}
