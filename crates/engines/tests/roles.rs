//! Tests that run this program of tests once more: as a host of its own, and without root.

use std::process::{Command, Stdio};

use crate::setup::{groups_of, is_root, without_root};

#[test]
fn failed_launches_leave_no_control_groups() {
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "endings::what_is_not_there_is_named"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(host.wait().unwrap().success());
    assert_eq!(groups_of(host.id()), Vec::<std::path::PathBuf>::new());
}

/// Runs every test once more as a user without any privilege, whose sandboxes are built another way.
#[test]
fn everything_holds_without_root() {
    if is_root() {
        let told = without_root(&["--skip", "everything_holds_without_root", "--nocapture"]);
        assert!(told.contains("limits here, root false"), "the tests did run");
    }
}
