//! Annotations: that they belong to a version, and what becomes of them where something becomes of that.

use tokio::runtime::Builder;
use undercast_kernel::store::Unreferenced;
use undercast_testkit::Folder;

use super::replicas::{ROLE, kill, may, replicate, role, rule, settled, versioned};
use super::*;

const LARGE: usize = 500_000;

fn named(bucket: &str, key: &str, name: &str) -> Json {
    json!({"Bucket": bucket, "Key": key, "AnnotationName": name})
}

fn with(mut input: Json, more: Json) -> Json {
    let Json::Object(more) = more else { panic!("{more} are no members") };
    input.as_object_mut().unwrap().extend(more);
    input
}

async fn note(client: &Client, input: Json, payload: &[u8]) -> Answer {
    client.call_with_body("s3", "PutObjectAnnotation", input, Some(Bytes::copy_from_slice(payload))).await
}

async fn read(client: &Client, input: Json) -> (Answer, Vec<u8>) {
    let answer = call(client, "GetObjectAnnotation", input).await;
    let body = answer.body.to_vec();
    (answer, body)
}

async fn names(client: &Client, input: Json) -> Vec<String> {
    let listed = call(client, "ListObjectAnnotations", input).await.ok();
    let all = listed["Annotations"].as_array().unwrap();
    all.iter().map(|a| a["AnnotationName"].as_str().unwrap().to_owned()).collect()
}

/// How many blobs nobody refers to: they go at the second sweep.
async fn swept(cloud: &Cloud) -> usize {
    let mut seen = Unreferenced::default();
    cloud.kernel.blobs().sweep(cloud.kernel.database(), &mut seen).await.unwrap();
    cloud.kernel.blobs().sweep(cloud.kernel.database(), &mut seen).await.unwrap()
}

fn text(length: usize, letter: char) -> Vec<u8> {
    vec![u8::try_from(letter).unwrap(); length]
}

#[tokio::test]
async fn texts_come_back_small_and_large_and_outlive_the_program() {
    let folder = Folder::new();
    let lengths = [1, 4096, 4097, 300_000, 1024 * 1024];
    let run = |first: bool| {
        let folder = &folder;
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let cloud = Cloud::in_folder(services(), folder).await;
            let client = cloud.client();
            if first {
                bucket(&client, "kept").await;
                put(&client, "kept", "k", b"hello").await;
            }
            for length in lengths {
                let input = named("kept", "k", &format!("n{length}"));
                if first {
                    note(&client, input.clone(), &text(length, 'x')).await.ok();
                }
                assert!(read(&client, input).await.1 == text(length, 'x'), "{length} bytes differ");
            }
            assert_eq!(names(&client, json!({"Bucket": "kept", "Key": "k"})).await.len(), lengths.len());
        });
    };
    std::thread::scope(|scope| {
        scope.spawn(|| [true, false].into_iter().for_each(run));
    });
}

#[tokio::test]
async fn what_is_too_large_or_no_text_changes_nothing() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"hello").await;
    note(&client, named("bkt", "k", "n"), b"old").await.ok();
    let refused = note(&client, named("bkt", "k", "n"), &text(1024 * 1024 + 1, 'x')).await;
    assert_eq!((refused.status, refused.code()), (400, "EntityTooLarge"));
    // Characters are whole wherever the pieces of a body end, and not cut at its end.
    let euros = "€".repeat(349_525);
    note(&client, named("bkt", "k", "euros"), euros.as_bytes()).await.ok();
    let cut = note(&client, named("bkt", "k", "n"), &euros.as_bytes()[..euros.len() - 1]).await;
    assert_eq!((cut.status, cut.code()), (415, "UnsupportedMediaType"));
    assert_eq!(read(&client, named("bkt", "k", "n")).await.1, b"old");
}

