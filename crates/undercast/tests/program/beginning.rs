//! Where the program cannot begin it says why and ends; where it cannot go on it says so and loses nothing.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;
use undercast_testkit::{Answer, Folder};

use crate::cloud::{Cloud, free_port, program};

/// What the program says when it is started here; it must end by itself, and badly.
fn refused(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(stdout.is_empty(), "{stdout:?}");
    assert!(said.starts_with("undercast: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn up(data: &Path) -> Command {
    program(&[
        "up",
        "--log",
        "error",
        "--listen",
        &format!("127.0.0.1:{}", free_port()),
        "--data",
        data.to_str().unwrap(),
    ])
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Folder::new();
    let said = refused(program(&["up", "--ephemeral", "--listen", &address]).env("UNDERCAST_DATA", &home.0));
    assert_says(&said, &[&format!("cannot listen on {address}"), "Address already in use"]);
    let said = refused(&mut program(&["up", "--ephemeral", "--listen", "nowhere"]));
    assert_says(&said, &["`nowhere` is not an address to listen on", "127.0.0.1:4566"]);
    let said = refused(program(&["up", "--ephemeral"]).env("EDGE_PORT", "many"));
    assert_says(&said, &["`127.0.0.1:many` is not an address to listen on"]);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let home = Folder::new();
    let file = home.0.join("file");
    std::fs::write(&file, "not a directory").unwrap();
    assert_says(&refused(&mut up(&file)), &["the data directory cannot be opened", "file", "Not a directory"]);
    let disk = Disk::new(&home.0.join("disk"), "ro");
    let data = disk.at.join("data");
    let said = refused(&mut disk.inside(&up(&data)));
    assert_says(&said, &["the data directory cannot be opened", data.to_str().unwrap(), "Read-only file system"]);
}

/// A disk of its own, which is there for the programs that are started inside of it. It goes with its owner.
struct Disk {
    holder: Child,
    /// What `nsenter` is told to enter.
    namespaces: &'static [&'static str],
    at: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

impl Disk {
    /// Makes one at this directory: without root where that is allowed, else as root. Where neither is, the test fails.
    fn new(at: &Path, options: &str) -> Self {
        std::fs::create_dir(at).unwrap();
        let script = format!("mount -t tmpfs -o {options} none \"$0\" && echo mounted && exec sleep 3600");
        let kinds: [(&[&str], &'static [&'static str]); 2] = [
            (&["--user", "--map-root-user", "--mount"], &["--user", "--mount", "--preserve-credentials"]),
            (&["--mount"], &["--mount"]),
        ];
        for (unshared, namespaces) in kinds {
            let mut unshare = Command::new("unshare");
            unshare.args(unshared).args(["sh", "-c", &script]).arg(at);
            let mut holder = unshare.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
            let mut said = String::new();
            BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
            let disk = Self { holder, namespaces, at: at.to_owned() };
            if said == "mounted\n" {
                return disk;
            }
        }
        panic!("this machine lets nobody mount a disk: allow user namespaces, or run the tests as root");
    }

    /// The same command inside.
    fn inside(&self, command: &Command) -> Command {
        let mut enter = Command::new("nsenter");
        enter.args(self.namespaces).args(["--target", &self.holder.id().to_string()]);
        enter.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        enter
    }

    fn grow(&self, size: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={size}")]).arg(&self.at);
        assert!(self.inside(&mount).status().unwrap().success());
    }
}

async fn send(cloud: &Cloud, url: &str, number: usize) -> Answer {
    let body = format!("{number} {}", "x".repeat(50_000));
    cloud.client.call("sqs", "SendMessage", json!({"QueueUrl": url, "MessageBody": body})).await
}

/// The numbers of all messages.
async fn numbers(cloud: &Cloud, url: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
        let page = cloud.client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(messages) = page["Messages"].as_array() else { return found };
        found.extend(messages.iter().map(|m| {
            let body = m["Body"].as_str().unwrap();
            body.split(' ').next().unwrap().parse::<usize>().unwrap()
        }));
    }
}

#[tokio::test]
async fn a_full_disk_takes_nothing_more_and_loses_nothing() {
    let home = Folder::new();
    let disk = Disk::new(&home.0.join("disk"), "size=4m");
    let (port, log) = (free_port(), home.0.join("log"));
    let listen = format!("127.0.0.1:{port}");
    let data = disk.at.join("data");
    let start = || {
        let mut up =
            disk.inside(&program(&["up", "--log", "error", "--listen", &listen, "--data", data.to_str().unwrap()]));
        up.stderr(std::fs::File::options().create(true).append(true).open(&log).unwrap());
        Cloud::spawn(up, port)
    };
    let mut cloud = start();
    let url = cloud.queue("q").await;
    cloud.client.call("s3", "CreateBucket", json!({"Bucket": "bucket"})).await.ok();
    let object = json!({"Bucket": "bucket", "Key": "large"});
    let large = async |cloud: &Cloud| {
        cloud.client.call_with_body("s3", "PutObject", object.clone(), Some(vec![b'x'; 6 << 20].into())).await
    };
    assert_eq!(large(&cloud).await.status, 500, "an object that is larger than the disk");
    let mut sent = 0;
    while send(&cloud, &url, sent).await.status == 200 {
        sent += 1;
        assert!(sent < 1_000, "the disk is never full");
    }
    for _ in 0..2 {
        let refused = send(&cloud, &url, sent).await;
        assert_eq!((refused.status, refused.code()), (500, "InternalFailure"));
        // With or without room, what is there is told; also after the program was killed, and begun again.
        let input = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        let told = cloud.client.call("sqs", "GetQueueAttributes", input).await.ok();
        assert_eq!(told["Attributes"]["ApproximateNumberOfMessages"], sent.to_string());
        drop(cloud);
        cloud = start();
    }
    disk.grow("64m");
    assert_eq!(send(&cloud, &url, sent).await.status, 200, "there is room again");
    assert_eq!(numbers(&cloud, &url).await, (0..=sent).collect());
    let absent = cloud.client.call("s3", "HeadObject", object.clone()).await;
    assert_eq!(absent.status, 404, "nothing is kept of what was refused");
    assert_eq!(large(&cloud).await.status, 200);
    assert_says(&std::fs::read_to_string(&log).unwrap(), &["the disk of ", " is full: ", "No space left on device"]);
}

#[test]
fn a_damaged_state_is_not_opened() {
    let home = Folder::new();
    let data = home.0.join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("state.redb"), "this was a database once, and now it is a text").unwrap();
    let said = refused(&mut up(&data));
    assert_says(&said, &["state.redb is damaged and was not opened", "restore a snapshot, or move the directory away"]);
    assert_eq!(std::fs::read(data.join("state.redb")).unwrap().len(), 46, "what is left of it is left alone");
}

#[test]
fn a_directory_that_another_program_has_is_left_to_it() {
    let home = Folder::new();
    let data = home.0.join("data");
    let cloud = Cloud::start(&home.0, &["--data", data.to_str().unwrap()]);
    let said = refused(&mut up(&data));
    assert_says(&said, &["is in use by another process", &format!("pid {}", cloud.process.id()), "`--data`"]);
    assert!(cloud.run(&["status"]).status.success(), "the first one runs on");
}
