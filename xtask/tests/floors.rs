//! Arrows between crates point downwards, and no service knows another.

use serde_json::Value as Json;

/// The floor of a crate, by its name.
fn floor(name: &str, path: &str) -> Option<u32> {
    if path.contains("/services/") {
        return Some(5);
    }
    Some(match name {
        "undercast-asl" | "undercast-wire" | "undercast-codegen" | "undercast-pattern" | "undercast-policy" => 1,
        "undercast-store" => 2,
        // The kernel stands on the store; both are the second floor.
        "undercast-kernel" => 3,
        "undercast-authority"
        | "undercast-columnar"
        | "undercast-engines"
        | "undercast-md5"
        | "undercast-outward"
        | "undercast-query"
        | "undercast-select" => 3,
        // What services have in common, and the kernel need not know.
        "undercast-sealing" | "undercast-sources" => 4,
        "undercast-gateway" => 6,
        "undercast" => 7,
        _ => return None,
    })
}

/// What stands beside the floors: it may use them all, and none of them may use it but in tests.
const BESIDE: &[&str] = &["undercast-testkit", "undercast-sim", "undercast-mutants", "undercast-bench", "xtask"];

#[test]
fn arrows_point_downwards() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let of = |name: &str| packages.iter().find(|p| p["name"] == name);
    let mut checked = 0;
    for package in packages {
        let (name, path) = (package["name"].as_str().unwrap(), package["manifest_path"].as_str().unwrap());
        let Some(own) = floor(name, path) else {
            assert!(BESIDE.contains(&name), "{name} is on no floor, and not beside them");
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            // Tests may use what is above, and build scripts the generator.
            if dependency["kind"] == "dev" {
                continue;
            }
            let Some(target) = of(dependency["name"].as_str().unwrap()) else { continue };
            let (other, other_path) = (target["name"].as_str().unwrap(), target["manifest_path"].as_str().unwrap());
            assert!(!BESIDE.contains(&other), "{name} depends on {other}, which is beside the floors");
            let Some(below) = floor(other, other_path) else { continue };
            assert!(below < own, "{name} (floor {own}) depends on {other} (floor {below})");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} arrows were found");
}