#[tokio::test]
async fn a_version_has_a_thousand_of_them_in_pages() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"hello").await;
    for number in 0..1000 {
        note(&client, named("bkt", "k", &format!("n{number:04}")), b"x").await.ok();
    }
    let refused = note(&client, named("bkt", "k", "more"), b"x").await;
    assert_eq!((refused.status, refused.code()), (400, "AnnotationLimitExceeded"));
    assert_eq!(refused.json["message"], "The object annotation count exceeds the limit (1000).");
    note(&client, named("bkt", "k", "n0500"), b"another").await.ok();
    call(&client, "DeleteObjectAnnotation", named("bkt", "k", "n0999")).await.ok();
    note(&client, named("bkt", "k", "more"), b"x").await.ok();
    let (mut all, mut token, mut pages) = (Vec::new(), None::<Json>, 0);
    loop {
        let mut input = json!({"Bucket": "bkt", "Key": "k", "MaxAnnotationResults": 300, "AnnotationPrefix": "n"});
        if let Some(token) = &token {
            input["ContinuationToken"] = token.clone();
        }
        let page = call(&client, "ListObjectAnnotations", input.clone()).await.ok();
        all.extend(names(&client, input).await);
        pages += 1;
        token = page.get("NextContinuationToken").cloned();
        if token.is_none() {
            break;
        }
    }
    assert_eq!((pages, all.len()), (4, 999));
    assert!(all.is_sorted());
    // A token is of one list.
    let other = json!({"Bucket": "bkt", "Key": "k", "MaxAnnotationResults": 1});
    let token = call(&client, "ListObjectAnnotations", other).await.ok()["NextContinuationToken"].clone();
    let wrong = json!({"Bucket": "bkt", "Key": "k", "AnnotationPrefix": "n", "ContinuationToken": token});
    assert_eq!(call(&client, "ListObjectAnnotations", wrong).await.code(), "InvalidArgument");
}

#[tokio::test]
async fn they_go_with_their_version_and_no_other() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    versioned(&client, "bkt").await;
    let first = put(&client, "bkt", "k", b"1").await["VersionId"].clone();
    note(&client, named("bkt", "k", "n"), &text(LARGE, 'a')).await.ok();
    let second = put(&client, "bkt", "k", b"2").await["VersionId"].clone();
    assert_eq!(names(&client, json!({"Bucket": "bkt", "Key": "k"})).await, Vec::<String>::new());
    note(&client, named("bkt", "k", "n"), &text(LARGE, 'b')).await.ok();
    let of = |version: &Json| with(named("bkt", "k", "n"), json!({"VersionId": version}));
    let (answer, body) = read(&client, of(&first)).await;
    assert!(body == text(LARGE, 'a'));
    assert_eq!(answer.headers["x-amz-object-version-id"], first.as_str().unwrap());
    // Behind a delete marker they are still there, but not under the key.
    let marker = call(&client, "DeleteObject", json!({"Bucket": "bkt", "Key": "k"})).await.ok()["VersionId"].clone();
    assert_eq!(read(&client, named("bkt", "k", "n")).await.0.code(), "NoSuchKey");
    assert_eq!(read(&client, of(&marker)).await.0.code(), "MethodNotAllowed");
    assert!(read(&client, of(&second)).await.1 == text(LARGE, 'b'));
    call(&client, "DeleteObject", json!({"Bucket": "bkt", "Key": "k", "VersionId": marker})).await.ok();
    assert!(read(&client, named("bkt", "k", "n")).await.1 == text(LARGE, 'b'));
    assert_eq!(swept(&cloud).await, 0);
    // The newer one goes, and the older one is current again, with its own.
    call(&client, "DeleteObject", json!({"Bucket": "bkt", "Key": "k", "VersionId": second})).await.ok();
    assert!(read(&client, named("bkt", "k", "n")).await.1 == text(LARGE, 'a'));
    assert_eq!(swept(&cloud).await, 1);
    let objects = json!({"Objects": [{"Key": "k", "VersionId": first}]});
    call(&client, "DeleteObjects", json!({"Bucket": "bkt", "Delete": objects})).await.ok();
    assert_eq!(swept(&cloud).await, 1);
    call(&client, "DeleteBucket", json!({"Bucket": "bkt"})).await.ok();
}

