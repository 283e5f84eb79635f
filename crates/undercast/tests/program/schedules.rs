//! Schedules through crashes of the real program: none that is due is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Folder};

use crate::cloud::{Cloud, free_port};

const SCHEDULES: usize = 60;
/// They are due within so many seconds.
const SPAN: i64 = 5;

/// Takes what has come, and counts it by the schedule that it is of.
async fn take(client: &Client, url: &str, told: &mut BTreeMap<String, usize>) {
    loop {
        let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10});
        let got = client.call("sqs", "ReceiveMessage", input).await.ok();
        let Some(some) = got["Messages"].as_array().filter(|some| !some.is_empty()) else { return };
        for message in some {
            *told.entry(message["Body"].as_str().unwrap().to_owned()).or_default() += 1;
            let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
            client.call("sqs", "DeleteMessage", input).await.ok();
        }
    }
}

async fn role(client: &Client) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let made = json!({"RoleName": "scheduler", "AssumeRolePolicyDocument": trust.to_string()});
    client.call("iam", "CreateRole", made).await.ok();
    let rights =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]});
    let input = json!({"RoleName": "scheduler", "PolicyName": "rights", "PolicyDocument": rights.to_string()});
    client.call("iam", "PutRolePolicy", input).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_are_done_through_crashes() {
    let (folder, port) = (Folder::new(), free_port());
    let mut cloud = Cloud::on(port, &folder.0, &[]);
    let client = cloud.client.clone();
    role(&client).await;
    let url = cloud.queue("q").await;
    // What has passed when it is made never comes, and a slow disk takes its time to make them.
    let now = jiff::Timestamp::now().as_second() + 15;
    for number in 0..SCHEDULES {
        let due = jiff::Timestamp::from_second(now + i64::try_from(number).unwrap() % SPAN).unwrap();
        let target = json!({"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
            "Input": format!("s{number}")});
        let input: Json = json!({"Name": format!("s{number}"), "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target,
            "ScheduleExpression": format!("at({})", due.strftime("%Y-%m-%dT%H:%M:%S")), "ActionAfterCompletion": "DELETE"});
        client.call("scheduler", "CreateSchedule", input).await.ok();
    }
    let left = now - jiff::Timestamp::now().as_second();
    assert!(left > 0, "the schedules are made too late");
    tokio::time::sleep(Duration::from_secs(u64::try_from(left - 1).unwrap())).await;
    let (mut told, mut crashes) = (BTreeMap::new(), 0);
    while jiff::Timestamp::now().as_second() <= now + SPAN {
        tokio::time::sleep(Duration::from_millis(400)).await;
        drop(cloud);
        crashes += 1;
        cloud = Cloud::on(port, &folder.0, &[]);
    }
    let began = std::time::Instant::now();
    while told.len() < SCHEDULES && began.elapsed() < Duration::from_secs(120) {
        take(&client, &url, &mut told).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    take(&client, &url, &mut told).await;
    // Each is done, and none twice: a queue has its message with the writes that are done with the schedule.
    assert_eq!(told.len(), SCHEDULES, "{told:?}");
    assert!(told.values().all(|count| *count == 1), "{crashes} crashes: {told:?}");
    let left = client.call("scheduler", "ListSchedules", json!({})).await.ok();
    assert_eq!(left["Schedules"], json!([]));
}
