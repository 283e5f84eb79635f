//! The resources of an account whose policies are looked at, as the service-linked role reads them from their services.
//!
//! Of S3 there are buckets with their policies, ACLs and access points; multi-Region access points are not looked at.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Result};

use crate::external::Entry;
use crate::rows::Source;
use crate::zone::every;

/// A policy of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) from: From,
}

/// Where a policy stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// At the resource itself.
    Resource,
    /// At an access point of a bucket, called by its ARN.
    AccessPoint {
        arn: String,
        /// Its own block of public access.
        restricts: bool,
        /// Requests come from this network only.
        vpc: Option<String>,
    },
}

/// A resource that may be shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) arn: String,
    pub(crate) kind: &'static str,
    pub(crate) owner: String,
    /// Milliseconds since 1970, where its service tells.
    pub(crate) created: Option<i64>,
    pub(crate) policies: Vec<Given>,
    /// What lets others in without a policy: ACLs of buckets, grants of keys.
    pub(crate) entries: Vec<Entry>,
    /// A public policy counts for nothing.
    pub(crate) restricts: bool,
    /// Why it could not be read.
    pub(crate) error: Option<&'static str>,
}

impl Resource {
    pub(crate) fn new(kind: &'static str, owner: &str, arn: &str) -> Self {
        Self {
            arn: arn.to_owned(),
            kind,
            owner: owner.to_owned(),
            created: None,
            policies: Vec::new(),
            entries: Vec::new(),
            restricts: false,
            error: None,
        }
    }

    fn with(mut self, policy: &Json) -> Self {
        if let Some(text) = policy.as_str().filter(|text| !text.is_empty()) {
            self.policies.push(Given { text: text.to_owned(), from: From::Resource });
        }
        self
    }

    /// What can be done to it: the service, and the types of its resources there.
    pub(crate) fn actions(kind: &str) -> (&'static str, &'static [&'static str]) {
        match kind {
            "AWS::S3::Bucket" => ("s3", &["bucket", "object"]),
            "AWS::IAM::Role" => ("sts", &["role"]),
            "AWS::KMS::Key" => ("kms", &["key"]),
            "AWS::Lambda::Function" => ("lambda", &["function", "function alias", "function version"]),
            "AWS::SQS::Queue" => ("sqs", &["queue"]),
            "AWS::SNS::Topic" => ("sns", &["topic"]),
            "AWS::SecretsManager::Secret" => ("secretsmanager", &["Secret"]),
            "AWS::DynamoDB::Table" => ("dynamodb", &["table", "index"]),
            "AWS::DynamoDB::Stream" => ("dynamodb", &["stream"]),
            _ => ("", &[]),
        }
    }

    /// Patterns of the ARNs that its policies speak of.
    pub(crate) fn places(&self) -> Vec<String> {
        let arn = &self.arn;
        let below = |rest: &str| vec![arn.clone(), format!("{arn}{rest}")];
        match self.kind {
            "AWS::S3::Bucket" => below("/*"),
            "AWS::DynamoDB::Table" => below("/index/*"),
            "AWS::Lambda::Function" => below(":*"),
            _ => vec![arn.clone()],
        }
    }

    /// All that was told of it, in one text.
    pub(crate) fn told(&self) -> String {
        format!("{:?} {:?} {} {:?}", self.policies, self.entries, self.restricts, self.error)
    }
}

/// Codes of errors that say that there is no such thing, or is none any more.
const NONE: &[&str] = &[
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchAccessPointPolicy",
    "NoSuchAccessPoint",
    "OwnershipControlsNotFoundError",
    "NotFoundException",
    "PolicyNotFoundException",
    "ResourceNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchEntity",
    "NotFound",
];

/// What a call tells: nothing where there is nothing.
///
/// # Errors
/// Those of the operation; `Ok(Err(…))` where the role may not.
async fn ask(cx: &Cx, service: &str, operation: &str, input: Json) -> Result<std::result::Result<Json, &'static str>> {
    match cx.call(service, operation, input).await {
        Ok(answer) => Ok(Ok(answer)),
        Err(failure) => match failure.code() {
            Some(code) if NONE.contains(&code) => Ok(Ok(Json::Null)),
            Some(code) if code.starts_with("AccessDenied") || code == "AuthorizationError" => Ok(Err("ACCESS_DENIED")),
            _ => Err(failure),
        },
    }
}

/// Asks, and writes down that the role may not.
async fn asked(cx: &Cx, resource: &mut Resource, service: &str, operation: &str, input: Json) -> Result<Json> {
    match ask(cx, service, operation, input).await? {
        Ok(answer) => Ok(answer),
        Err(why) => {
            resource.error = Some(why);
            Ok(Json::Null)
        }
    }
}