#[tokio::test]
async fn an_overwritten_object_has_none() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    let list = || names(&client, json!({"Bucket": "bkt", "Key": "k"}));
    put(&client, "bkt", "k", b"1").await;
    note(&client, named("bkt", "k", "n"), &text(LARGE, 'a')).await.ok();
    note(&client, named("bkt", "k", "n"), &text(LARGE, 'b')).await.ok();
    assert_eq!(swept(&cloud).await, 1, "what the second took the place of");
    put(&client, "bkt", "k", b"2").await;
    assert_eq!((list().await.len(), swept(&cloud).await), (0, 1));
    // The same where versions are suspended: the null version is another one.
    note(&client, named("bkt", "k", "n"), &text(LARGE, 'c')).await.ok();
    let off = json!({"Bucket": "bkt", "VersioningConfiguration": {"Status": "Suspended"}});
    call(&client, "PutBucketVersioning", off).await.ok();
    assert_eq!(list().await, ["n"]);
    put(&client, "bkt", "k", b"3").await;
    assert_eq!((list().await.len(), swept(&cloud).await), (0, 1));
    // A completed upload is a new object too.
    note(&client, named("bkt", "k", "n"), &text(LARGE, 'd')).await.ok();
    let upload = call(&client, "CreateMultipartUpload", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    let part = json!({"Bucket": "bkt", "Key": "k", "UploadId": upload["UploadId"], "PartNumber": 1});
    let tag =
        client.call_with_body("s3", "UploadPart", part, Some(Bytes::from_static(b"4"))).await.ok()["ETag"].clone();
    let done = json!({"Bucket": "bkt", "Key": "k", "UploadId": upload["UploadId"],
        "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": tag}]}});
    call(&client, "CompleteMultipartUpload", done).await.ok();
    assert_eq!((list().await.len(), swept(&cloud).await), (0, 1));
    note(&client, named("bkt", "k", "n"), b"x").await.ok();
    call(&client, "DeleteObject", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    assert_eq!(call(&client, "ListObjectAnnotations", json!({"Bucket": "bkt", "Key": "k"})).await.code(), "NoSuchKey");
}

#[tokio::test]
async fn lifecycles_take_them_along() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    versioned(&client, "bkt").await;
    let rules = json!({"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1}, "Transitions": [{"Days": 0, "StorageClass": "GLACIER"}]}]});
    let input = json!({"Bucket": "bkt", "LifecycleConfiguration": rules});
    call(&client, "PutBucketLifecycleConfiguration", input).await.ok();
    for (body, letter) in [("1", 'a'), ("2", 'b')] {
        put(&client, "bkt", "k", body.repeat(200_000).as_bytes()).await;
        note(&client, named("bkt", "k", "n"), &text(LARGE, letter)).await.ok();
    }
    cloud.kernel.advance(Duration::from_secs(3 * 24 * 60 * 60)).await.unwrap();
    let head = call(&client, "HeadObject", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    assert_eq!(head["StorageClass"], "GLACIER");
    // The class is the object's; its annotations can be read without asking it back.
    assert!(read(&client, named("bkt", "k", "n")).await.1 == text(LARGE, 'b'));
    assert_eq!(swept(&cloud).await, 2, "the body and the annotation of the old version");
}

#[tokio::test]
async fn a_copy_has_its_own() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"hello").await;
    note(&client, named("bkt", "k", "large"), &text(LARGE, 'a')).await.ok();
    note(&client, named("bkt", "k", "small"), b"x").await.ok();
    let copy = async |more: Json| {
        call(&client, "CopyObject", with(json!({"Bucket": "bkt", "CopySource": "bkt/k"}), more)).await
    };
    copy(json!({"Key": "c"})).await.ok();
    // A copy onto itself has them too, and changes nothing of them.
    copy(json!({"Key": "k", "MetadataDirective": "REPLACE"})).await.ok();
    assert!(read(&client, named("bkt", "k", "large")).await.1 == text(LARGE, 'a'));
    note(&client, named("bkt", "k", "small"), b"another").await.ok();
    call(&client, "DeleteObject", json!({"Bucket": "bkt", "Key": "k"})).await.ok();
    assert_eq!(swept(&cloud).await, 0);
    assert!(read(&client, named("bkt", "c", "large")).await.1 == text(LARGE, 'a'));
    assert_eq!(read(&client, named("bkt", "c", "small")).await.1, b"x");
    let excluded = json!({"Bucket": "bkt", "Key": "c", "CopySource": "bkt/c", "MetadataDirective": "REPLACE", "AnnotationDirective": "EXCLUDE"});
    call(&client, "CopyObject", excluded).await.ok();
    assert_eq!(swept(&cloud).await, 1);
    assert_eq!(read(&client, named("bkt", "c", "small")).await.0.code(), "NoSuchAnnotation");
}

