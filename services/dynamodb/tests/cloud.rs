//! A cloud in memory with DynamoDB in it, and a table or two.

use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use undercast_dynamodb::{DynamoDb, DynamoDbStreams};
use undercast_kernel::auth::Caller;
use undercast_kernel::policy::{NamedPolicy, Policy, PolicyKind, PrincipalFacts, PrincipalKind};
use undercast_kernel::{
    Body, Bytes, Cx, Failure, IamMode, Identities, IdentityPolicies, Kernel, Random, RoleFacts, Settings,
};
use undercast_store::{Blobs, Database, Memory, Snapshot};

/// A cloud of its own.
pub(crate) struct Cloud {
    kernel: Kernel,
    cx: Cx,
    files: std::path::PathBuf,
}

/// What AWS says.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, Json)>,
}

impl Cloud {
    /// One whose tables take whatever is asked of them.
    pub(crate) fn new() -> Self {
        Self::of(vec![Arc::new(DynamoDb::without_limits()), Arc::new(DynamoDbStreams)])
    }

    /// One whose tables have the throughput that they are given, and whose clock stands still.
    pub(crate) fn limited() -> Self {
        let cloud = Self::of(vec![Arc::new(DynamoDb::default()), Arc::new(DynamoDbStreams)]);
        cloud.kernel.clock().freeze();
        cloud
    }

    /// One with the services that tables are exported to, imported from, and encrypted with.
    pub(crate) fn whole() -> Self {
        Self::of(whole())
    }

    fn of(services: Vec<Arc<dyn undercast_kernel::Service>>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let files = std::env::temp_dir().join(format!("undercast-dynamodb-{}-{number}", std::process::id()));
        let settings = Settings {
            iam: IamMode::Enforce,
            auth: undercast_kernel::AuthMode::Open,
            strict: false,
            host: "localhost:4566".into(),
            data: None,
            files: files.clone(),
        };
        let database = Database::new(Arc::new(Memory::new())).unwrap();
        let blobs = Blobs::open(&files.join("blobs"), false).unwrap();
        let kernel = Kernel::new(settings, database, blobs, Random::seeded(7), services).unwrap();
        undercast_testkit::promises::watch(&kernel);
        let cx = kernel.cx_for("000000000000", "us-east-1");
        Self { kernel, cx, files }
    }

    /// The same state under a program that begins anew.
    pub(crate) fn again(&self) -> Self {
        let (settings, database) = (self.kernel.settings().clone(), self.kernel.database().clone());
        let services: Vec<Arc<dyn undercast_kernel::Service>> =
            vec![Arc::new(DynamoDb::without_limits()), Arc::new(DynamoDbStreams)];
        let kernel = Kernel::new(settings, database, self.kernel.blobs().clone(), Random::seeded(8), services).unwrap();
        let cx = kernel.cx_for("000000000000", "us-east-1");
        Self { kernel, cx, files: std::path::PathBuf::new() }
    }

    /// Calls an operation that is expected to do what is asked.
    #[track_caller]
    pub(crate) fn ok(&self, operation: &str, input: Json) -> impl Future<Output = Json> {
        let caller = std::panic::Location::caller();
        let operation = operation.to_owned();
        async move {
            let result = self.call(&operation, input).await;
            result.unwrap_or_else(|refusal| panic!("{operation} at {caller} was refused: {refusal:?}"))
        }
    }

    /// Calls an operation that is expected to be refused.
    #[track_caller]
    pub(crate) fn err(&self, operation: &str, input: Json) -> impl Future<Output = Refusal> {
        let caller = std::panic::Location::caller();
        let operation = operation.to_owned();
        async move {
            let result = self.call(&operation, input).await;
            result.err().unwrap_or_else(|| panic!("{operation} at {caller} was not refused"))
        }
    }

    pub(crate) async fn call(&self, operation: &str, input: Json) -> Result<Json, Refusal> {
        let of_streams = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"].contains(&operation);
        let service = if of_streams { "dynamodbstreams" } else { "dynamodb" };
        match self.cx.refreshed().call(service, operation, input).await {
            Ok(output) => Ok(output),
            Err(failure @ Failure::Broken(_)) => panic!("{operation} broke: {failure:?}"),
            Err(failure) => {
                let error = failure.into_error("id");
                Err(Refusal {
                    code: error.code.to_string(),
                    message: error.message,
                    status: error.status,
                    fields: error.fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect(),
                })
            }
        }
    }

    /// The same cloud as it is seen in another region.
    pub(crate) fn at(&self, region: &str) -> Self {
        let cx = self.kernel.cx_for("000000000000", region);
        Self { kernel: self.kernel.clone(), cx, files: std::path::PathBuf::new() }
    }