fn millis(seconds: &Json) -> Option<i64> {
    seconds.as_f64().map(|seconds| (seconds * 1000.0) as i64)
}

/// All resources of an account in the region of the call, which is made by the role.
///
/// # Errors
/// When a service cannot tell them.
pub(crate) async fn all(cx: &Cx) -> Result<Vec<Resource>> {
    let has = |service: &str| cx.kernel().service(service).is_some();
    let mut all = Vec::new();
    if has("s3") {
        all.extend(buckets(cx).await?);
    }
    if has("iam") {
        all.extend(roles(cx).await?);
    }
    if has("kms") {
        all.extend(keys(cx).await?);
    }
    if has("lambda") {
        all.extend(functions(cx).await?);
    }
    if has("sqs") {
        all.extend(queues(cx).await?);
    }
    if has("sns") {
        all.extend(topics(cx).await?);
    }
    if has("secretsmanager") {
        all.extend(secrets(cx).await?);
    }
    if has("dynamodb") {
        all.extend(tables(cx).await?);
    }
    Ok(all)
}

async fn buckets(cx: &Cx) -> Result<Vec<Resource>> {
    let account = cx.account().to_owned();
    let of_account = match cx.kernel().service("s3control") {
        Some(_) => {
            ask(cx, "s3control", "GetPublicAccessBlock", json!({"AccountId": account})).await?.unwrap_or(Json::Null)
        }
        None => Json::Null,
    };
    let of_account = &of_account["PublicAccessBlockConfiguration"];
    let mut all = Vec::new();
    for bucket in every(cx, "s3", "ListBuckets", json!({}), "Buckets").await? {
        let name = bucket["Name"].as_str().unwrap_or_default();
        let place = cx.call("s3", "GetBucketLocation", json!({"Bucket": name})).await;
        let region = place.ok().and_then(|place| place["LocationConstraint"].as_str().map(ToOwned::to_owned));
        if region.filter(|region| !region.is_empty()).as_deref().unwrap_or("us-east-1") != cx.region() {
            continue;
        }
        let mut one = one_bucket(cx, name, of_account).await?;
        one.created = millis(&bucket["CreationDate"]);
        all.push(one);
    }
    Ok(all)
}

/// A bucket by its name. `of_account` is what the account blocks of public access.
async fn one_bucket(cx: &Cx, name: &str, of_account: &Json) -> Result<Resource> {
    let mut one = Resource::new("AWS::S3::Bucket", cx.account(), &format!("arn:{}:s3:::{name}", cx.partition()));
    let input = json!({"Bucket": name});
    let own = asked(cx, &mut one, "s3", "GetPublicAccessBlock", input.clone()).await?;
    let blocks = |what: &str| own["PublicAccessBlockConfiguration"][what] == true || of_account[what] == true;
    one.restricts = blocks("RestrictPublicBuckets");
    let policy = asked(cx, &mut one, "s3", "GetBucketPolicy", input.clone()).await?;
    one = one.with(&policy["Policy"]);
    let acl = asked(cx, &mut one, "s3", "GetBucketAcl", input).await?;
    one.entries = acl_entries(&acl, blocks("IgnorePublicAcls"));
    if cx.kernel().service("s3control").is_some() {
        access_points(cx, name, of_account, &mut one).await?;
    }
    Ok(one)
}

/// Adds the policies of a bucket's access points.
async fn access_points(cx: &Cx, name: &str, of_account: &Json, one: &mut Resource) -> Result<()> {
    let input = json!({"AccountId": cx.account(), "Bucket": name});
    for point in every(cx, "s3control", "ListAccessPoints", input, "AccessPointList").await? {
        let input = json!({"AccountId": cx.account(), "Name": point["Name"]});
        let policy = asked(cx, one, "s3control", "GetAccessPointPolicy", input.clone()).await?;
        let about = asked(cx, one, "s3control", "GetAccessPoint", input).await?;
        let text = policy["Policy"].as_str().unwrap_or_default().to_owned();
        let arn = point["AccessPointArn"].as_str().unwrap_or_default().to_owned();
        let restricts = about["PublicAccessBlockConfiguration"]["RestrictPublicBuckets"] == true
            || of_account["RestrictPublicBuckets"] == true;
        let vpc = point["VpcConfiguration"]["VpcId"].as_str().map(ToOwned::to_owned);
        if !text.is_empty() {
            one.policies.push(Given { text, from: From::AccessPoint { arn, restricts, vpc } });
        }
    }
    Ok(())
}

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