#[tokio::test]
async fn who_names_no_annotation_means_none_and_no_object() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"hello").await;
    let send = async |method: &str, path: &str, query: &str| {
        let body = if method == "PUT" { Bytes::from_static(b"text") } else { Bytes::new() };
        let length = body.len().to_string();
        let headers = [("host", "localhost"), ("content-length", length.as_str())];
        let mut request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.into_iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect(),
            body: body.into(),
        };
        client.sign(&mut request, &undercast_s3::api::SERVICE);
        let (status, _, body) = client.send(request).await;
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    for method in ["PUT", "DELETE"] {
        for query in ["annotation", "annotation&annotationName="] {
            let (status, body) = send(method, "/bkt/k", query).await;
            assert!(status == 400 && body.contains("UserAnnotationNameMustBeSpecified"), "{method} {query}: {body}");
        }
    }
    assert_eq!(get(&client, json!({"Bucket": "bkt", "Key": "k"})).await.1, b"hello");
    // As AWS writes them, but for the form of elements that are empty.
    let declared = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let space = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    let (status, body) = send("PUT", "/bkt/k", "annotation&annotationName=n").await;
    let wanted = format!(
        "{declared}<PutObjectAnnotationOutput {space}><Key>k</Key><AnnotationName>n</AnnotationName></PutObjectAnnotationOutput>"
    );
    assert_eq!((status, body), (200, wanted));
    assert_eq!(send("DELETE", "/bkt/k", "annotation&annotationName=n").await, (204, String::new()));
    let root =
        |inside: &str| format!("{declared}<ListObjectAnnotationsOutput {space}>{inside}</ListObjectAnnotationsOutput>");
    assert_eq!(
        send("GET", "/bkt/k", "annotation").await,
        (200, root("<Annotations></Annotations><Bucket>bkt</Bucket><Key>k</Key><AnnotationCount>0</AnnotationCount>"))
    );
    assert_eq!(
        send("GET", "/bkt/k", "annotation&annotation-prefix=x&max-annotation-results=5").await.1,
        root(
            "<Annotations></Annotations><Bucket>bkt</Bucket><Key>k</Key><AnnotationPrefix>x</AnnotationPrefix><MaxAnnotationResults>5</MaxAnnotationResults><AnnotationCount>0</AnnotationCount>"
        )
    );
    let (status, body) = send("GET", "/bkt/k", "annotation&max-annotation-results=abc").await;
    assert!(status == 400 && body.contains("Provided max-annotation-results not an integer or within integer range"));
    // The size of a page is nobody's business where one is named.
    let (status, body) = send("GET", "/bkt/k", "annotation&annotationName=x&max-annotation-results=abc").await;
    assert!(status == 404 && body.contains("<Code>NoSuchAnnotation</Code>") && body.contains("<AnnotationName>x<"));
    // The same of other subresources.
    let (status, body) = send("GET", "/bkt/k", "attributes").await;
    assert!(status == 400 && body.contains("x-amz-object-attributes header specifying the attributes"), "{body}");
    assert_eq!(send("DELETE", "/bkt", "inventory").await.0, 400);
    call(&client, "HeadBucket", json!({"Bucket": "bkt"})).await.ok();
}

