//! The replicas of `AWS::DynamoDB::GlobalTable`.
//!
//! The table itself is the replica in the region of the stack. What a template says of all replicas and of one of them is put
//! together into what it would say of a table there (`of_region`); what that has by itself is set where it is, in its region.

use super::{BETWEEN_LOOKS, MOST_LOOKS, Table, is_true};
use super::{describe, follow as follow_settings, police, policy_of, recover, retag, stream};
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{Properties, ResourceRequest, unless_gone};
use undercast_kernel::{AwsError, Cx, Failure, Result};

/// What a replica says of itself that is understood.
const OF_REPLICA: [&str; 13] = [
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "GlobalTableSettingsReplicationMode",
    "KinesisStreamSpecification",
    "PointInTimeRecoverySpecification",
    "ReadOnDemandThroughputSettings",
    "Region",
    "ReplicaStreamSpecification",
    "ResourcePolicy",
    "SSESpecification",
    "TableClass",
    "Tags",
];

/// What an index of a replica says of itself that is understood.
const OF_INDEX: [&str; 3] = ["ContributorInsightsSpecification", "IndexName", "ReadOnDemandThroughputSettings"];

fn replicas(properties: &Properties) -> &[Json] {
    properties.get("Replicas").and_then(Json::as_array).map_or(&[][..], Vec::as_slice)
}

/// The regions of the replicas besides that of the stack.
fn others<'a>(cx: &Cx, properties: &'a Properties) -> Vec<&'a str> {
    let regions = replicas(properties).iter().filter_map(|replica| replica["Region"].as_str());
    regions.filter(|region| *region != cx.region()).collect()
}

fn witness(properties: &Properties) -> Option<&str> {
    properties.get("GlobalTableWitnesses")?.get(0)?["Region"].as_str()
}

fn is_strong(properties: &Properties) -> bool {
    properties.get("MultiRegionConsistency").and_then(Json::as_str) == Some("STRONG")
}

/// Refuses what is not built among what something says of itself.
fn check(what: &str, said: &Map<String, Json>, known: &[&str]) -> Result<()> {
    match said.keys().find(|name| !known.contains(&name.as_str())) {
        Some(other) => Err(Failure::not_built(format!("dynamodb: {other} of {what}"))),
        None => Ok(()),
    }
}

/// What a template would say of a table that was the replica in a region.
///
/// # Errors
/// When there is none, and when it says what is not built.
pub(super) fn of_region(properties: &Properties, region: &str) -> Result<Properties> {
    let found = replicas(properties).iter().filter_map(Json::as_object);
    let found = found.clone().find(|replica| replica.get("Region").and_then(Json::as_str) == Some(region));
    let replica = found.ok_or_else(|| {
        let message = "Invalid request provided: The Replicas section must contain an entry for the current region";
        Failure::from(AwsError::new("ValidationException", 400, message))
    })?;
    check("a replica", replica, &OF_REPLICA)?;
    let mut all = properties.clone();
    for of_all in ["Replicas", "MultiRegionConsistency", "GlobalTableWitnesses"] {
        all.remove(of_all);
    }
    for (name, value) in
        replica.iter().filter(|(name, _)| !["GlobalSecondaryIndexes", "Region"].contains(&name.as_str()))
    {
        match (all.get_mut(name), value) {
            // A table says whether it is encrypted, and each replica with which key.
            (Some(Json::Object(said)), Json::Object(more)) => said.extend(more.clone()),
            _ => drop(all.insert(name.clone(), value.clone())),
        }
    }
    indexes_of_region(&mut all, replica.get("GlobalSecondaryIndexes"))?;
    most_of_both(&mut all);
    let of_stream = all.remove("ReplicaStreamSpecification");
    if let Some(of_stream) = of_stream.as_ref().and_then(Json::as_object) {
        check("the stream of a replica", of_stream, &["ResourcePolicy"])?;
        if let (Some(policy), Some(Json::Object(stream))) =
            (of_stream.get("ResourcePolicy"), all.get_mut("StreamSpecification"))
        {
            stream.insert("ResourcePolicy".to_owned(), policy.clone());
        }
    }
    Ok(all)
}