/// What a permission of an ACL lets do to a bucket.
///
/// Source: "Mapping of ACL permissions and access policy permissions" in the S3 user guide.
pub(crate) fn acl_actions(permission: &str) -> BTreeSet<String> {
    let read = ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"];
    let named: &[&str] = match permission {
        "READ" => &read,
        "WRITE" => &["s3:PutObject"],
        "READ_ACP" => &["s3:GetBucketAcl"],
        "WRITE_ACP" => &["s3:PutBucketAcl"],
        "FULL_CONTROL" => &[
            "s3:GetBucketAcl",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
            "s3:ListBucketVersions",
            "s3:PutBucketAcl",
            "s3:PutObject",
        ],
        _ => &[],
    };
    named.iter().map(|action| (*action).to_owned()).collect()
}

/// Whom an ACL lets in besides the owner of the bucket.
fn acl_entries(acl: &Json, ignores_public: bool) -> Vec<Entry> {
    let grants = acl["Grants"].as_array().into_iter().flatten();
    grants
        .filter_map(|grant| {
            let grantee = &grant["Grantee"];
            let id = grantee["ID"].as_str().filter(|id| acl["Owner"]["ID"] != **id);
            acl_entry(id, grantee["URI"].as_str(), grant["Permission"].as_str()?, ignores_public)
        })
        .collect()
}

/// What one grant of an ACL gives; `None`: nothing to anybody outside.
pub(crate) fn acl_entry(id: Option<&str>, uri: Option<&str>, permission: &str, ignores: bool) -> Option<Entry> {
    let everybody = matches!(uri, Some(ALL_USERS | AUTHENTICATED));
    let principal = match (id, uri) {
        (Some(id), _) => ("CanonicalUser".to_owned(), id.to_owned()),
        (None, Some(_)) if everybody && !ignores => ("AWS".to_owned(), "*".to_owned()),
        _ => return None,
    };
    Some(Entry {
        principal,
        actions: acl_actions(permission),
        condition: std::collections::BTreeMap::new(),
        public: everybody,
        source: Some(Source { kind: "BUCKET_ACL".to_owned(), access_point: None }),
    })
}

async fn roles(cx: &Cx) -> Result<Vec<Resource>> {
    let roles = every(cx, "iam", "ListRoles", json!({}), "Roles").await?;
    let one = |role: &Json| {
        let arn = role["Arn"].as_str().unwrap_or_default();
        let mut one =
            Resource::new("AWS::IAM::Role", cx.account(), arn).with(&unescaped(&role["AssumeRolePolicyDocument"]));
        one.created = millis(&role["CreateDate"]);
        one
    };
    // Roles of services trust these services, and nobody changes them.
    Ok(roles.iter().map(one).filter(|role| !role.arn.contains(":role/aws-service-role/")).collect())
}

/// A document as IAM's answers have it: with percent signs.
pub(crate) fn unescaped(text: &Json) -> Json {
    let Some(text) = text.as_str() else { return Json::Null };
    undercast_wire::text::percent_decode(text, false).map_or(Json::Null, Json::String)
}

