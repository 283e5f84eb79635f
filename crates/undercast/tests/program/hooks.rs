//! Init scripts are run at their stages, find the cloud, and are told of.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::Folder;

use crate::cloud::{Cloud, free_port};

/// Makes these scripts in a directory.
fn write(init: &Path, files: &[(&str, String)]) {
    for (name, text) in files {
        let path = init.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// Waits until nothing of the stage `READY` is left to be run, and gives what is told of all scripts.
async fn until_ready(cloud: &Cloud) -> Json {
    for _ in 0..2_000 {
        let (status, told) = cloud.get("/_localstack/init").await;
        assert_eq!(status, 200, "{told}");
        if told["completed"]["READY"] == true {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the scripts did not end");
}

fn script(stage: &str, name: &str, state: &str) -> Json {
    json!({"stage": stage, "name": name, "state": state})
}

#[tokio::test]
async fn scripts_are_run_at_their_stages_and_told_of() {
    let folder = Folder::new();
    let (init, said) = (folder.0.join("init"), folder.0.join("said"));
    let say = |line: &str| format!("echo {line} >> '{}'\n", said.display());
    let asking = r#"
import os, json, urllib.request as r
def get(path): return r.urlopen(os.environ["AWS_ENDPOINT_URL"] + path)
print(get("/_undercast/health").status, [s["state"] for s in json.load(get("/_localstack/init/ready"))["scripts"]], "#;
    let asking = format!("{asking}file=open('{}', 'a'))\n", said.display());
    let files = [
        ("boot.d/1.sh", say("boot")),
        ("start.d/1.sh", say("start")),
        ("ready.d/1-fails.sh", "exit 3\n".to_owned()),
        ("ready.d/2.py", asking),
        ("ready.d/3.sh", say("ready")),
        ("ready.d/notes.txt", "not a script\n".to_owned()),
        // What lies in a folder comes last, whatever the folder is called.
        ("ready.d/0-more/4.sh", say("more")),
        ("shutdown.d/1.sh", say("shutdown")),
    ];
    write(&init, &files);
    // Every door of several is open when `ready.d` is run.
    let (first, second) = (free_port(), free_port());
    let addresses = format!("127.0.0.1:{first},127.0.0.1:{second}");
    let arguments = ["--ephemeral", "--log", "off", "--init", init.to_str().unwrap()];
    let mut cloud = Cloud::listening(&addresses, second, &folder.0, &arguments);
    let told = until_ready(&cloud).await;
    assert_eq!(told["completed"], json!({"BOOT": true, "START": true, "READY": true, "SHUTDOWN": false}));
    let ready = [
        script("READY", "1-fails.sh", "ERROR"),
        script("READY", "2.py", "SUCCESSFUL"),
        script("READY", "3.sh", "SUCCESSFUL"),
        script("READY", "4.sh", "SUCCESSFUL"),
    ];
    let mut all = vec![script("BOOT", "1.sh", "SUCCESSFUL"), script("START", "1.sh", "SUCCESSFUL")];
    all.extend(ready.iter().cloned());
    all.push(script("SHUTDOWN", "1.sh", "UNKNOWN"));
    assert_eq!(told["scripts"], json!(all));
    assert_eq!(cloud.get("/_localstack/init/ready").await, (200, json!({"completed": true, "scripts": ready})));
    assert_eq!(cloud.get("/_localstack/init/never").await, (404, json!({"error": "there is no stage never"})));
    cloud.ok(&["down"]);
    let status = cloud.ended(Duration::from_secs(10));
    assert!(status.success(), "{status}");
    let asked = "200 ['ERROR', 'RUNNING', 'UNKNOWN', 'UNKNOWN']";
    let wanted = format!("boot\nstart\n{asked}\nready\nmore\nshutdown\n");
    assert_eq!(std::fs::read_to_string(&said).unwrap(), wanted);
}

#[tokio::test]
async fn a_state_that_is_brought_back_is_not_prepared_again() {
    let folder = Folder::new();
    let (init, said) = (folder.0.join("init"), folder.0.join("said"));
    write(&init, &[("ready.d/1.sh", format!("echo once >> '{}'\n", said.display()))]);
    let cloud = Cloud::start(&folder.0, &["--ephemeral", "--init", init.to_str().unwrap()]);
    let state = |told: Json| told["scripts"][0]["state"].as_str().map(ToOwned::to_owned);
    assert_eq!(state(until_ready(&cloud).await).as_deref(), Some("SUCCESSFUL"));
    cloud.ok(&["snapshot", "save", "prepared"]);
    cloud.ok(&["snapshot", "load", "prepared"]);
    // Nothing is left to be run, and this process ran nothing.
    assert_eq!(state(until_ready(&cloud).await).as_deref(), Some("UNKNOWN"));
    assert_eq!(std::fs::read_to_string(&said).unwrap(), "once\n");
}
