//! `AWS::DynamoDB::Table`, and `AWS::DynamoDB::GlobalTable` as far as it is a table of one region.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceTags, ResourceType, Updated, pick, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Failure, Result};

/// Most characters of a name that is made up.
const MAX_NAME: usize = 255;

/// Properties that are parameters of `CreateTable` of the same name and form.
const CREATED: &[&str] = &[
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "OnDemandThroughput",
    "ProvisionedThroughput",
    "TableClass",
    "WarmThroughput",
];

/// Properties that are among the parameters of a table that `ImportTable` makes.
const OF_IMPORTED: &[&str] = &[
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "OnDemandThroughput",
    "ProvisionedThroughput",
];

/// How often an import that is waited for is looked at, by the machine's time.
const BETWEEN_LOOKS: std::time::Duration = std::time::Duration::from_millis(50);

/// So often at most: for ten minutes.
const MOST_LOOKS: u32 = 12_000;

/// Which resource type a table is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// `AWS::DynamoDB::Table`
    Simple,
    /// `AWS::DynamoDB::GlobalTable`
    Global,
}

/// The stream of a template, which says that it is enabled by being there.
fn stream(properties: &Properties) -> Option<Json> {
    let given = properties.get("StreamSpecification")?;
    Some(json!({"StreamEnabled": true, "StreamViewType": given["StreamViewType"]}))
}

/// The properties of a table, once what is not built has been refused.
fn checked(cx: &Cx, kind: Table, properties: &Properties) -> Result<Properties> {
    let properties = match kind {
        Table::Simple => properties.clone(),
        Table::Global => flattened(cx, properties)?,
    };
    if properties.get("ContributorInsightsSpecification").is_some_and(|given| is_true(&given["Enabled"])) {
        return Err(Failure::not_built("dynamodb: contributor insights"));
    }
    Ok(properties)
}

/// What the only replica of a global table says of itself, among what is said of the table.
fn flattened(cx: &Cx, properties: &Properties) -> Result<Properties> {
    const OF_REPLICA: &[&str] = &[
        "ContributorInsightsSpecification",
        "DeletionProtectionEnabled",
        "PointInTimeRecoverySpecification",
        "Region",
        "SSESpecification",
        "TableClass",
        "Tags",
    ];
    let replicas = properties.get("Replicas").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let [Json::Object(replica)] = replicas else {
        return Err(Failure::not_built("dynamodb: global tables of several regions"));
    };
    if replica.get("Region").and_then(Json::as_str) != Some(cx.region()) {
        return Err(Failure::not_built("dynamodb: global tables of other regions"));
    }
    if let Some(other) = replica.keys().find(|name| !OF_REPLICA.contains(&name.as_str())) {
        return Err(Failure::not_built(format!("dynamodb: {other} of a replica")));
    }
    let mut all = properties.clone();
    // Both are about what is throttled and warmed up here, which is nothing.
    for name in ["Replicas", "WriteOnDemandThroughputSettings"] {
        all.remove(name);
    }
    for (name, value) in replica.iter().filter(|(name, _)| *name != "Region") {
        match (all.get_mut(name), value) {
            // A table says whether it is encrypted, and each replica with which key.
            (Some(Json::Object(said)), Json::Object(more)) => said.extend(more.clone()),
            _ => drop(all.insert(name.clone(), value.clone())),
        }
    }
    Ok(all)
}

/// How a template says that a table is encrypted, as `CreateTable` says it.
fn encryption(properties: &Properties) -> Option<Json> {
    let given = properties.get("SSESpecification")?.as_object()?;
    let renamed = |(name, value): (&String, &Json)| match name.as_str() {
        "SSEEnabled" => ("Enabled".to_owned(), json!(is_true(value))),
        _ => (name.clone(), value.clone()),
    };
    let mut said: Map<String, Json> = given.iter().map(renamed).collect();
    // A key goes without saying how it is used.
    if said.contains_key("KMSMasterKeyId") {
        said.entry("SSEType").or_insert(json!("KMS"));
    }
    Some(Json::Object(said))
}