async fn keys(cx: &Cx) -> Result<Vec<Resource>> {
    let mut all = Vec::new();
    for key in every(cx, "kms", "ListKeys", json!({}), "Keys").await? {
        let id = json!({"KeyId": key["KeyId"]});
        let mut one = Resource::new("AWS::KMS::Key", cx.account(), key["KeyArn"].as_str().unwrap_or_default());
        let about = asked(cx, &mut one, "kms", "DescribeKey", id.clone()).await?;
        // Keys of AWS are nobody else's to share.
        if about["KeyMetadata"]["KeyManager"] == "AWS" {
            continue;
        }
        one.created = millis(&about["KeyMetadata"]["CreationDate"]);
        let policy =
            asked(cx, &mut one, "kms", "GetKeyPolicy", json!({"KeyId": key["KeyId"], "PolicyName": "default"})).await?;
        one = one.with(&policy["Policy"]);
        let grants = match every(cx, "kms", "ListGrants", id, "Grants").await {
            Ok(grants) => grants,
            Err(failure) if failure.code().is_some_and(|code| code.starts_with("AccessDenied")) => {
                one.error = Some("ACCESS_DENIED");
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        one.entries = grants.iter().filter_map(|grant| grant_entry(grant, "GranteePrincipal", "Operations")).collect();
        all.push(one);
    }
    Ok(all)
}

/// What a grant gives.
pub(crate) fn grant_entry(grant: &Json, grantee: &str, operations: &str) -> Option<Entry> {
    let grantee = grant[grantee].as_str().filter(|name| name.starts_with("arn:"))?;
    let operations = grant[operations].as_array()?;
    let mut condition = std::collections::BTreeMap::new();
    for name in
        ["EncryptionContextEquals", "EncryptionContextSubset", "encryptionContextEquals", "encryptionContextSubset"]
    {
        let constraints = grant.get("Constraints").or(grant.get("constraints")).and_then(|all| all[name].as_object());
        for (key, value) in constraints.into_iter().flatten() {
            condition.insert(format!("kms:EncryptionContext:{key}"), value.as_str().unwrap_or_default().to_owned());
        }
    }
    Some(Entry {
        principal: ("AWS".to_owned(), grantee.to_owned()),
        actions: operations.iter().filter_map(|name| Some(format!("kms:{}", name.as_str()?))).collect(),
        condition,
        public: false,
        source: None,
    })
}

async fn functions(cx: &Cx) -> Result<Vec<Resource>> {
    let mut all = Vec::new();
    for function in every(cx, "lambda", "ListFunctions", json!({}), "Functions").await? {
        let arn = function["FunctionArn"].as_str().unwrap_or_default();
        let mut one = Resource::new("AWS::Lambda::Function", cx.account(), arn);
        let policy = asked(cx, &mut one, "lambda", "GetPolicy", json!({"FunctionName": arn})).await?;
        all.push(one.with(&policy["Policy"]));
    }
    Ok(all)
}

async fn queues(cx: &Cx) -> Result<Vec<Resource>> {
    let mut all = Vec::new();
    for url in every(cx, "sqs", "ListQueues", json!({"MaxResults": 1000}), "QueueUrls").await? {
        let name = url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let mut one = Resource::new("AWS::SQS::Queue", cx.account(), &cx.arn("sqs", name));
        let input = json!({"QueueUrl": url, "AttributeNames": ["Policy", "CreatedTimestamp"]});
        let about = asked(cx, &mut one, "sqs", "GetQueueAttributes", input).await?;
        let created = about["Attributes"]["CreatedTimestamp"].as_str().and_then(|seconds| seconds.parse::<i64>().ok());
        one.created = created.map(|seconds| seconds * 1000);
        all.push(one.with(&about["Attributes"]["Policy"]));
    }
    Ok(all)
}

async fn topics(cx: &Cx) -> Result<Vec<Resource>> {
    let mut all = Vec::new();
    for topic in every(cx, "sns", "ListTopics", json!({}), "Topics").await? {
        let arn = topic["TopicArn"].as_str().unwrap_or_default();
        let mut one = Resource::new("AWS::SNS::Topic", cx.account(), arn);
        let about = asked(cx, &mut one, "sns", "GetTopicAttributes", json!({"TopicArn": arn})).await?;
        all.push(one.with(&about["Attributes"]["Policy"]));
    }
    Ok(all)
}

async fn secrets(cx: &Cx) -> Result<Vec<Resource>> {
    let mut all = Vec::new();
    for secret in every(cx, "secretsmanager", "ListSecrets", json!({}), "SecretList").await? {
        let arn = secret["ARN"].as_str().unwrap_or_default();
        let mut one = Resource::new("AWS::SecretsManager::Secret", cx.account(), arn);
        one.created = millis(&secret["CreatedDate"]);
        let policy = asked(cx, &mut one, "secretsmanager", "GetResourcePolicy", json!({"SecretId": arn})).await?;
        all.push(one.with(&policy["ResourcePolicy"]));
    }
    Ok(all)
}

async fn tables(cx: &Cx) -> Result<Vec<Resource>> {
    let mut all = Vec::new();
    for name in every(cx, "dynamodb", "ListTables", json!({}), "TableNames").await? {
        let arn = cx.arn("dynamodb", &format!("table/{}", name.as_str().unwrap_or_default()));
        all.push(with_policy(cx, Resource::new("AWS::DynamoDB::Table", cx.account(), &arn)).await?);
    }
    if cx.kernel().service("dynamodbstreams").is_some() {
        for stream in every(cx, "dynamodbstreams", "ListStreams", json!({}), "Streams").await? {
            let arn = stream["StreamArn"].as_str().unwrap_or_default();
            all.push(with_policy(cx, Resource::new("AWS::DynamoDB::Stream", cx.account(), arn)).await?);
        }
    }
    Ok(all)
}

/// A table or stream with its policy.
async fn with_policy(cx: &Cx, mut one: Resource) -> Result<Resource> {
    let arn = json!({"ResourceArn": one.arn});
    let policy = asked(cx, &mut one, "dynamodb", "GetResourcePolicy", arn).await?;
    Ok(one.with(&policy["Policy"]))
}