#[tokio::test]
async fn policies_decide_by_name_of_the_version_and_by_prefix() {
    let cloud = Cloud::start(services()).await;
    let (root, ann) = (cloud.client(), user(&cloud, "ann").await);
    versioned(&root, "bkt").await;
    let version = put(&root, "bkt", "k", b"x").await["VersionId"].clone();
    let tags = json!({"Bucket": "bkt", "Key": "k", "Tagging": {"TagSet": [{"Key": "open", "Value": "yes"}]}});
    call(&root, "PutObjectTagging", tags).await.ok();
    put(&root, "bkt", "shut", b"x").await;
    let allow = |action: Json, condition: Json| json!({"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::bkt/*", "Condition": condition});
    let policy = json!({"Version": "2012-10-17", "Statement": [
        allow(json!(["s3:PutObjectAnnotation", "s3:GetObjectAnnotation"]), json!({"StringEquals": {"s3:ExistingObjectTag/open": "yes"}})),
        allow(json!("s3:ListObjectAnnotations"), json!({"StringEquals": {"s3:annotation-prefix": "ml."}, "NumericLessThanEquals": {"s3:max-annotation-results": "10"}})),
        allow(json!("s3:DeleteObjectVersionAnnotation"), json!({"StringLike": {"s3:x-amz-object-if-match": "*"}})),
        allow(json!(["s3:GetObject", "s3:PutObject"]), json!({})),
    ]});
    let input = json!({"UserName": "ann", "PolicyName": "p", "PolicyDocument": policy.to_string()});
    root.call("iam", "PutUserPolicy", input).await.ok();
    note(&ann, named("bkt", "k", "ml.x"), b"1").await.ok();
    assert_eq!(read(&ann, named("bkt", "k", "ml.x")).await.1, b"1");
    assert_eq!(note(&ann, named("bkt", "shut", "n"), b"1").await.code(), "AccessDenied");
    let of = with(named("bkt", "k", "ml.x"), json!({"VersionId": version}));
    assert_eq!(note(&ann, of.clone(), b"1").await.code(), "AccessDenied");
    assert_eq!(read(&ann, of.clone()).await.0.code(), "AccessDenied");
    let list = json!({"Bucket": "bkt", "Key": "k", "AnnotationPrefix": "ml.", "MaxAnnotationResults": 10});
    assert_eq!(names(&ann, list.clone()).await, ["ml.x"]);
    for more in [json!({"AnnotationPrefix": ""}), json!({"MaxAnnotationResults": 11}), json!({"VersionId": version})] {
        assert_eq!(call(&ann, "ListObjectAnnotations", with(list.clone(), more)).await.code(), "AccessDenied");
    }
    // A copy takes them only for those who may read them, and is as ever where there are none or none are wanted.
    let copy = json!({"Bucket": "bkt", "Key": "c", "CopySource": "bkt/k"});
    call(&ann, "CopyObject", json!({"Bucket": "bkt", "Key": "c", "CopySource": "bkt/shut"})).await.ok();
    call(&ann, "CopyObject", with(copy.clone(), json!({"AnnotationDirective": "EXCLUDE"}))).await.ok();
    let denied = call(&ann, "CopyObject", copy.clone()).await;
    assert!(denied.json["message"].as_str().unwrap().contains("s3:GetObjectAnnotation"), "{}", denied.json);
    call(&root, "CopyObject", copy).await.ok();
    assert_eq!(call(&ann, "DeleteObjectAnnotation", of.clone()).await.code(), "AccessDenied");
    call(&ann, "DeleteObjectAnnotation", with(of, json!({"ObjectIfMatch": "*"}))).await.ok();
}

