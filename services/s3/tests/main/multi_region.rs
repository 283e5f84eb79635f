//! Multi-region access points of S3 Control.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_testkit::{Client, Cloud, Credentials};

use super::control::{ME, control, request};
use super::{bucket, call, put, services};

/// Asks for something that is done asynchronously, and waits for what becomes of it.
async fn asked(client: &Client, operation: &str, details: Json) -> Json {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let input = json!({"ClientToken": format!("token-{number}"), "Details": details});
    let token = control(client, operation, input).await.ok()["RequestTokenARN"].clone();
    for _ in 0..300 {
        let input = json!({"RequestTokenARN": token});
        let found =
            control(client, "DescribeMultiRegionAccessPointOperation", input).await.ok()["AsyncOperation"].clone();
        assert_eq!(found["Operation"], operation);
        if found["RequestStatus"] != "INPROGRESS" {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{operation} does not end");
}

fn failure(operation: &Json) -> &str {
    operation["ResponseDetails"]["ErrorDetails"]["Code"].as_str().unwrap_or("none")
}

/// One bucket here and one in Ireland behind a multi-region access point called `both`. Returns its alias.
async fn both(client: &Client) -> String {
    bucket(client, "here").await;
    let there = client.in_region("eu-west-1");
    let input = json!({"Bucket": "there", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}});
    call(&there, "CreateBucket", input).await.ok();
    put(client, "here", "where", b"here").await;
    put(&there, "there", "where", b"there").await;
    let made = asked(
        client,
        "CreateMultiRegionAccessPoint",
        json!({"Name": "both", "Regions": [{"Bucket": "there"}, {"Bucket": "here"}]}),
    )
    .await;
    assert_eq!(made["RequestStatus"], "SUCCEEDED", "{made}");
    let regions = &made["ResponseDetails"]["MultiRegionAccessPointDetails"]["Regions"];
    assert_eq!(regions[0], json!({"Name": "eu-west-1", "RequestStatus": "SUCCEEDED"}));
    let found = control(client, "GetMultiRegionAccessPoint", json!({"Name": "both"})).await.ok()["AccessPoint"].clone();
    assert_eq!((&found["Status"], &found["Name"]), (&json!("READY"), &json!("both")));
    assert_eq!(found["Regions"][1], json!({"Bucket": "here", "Region": "us-east-1", "BucketAccountId": ME}));
    assert_eq!(found["PublicAccessBlock"]["RestrictPublicBuckets"], true);
    let listed = control(client, "ListMultiRegionAccessPoints", json!({})).await.ok();
    assert_eq!(listed["AccessPoints"][0], found);
    found["Alias"].as_str().unwrap().to_owned()
}

/// What is at `/where` of a host, asked with a signature of version 4a.
async fn ask(client: &Client, host: &str, regions: &str) -> (u16, String) {
    let mut asked = request("GET", host, "/where", b"");
    client.sign_for(&mut asked, &undercast_s3::api::SERVICE, regions);
    let (status, _, body) = client.send(asked).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn the_nearest_active_region_answers() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let alias = both(&client).await;
    let host = format!("{alias}.accesspoint.s3-global.localhost:{}", cloud.address.port());
    assert_eq!(ask(&client, &host, "*").await, (200, "here".to_owned()));
    let arn = format!("arn:aws:s3::{ME}:accesspoint/{alias}");
    let routes = control(&client, "GetMultiRegionAccessPointRoutes", json!({"Mrap": arn})).await.ok();
    assert_eq!(
        routes,
        json!({"Mrap": arn, "Routes": [{"Bucket": "there", "Region": "eu-west-1", "TrafficDialPercentage": 100},
            {"Bucket": "here", "Region": "us-east-1", "TrafficDialPercentage": 100}]})
    );
    let submit = async |updates: Json| {
        control(&client, "SubmitMultiRegionAccessPointRoutes", json!({"Mrap": arn, "RouteUpdates": updates})).await
    };
    submit(json!([{"Region": "us-east-1", "TrafficDialPercentage": 0}])).await.ok();
    assert_eq!(ask(&client, &host, "*").await, (200, "there".to_owned()));
    // A signature of version 4 is for one region, and has to be for the one that answers.
    let one = call(&client, "GetObject", json!({"Bucket": arn, "Key": "where"})).await;
    assert_eq!((one.status, one.code()), (400, "AuthorizationHeaderMalformed"));
    call(&client.in_region("eu-west-1"), "GetObject", json!({"Bucket": arn, "Key": "where"})).await.ok();
    for wrong in [
        json!([{"Bucket": "there", "TrafficDialPercentage": 0}]),
        json!([{"Bucket": "there", "TrafficDialPercentage": 50}]),
        json!([{"Bucket": "nowhere", "TrafficDialPercentage": 0}]),
        json!([{"Region": "nowhere", "TrafficDialPercentage": 0}]),
        json!([{"TrafficDialPercentage": 0}]),
    ] {
        let refused = submit(wrong.clone()).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{wrong}");
    }
    assert_eq!(ask(&client, &host, "*").await, (200, "there".to_owned()));
    submit(json!([{"Bucket": "here", "TrafficDialPercentage": 100}, {"Bucket": "there", "TrafficDialPercentage": 0}]))
        .await
        .ok();
    assert_eq!(ask(&client, &host, "*").await, (200, "here".to_owned()));
    // Its ARN stands for a bucket, and for the source of a copy.
    call(&client, "CopyObject", json!({"Bucket": arn, "Key": "copy", "CopySource": format!("{arn}/object/where")}))
        .await
        .ok();
    call(&client, "HeadObject", json!({"Bucket": "here", "Key": "copy"})).await.ok();
    assert_eq!(call(&client, "GetBucketPolicy", json!({"Bucket": arn})).await.code(), "MethodNotAllowed");
    let gone = format!("mgone.mrap.accesspoint.s3-global.localhost:{}", cloud.address.port());
    let (status, body) = ask(&client, &gone, "*").await;
    assert!(status == 404 && body.contains("<Code>NoSuchMultiRegionAccessPoint</Code>"), "{status} {body}");
}

#[tokio::test]
async fn its_policy_and_that_of_the_bucket_have_to_allow() {
    let cloud = Cloud::start(services()).await;
    let (client, other) = (cloud.client(), cloud.client_of(Credentials::new("111111111111", "x")));
    let alias = both(&client).await;
    let arn = format!("arn:aws:s3::{ME}:accesspoint/{alias}");
    let allow = |resource: &str, more: Json| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "s3:GetObject",
            "Resource": resource, "Condition": more}]})
        .to_string()
    };
    let get = async || call(&other, "GetObject", json!({"Bucket": arn, "Key": "where"})).await;
    assert_eq!(get().await.code(), "AccessDenied");
    let policy = allow(&format!("{arn}/object/*"), json!({}));
    let put = asked(&client, "PutMultiRegionAccessPointPolicy", json!({"Name": "both", "Policy": policy})).await;
    assert_eq!(put["RequestStatus"], "SUCCEEDED", "{put}");
    assert_eq!(put["RequestParameters"]["PutMultiRegionAccessPointPolicyRequest"]["Policy"], policy);
    let kept = control(&client, "GetMultiRegionAccessPointPolicy", json!({"Name": "both"})).await.ok();
    assert_eq!(kept["Policy"]["Established"]["Policy"], policy);
    let status = control(&client, "GetMultiRegionAccessPointPolicyStatus", json!({"Name": "both"})).await.ok();
    assert_eq!(status["Established"]["IsPublic"], false);
    assert_eq!(get().await.code(), "AccessDenied");
    let delegated = allow("arn:aws:s3:::here/*", json!({"StringEquals": {"s3:DataAccessPointArn": arn}}));
    call(&client, "PutBucketPolicy", json!({"Bucket": "here", "Policy": delegated})).await.ok();
    get().await.ok();
    assert_eq!(call(&other, "GetObject", json!({"Bucket": "here", "Key": "where"})).await.code(), "AccessDenied");
    let wrong = asked(&client, "PutMultiRegionAccessPointPolicy", json!({"Name": "both", "Policy": "nonsense"})).await;
    assert_eq!((&wrong["RequestStatus"], failure(&wrong)), (&json!("FAILED"), "MalformedPolicy"));
    let public = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("{arn}/object/*")}]});
    let public =
        asked(&client, "PutMultiRegionAccessPointPolicy", json!({"Name": "both", "Policy": public.to_string()})).await;
    assert_eq!(failure(&public), "AccessDenied");
    get().await.ok();
}