    /// The same cloud as another account's root user sees it in a region.
    pub(crate) fn of_account(&self, account: &str, region: &str) -> Self {
        let cx = self.kernel.cx_for(account, region);
        Self { kernel: self.kernel.clone(), cx, files: std::path::PathBuf::new() }
    }

    /// Parts two regions.
    pub(crate) fn unlink(&self, one: &str, other: &str) {
        let rule = json!({"id": format!("{one} {other}"), "region": one, "effect": {"unlinked": {"from": other}}});
        self.kernel.faults().add(serde_json::from_value(rule).unwrap()).unwrap();
    }

    /// The same cloud as a user sees it, who may do what a policy says.
    pub(crate) fn as_user(&self, policy: &Json) -> Self {
        self.as_user_of("000000000000", policy)
    }

    /// The same cloud as a user of another account sees it, who may do what a policy says.
    pub(crate) fn as_user_of(&self, account: &str, policy: &Json) -> Self {
        let principal = PrincipalFacts {
            arn: format!("arn:aws:iam::{account}:user/ada"),
            account: account.into(),
            kind: PrincipalKind::User { name: "ada".into() },
            user_id: "AIDAADA".into(),
            canonical_user: None,
        };
        let compiled = Policy::parse(PolicyKind::Inline, &policy.to_string()).unwrap();
        let known = IdentityPolicies {
            identity: vec![NamedPolicy { name: "own".into(), policy: Arc::new(compiled) }],
            ..IdentityPolicies::default()
        };
        self.kernel.set_identities(Arc::new(Known(Arc::new(known))));
        let caller =
            Caller { principal: Arc::new(principal), session: None, temporary: None, access_key: None, chunks: None };
        let cx = self.kernel.cx(caller, "us-east-1", "request", self.cx.origin().clone());
        Self { kernel: self.kernel.clone(), cx, files: std::path::PathBuf::new() }
    }

    /// Calls an operation of another service, which is expected to do what is asked.
    pub(crate) async fn other(&self, service: &str, operation: &str, input: Json) -> Json {
        let answer = self.cx.refreshed().call(service, operation, input).await;
        answer.unwrap_or_else(|failure| panic!("{operation} was refused: {failure:?}"))
    }

    /// Puts an object.
    pub(crate) async fn put_object(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let input = json!({"Bucket": bucket, "Key": key, "ContentLength": bytes.len()});
        let body = Body::from(Bytes::copy_from_slice(bytes));
        self.cx.refreshed().call_with_body("s3", "PutObject", input, Some(body)).await.unwrap();
    }

    /// The bytes of an object.
    pub(crate) async fn object(&self, bucket: &str, key: &str) -> Vec<u8> {
        let input = json!({"Bucket": bucket, "Key": key});
        let (_, body) = self.cx.refreshed().call_with_body("s3", "GetObject", input, None).await.unwrap();
        body.unwrap().collect(usize::MAX).await.unwrap().unwrap().to_vec()
    }

    /// The keys of all objects of a bucket.
    pub(crate) async fn objects(&self, bucket: &str) -> Vec<String> {
        let listed = self.other("s3", "ListObjectsV2", json!({"Bucket": bucket})).await;
        let all = listed["Contents"].as_array().cloned().unwrap_or_default();
        all.iter().map(|object| object["Key"].as_str().unwrap().to_owned()).collect()
    }

    /// The context of a call.
    pub(crate) fn cx(&self) -> Cx {
        self.cx.refreshed()
    }

    /// Lets time pass, with all that falls due in it.
    pub(crate) async fn advance(&self, seconds: u64) {
        self.kernel.advance(Duration::from_secs(seconds)).await.unwrap();
    }

    /// The same by the millisecond.
    pub(crate) async fn advance_millis(&self, millis: u64) {
        self.kernel.advance(Duration::from_millis(millis)).await.unwrap();
    }

    /// Lets no time pass by itself.
    pub(crate) fn freeze(&self) {
        self.kernel.clock().freeze();
    }

    /// What becomes of calls by rule.
    pub(crate) fn faults(&self) -> &undercast_kernel::Faults {
        self.kernel.faults()
    }

    /// Seconds since 1970, by the cloud's clock.
    pub(crate) fn now(&self) -> i64 {
        self.kernel.clock().now().as_second()
    }

    /// Begins what runs beside the calls.
    pub(crate) fn begin(&self) {
        self.kernel.start();
    }

    /// The sum of a metric, and how many values it has; dimensions are written `name=value`.
    pub(crate) async fn metric(&self, name: &str, dimensions: &[&str]) -> (f64, f64) {
        use undercast_kernel::metrics::{Metric, find, read};
        self.kernel.keep_metrics().await.unwrap();
        let dimensions: Vec<_> = dimensions.iter().filter_map(|one| one.split_once('=')).collect();
        let metric = Metric { namespace: "AWS/DynamoDB", name, dimensions: &dimensions, unit: "" };
        let from = self.kernel.database().read();
        let now = self.now();
        let (mut sum, mut count) = (0.0, 0.0);
        for series in find(&from, ("000000000000", "us-east-1"), &metric, None).unwrap() {
            for (_, values) in read(&from, &series, 0, now + 86_400, now).unwrap() {
                sum += values.sum;
                count += values.count;
            }
        }
        (sum, count)
    }