/// The same where a key of KMS is used.
fn encryption_with_kms(properties: &Properties) -> Option<Json> {
    encryption(properties)
        .filter(|said| !is_false(&said["Enabled"]) && said.as_object().is_some_and(|said| !said.is_empty()))
}

/// Makes a table of what is in S3, and waits for it.
async fn import(cx: &Cx, name: &str, source: &Json, properties: &Properties) -> Result<()> {
    if properties.contains_key("LocalSecondaryIndexes") {
        let message = "Local secondary indexes are not supported for tables that are imported";
        return Err(AwsError::new("ValidationException", 400, message).into());
    }
    let mut wanted = pick(properties, OF_IMPORTED);
    wanted.insert("TableName".to_owned(), json!(name));
    if let Some(encryption) = encryption(properties) {
        wanted.insert("SSESpecification".to_owned(), encryption);
    }
    let mut input = source.as_object().cloned().unwrap_or(Map::new());
    input.insert("TableCreationParameters".to_owned(), Json::Object(wanted));
    input.insert("ClientToken".to_owned(), json!(cx.random().uuid()));
    let begun = cx.call("dynamodb", "ImportTable", Json::Object(input)).await?;
    let arn = &begun["ImportTableDescription"]["ImportArn"];
    let mut ended = Json::Null;
    for _ in 0..MOST_LOOKS {
        ended =
            cx.call("dynamodb", "DescribeImport", json!({"ImportArn": arn})).await?["ImportTableDescription"].take();
        if ended["ImportStatus"] != "IN_PROGRESS" {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    if ended["ImportStatus"] == "IN_PROGRESS" {
        return Err(cx.broken(format!("the import into {name} does not end")));
    }
    if ended["ImportStatus"] == "COMPLETED" {
        return Ok(());
    }
    // What could be read is there, and belongs to no stack.
    unless_gone(
        cx.call("dynamodb", "DeleteTable", json!({ "TableName": name })).await,
        &["ResourceNotFoundException"],
    )?;
    let text = |member: &str| ended[member].as_str().unwrap_or("").to_owned();
    Err(AwsError::new(text("FailureCode"), 400, text("FailureMessage")).into())
}

/// Sets what `ImportTable` cannot, one thing at a time.
async fn complete(cx: &Cx, name: &str, properties: &Properties, tags: &ResourceTags) -> Result<()> {
    let stream = stream(properties).map(|stream| ("StreamSpecification", stream));
    let other = |member: &'static str| properties.get(member).map(|value| (member, value.clone()));
    for (member, value) in [stream, other("TableClass"), other("DeletionProtectionEnabled")].into_iter().flatten() {
        let mut input = json!({ "TableName": name });
        input[member] = value;
        cx.call("dynamodb", "UpdateTable", input).await?;
    }
    let shown = cx.call("dynamodb", "DescribeTable", json!({ "TableName": name })).await?;
    retag(cx, &shown["Table"]["TableArn"], tags).await
}

async fn describe(cx: &Cx, kind: Table, name: &str) -> Result<Resource> {
    let answer = cx.call("dynamodb", "DescribeTable", json!({ "TableName": name })).await?;
    let mut attributes = Map::new();
    attributes.insert("Arn".to_owned(), answer["Table"]["TableArn"].clone());
    if let Some(arn) = answer["Table"].get("LatestStreamArn") {
        attributes.insert("StreamArn".to_owned(), arn.clone());
    }
    if kind == Table::Global {
        attributes.insert("TableId".to_owned(), answer["Table"]["TableId"].clone());
    }
    Ok(Resource { id: name.to_owned(), attributes })
}

/// Sets or takes back the attribute by which items expire.
async fn expire(cx: &Cx, name: &str, before: Option<&Json>, now: Option<&Json>) -> Result<()> {
    let enabled = |given: Option<&Json>| given.filter(|given| !is_false(&given["Enabled"])).cloned();
    let (before, now) = (enabled(before), enabled(now));
    if before == now {
        return Ok(());
    }
    for (specification, enabled) in [(before, false), (now, true)] {
        if let Some(specification) = specification {
            let wanted = json!({"AttributeName": specification["AttributeName"], "Enabled": enabled});
            let input = json!({"TableName": name, "TimeToLiveSpecification": wanted});
            cx.call("dynamodb", "UpdateTimeToLive", input).await?;
        }
    }
    Ok(())
}

/// Begins to keep a history, changes how much of it is kept, or ends it.
async fn recover(cx: &Cx, name: &str, before: Option<&Json>, now: Option<&Json>) -> Result<()> {
    if before == now {
        return Ok(());
    }
    let wanted = now.cloned().unwrap_or_else(|| json!({"PointInTimeRecoveryEnabled": false}));
    let input = json!({"TableName": name, "PointInTimeRecoverySpecification": wanted});
    cx.call("dynamodb", "UpdateContinuousBackups", input).await.map(drop)
}

fn is_true(value: &Json) -> bool {
    value == &Json::Bool(true) || value.as_str() == Some("true")
}

fn is_false(value: &Json) -> bool {
    value == &Json::Bool(false) || value.as_str() == Some("false")
}

impl ResourceType for Table {
    fn name(&self) -> &'static str {
        match self {
            Self::Simple => "AWS::DynamoDB::Table",
            Self::Global => "AWS::DynamoDB::GlobalTable",
        }
    }

    fn properties(&self) -> &'static [&'static str] {
        match self {
            Self::Simple => &[
                "AttributeDefinitions",
                "BillingMode",
                "ContributorInsightsSpecification",
                "DeletionProtectionEnabled",
                "GlobalSecondaryIndexes",
                "ImportSourceSpecification",
                "KeySchema",
                "LocalSecondaryIndexes",
                "OnDemandThroughput",
                "PointInTimeRecoverySpecification",
                "ProvisionedThroughput",
                "SSESpecification",
                "StreamSpecification",
                "TableClass",
                "TableName",
                "Tags",
                "TimeToLiveSpecification",
                "WarmThroughput",
            ],
            Self::Global => &[
                "AttributeDefinitions",
                "BillingMode",
                "GlobalSecondaryIndexes",
                "KeySchema",
                "LocalSecondaryIndexes",
                "Replicas",
                "SSESpecification",
                "StreamSpecification",
                "TableName",
                "TimeToLiveSpecification",
                "WarmThroughput",
                "WriteOnDemandThroughputSettings",
            ],
        }
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["ImportSourceSpecification", "KeySchema", "LocalSecondaryIndexes", "TableName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let request = &ResourceRequest { properties: checked(cx, *self, &request.properties)?, ..request.clone() };
            let name = request.text("TableName").unwrap_or_else(|| request.generated_name(cx, MAX_NAME));
            if let Some(source) = request.properties.get("ImportSourceSpecification") {
                import(cx, &name, source, &request.properties).await?;
                complete(cx, &name, &request.properties, &request.all_tags()?).await?;
                expire(cx, &name, None, request.properties.get("TimeToLiveSpecification")).await?;
                recover(cx, &name, None, request.properties.get("PointInTimeRecoverySpecification")).await?;
                return describe(cx, *self, &name).await;
            }
            let mut input = pick(&request.properties, CREATED);
            input.insert("TableName".to_owned(), json!(name));
            if let Some(stream) = stream(&request.properties) {
                input.insert("StreamSpecification".to_owned(), stream);
            }
            if let Some(encryption) = encryption(&request.properties) {
                input.insert("SSESpecification".to_owned(), encryption);
            }
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            cx.call("dynamodb", "CreateTable", Json::Object(input)).await?;
            expire(cx, &name, None, request.properties.get("TimeToLiveSpecification")).await?;
            recover(cx, &name, None, request.properties.get("PointInTimeRecoverySpecification")).await?;
            describe(cx, *self, &name).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let request = &ResourceRequest { properties: checked(cx, *self, &request.properties)?, ..request.clone() };
            let (before, now) = (&checked(cx, *self, before)?, &request.properties);
            if before.get("StreamSpecification") != now.get("StreamSpecification") {
                // A stream does not change what it shows: it ends, and another begins.
                let ended = stream(before).map(|_| json!({"StreamEnabled": false}));
                for stream in [ended, stream(now)].into_iter().flatten() {
                    cx.call("dynamodb", "UpdateTable", json!({"TableName": id, "StreamSpecification": stream})).await?;
                }
            }
            for step in table_steps(before, now) {
                let mut input = step;
                input.insert("TableName".to_owned(), json!(id));
                cx.call("dynamodb", "UpdateTable", Json::Object(input)).await?;
            }
            expire(cx, id, before.get("TimeToLiveSpecification"), now.get("TimeToLiveSpecification")).await?;
            let recovery = "PointInTimeRecoverySpecification";
            recover(cx, id, before.get(recovery), now.get(recovery)).await?;
            let resource = describe(cx, *self, id).await?;
            retag(cx, &resource.attributes["Arn"], &request.all_tags()?).await?;
            Ok(Updated::InPlace(resource))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let removed = cx.call("dynamodb", "DeleteTable", json!({ "TableName": id })).await;
            unless_gone(removed, &["ResourceNotFoundException"])
        })
    }
}