#[tokio::test]
async fn what_is_wrong_is_told_by_the_token() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    both(&client).await;
    bucket(&client, "second").await;
    let create = async |name: &str, regions: Json| {
        asked(&client, "CreateMultiRegionAccessPoint", json!({"Name": name, "Regions": regions})).await
    };
    for (name, regions, code) in [
        ("both", json!([{"Bucket": "second"}]), "MultiRegionAccessPointAlreadyOwnedByYou"),
        ("lost", json!([{"Bucket": "nowhere"}]), "NoSuchBucket"),
        ("same", json!([{"Bucket": "here"}, {"Bucket": "second"}]), "MultiRegionAccessPointSameBucketRegion"),
        ("alien", json!([{"Bucket": "here", "BucketAccountId": "111111111111"}]), "AccessDenied"),
    ] {
        let failed = create(name, regions).await;
        assert_eq!((&failed["RequestStatus"], failure(&failed)), (&json!("FAILED"), code), "{failed}");
    }
    let listed = control(&client, "ListMultiRegionAccessPoints", json!({})).await.ok();
    assert_eq!(listed["AccessPoints"].as_array().map(Vec::len), Some(1));
    let none = asked(&client, "DeleteMultiRegionAccessPoint", json!({"Name": "none"})).await;
    assert_eq!(failure(&none), "NoSuchMultiRegionAccessPoint");
    // One region alone has no failover.
    create("single", json!([{"Bucket": "second"}])).await;
    let single = control(&client, "GetMultiRegionAccessPoint", json!({"Name": "single"})).await.ok();
    let input = json!({"Mrap": single["AccessPoint"]["Alias"], "RouteUpdates": [{"Bucket": "second", "TrafficDialPercentage": 0}]});
    let refused = control(&client, "SubmitMultiRegionAccessPointRoutes", input).await;
    assert_eq!((refused.status, refused.code()), (405, "MethodNotAllowed"));
    let gone = asked(&client, "DeleteMultiRegionAccessPoint", json!({"Name": "single"})).await;
    assert_eq!(gone["RequestStatus"], "SUCCEEDED");
    let found = control(&client, "GetMultiRegionAccessPoint", json!({"Name": "single"})).await;
    assert_eq!(found.code(), "NoSuchMultiRegionAccessPoint");
    // A day later nobody knows what the token was for.
    cloud.kernel.advance(Duration::from_secs(24 * 3600 + 60)).await.unwrap();
    let input = json!({"RequestTokenARN": gone["RequestTokenARN"]});
    assert_eq!(control(&client, "DescribeMultiRegionAccessPointOperation", input).await.code(), "NoSuchAsyncRequest");
}

