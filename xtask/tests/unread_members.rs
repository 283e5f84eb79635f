//! The compiler names every input member that no handler reads: a tiny service is compiled with one, and does not pass.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;

const MODEL: &str = r#"{
  "metadata": {"apiVersion": "2026-01-01", "endpointPrefix": "tiny", "protocol": "json", "jsonVersion": "1.1",
               "targetPrefix": "Tiny", "signatureVersion": "v4"},
  "operations": {"Send": {"name": "Send", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "SendRequest"}}},
  "shapes": {
    "SendRequest": {"type": "structure", "required": ["Body"],
                    "members": {"Body": {"shape": "Text"}, "Delay": {"shape": "Integer"}}},
    "Text": {"type": "string"},
    "Integer": {"type": "integer"}
  }
}"#;

const BUILD: &str = r#"
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=api.toml");
    let (config, no_cases) = (std::fs::read_to_string("api.toml")?, std::path::Path::new("none"));
    let code = undercast_codegen::generate("tiny", include_str!("model.json"), &config, no_cases)?;
    Ok(std::fs::write(std::path::Path::new(&std::env::var("OUT_DIR")?).join("api.rs"), code)?)
}
"#;

const SERVICE: &str = r#"
mod api {
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

pub struct Tiny;

impl api::Operations for Tiny {
    async fn send(&self, cx: &undercast_kernel::Cx, input: api::SendInput) -> undercast_kernel::Result<()> {
        tell(cx, &input.body);READ
        Ok(())
    }
}

fn tell(_cx: &undercast_kernel::Cx, _what: &str) {}

pub fn run<'a>(tiny: &'a Tiny, cx: &'a undercast_kernel::Cx, input: undercast_wire::Value) -> undercast_kernel::Answer<'a> {
    assert_eq!(api::SERVICE.name, "tiny");
    api::call(tiny, cx, 0, input)
}
"#;

struct Crate(PathBuf);

impl Crate {
    /// A crate of its own that stands on this workspace's, under its lints.
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let level = manifest.lines().find(|l| l.starts_with("dead_code")).expect("a level for dead_code");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tiny");
        std::fs::create_dir_all(folder.join("src")).unwrap();
        let dependency = |name: &str| format!("undercast-{name} = {{ path = {:?} }}\n", root.join("crates").join(name));
        let text = format!(
            "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n[lints.rust]\n{level}\n\
             [dependencies]\n{}{}[build-dependencies]\n{}",
            dependency("kernel"),
            dependency("wire"),
            dependency("codegen")
        );
        std::fs::write(folder.join("Cargo.toml"), text).unwrap();
        std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        std::fs::write(folder.join("model.json"), MODEL).unwrap();
        std::fs::write(folder.join("build.rs"), BUILD).unwrap();
        Self(folder)
    }

    /// What the compiler says: `None` when it is content.
    fn check(&self, api: &str, read: &str) -> Option<String> {
        std::fs::write(self.0.join("api.toml"), api).unwrap();
        std::fs::write(self.0.join("src/lib.rs"), SERVICE.replace("READ", read)).unwrap();
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tiny-target");
        let output = Command::new(env!("CARGO"))
            .args(["check", "--quiet", "--offline"])
            .current_dir(&self.0)
            .env("CARGO_TARGET_DIR", target)
            .output()
            .unwrap();
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn a_member_that_no_handler_reads_does_not_compile() {
    let tiny = Crate::new();
    let (listed, reads) = ("operations = [\"Send\"]\n", " tell(cx, &format!(\"{:?}\", input.delay));");
    assert_eq!(tiny.check(listed, reads), None, "both members are read");
    let complaint = tiny.check(listed, "").expect("an error");
    assert!(complaint.contains("field `delay` is never read"), "{complaint}");
    assert_eq!(complaint.matches("is never read").count(), 1, "the other one is read: {complaint}");
    let ignored = format!("{listed}[ignored]\n\"SendRequest.Delay\" = \"nothing here is ever late\"\n");
    assert_eq!(tiny.check(&ignored, ""), None, "it is said that it is ignored");
    let complaint = tiny.check("operations = [\"Send\", \"Sent\"]\n", reads).expect("an error");
    assert!(complaint.contains("api.toml lists the operation `Sent`, which the API does not have"), "{complaint}");
}
