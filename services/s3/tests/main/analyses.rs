//! Storage class analysis: the file that grows by a day every night.

use futures_core::future::BoxFuture;
use tokio::runtime::Builder;
use undercast_testkit::Folder;

use super::*;

const DAY: u64 = 24 * 60 * 60;
const MB: usize = 1024 * 1024;
const COLUMNS: &str = "Date,ConfigId,Filter,StorageClass,ObjectAge,ObjectCount,DataUploaded_MB,Storage_MB,DataRetrieved_MB,GetRequestCount,CumulativeAccessRatio,ObjectAgeForSIATransition,RecommendedObjectAgeForSIATransition";

async fn advance(cloud: &Cloud, seconds: u64) {
    cloud.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
}

/// A cloud whose clock stands at the beginning of a day.
async fn start() -> (Cloud, Client) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let second = u64::try_from(cloud.kernel.clock().now().as_second()).unwrap();
    advance(&cloud, DAY - second % DAY + 60).await;
    bucket(&client, "seen").await;
    bucket(&client, "files").await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::files/*", "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::seen"}}}]});
    call(&client, "PutBucketPolicy", json!({"Bucket": "files", "Policy": policy.to_string()})).await.ok();
    (cloud, client)
}

async fn analyse(client: &Client, id: &str, filter: Option<Json>, owner: &str) {
    let target = json!({"Bucket": "arn:aws:s3:::files", "Format": "CSV", "Prefix": "ages", "BucketAccountId": owner});
    let mut configuration = json!({"Id": id, "StorageClassAnalysis": {"DataExport": {"OutputSchemaVersion": "V_1",
        "Destination": {"S3BucketDestination": target}}}});
    if let Some(filter) = filter {
        configuration["Filter"] = filter;
    }
    let input = json!({"Bucket": "seen", "Id": id, "AnalyticsConfiguration": configuration});
    call(client, "PutBucketAnalyticsConfiguration", input).await.ok();
}

/// The lines of a file, without those of an age group in which nothing is or happened, and without their dates.
async fn lines(client: &Client, id: &str) -> Vec<String> {
    let key = format!("ages/seen/{id}.csv");
    let (answer, body) = get(client, json!({"Bucket": "files", "Key": key})).await;
    assert_eq!(answer.headers["content-type"], "text/csv");
    let text = String::from_utf8(body).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(COLUMNS));
    let told = lines.filter(|l| !l.ends_with(",,,0,0,0,,,")).map(|l| l.split_once(',').unwrap().1.to_owned());
    told.collect()
}

async fn upload(client: &Client, key: &str, length: usize, class: &str, tagging: &str) {
    let input = json!({"Bucket": "seen", "Key": key, "StorageClass": class, "Tagging": tagging});
    client.call_with_body("s3", "PutObject", input, Some(bytes(length).into())).await.ok();
}

#[tokio::test]
async fn what_is_stored_and_read_is_told_by_age() {
    let (cloud, client) = start().await;
    upload(&client, "logs/old", 2 * MB, "STANDARD", "a=1").await;
    advance(&cloud, 20 * DAY).await;
    analyse(&client, "all", None, "000000000000").await;
    analyse(
        &client,
        "tagged",
        Some(json!({"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "1"}]}})),
        "000000000000",
    )
    .await;
    // What happens on the day on which nobody had counted from the beginning is no figure of a day.
    upload(&client, "logs/new", MB, "STANDARD_IA", "").await;
    get(&client, json!({"Bucket": "seen", "Key": "logs/old"})).await;
    advance(&cloud, DAY).await;
    assert_eq!(get(&client, json!({"Bucket": "files", "Key": "ages/seen/all.csv"})).await.0.status, 404);
    upload(&client, "logs/more", MB / 2, "STANDARD", "").await;
    upload(&client, "small", 100, "STANDARD", "").await;
    get(&client, json!({"Bucket": "seen", "Key": "logs/old"})).await;
    get(&client, json!({"Bucket": "seen", "Key": "logs/old", "Range": format!("bytes=0-{}", MB - 1)})).await;
    get(&client, json!({"Bucket": "seen", "Key": "small"})).await;
    // Neither of these is a GET that had something to give.
    assert_eq!(get(&client, json!({"Bucket": "seen", "Key": "none"})).await.0.status, 404);
    call(&client, "HeadObject", json!({"Bucket": "seen", "Key": "logs/old"})).await.ok();
    advance(&cloud, DAY).await;
    assert_eq!(
        lines(&client, "all").await,
        [
            "all,,STANDARD,000-014,,,0.5,0,0,,,",
            "all,,STANDARD_IA,000-014,,,1,0,0,,,",
            "all,,STANDARD,015-029,,,2,3,2,,,",
            "all,,STANDARD,ALL,3,0.500095,2.500095,3.000095,3,,,",
            "all,,STANDARD_IA,ALL,1,0,1,0,0,,,",
        ]
    );
    assert_eq!(
        lines(&client, "tagged").await,
        ["tagged,logs/&a=1,STANDARD,015-029,,,2,3,2,,,", "tagged,logs/&a=1,STANDARD,ALL,1,0,2,3,2,,,"]
    );
    // The next day comes behind the one before in each group.
    call(&client, "DeleteObject", json!({"Bucket": "seen", "Key": "logs/old"})).await.ok();
    advance(&cloud, DAY).await;
    let all = lines(&client, "all").await;
    assert_eq!(
        all[all.len() - 4..],
        [
            "all,,STANDARD,ALL,3,0.500095,2.500095,3.000095,3,,,",
            "all,,STANDARD_IA,ALL,1,0,1,0,0,,,",
            "all,,STANDARD,ALL,2,0,0.500095,0,0,,,",
            "all,,STANDARD_IA,ALL,1,0,1,0,0,,,",
        ]
    );
    // A configuration that goes takes what is known with it.
    call(&client, "DeleteBucketAnalyticsConfiguration", json!({"Bucket": "seen", "Id": "all"})).await.ok();
    call(&client, "DeleteObject", json!({"Bucket": "files", "Key": "ages/seen/all.csv"})).await.ok();
    analyse(&client, "all", None, "000000000000").await;
    advance(&cloud, 2 * DAY).await;
    let dates = |lines: &[String]| lines.iter().filter(|l| l.contains(",STANDARD,ALL,")).count();
    assert_eq!(dates(&lines(&client, "all").await), 1);
}

#[tokio::test]
async fn the_date_is_that_of_the_making_and_nothing_goes_to_others() {
    let (cloud, client) = start().await;
    analyse(&client, "mine", None, "000000000000").await;
    analyse(&client, "theirs", None, "111122223333").await;
    advance(&cloud, 2 * DAY).await;
    let (_, body) = get(&client, json!({"Bucket": "files", "Key": "ages/seen/mine.csv"})).await;
    let text = String::from_utf8(body).unwrap();
    let today = cloud.kernel.clock().now().strftime("%m-%d-%Y").to_string();
    assert_eq!(text.lines().nth(1), Some(format!("{today},mine,,STANDARD,000-014,,,0,0,0,,,").as_str()));
    assert_eq!(text.lines().last(), Some(format!("{today},mine,,STANDARD,ALL,0,0,0,0,0,,,").as_str()));
    assert_eq!(text.lines().count(), 1 + 13);
    assert_eq!(get(&client, json!({"Bucket": "files", "Key": "ages/seen/theirs.csv"})).await.0.status, 404);
}

#[test]
fn counts_that_are_a_minute_old_outlive_the_program() {
    let folder = Folder::new();
    let run = |work: &dyn Fn(Cloud) -> BoxFuture<'static, ()>| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { work(Cloud::in_folder(services(), &folder).await).await });
    };
    run(&|cloud| {
        Box::pin(async move {
            let client = cloud.client();
            bucket(&client, "seen").await;
            bucket(&client, "files").await;
            let policy = statement(
                &json!({"Service": "s3.amazonaws.com"}),
                &json!("s3:PutObject"),
                &json!("arn:aws:s3:::files/*"),
            );
            call(&client, "PutBucketPolicy", json!({"Bucket": "files", "Policy": policy})).await.ok();
            analyse(&client, "all", None, "000000000000").await;
            cloud.kernel.clock().freeze();
            advance(&cloud, DAY).await;
            upload(&client, "k", MB, "STANDARD", "").await;
            get(&client, json!({"Bucket": "seen", "Key": "k"})).await;
            advance(&cloud, 61).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        })
    });
    run(&|cloud| {
        Box::pin(async move {
            let client = cloud.client();
            get(&client, json!({"Bucket": "seen", "Key": "k"})).await;
            advance(&cloud, DAY).await;
            let all = lines(&client, "all").await;
            assert_eq!(all.last().map(String::as_str), Some("all,,STANDARD,ALL,1,1,1,2,2,,,"));
        })
    });
}

#[tokio::test]
async fn the_file_stays_in_the_region() {
    let (cloud, client) = start().await;
    let far = json!({"Bucket": "far", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}});
    call(&cloud.client().in_region("eu-west-1"), "CreateBucket", far).await.ok();
    let target = json!({"S3BucketDestination": {"Bucket": "arn:aws:s3:::far", "Format": "CSV"}});
    let analysis = json!({"DataExport": {"OutputSchemaVersion": "V_1", "Destination": target}});
    let input =
        json!({"Bucket": "seen", "Id": "a", "AnalyticsConfiguration": {"Id": "a", "StorageClassAnalysis": analysis}});
    assert_eq!(call(&client, "PutBucketAnalyticsConfiguration", input).await.code(), "InvalidS3DestinationBucket");
    let get = json!({"Bucket": "seen", "Id": "a"});
    assert_eq!(call(&client, "GetBucketAnalyticsConfiguration", get).await.code(), "NoSuchConfiguration");
}