#[tokio::test]
async fn they_can_be_asked_of_an_access_point() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    bucket(&client, "bkt").await;
    put(&client, "bkt", "k", b"x").await;
    let made = control::control(&client, "CreateAccessPoint", json!({"Name": "door", "Bucket": "bkt"})).await.ok();
    let (arn, alias) = (made["AccessPointArn"].as_str().unwrap(), made["Alias"].as_str().unwrap());
    note(&client, named(alias, "k", "n"), b"1").await.ok();
    assert_eq!(read(&client, named("bkt", "k", "n")).await.1, b"1");
    assert_eq!(names(&client, json!({"Bucket": alias, "Key": "k"})).await, ["n"]);
    let copy = json!({"Bucket": "bkt", "Key": "c", "CopySource": format!("{arn}/object/k")});
    call(&client, "CopyObject", copy).await.ok();
    assert_eq!(read(&client, named(alias, "c", "n")).await.1, b"1");
    call(&client, "DeleteObjectAnnotation", named(alias, "k", "n")).await.ok();
    assert_eq!(read(&client, named("bkt", "k", "n")).await.0.code(), "NoSuchAnnotation");
}

#[tokio::test]
async fn whoever_wants_to_know_is_told() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    versioned(&client, "bkt").await;
    let version = put(&client, "bkt", "a b", b"hello").await["VersionId"].clone();
    let policy = statement(&json!({"Service": "s3.amazonaws.com"}), &json!("sqs:SendMessage"), &json!("*"));
    let made =
        client.call("sqs", "CreateQueue", json!({"QueueName": "q", "Attributes": {"Policy": policy}})).await.ok();
    let url = made["QueueUrl"].as_str().unwrap();
    let told = json!({"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectAnnotation:*"]}]});
    let input = json!({"Bucket": "bkt", "NotificationConfiguration": told});
    call(&client, "PutBucketNotificationConfiguration", input).await.ok();
    receive(&client, url).await;
    note(&client, named("bkt", "a b", "n"), b"1").await.ok();
    let record = receive(&client, url).await["Records"][0].clone();
    assert_eq!(record["eventName"], "ObjectAnnotation:Put");
    let object = &record["s3"]["object"];
    assert_eq!((&object["key"], &object["versionId"]), (&json!("a+b"), &version));
    assert_eq!(object["eTag"], "5d41402abc4b2a76b9719d911017c592", "the object's");
    // What is not there is not deleted.
    call(&client, "DeleteObjectAnnotation", named("bkt", "a b", "none")).await.ok();
    call(&client, "DeleteObjectAnnotation", named("bkt", "a b", "n")).await.ok();
    assert_eq!(receive(&client, url).await["Records"][0]["eventName"], "ObjectAnnotation:Delete");
}

/// Waits until an annotation's status is no longer PENDING.
async fn arrived(client: &Client, input: Json) -> String {
    for _ in 0..400 {
        let (answer, _) = read(client, input.clone()).await;
        match answer.headers.get("x-amz-replication-status").map(|h| h.to_str().unwrap()) {
            Some("PENDING") => tokio::time::sleep(Duration::from_millis(10)).await,
            other => return other.unwrap_or_default().to_owned(),
        }
    }
    panic!("{input} is still on its way");
}