#[tokio::test]
async fn templates_make_access_points_of_one_region_and_of_several() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "templated").await;
    let cx = cloud.kernel.cx_for(ME, "us-east-1");
    let types = cloud.kernel.service("s3control").unwrap().resource_types();
    let request = |properties: Json| undercast_kernel::resources::ResourceRequest {
        stack: "Stack".to_owned(),
        stack_id: format!("arn:aws:cloudformation:us-east-1:{ME}:stack/Stack/1"),
        logical_id: "Point".to_owned(),
        properties: properties.as_object().unwrap().clone(),
        tags: vec![("stack".to_owned(), "yes".to_owned())],
    };
    let policy = |arn: &str| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ME}, "Action": "s3:GetObject", "Resource": format!("{arn}/object/*")}]});
    let named = format!("arn:aws:s3:us-east-1:{ME}:accesspoint/templated-ap");
    let before = request(
        json!({"Bucket": "templated", "Name": "templated-ap", "Policy": policy(&named), "Tags": [{"Key": "a", "Value": "1"}],
        "PublicAccessBlockConfiguration": {"BlockPublicAcls": true}}),
    );
    let made = types[0].create(&cx, &before).await.unwrap();
    assert_eq!(
        (made.id.as_str(), &made.attributes["Arn"], &made.attributes["NetworkOrigin"]),
        ("templated-ap", &json!(named), &json!("Internet"))
    );
    let tags = control(&client, "ListTagsForResource", json!({"ResourceArn": named})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "1"}, {"Key": "stack", "Value": "yes"}]));
    let mut after = before.clone();
    after.properties.remove("Policy");
    after.properties.remove("Tags");
    let block = json!({"BlockPublicPolicy": "true", "RestrictPublicBuckets": "false"});
    after.properties.insert("PublicAccessBlockConfiguration".to_owned(), block);
    types[0].update(&cx, &made.id, &before.properties, &after).await.unwrap();
    assert_eq!(
        control(&client, "GetAccessPointPolicy", json!({"Name": made.id})).await.code(),
        "NoSuchAccessPointPolicy"
    );
    let tags = control(&client, "ListTagsForResource", json!({"ResourceArn": named})).await.ok();
    assert_eq!(tags["Tags"], json!([{"Key": "stack", "Value": "yes"}]));
    let found = control(&client, "GetAccessPoint", json!({"Name": made.id})).await.ok();
    let block = json!({"BlockPublicAcls": false, "IgnorePublicAcls": false, "BlockPublicPolicy": true, "RestrictPublicBuckets": false});
    assert_eq!(found["PublicAccessBlockConfiguration"], block, "it is changed where it is");
    let mut without = after.clone();
    without.properties.remove("PublicAccessBlockConfiguration");
    types[0].update(&cx, &made.id, &after.properties, &without).await.unwrap();
    let found = control(&client, "GetAccessPoint", json!({"Name": made.id})).await.ok();
    assert_eq!(found["PublicAccessBlockConfiguration"]["BlockPublicAcls"], true, "all is blocked, as in the beginning");
    let odd = request(json!({"Bucket": "templated", "VpcConfiguration": {"Vpc": "v"}}));
    let refused = types[0].create(&cx, &odd).await.unwrap_err().to_string();
    assert!(refused.contains("#/VpcConfiguration: extraneous key [Vpc] is not permitted"), "{refused}");
    types[0].delete(&cx, &made.id, &before.properties).await.unwrap();
    types[0].delete(&cx, &made.id, &before.properties).await.unwrap();
    let broken = request(json!({"Bucket": "templated", "Name": "half", "Policy": {"Version": "nonsense"}}));
    assert!(types[0].create(&cx, &broken).await.is_err());
    assert_eq!(control(&client, "GetAccessPoint", json!({"Name": "half"})).await.code(), "NoSuchAccessPoint");
    let before = request(json!({"Regions": [{"Bucket": "templated"}]}));
    let multi = types[1].create(&cx, &before).await.unwrap();
    let alias = multi.attributes["Alias"].as_str().unwrap();
    let arn = format!("arn:aws:s3::{ME}:accesspoint/{alias}");
    let properties = request(json!({"MrapName": multi.id, "Policy": policy(&arn)}));
    let put = types[2].create(&cx, &properties).await.unwrap();
    assert_eq!(put.attributes["PolicyStatus.IsPublic"], "false");
    assert_eq!(put.attributes["PolicyStatus"], json!({"IsPublic": "false"}));
    let wrong = request(json!({"MrapName": multi.id, "Policy": policy("arn:aws:s3:::templated")}));
    assert!(types[2].update(&cx, &multi.id, &properties.properties, &wrong).await.is_err());
    types[2].delete(&cx, &multi.id, &properties.properties).await.unwrap();
    types[1].delete(&cx, &multi.id, &before.properties).await.unwrap();
    types[1].delete(&cx, &multi.id, &before.properties).await.unwrap();
    let none = control(&client, "GetMultiRegionAccessPoint", json!({"Name": multi.id})).await;
    assert_eq!(none.code(), "NoSuchMultiRegionAccessPoint");
}