    /// Who contributed to a rule of Contributor Insights, and how much, the greatest first.
    pub(crate) async fn contributors(&self, rule: &str) -> Vec<(Vec<String>, f64)> {
        use undercast_kernel::insights::{Minute, read};
        self.kernel.keep_metrics().await.unwrap();
        let cx = self.cx();
        let mut all = Minute::default();
        let minutes = read(&cx, &cx.read(), rule, 0, self.now() + 86_400).unwrap();
        minutes.iter().for_each(|(_, minute)| all.add(minute));
        all.top.into_iter().map(|share| (share.keys, share.amount.sum)).collect()
    }

    /// Whether there is a rule of Contributor Insights.
    pub(crate) fn has_rule(&self, rule: &str) -> bool {
        let cx = self.cx();
        undercast_kernel::insights::rule(&cx, &cx.read(), rule).unwrap().is_some()
    }

    /// How many rows the store has, besides those of metrics, which are kept for long.
    pub(crate) fn rows(&self) -> usize {
        self.stored().iter().filter(|(key, _)| !key.starts_with(b"kernel.metric")).count()
    }

    /// Whether a text stands in any value of the store as it is.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let within = |value: &Bytes| value.windows(text.len()).any(|part| part == text.as_bytes());
        self.stored().iter().any(|(_, value)| within(value))
    }

    /// Whether a table of the store has rows.
    pub(crate) fn has_table_rows(&self, table: &str) -> bool {
        let mut prefix = Vec::new();
        undercast_store::Part::encode(table, &mut prefix);
        self.stored().iter().any(|(key, _)| key.starts_with(&prefix))
    }

    fn stored(&self) -> Vec<(Bytes, Bytes)> {
        use undercast_store::Read as _;
        let page = undercast_store::Page {
            start: Vec::new(),
            end: None,
            order: undercast_store::Order::Ascending,
            limit: usize::MAX,
        };
        self.kernel.database().read().scan(&page).unwrap()
    }

    /// A table `tab` with the partition key `pk`.
    pub(crate) async fn with_table(self) -> Self {
        self.ok("CreateTable", table("tab", "pk:S", "")).await;
        self
    }

    /// A table `tab` with the partition key `pk` and the sort key `sk`.
    pub(crate) async fn with_sorted_table(self, kind: &str) -> Self {
        self.ok("CreateTable", table("tab", "pk:S", &format!("sk:{kind}"))).await;
        self
    }

    pub(crate) async fn put(&self, item: Json) {
        self.ok("PutItem", json!({"TableName": "tab", "Item": item})).await;
    }

    pub(crate) async fn get(&self, key: Json) -> Json {
        self.ok("GetItem", json!({"TableName": "tab", "Key": key, "ConsistentRead": true})).await["Item"].take()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !self.files.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.files);
        }
    }
}

/// The services that tables have to do with.
pub(crate) fn whole() -> Vec<Arc<dyn undercast_kernel::Service>> {
    vec![
        Arc::new(DynamoDb::default()),
        Arc::new(DynamoDbStreams),
        Arc::new(undercast_kms::Kms),
        Arc::new(undercast_logs::Logs),
        Arc::new(undercast_s3::S3::default()),
    ]
}

/// Says of every user what is known of one.
struct Known(Arc<IdentityPolicies>);

impl Identities for Known {
    fn policies(
        &self,
        _from: &Snapshot,
        _principal: &PrincipalFacts,
    ) -> undercast_kernel::Result<Arc<IdentityPolicies>> {
        Ok(self.0.clone())
    }

    fn role(&self, _from: &Snapshot, _arn: &str) -> undercast_kernel::Result<Option<RoleFacts>> {
        Ok(None)
    }
}

/// The input that makes a table paid for by request: keys are written `name:type`.
pub(crate) fn table(name: &str, partition: &str, sort: &str) -> Json {
    let keys: Vec<(&str, &str)> = [partition, sort].into_iter().filter_map(|key| key.split_once(':')).collect();
    let attributes: Vec<Json> =
        keys.iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect();
    let schema: Vec<Json> = keys
        .iter()
        .zip(["HASH", "RANGE"])
        .map(|((name, _), kind)| json!({"AttributeName": name, "KeyType": kind}))
        .collect();
    json!({"TableName": name, "AttributeDefinitions": attributes, "KeySchema": schema, "BillingMode": "PAY_PER_REQUEST"})
}