/// Puts what a replica says of its indexes among what is said of all.
fn indexes_of_region(all: &mut Properties, of_replica: Option<&Json>) -> Result<()> {
    let own = of_replica.and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    for index in own.iter().filter_map(Json::as_object) {
        check("an index of a replica", index, &OF_INDEX)?;
    }
    let Some(Json::Array(indexes)) = all.get_mut("GlobalSecondaryIndexes") else { return Ok(()) };
    for index in indexes.iter_mut().filter_map(Json::as_object_mut) {
        let same = own.iter().filter_map(Json::as_object).find(|own| own.get("IndexName") == index.get("IndexName"));
        index.extend(same.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        most_of_both(index);
    }
    Ok(())
}

/// Puts what a global table says of the most of each side into the form of a table.
fn most_of_both(properties: &mut Map<String, Json>) {
    let mut most = Map::new();
    for (side, member) in [("Read", "MaxReadRequestUnits"), ("Write", "MaxWriteRequestUnits")] {
        let given = properties.remove(&format!("{side}OnDemandThroughputSettings"));
        most.extend(given.and_then(|given| given.get(member).cloned()).map(|units| (member.to_owned(), units)));
    }
    if !most.is_empty() {
        properties.insert("OnDemandThroughput".to_owned(), Json::Object(most));
    }
}

/// What a template would say of a table as it is, as far as replicas may differ.
async fn as_it_is(there: &Cx, name: &str) -> Result<Properties> {
    let shown = there.call("dynamodb", "DescribeTable", json!({ "TableName": name })).await?["Table"].take();
    let mut all = Map::new();
    for member in ["OnDemandThroughput", "GlobalSecondaryIndexes"] {
        all.insert(member.to_owned(), shown[member].clone());
    }
    all.insert("TableClass".to_owned(), shown["TableClassSummary"]["TableClass"].clone());
    Ok(all)
}

/// What a replica shall have otherwise than a table has it, as `ReplicaUpdates` says it.
fn overrides(table: &Properties, replica: &Properties) -> Map<String, Json> {
    let read = |of: &Json| of["OnDemandThroughput"]["MaxReadRequestUnits"].clone();
    let (table, replica) = (Json::Object(table.clone()), Json::Object(replica.clone()));
    let mut all = Map::new();
    let most = |all: &mut Map<String, Json>, here: &Json, there: &Json| {
        if read(here) != read(there) {
            // What is limited nowhere else is not limited by a limit that cannot be reached.
            let units = if read(there).is_null() { json!(-1) } else { read(there) };
            all.insert("OnDemandThroughputOverride".to_owned(), json!({ "MaxReadRequestUnits": units }));
        }
    };
    most(&mut all, &table, &replica);
    let class = |of: &Json| of["TableClass"].as_str().unwrap_or("STANDARD").to_owned();
    if class(&table) != class(&replica) {
        all.insert("TableClassOverride".to_owned(), json!(class(&replica)));
    }
    let mut indexes = Vec::new();
    for there in replica["GlobalSecondaryIndexes"].as_array().into_iter().flatten() {
        let here = table["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let here = here.clone().find(|here| here["IndexName"] == there["IndexName"]);
        let mut index = Map::new();
        most(&mut index, here.unwrap_or(&Json::Null), there);
        if !index.is_empty() {
            index.insert("IndexName".to_owned(), there["IndexName"].clone());
            indexes.push(Json::Object(index));
        }
    }
    if !indexes.is_empty() {
        all.insert("GlobalSecondaryIndexes".to_owned(), Json::Array(indexes));
    }
    all
}

/// The action that makes a replica.
fn creation(cx: &Cx, properties: &Properties, region: &str) -> Result<Json> {
    let (here, there) = (of_region(properties, cx.region())?, of_region(properties, region)?);
    let mut create = overrides(&here, &there);
    create.insert("RegionName".to_owned(), json!(region));
    let key = there.get("SSESpecification").and_then(|specification| specification.get("KMSMasterKeyId"));
    create.extend(key.map(|key| ("KMSMasterKeyId".to_owned(), key.clone())));
    Ok(json!({ "Create": create }))
}

async fn change(cx: &Cx, name: &str, mut input: Json) -> Result<()> {
    input["TableName"] = json!(name);
    cx.call("dynamodb", "UpdateTable", input).await?;
    settle(cx, name).await
}

/// Waits until nothing of a global table is being made or taken away.
pub(super) async fn settle(cx: &Cx, name: &str) -> Result<()> {
    for _ in 0..MOST_LOOKS {
        let shown = cx.call("dynamodb", "DescribeTable", json!({ "TableName": name })).await?["Table"].take();
        let all =
            |list: &str, member: &str| shown[list].as_array().into_iter().flatten().all(|one| one[member] == "ACTIVE");
        if shown["TableStatus"] == "ACTIVE"
            && all("Replicas", "ReplicaStatus")
            && all("GlobalTableWitnesses", "WitnessStatus")
        {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(cx.broken(format!("the replicas of {name} do not settle")))
}

/// Makes the replicas of a new table, and sets what they have by themselves; where one cannot be made nothing is left.
pub(super) async fn spread(cx: &Cx, name: &str, request: &ResourceRequest) -> Result<()> {
    let made = add(cx, name, &Properties::new(), request).await;
    if made.is_err()
        && let Err(left) = undo(cx, name, request).await
    {
        tracing::warn!(table = name, error = &left as &dyn std::error::Error, "a global table that failed is left");
    }
    made
}

/// Takes away a global table of which not all could be made.
async fn undo(cx: &Cx, name: &str, request: &ResourceRequest) -> Result<()> {
    for region in others(cx, &request.properties).into_iter().chain([cx.region()]) {
        let there = cx.elsewhere(cx.account(), region);
        let input = json!({"TableName": name, "DeletionProtectionEnabled": false});
        unless_gone(there.call("dynamodb", "UpdateTable", input).await, &["ResourceNotFoundException"])?;
    }
    withdraw(cx, name).await?;
    let removed = cx.call("dynamodb", "DeleteTable", json!({ "TableName": name })).await;
    unless_gone(removed, &["ResourceNotFoundException"])
}

/// Makes those replicas that were not there before.
async fn add(cx: &Cx, name: &str, before: &Properties, request: &ResourceRequest) -> Result<()> {
    let now = &request.properties;
    let old = others(cx, before);
    let new: Vec<&str> = others(cx, now).into_iter().filter(|region| !old.contains(region)).collect();
    let actions = new.iter().map(|region| creation(cx, now, region)).collect::<Result<Vec<_>>>()?;
    if is_strong(now) && !new.is_empty() {
        let mut input = json!({"ReplicaUpdates": actions, "MultiRegionConsistency": "STRONG"});
        if let Some(region) = witness(now) {
            input["GlobalTableWitnessUpdates"] = json!([{"Create": {"RegionName": region}}]);
        }
        change(cx, name, input).await?;
    } else {
        for action in actions {
            change(cx, name, json!({ "ReplicaUpdates": [action] })).await?;
        }
    }
    for region in new {
        let there = cx.elsewhere(cx.account(), region);
        let request = ResourceRequest { properties: of_region(now, region)?, ..request.clone() };
        set(&there, name, None, &request, is_strong(now)).await?;
    }
    Ok(())
}

/// Sets what a replica has by itself, from what it had before.
async fn set(
    there: &Cx,
    name: &str,
    before: Option<&Properties>,
    request: &ResourceRequest,
    strong: bool,
) -> Result<()> {
    let (now, none) = (&request.properties, Properties::new());
    let before = before.unwrap_or(&none);
    let mut updates = Vec::new();
    if strong && stream(before) != stream(now) {
        updates.extend(stream(before).map(|_| json!({"StreamSpecification": {"StreamEnabled": false}})));
        updates.extend(stream(now).map(|stream| json!({ "StreamSpecification": stream })));
    }
    let protected = |given: &Properties| given.get("DeletionProtectionEnabled").is_some_and(is_true);
    if protected(before) != protected(now) {
        updates.push(json!({"DeletionProtectionEnabled": protected(now)}));
    }
    for mut update in updates {
        update["TableName"] = json!(name);
        there.call("dynamodb", "UpdateTable", update).await?;
    }
    let recovery = "PointInTimeRecoverySpecification";
    recover(there, name, before.get(recovery), now.get(recovery)).await?;
    let table = describe(there, Table::Global, name).await?;
    let policy = |given: &Properties| policy_of(given.get("ResourcePolicy"));
    police(there, &table.attributes["Arn"], policy(before), policy(now)).await?;
    follow_settings(there, name, &table, before, now).await?;
    retag(there, &table.attributes["Arn"], &request.all_tags()?).await
}

/// Takes away the replicas that shall not be there any more.
pub(super) async fn shrink(cx: &Cx, name: &str, before: &Properties, request: &ResourceRequest) -> Result<()> {
    const SOURCE: &str = "GlobalTableSourceArn";
    if before.get(SOURCE) != request.properties.get(SOURCE) {
        return Err(Failure::not_built("dynamodb: a change of GlobalTableSourceArn"));
    }
    let (old, new) = (others(cx, before), others(cx, &request.properties));
    if !old.is_empty() && !new.is_empty() && is_strong(before) != is_strong(&request.properties) {
        let message = "MultiRegionConsistency parameter is unsupported on existing global table";
        return Err(AwsError::new("ValidationException", 400, message).into());
    }
    let gone: Vec<&str> = old.into_iter().filter(|region| !new.contains(region)).collect();
    take_away(cx, name, &gone, witness(before).filter(|_| is_strong(before)), is_strong(before)).await
}

async fn take_away(cx: &Cx, name: &str, regions: &[&str], witness: Option<&str>, strong: bool) -> Result<()> {
    let delete = |region: &&str| json!({"Delete": {"RegionName": region}});
    if strong && !regions.is_empty() {
        let mut input = json!({"ReplicaUpdates": regions.iter().map(delete).collect::<Vec<_>>()});
        if let Some(region) = witness {
            input["GlobalTableWitnessUpdates"] = json!([delete(&region)]);
        }
        return change(cx, name, input).await;
    }
    for region in regions {
        change(cx, name, json!({"ReplicaUpdates": [delete(region)]})).await?;
    }
    Ok(())
}

/// Makes new replicas, and gives those that stay what they shall have by themselves.
pub(super) async fn follow(cx: &Cx, name: &str, before: &Properties, request: &ResourceRequest) -> Result<()> {
    let now = &request.properties;
    let old = others(cx, before);
    for region in others(cx, now).into_iter().filter(|region| old.contains(region)) {
        let (was, shall) = (of_region(before, region)?, of_region(now, region)?);
        let there = cx.elsewhere(cx.account(), region);
        // What was changed of the table has been changed of the replica as well.
        let wanted = overrides(&as_it_is(&there, name).await?, &shall);
        if !wanted.is_empty() {
            let mut update = wanted;
            update.insert("RegionName".to_owned(), json!(region));
            change(cx, name, json!({"ReplicaUpdates": [{ "Update": update }]})).await?;
        }
        let key = |of: &Properties| of.get("SSESpecification").and_then(|of| of.get("KMSMasterKeyId")).cloned();
        if let Some(key) = key(&shall).filter(|wanted| key(&was).as_ref().is_some_and(|was| was != wanted)) {
            let specification = json!({"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": key});
            let input = json!({"TableName": name, "SSESpecification": specification});
            there.call("dynamodb", "UpdateTable", input).await?;
        }
        let request = ResourceRequest { properties: shall, ..request.clone() };
        set(&there, name, Some(&was), &request, is_strong(now)).await?;
    }
    add(cx, name, before, request).await
}

/// Takes away all replicas but the one in the region of the stack.
pub(super) async fn withdraw(cx: &Cx, name: &str) -> Result<()> {
    let shown = cx.call("dynamodb", "DescribeTable", json!({ "TableName": name })).await;
    let Ok(mut shown) = shown else {
        return unless_gone(shown, &["ResourceNotFoundException"]);
    };
    settle(cx, name).await?;
    let table = shown["Table"].take();
    // Replicas in other accounts are named by their ARNs, and belong to those.
    let region = |one: &Json| one["RegionName"].as_str().filter(|_| one["ReplicaArn"].is_null()).map(ToOwned::to_owned);
    let list = |name: &str| table[name].as_array().into_iter().flatten().filter_map(region).collect::<Vec<_>>();
    let (regions, witnesses) = (list("Replicas"), list("GlobalTableWitnesses"));
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    let strong = table["MultiRegionConsistency"] == "STRONG";
    take_away(cx, name, &regions, witnesses.first().map(String::as_str), strong).await
}
