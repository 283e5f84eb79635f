//! IAM through a real socket: what it stores, and what it makes the cloud deny.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod certificates;
mod details;
mod groups;
mod hostile;
mod least;
mod mfa;
mod model;
mod passwords;
mod reports;
mod sessions;
mod simulations;
mod templates;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_iam::Iam;
use undercast_kernel::Service;
use undercast_sqs::Sqs;
use undercast_sts::Sts;
use undercast_testkit::{Client, Cloud, Credentials, conformance};
use undercast_wire::Request;

fn services() -> Vec<Arc<dyn Service>> {
    vec![Arc::new(Iam), Arc::new(Sqs), Arc::new(Sts)]
}

#[tokio::test]
async fn conformance_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let coverage = conformance::run(&folder, "iam", services).await;
    assert!(coverage.cases >= 140, "{coverage:?}");
}

#[tokio::test]
async fn an_alias_belongs_to_one_account() {
    let cloud = Cloud::start(services()).await;
    let other = cloud.client_of(Credentials::new("111122223333", "test"));
    cloud.client().call("iam", "CreateAccountAlias", json!({"AccountAlias": "taken"})).await.ok();
    let refused = other.call("iam", "CreateAccountAlias", json!({"AccountAlias": "taken"})).await;
    assert_eq!((refused.status, refused.code()), (409, "EntityAlreadyExistsException"));
    let none = other.call("iam", "ListAccountAliases", json!({})).await.ok();
    assert_eq!(none["AccountAliases"], json!([]));
}

/// Makes so many of something that an account may have no more, and one of them again after one is gone.
async fn fill(operations: [&str; 2], member: &str, most: usize, more: &Json, quota: &str) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let named = |n: usize| {
        let mut input = more.clone();
        input[member] = json!(format!("some-{n}"));
        input
    };
    for n in 0..most {
        client.call("iam", operations[0], named(n)).await.ok();
    }
    let refused = client.call("iam", operations[0], named(most)).await;
    assert_eq!((refused.status, refused.code()), (409, "LimitExceededException"));
    assert_eq!(refused.json["message"], format!("Cannot exceed quota for {quota}: {most}"));
    client.call("iam", operations[1], json!({member: "some-7"})).await.ok();
    client.call("iam", operations[0], named(most)).await.ok();
}

#[tokio::test]
async fn an_account_has_so_many_groups() {
    fill(["CreateGroup", "DeleteGroup"], "GroupName", 300, &json!({}), "GroupsPerAccount").await;
}

#[tokio::test]
async fn an_account_has_so_many_instance_profiles() {
    let operations = ["CreateInstanceProfile", "DeleteInstanceProfile"];
    fill(operations, "InstanceProfileName", 1_000, &json!({}), "InstanceProfilesPerAccount").await;
}

#[tokio::test]
async fn an_account_has_so_many_roles() {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let trust = trust(&json!({"Service": "lambda.amazonaws.com"}));
    let role = |n: usize| json!({"RoleName": format!("role-{n}"), "AssumeRolePolicyDocument": trust});
    for n in 0..1_000 {
        client.call("iam", "CreateRole", role(n)).await.ok();
    }
    let refused = client.call("iam", "CreateRole", role(1_000)).await;
    assert_eq!((refused.status, refused.code()), (409, "LimitExceededException"));
    assert!(refused.json["message"].as_str().unwrap().contains("Cannot exceed quota for RolesPerAccount: 1000"));
    client.call("iam", "DeleteRole", json!({"RoleName": "role-7"})).await.ok();
    client.call("iam", "CreateRole", role(1_000)).await.ok();
}

fn allow(action: &str, resource: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]})
        .to_string()
}

fn trust(principal: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}).to_string()
}