/// The calls of `UpdateTable` that lead from one set of properties to another: the settings first, then the indexes that
/// go, then those that come, one at a time as `UpdateTable` wants it.
fn table_steps(before: &Properties, now: &Properties) -> Vec<Map<String, Json>> {
    let mut steps = Vec::new();
    let mut settings = Map::new();
    let changed = |name: &str| before.get(name) != now.get(name);
    if changed("BillingMode") || changed("ProvisionedThroughput") {
        settings.extend(pick(now, &["BillingMode", "ProvisionedThroughput"]));
    }
    if changed("DeletionProtectionEnabled") {
        let protected = now.get("DeletionProtectionEnabled").cloned().unwrap_or(Json::Bool(false));
        settings.insert("DeletionProtectionEnabled".to_owned(), protected);
    }
    if changed("TableClass") {
        let class = now.get("TableClass").cloned().unwrap_or_else(|| json!("STANDARD"));
        settings.insert("TableClass".to_owned(), class);
    }
    if !settings.is_empty() {
        steps.push(settings);
    }
    let (old, new) = (encryption_with_kms(before), encryption_with_kms(now));
    if old != new {
        let mut step = Map::new();
        step.insert("SSESpecification".to_owned(), new.unwrap_or_else(|| json!({"Enabled": false})));
        steps.push(step);
    }
    let indexes = |properties: &Properties| {
        properties.get("GlobalSecondaryIndexes").and_then(Json::as_array).cloned().unwrap_or_default()
    };
    let (old, new) = (indexes(before), indexes(now));
    let step = |update: Json| {
        let mut step = Map::new();
        step.insert("GlobalSecondaryIndexUpdates".to_owned(), json!([update]));
        step
    };
    for index in old.iter().filter(|index| !new.contains(index)) {
        steps.push(step(json!({"Delete": {"IndexName": index["IndexName"]}})));
    }
    for index in new.iter().filter(|index| !old.contains(index)) {
        let mut step = step(json!({ "Create": index }));
        if let Some(definitions) = now.get("AttributeDefinitions") {
            step.insert("AttributeDefinitions".to_owned(), definitions.clone());
        }
        steps.push(step);
    }
    steps
}

/// Makes the tags of a table what they shall be.
async fn retag(cx: &Cx, arn: &Json, wanted: &ResourceTags) -> Result<()> {
    let mut there = Vec::new();
    let mut input = json!({ "ResourceArn": arn });
    loop {
        let page = cx.call("dynamodb", "ListTagsOfResource", input.clone()).await?;
        there.extend(page["Tags"].as_array().cloned().unwrap_or_default());
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    let gone = wanted.unwanted(&Json::Array(there));
    if !gone.is_empty() {
        cx.call("dynamodb", "UntagResource", json!({"ResourceArn": arn, "TagKeys": gone})).await?;
    }
    if !wanted.is_empty() {
        cx.call("dynamodb", "TagResource", json!({"ResourceArn": arn, "Tags": wanted.list()})).await?;
    }
    Ok(())
}