#[tokio::test]
async fn each_makes_its_own_way_to_replicas() {
    let cloud = Cloud::start(services()).await;
    let (here, there) = (cloud.client(), cloud.client().in_region("eu-west-1"));
    role(&cloud, &json!("s3:*")).await;
    versioned(&here, "from").await;
    versioned(&there, "into").await;
    put(&here, "from", "before", b"x").await;
    replicate(&here, "from", &json!([rule("all", 1, "", "into")])).await;
    let version = put(&here, "from", "k", b"hello").await["VersionId"].clone();
    note(&here, named("from", "k", "n"), &text(LARGE, 'a')).await.ok();
    assert_eq!(arrived(&here, named("from", "k", "n")).await, "COMPLETED");
    let (replica, body) = read(&there, named("into", "k", "n")).await;
    assert!(body == text(LARGE, 'a'));
    assert_eq!(replica.headers["x-amz-replication-status"], "REPLICA");
    assert_eq!(replica.headers["x-amz-object-version-id"], version.as_str().unwrap());
    let listed = call(&there, "ListObjectAnnotations", json!({"Bucket": "into", "Key": "k"})).await.ok();
    assert_eq!(listed["Annotations"][0]["ReplicationStatus"], "REPLICA");
    // A change follows, a deletion does not.
    note(&here, named("from", "k", "n"), b"new").await.ok();
    assert_eq!(arrived(&here, named("from", "k", "n")).await, "COMPLETED");
    assert_eq!(read(&there, named("into", "k", "n")).await.1, b"new");
    call(&here, "DeleteObjectAnnotation", named("from", "k", "n")).await.ok();
    note(&here, named("from", "k", "other"), b"1").await.ok();
    assert_eq!(arrived(&here, named("from", "k", "other")).await, "COMPLETED");
    assert_eq!(names(&there, json!({"Bucket": "into", "Key": "k"})).await, ["n", "other"]);
    // Those of a copy go with it; those of what was there before the rule go nowhere.
    call(&here, "CopyObject", json!({"Bucket": "from", "Key": "c", "CopySource": "from/k"})).await.ok();
    assert_eq!(arrived(&here, named("from", "c", "other")).await, "COMPLETED");
    assert_eq!(read(&there, named("into", "c", "other")).await.1, b"1");
    note(&here, named("from", "before", "n"), b"1").await.ok();
    assert_eq!(arrived(&here, named("from", "before", "n")).await, "");
    // One that is put at the other end stays there, and what is brought again leaves it.
    note(&there, named("into", "k", "theirs"), b"2").await.ok();
    assert_eq!(arrived(&there, named("into", "k", "theirs")).await, "");
}

#[tokio::test]
async fn a_cut_link_delays_them_and_a_refusal_is_theirs_alone() {
    let cloud = Cloud::start(services()).await;
    let (here, there) = (cloud.client(), cloud.client().in_region("eu-west-1"));
    let own = "s3:GetObjectVersionAnnotationForReplication";
    let (get, put_there) = ("s3:GetObjectVersionForReplication", "s3:ReplicateObject");
    role(&cloud, &json!([get, put_there, own])).await;
    versioned(&here, "from").await;
    versioned(&there, "into").await;
    replicate(&here, "from", &json!([rule("all", 1, "", "into")])).await;
    kill(&cloud, "eu-west-1");
    put(&here, "from", "k", b"hello").await;
    note(&here, named("from", "k", "n"), b"1").await.ok();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(read(&here, named("from", "k", "n")).await.0.headers["x-amz-replication-status"], "PENDING");
    cloud.kernel.faults().remove(None);
    cloud.kernel.advance(Duration::from_secs(600)).await.unwrap();
    assert_eq!(arrived(&here, named("from", "k", "n")).await, "COMPLETED");
    assert_eq!(read(&there, named("into", "k", "n")).await.1, b"1");
    may(&here, &[get, put_there]).await;
    put(&here, "from", "k2", b"hello").await;
    note(&here, named("from", "k2", "n"), b"1").await.ok();
    assert_eq!(settled(&here, "from", "k2").await, "COMPLETED");
    assert_eq!(arrived(&here, named("from", "k2", "n")).await, "FAILED");
    // The destination's owner wants none.
    may(&here, &[get, put_there, own]).await;
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": ROLE},
        "Action": "s3:ReplicateObjectAnnotation", "Resource": "arn:aws:s3:::into/*"}]});
    call(&there, "PutBucketPolicy", json!({"Bucket": "into", "Policy": deny.to_string()})).await.ok();
    note(&here, named("from", "k", "m"), b"1").await.ok();
    assert_eq!(arrived(&here, named("from", "k", "m")).await, "FAILED");
    assert_eq!(names(&there, json!({"Bucket": "into", "Key": "k"})).await, ["n"]);
}