async fn user(cloud: &Cloud, name: &str) -> Client {
    let root = cloud.client();
    root.call("iam", "CreateUser", json!({"UserName": name})).await.ok();
    let key = root.call("iam", "CreateAccessKey", json!({"UserName": name})).await.ok();
    let text = |field: &str| key["AccessKey"][field].as_str().unwrap().to_owned();
    cloud.client_of(Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey")))
}

#[tokio::test]
async fn a_user_may_do_what_its_policies_allow_and_nothing_else() {
    let cloud = Cloud::start(services()).await;
    let (root, user) = (cloud.client(), user(&cloud, "ann").await);
    let denied = user.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await;
    assert_eq!(denied.status, 403);
    let message = denied.json["message"].as_str().unwrap();
    assert!(message.contains("because no identity-based policy allows the sqs:createqueue action"), "{message}");
    let policy = allow("sqs:*", "arn:aws:sqs:us-east-1:000000000000:ann-*");
    root.call("iam", "PutUserPolicy", json!({"UserName": "ann", "PolicyName": "queues", "PolicyDocument": policy}))
        .await
        .ok();
    user.call("sqs", "CreateQueue", json!({"QueueName": "ann-1"})).await.ok();
    assert_eq!(user.call("sqs", "CreateQueue", json!({"QueueName": "bob-1"})).await.status, 403);
    let identity = user.call("sts", "GetCallerIdentity", json!({})).await.ok();
    assert_eq!(identity["Arn"], "arn:aws:iam::000000000000:user/ann");
}

#[tokio::test]
async fn a_boundary_limits_what_a_policy_allows() {
    let cloud = Cloud::start(services()).await;
    let (root, user) = (cloud.client(), user(&cloud, "ann").await);
    let attach = json!({"UserName": "ann", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    root.call("iam", "AttachUserPolicy", attach).await.ok();
    user.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let made = root
        .call("iam", "CreatePolicy", json!({"PolicyName": "limit", "PolicyDocument": allow("sqs:List*", "*")}))
        .await
        .ok();
    let arn = made["Policy"]["Arn"].clone();
    root.call("iam", "PutUserPermissionsBoundary", json!({"UserName": "ann", "PermissionsBoundary": arn})).await.ok();
    assert_eq!(user.call("sqs", "CreateQueue", json!({"QueueName": "q2"})).await.status, 403);
    user.call("sqs", "ListQueues", json!({})).await.ok();
    let conflict = root.call("iam", "DeletePolicy", json!({"PolicyArn": arn})).await;
    assert_eq!(conflict.code(), "DeleteConflictException");
}

#[tokio::test]
async fn a_role_is_assumed_where_its_trust_policy_allows_and_until_its_session_ends() {
    let cloud = Cloud::start(services()).await;
    let (root, user) = (cloud.client(), user(&cloud, "ann").await);
    let input = json!({"RoleName": "worker", "AssumeRolePolicyDocument": trust(&json!({"AWS": "arn:aws:iam::000000000000:user/bob"}))});
    root.call("iam", "CreateRole", input).await.ok();
    let assume = json!({"RoleArn": "arn:aws:iam::000000000000:role/worker", "RoleSessionName": "s1"});
    let denied = user.call("sts", "AssumeRole", assume.clone()).await;
    assert_eq!(denied.code(), "AccessDenied", "{}", denied.json);
    let trusted = trust(&json!({"AWS": "arn:aws:iam::000000000000:user/ann"}));
    root.call("iam", "UpdateAssumeRolePolicy", json!({"RoleName": "worker", "PolicyDocument": trusted})).await.ok();
    root.call(
        "iam",
        "PutRolePolicy",
        json!({"RoleName": "worker", "PolicyName": "p", "PolicyDocument": allow("sqs:*", "*")}),
    )
    .await
    .ok();
    let session = user.call("sts", "AssumeRole", assume).await.ok();
    let text = |field: &str| session["Credentials"][field].as_str().unwrap().to_owned();
    let mut credentials = Credentials::new(&text("AccessKeyId"), &text("SecretAccessKey"));
    let without_token = cloud.client_of(credentials.clone()).call("sqs", "ListQueues", json!({})).await;
    assert_eq!(without_token.code(), "UnrecognizedClientException");
    credentials.token = Some(text("SessionToken"));
    let worker = cloud.client_of(credentials);
    worker.call("sqs", "CreateQueue", json!({"QueueName": "q"})).await.ok();
    let identity = worker.call("sts", "GetCallerIdentity", json!({})).await.ok();
    assert_eq!(identity["Arn"], "arn:aws:sts::000000000000:assumed-role/worker/s1");
    cloud.kernel.advance(Duration::from_secs(3_601)).await.unwrap();
    assert_eq!(worker.call("sqs", "ListQueues", json!({})).await.code(), "ExpiredTokenException");
}

#[tokio::test]
async fn a_wrong_secret_and_an_inactive_key_are_refused() {
    let cloud = Cloud::start(services()).await;
    let (root, user) = (cloud.client(), user(&cloud, "ann").await);
    let forged = cloud.client_of(Credentials::new(&user.credentials.key, "guess"));
    assert_eq!(forged.call("sqs", "ListQueues", json!({})).await.code(), "InvalidSignatureException");
    assert_eq!(forged.call("iam", "ListUsers", json!({})).await.code(), "SignatureDoesNotMatch");
    let off = json!({"UserName": "ann", "AccessKeyId": user.credentials.key, "Status": "Inactive"});
    root.call("iam", "UpdateAccessKey", off).await.ok();
    assert_eq!(user.call("iam", "ListUsers", json!({})).await.code(), "InvalidClientTokenId");
}

#[tokio::test]
async fn a_key_that_was_deleted_is_not_just_any_key() {
    let cloud = Cloud::start(services()).await;
    let (root, user) = (cloud.client(), user(&cloud, "ann").await);
    let key = json!({"UserName": "ann", "AccessKeyId": user.credentials.key});
    root.call("iam", "DeleteAccessKey", key).await.ok();
    // Keys that were never issued here are the root user; this one must not become it.
    assert_eq!(user.call("iam", "ListUsers", json!({})).await.code(), "InvalidClientTokenId");
    let guessed = cloud.client_of(Credentials::new(&user.credentials.key, ""));
    assert_eq!(guessed.call("iam", "ListUsers", json!({})).await.code(), "InvalidClientTokenId");
}

#[tokio::test]
async fn errors_are_in_awss_words() {
    let cloud = Cloud::start(services()).await;
    let root = cloud.client();
    let check = async |operation: &str, input: Json, code: &str, message: &str| {
        let answer = root.call("iam", operation, input).await;
        assert_eq!((answer.code(), answer.json["message"].as_str().unwrap()), (code, message), "{operation}");
    };
    check("GetRole", json!({"RoleName": "x"}), "NoSuchEntityException", "The role with name x cannot be found.").await;
    check(
        "GetPolicy",
        json!({"PolicyArn": "arn:aws:iam::000000000000:policy/non-existent-policy"}),
        "NoSuchEntityException",
        "Policy arn:aws:iam::000000000000:policy/non-existent-policy was not found.",
    )
    .await;
    check(
        "CreateRole",
        json!({"RoleName": "r", "AssumeRolePolicyDocument": "nonsense"}),
        "MalformedPolicyDocumentException",
        "This policy contains invalid Json",
    )
    .await;
    root.call("iam", "CreateUser", json!({"UserName": "ann"})).await.ok();
    check(
        "CreateUser",
        json!({"UserName": "Ann"}),
        "EntityAlreadyExistsException",
        "User with name Ann already exists.",
    )
    .await;
    check(
        "AttachUserPolicy",
        json!({"UserName": "ann", "PolicyArn": "arn:aws:iam::000000000000:policy/none"}),
        "NoSuchEntityException",
        "Policy arn:aws:iam::000000000000:policy/none does not exist or is not attachable.",
    )
    .await;
    let unknown = root
        .call(
            "iam",
            "AttachUserPolicy",
            json!({"UserName": "ann", "PolicyArn": "arn:aws:iam::aws:policy/AmazonEC2FullAccess"}),
        )
        .await;
    assert_eq!((unknown.status, unknown.code()), (501, "NotImplemented"));
}

/// A request of SQS to the host of a region, or to one that names none.
fn list_queues(host: Option<&str>) -> Request {
    let mut request = Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: Default::default(),
        body: b"{}".to_vec().into(),
    };
    request.headers.insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
    request.headers.insert("x-amz-target", "AmazonSQS.ListQueues".parse().unwrap());
    if let Some(host) = host {
        request.headers.insert("host", host.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_signature_for_several_regions_is_verified() {
    let cloud = Cloud::start(services()).await;
    let (root, user) = (cloud.client(), user(&cloud, "ann").await);
    let policy = allow("sqs:*", "*");
    root.call("iam", "PutUserPolicy", json!({"UserName": "ann", "PolicyName": "queues", "PolicyDocument": policy}))
        .await
        .ok();
    user.in_region("eu-west-1").call("sqs", "CreateQueue", json!({"QueueName": "far"})).await.ok();
    let signed = |client: &Client, host: Option<&str>, regions: &str| {
        let mut request = list_queues(host);
        client.sign_for(&mut request, Sqs.api(), regions);
        request
    };
    let send = async |request: Request| {
        let (status, _, body) = user.send(request).await;
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    let (europe, america) = (Some("sqs.eu-west-1.localhost"), Some("sqs.us-east-1.localhost"));
    for (host, regions, there) in [
        (None, "eu-west-1", true),
        (None, "us-*,eu-west-1,us-east-1", true),
        (None, "us-east-1,eu-west-1", false),
        (None, "*", false),
        (europe, "*", true),
        (europe, "us-east-1,eu-*", true),
        (america, "eu-west-1,us-east-1", false),
    ] {
        let (status, body) = send(signed(&user, host, regions)).await;
        assert_eq!((status, body.contains("/far")), (200, there), "{host:?} {regions}: {body}");
    }
    let mismatch = "The request signature we calculated does not match";
    let stranger = cloud.client_of(Credentials::new(&user.credentials.key, "another secret"));
    // The set is signed: whoever passes the request on cannot widen it.
    let mut widened = signed(&user, None, "us-east-1");
    widened.headers.insert("x-amz-region-set", "*".parse().unwrap());
    let mut cut = signed(&user, None, "us-east-1");
    cut.headers.remove("x-amz-region-set");
    for (request, code, message) in [
        (signed(&user, europe, "us-*"), "InvalidSignatureException", "Credential should be scoped to a valid region"),
        (
            signed(&user, None, "us-west-*"),
            "InvalidSignatureException",
            "Credential should be scoped to a valid region",
        ),
        (signed(&stranger, None, "*"), "InvalidSignatureException", mismatch),
        (widened, "InvalidSignatureException", mismatch),
        (cut, "IncompleteSignatureException", "X-Amz-Region-Set"),
    ] {
        let (status, body) = send(request).await;
        assert!(status == 400 && body.contains(code) && body.contains(message), "{status} {body}");
    }
}
