//! The real program: its state saved, brought back, forked, emptied, carried in a file.

use undercast_testkit::Folder;

use crate::cloud::Cloud;

async fn through_it_all(home: &Folder, arguments: &[&str]) {
    let cloud = Cloud::start(&home.0, arguments);
    cloud.queue("first").await;
    cloud.ok(&["snapshot", "save", "one"]);
    cloud.queue("second").await;
    cloud.ok(&["snapshot", "load", "one"]);
    assert_eq!(cloud.queues().await, ["first"], "what came after the save is gone");

    let fork = home.0.join("fork");
    cloud.ok(&["snapshot", "fork", "one", fork.to_str().unwrap()]);
    cloud.no(&["snapshot", "fork", "one", fork.to_str().unwrap()], "is there already");
    let other = Cloud::start(&home.0, &["--data", fork.to_str().unwrap()]);
    other.queue("of-the-fork").await;
    assert_eq!(other.queues().await, ["first", "of-the-fork"]);
    assert_eq!(cloud.queues().await, ["first"], "a fork does not touch what it was made of");

    let file = home.0.join("state.tar");
    other.ok(&["export", file.to_str().unwrap()]);
    cloud.ok(&["reset"]);
    assert!(cloud.queues().await.is_empty());
    cloud.ok(&["import", file.to_str().unwrap()]);
    assert_eq!(cloud.queues().await, ["first", "of-the-fork"]);

    cloud.no(&["snapshot", "load", "two"], "there is no snapshot `two`");
    cloud.no(&["snapshot", "load", "../one"], "there is no snapshot");
    cloud.no(&["snapshot", "save", "../one"], "the name of a snapshot");
    std::fs::write(&file, "nothing that was exported").unwrap();
    cloud.no(&["import", file.to_str().unwrap()], "is not an exported state");
    let listed = cloud.run(&["snapshot", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).starts_with("one "), "{listed:?}");
    assert_eq!(cloud.queues().await, ["first", "of-the-fork"], "what is refused changes nothing");
}

#[tokio::test]
async fn a_kept_state_is_saved_and_brought_back() {
    let home = Folder::new();
    let data = home.0.join("data");
    through_it_all(&home, &["--data", data.to_str().unwrap()]).await;
}

#[tokio::test]
async fn a_state_in_memory_is_saved_and_brought_back() {
    let home = Folder::new();
    through_it_all(&home, &["--ephemeral"]).await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_and_the_cloud_runs_on() {
    let home = Folder::new();
    let data = home.0.join("data");
    let cloud = Cloud::start(&home.0, &["--data", data.to_str().unwrap()]);
    cloud.queue("first").await;
    cloud.ok(&["snapshot", "save", "one"]);
    let rows = data.join("snapshots/one/rows");
    let mut bytes = std::fs::read(&rows).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&rows, bytes).unwrap();
    cloud.no(&["snapshot", "load", "one"], "damaged");
    assert_eq!(cloud.queues().await, ["first"]);
}
