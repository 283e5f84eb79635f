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
    let now = jiff::Timestamp::now().as_second() + 2;
    for number in 0..SCHEDULES {
        let due = jiff::Timestamp::from_second(now + i64::try_from(number).unwrap() % SPAN).unwrap();
        let target = json!({"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
            "Input": format!("s{number}")});
        let input: Json = json!({"Name": format!("s{number}"), "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target,
            "ScheduleExpression": format!("at({})", due.strftime("%Y-%m-%dT%H:%M:%S")), "ActionAfterCompletion": "DELETE"});
        client.call("scheduler", "CreateSchedule", input).await.ok();
    }
    let (mut told, mut crashes) = (BTreeMap::new(), 0);
    while jiff::Timestamp::now().as_second() <= now + SPAN {
        tokio::time::sleep(Duration::from_millis(400)).await;
        drop(cloud);
        crashes += 1;
        cloud = Cloud::on(port, &folder.0, &[]);
    }
    for _ in 0..200 {
        take(&client, &url, &mut told).await;
        let left = client.call("scheduler", "ListSchedules", json!({})).await.ok();
        if left["Schedules"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    take(&client, &url, &mut told).await;
    assert_eq!(told.len(), SCHEDULES, "{told:?}");
    // Only what was under way in the moment of a crash is done twice.
    let twice = told.values().filter(|count| **count > 1).count();
    assert!(twice <= crashes && told.values().all(|count| *count <= 2), "{crashes} crashes: {told:?}");
}
