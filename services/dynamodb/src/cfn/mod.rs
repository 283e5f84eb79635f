//! `AWS::DynamoDB::Table` and `AWS::DynamoDB::GlobalTable`, which is a table and its replicas (`global`).

mod global;

use crate::destinations;
use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceTags, ResourceType, Updated, pick, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Result};

/// Most characters of a name that is made up.
const MAX_NAME: usize = 255;

/// Properties that are parameters of `CreateTable` of the same name and form.
const CREATED: &[&str] = &[
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "GlobalTableSettingsReplicationMode",
    "GlobalTableSourceArn",
    "KeySchema",
    "LocalSecondaryIndexes",
    "OnDemandThroughput",
    "ProvisionedThroughput",
    "TableClass",
    "VectorIndexes",
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
    "VectorIndexes",
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
    match kind {
        Table::Simple => Ok(properties.clone()),
        Table::Global => global::of_region(properties, cx.region()),
    }
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

/// Makes a table.
async fn make(cx: &Cx, name: &str, properties: &Properties, tags: &ResourceTags) -> Result<()> {
    let mut input = pick(properties, CREATED);
    input.insert("TableName".to_owned(), json!(name));
    if let Some(stream) = stream(properties) {
        input.insert("StreamSpecification".to_owned(), stream);
    }
    if let Some(encryption) = encryption(properties) {
        input.insert("SSESpecification".to_owned(), encryption);
    }
    if let Some(policy) = policy_of(properties.get("ResourcePolicy")) {
        input.insert("ResourcePolicy".to_owned(), json!(policy));
    }
    if let Some(Json::Array(indexes)) = input.get_mut("GlobalSecondaryIndexes") {
        indexes.iter_mut().for_each(|index| *index = plain(index));
    }
    input.insert("Tags".to_owned(), tags.list());
    cx.call("dynamodb", "CreateTable", Json::Object(input)).await.map(drop)
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
    if let Some(Json::Array(indexes)) = wanted.get_mut("GlobalSecondaryIndexes") {
        indexes.iter_mut().for_each(|index| *index = plain(index));
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
    for (member, value) in
        [stream, other("WarmThroughput"), other("TableClass"), other("DeletionProtectionEnabled")].into_iter().flatten()
    {
        let mut input = json!({ "TableName": name });
        input[member] = value;
        cx.call("dynamodb", "UpdateTable", input).await?;
    }
    let shown = cx.call("dynamodb", "DescribeTable", json!({ "TableName": name })).await?;
    let arn = &shown["Table"]["TableArn"];
    police(cx, arn, None, policy_of(properties.get("ResourcePolicy"))).await?;
    retag(cx, arn, tags).await
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

/// The text of the policy in a property.
fn policy_of(given: Option<&Json>) -> Option<String> {
    let document = given?.get("PolicyDocument")?;
    Some(document.as_str().map_or_else(|| document.to_string(), ToOwned::to_owned))
}

/// Puts or takes back the policy of a table or a stream.
async fn police(cx: &Cx, arn: &Json, before: Option<String>, now: Option<String>) -> Result<()> {
    match now {
        now if now == before => Ok(()),
        Some(policy) => {
            cx.call("dynamodb", "PutResourcePolicy", json!({"ResourceArn": arn, "Policy": policy})).await.map(drop)
        }
        None => cx.call("dynamodb", "DeleteResourcePolicy", json!({ "ResourceArn": arn })).await.map(drop),
    }
}

/// Begins or ends to count the keys of a table, or of the index whose specification it is.
async fn count(cx: &Cx, table: &str, index: Option<&Json>, before: Option<&Json>, now: Option<&Json>) -> Result<()> {
    let enabled = |given: Option<&Json>| given.filter(|given| is_true(&given["Enabled"])).cloned();
    let (before, now) = (enabled(before), enabled(now));
    if before == now {
        return Ok(());
    }
    let action = if now.is_some() { "ENABLE" } else { "DISABLE" };
    let mut input = json!({"TableName": table, "ContributorInsightsAction": action});
    if let Some(index) = index {
        input["IndexName"] = index.clone();
    }
    if let Some(mode) = now.as_ref().and_then(|now| now.get("Mode")) {
        input["ContributorInsightsMode"] = mode.clone();
    }
    cx.call("dynamodb", "UpdateContributorInsights", input).await.map(drop)
}

/// What is said of a table besides what it is made with: who may use it and its stream, and whose keys are counted.
async fn follow(cx: &Cx, name: &str, table: &Resource, before: &Properties, now: &Properties) -> Result<()> {
    const INSIGHTS: &str = "ContributorInsightsSpecification";
    const DESTINATION: &str = "KinesisStreamSpecification";
    count(cx, name, None, before.get(INSIGHTS), now.get(INSIGHTS)).await?;
    destinations::cfn::direct(cx, name, before.get(DESTINATION), now.get(DESTINATION)).await?;
    let (old, new) = (indexes(before), indexes(now));
    for index in &new {
        // An index that was made anew is not counted any more.
        let kept = old.iter().find(|old| is_same(old, index));
        let before = kept.and_then(|old| old.get(INSIGHTS));
        count(cx, name, Some(&index["IndexName"]), before, index.get(INSIGHTS)).await?;
    }
    let of_stream = |given: &Properties| policy_of(given.get("StreamSpecification")?.get("ResourcePolicy"));
    if let Some(stream) = table.attributes.get("StreamArn") {
        let shows = |given: &Properties| given.get("StreamSpecification").map(|given| given["StreamViewType"].clone());
        // A stream that was made anew has none.
        let before = if shows(before) == shows(now) { of_stream(before) } else { None };
        if now.get("StreamSpecification").is_some() {
            police(cx, stream, before, of_stream(now)).await?;
        }
    }
    Ok(())
}

/// The global indexes of a table.
fn indexes(properties: &Properties) -> Vec<Json> {
    properties.get("GlobalSecondaryIndexes").and_then(Json::as_array).cloned().unwrap_or_default()
}

/// Whether an index can become another one without being made anew.
fn is_same(old: &Json, new: &Json) -> bool {
    ["IndexName", "KeySchema", "Projection"].into_iter().all(|name| old[name] == new[name])
}

/// An index, or the properties of a table, as the API takes it.
fn plain(index: &Json) -> Json {
    let mut index = index.clone();
    if let Json::Object(index) = &mut index {
        index.remove("ContributorInsightsSpecification");
    }
    index
}

/// What was limited and is not any more is said to be.
fn most(before: Option<&Json>, now: Option<&Json>) -> Json {
    let of = |given: Option<&Json>, member: &str| given.and_then(|given| given.get(member)).cloned();
    let members = ["MaxReadRequestUnits", "MaxWriteRequestUnits"].into_iter();
    let value = |member: &str| of(now, member).or_else(|| of(before, member).map(|_| json!(-1)));
    Json::Object(members.filter_map(|member| Some((member.to_owned(), value(member)?))).collect())
}

/// The change that leads from one set of an index's settings to another; `None` where nothing changes.
fn index_update(old: &Json, new: &Json, all: bool) -> Option<Json> {
    let mut update = Map::new();
    for name in ["ProvisionedThroughput", "WarmThroughput"] {
        let wanted = all && name == "ProvisionedThroughput";
        update.extend(
            new.get(name).filter(|value| wanted || old.get(name) != Some(*value)).map(|v| (name.to_owned(), v.clone())),
        );
    }
    if old.get("OnDemandThroughput") != new.get("OnDemandThroughput") && new.get("ProvisionedThroughput").is_none() {
        update.insert(
            "OnDemandThroughput".to_owned(),
            most(old.get("OnDemandThroughput"), new.get("OnDemandThroughput")),
        );
    }
    if update.is_empty() {
        return None;
    }
    update.insert("IndexName".to_owned(), new["IndexName"].clone());
    Some(json!({ "Update": update }))
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
                "KinesisStreamSpecification",
                "LocalSecondaryIndexes",
                "OnDemandThroughput",
                "PointInTimeRecoverySpecification",
                "ProvisionedThroughput",
                "ResourcePolicy",
                "SSESpecification",
                "StreamSpecification",
                "TableClass",
                "TableName",
                "Tags",
                "TimeToLiveSpecification",
                "VectorIndexes",
                "WarmThroughput",
            ],
            Self::Global => &[
                "AttributeDefinitions",
                "BillingMode",
                "GlobalSecondaryIndexes",
                "GlobalTableSourceArn",
                "GlobalTableWitnesses",
                "KeySchema",
                "LocalSecondaryIndexes",
                "MultiRegionConsistency",
                "ReadOnDemandThroughputSettings",
                "Replicas",
                "SSESpecification",
                "StreamSpecification",
                "TableName",
                "TimeToLiveSpecification",
                "VectorIndexes",
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
            let whole = request;
            let request = &ResourceRequest { properties: checked(cx, *self, &request.properties)?, ..request.clone() };
            let name = request.text("TableName").unwrap_or_else(|| request.generated_name(cx, MAX_NAME));
            if let Some(source) = request.properties.get("ImportSourceSpecification") {
                import(cx, &name, source, &request.properties).await?;
                complete(cx, &name, &request.properties, &request.all_tags()?).await?;
            } else {
                make(cx, &name, &request.properties, &request.all_tags()?).await?;
            }
            if request.properties.contains_key("GlobalTableSourceArn") {
                global::settle(cx, &name).await?;
            }
            expire(cx, &name, None, request.properties.get("TimeToLiveSpecification")).await?;
            recover(cx, &name, None, request.properties.get("PointInTimeRecoverySpecification")).await?;
            let table = describe(cx, *self, &name).await?;
            follow(cx, &name, &table, &Properties::new(), &request.properties).await?;
            if *self == Self::Global {
                global::spread(cx, &name, whole).await?;
                return describe(cx, *self, &name).await;
            }
            Ok(table)
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
            let (whole, whole_before) = (request, before);
            let request = &ResourceRequest { properties: checked(cx, *self, &request.properties)?, ..request.clone() };
            let (before, now) = (&checked(cx, *self, before)?, &request.properties);
            if *self == Self::Global {
                global::shrink(cx, id, whole_before, whole).await?;
            }
            if stream(before) != stream(now) {
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
            let policy = |given: &Properties| policy_of(given.get("ResourcePolicy"));
            police(cx, &resource.attributes["Arn"], policy(before), policy(now)).await?;
            follow(cx, id, &resource, before, now).await?;
            retag(cx, &resource.attributes["Arn"], &request.all_tags()?).await?;
            if *self == Self::Global {
                global::follow(cx, id, whole_before, whole).await?;
                return Ok(Updated::InPlace(describe(cx, *self, id).await?));
            }
            Ok(Updated::InPlace(resource))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if *self == Self::Global {
                global::withdraw(cx, id).await?;
            }
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
    let (old, new) = (indexes(before), indexes(now));
    let kept = |index: &Json| old.iter().find(|old| is_same(old, index)).cloned();
    let updates =
        |all: bool| new.iter().filter_map(|index| index_update(&kept(index)?, index, all)).collect::<Vec<_>>();
    if changed("BillingMode") || changed("ProvisionedThroughput") {
        settings.extend(pick(now, &["BillingMode", "ProvisionedThroughput"]));
    }
    if changed("OnDemandThroughput") && now.get("ProvisionedThroughput").is_none() {
        let most = most(before.get("OnDemandThroughput"), now.get("OnDemandThroughput"));
        settings.insert("OnDemandThroughput".to_owned(), most);
    }
    // What is warm stays so.
    if changed("WarmThroughput") {
        settings.extend(pick(now, &["WarmThroughput"]));
    }
    // Indexes go over together with their table to how it is paid for.
    let over = changed("BillingMode") && now.get("ProvisionedThroughput").is_some();
    let updates = updates(over);
    if !updates.is_empty() {
        settings.insert("GlobalSecondaryIndexUpdates".to_owned(), Json::Array(updates));
    }
    if changed("DeletionProtectionEnabled") {
        let protected = now.get("DeletionProtectionEnabled").cloned().unwrap_or(Json::Bool(false));
        settings.insert("DeletionProtectionEnabled".to_owned(), protected);
    }
    if changed("GlobalTableSettingsReplicationMode") {
        settings.extend(pick(now, &["GlobalTableSettingsReplicationMode"]));
    }
    if changed("TableClass") {
        let class = now.get("TableClass").cloned().unwrap_or_else(|| json!("STANDARD"));
        settings.insert("TableClass".to_owned(), class);
    }
    if !settings.is_empty() {
        steps.push(settings);
    }
    let encryption = encryption_with_kms(now);
    if encryption_with_kms(before) != encryption {
        let mut step = Map::new();
        step.insert("SSESpecification".to_owned(), encryption.unwrap_or_else(|| json!({"Enabled": false})));
        steps.push(step);
    }
    let step = |update: Json| {
        let mut step = Map::new();
        step.insert("GlobalSecondaryIndexUpdates".to_owned(), json!([update]));
        step
    };
    for index in old.iter().filter(|old| !new.iter().any(|new| is_same(old, new))) {
        steps.push(step(json!({"Delete": {"IndexName": index["IndexName"]}})));
    }
    for index in new.iter().filter(|new| !old.iter().any(|old| is_same(old, new))) {
        let mut step = step(json!({ "Create": plain(index) }));
        if let Some(definitions) = now.get("AttributeDefinitions") {
            step.insert("AttributeDefinitions".to_owned(), definitions.clone());
        }
        steps.push(step);
    }
    steps.extend(vector_steps(before, now));
    steps
}

/// The calls that make and delete vector indexes, which have nothing that can be changed.
fn vector_steps(before: &Properties, now: &Properties) -> Vec<Map<String, Json>> {
    let indexes =
        |properties: &Properties| properties.get("VectorIndexes").and_then(Json::as_array).cloned().unwrap_or_default();
    let (old, new) = (indexes(before), indexes(now));
    let step = |update: Json| {
        let mut step = Map::new();
        step.insert("VectorIndexUpdates".to_owned(), json!([update]));
        step
    };
    let gone = old.iter().filter(|old| !new.contains(old));
    let mut steps: Vec<_> = gone.map(|index| step(json!({"Delete": {"IndexName": index["IndexName"]}}))).collect();
    for index in new.iter().filter(|new| !old.contains(new)) {
        let mut step = step(json!({ "Create": index }));
        step.extend(pick(now, &["AttributeDefinitions"]));
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
