//! `AWS::KMS::Key`, `AWS::KMS::ReplicaKey` and `AWS::KMS::Alias`.

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::arn::Arn;
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, text, unless_gone};
use undercast_kernel::{AwsError, Cx, Failure, Result};

/// `AWS::KMS::Key`
pub(crate) struct Key;

/// What is for ever. AWS refuses an update of it rather than to make a new key, whose old ciphertexts would be lost.
const FIXED: &[(&str, &str)] = &[
    ("KeySpec", "SYMMETRIC_DEFAULT"),
    ("KeyUsage", "ENCRYPT_DECRYPT"),
    ("MultiRegion", "false"),
    ("Origin", "AWS_KMS"),
];

fn described(cx: &Cx, id: &str) -> Resource {
    Resource::new(id, [("Arn", json!(cx.arn("kms", &format!("key/{id}")))), ("KeyId", json!(id))])
}

fn property(properties: &Properties, name: &str) -> Option<String> {
    properties.get(name).filter(|value| !value.is_null()).map(text)
}

fn is(properties: &Properties, name: &str, usual: bool) -> bool {
    property(properties, name).map_or(usual, |value| value == "true")
}

fn number(properties: &Properties, name: &str) -> Result<Option<i64>> {
    let wrong = || AwsError::new("ValidationError", 400, format!("Value of property {name} must be an integer"));
    property(properties, name).map(|value| value.parse().map_err(|_| wrong().into())).transpose()
}

/// Tags as KMS has them.
fn kms_tags(request: &ResourceRequest) -> Result<Json> {
    let Json::Array(all) = request.all_tags()?.list() else { return Ok(json!([])) };
    Ok(all.into_iter().map(|tag| json!({"TagKey": tag["Key"], "TagValue": tag["Value"]})).collect())
}

/// Rotates the key by itself, or not.
async fn set_rotation(cx: &Cx, id: &str, before: Option<&Properties>, after: &Properties) -> Result<()> {
    let wanted = is(after, "EnableKeyRotation", false);
    if !wanted && before.is_some_and(|before| is(before, "EnableKeyRotation", false)) {
        cx.call("kms", "DisableKeyRotation", json!({"KeyId": id})).await?;
    }
    if wanted {
        let mut input = Map::from_iter([("KeyId".to_owned(), json!(id))]);
        if let Some(days) = number(after, "RotationPeriodInDays")? {
            input.insert("RotationPeriodInDays".to_owned(), json!(days));
        }
        cx.call("kms", "EnableKeyRotation", Json::Object(input)).await?;
    }
    Ok(())
}

async fn schedule_deletion(cx: &Cx, id: &str, properties: &Properties) -> Result<()> {
    let mut input = Map::from_iter([("KeyId".to_owned(), json!(id))]);
    if let Some(days) = number(properties, "PendingWindowInDays")? {
        input.insert("PendingWindowInDays".to_owned(), json!(days));
    }
    let deleted = cx.call("kms", "ScheduleKeyDeletion", Json::Object(input)).await;
    // One that waits for its deletion already is gone for a stack.
    unless_gone(deleted, &["NotFoundException", "KMSInvalidStateException"])
}

async fn create(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let properties = &request.properties;
    let mut input = Map::from_iter([("Tags".to_owned(), kms_tags(request)?)]);
    for (theirs, ours) in [
        ("Description", "Description"),
        ("KeyPolicy", "Policy"),
        ("KeySpec", "KeySpec"),
        ("KeyUsage", "KeyUsage"),
        ("Origin", "Origin"),
    ] {
        if let Some(value) = property(properties, theirs) {
            input.insert(ours.to_owned(), json!(value));
        }
    }
    for name in ["BypassPolicyLockoutSafetyCheck", "MultiRegion"] {
        input.insert(name.to_owned(), json!(is(properties, name, false)));
    }
    let made = cx.call("kms", "CreateKey", Json::Object(input)).await?;
    let id = made["KeyMetadata"]["KeyId"].as_str().ok_or_else(|| Failure::broken("CreateKey gave no id"))?;
    finish(cx, id, properties, set_rotation(cx, id, None, properties).await).await
}

/// What is left to do for a key that has been made; one for which not all could be done does not stay.
async fn finish(cx: &Cx, id: &str, properties: &Properties, so_far: Result<()>) -> Result<Resource> {
    let mut done = so_far;
    if done.is_ok() && !is(properties, "Enabled", true) {
        done = cx.call("kms", "DisableKey", json!({"KeyId": id})).await.map(drop);
    }
    if let Err(failure) = done {
        // The stack never hears of this key, so nobody else would remove it.
        schedule_deletion(cx, id, properties).await?;
        return Err(failure);
    }
    Ok(described(cx, id))
}

async fn replicate(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let properties = &request.properties;
    let primary = property(properties, "PrimaryKeyArn").and_then(|text| Arn::parse(&text));
    let primary =
        primary.ok_or_else(|| AwsError::new("ValidationError", 400, "Property PrimaryKeyArn must be an ARN."))?;
    let mut input = Map::from_iter([
        ("KeyId".to_owned(), json!(primary.to_string())),
        ("ReplicaRegion".to_owned(), json!(cx.region())),
        ("Tags".to_owned(), kms_tags(request)?),
    ]);
    for (theirs, ours) in [("Description", "Description"), ("KeyPolicy", "Policy")] {
        if let Some(value) = property(properties, theirs) {
            input.insert(ours.to_owned(), json!(value));
        }
    }
    // It is the primary key that is replicated, so the call goes to its Region.
    let there = cx.elsewhere(cx.account(), &primary.region);
    let made = there.call("kms", "ReplicateKey", Json::Object(input)).await?;
    let id = made["ReplicaKeyMetadata"]["KeyId"].as_str();
    let id = id.ok_or_else(|| Failure::broken("ReplicateKey gave no id"))?;
    finish(cx, id, properties, Ok(())).await
}

async fn update(cx: &Cx, id: &str, before: &Properties, request: &ResourceRequest, replica: bool) -> Result<Updated> {
    let after = &request.properties;
    for (name, usual) in FIXED.iter().filter(|_| !replica) {
        let value = |of: &Properties| property(of, name).unwrap_or_else(|| (*usual).to_owned());
        if value(before) != value(after) {
            let message = format!("You cannot change the value of the {name} property of an existing KMS key.");
            return Err(AwsError::new("NotUpdatable", 400, message).into());
        }
    }
    let (was, wanted) = (is(before, "Enabled", true), is(after, "Enabled", true));
    // The rotation of a key that is switched off cannot be changed.
    if !was {
        cx.call("kms", "EnableKey", json!({"KeyId": id})).await?;
    }
    if !replica {
        set_rotation(cx, id, Some(before), after).await?;
    }
    if before.get("Description") != after.get("Description") {
        let description = property(after, "Description").unwrap_or_else(String::new);
        cx.call("kms", "UpdateKeyDescription", json!({"KeyId": id, "Description": description})).await?;
    }
    if before.get("KeyPolicy") != after.get("KeyPolicy") {
        let policy = property(after, "KeyPolicy").unwrap_or_else(|| crate::policy::usual(cx));
        let bypass = is(after, "BypassPolicyLockoutSafetyCheck", false);
        let input =
            json!({"KeyId": id, "PolicyName": "default", "Policy": policy, "BypassPolicyLockoutSafetyCheck": bypass});
        cx.call("kms", "PutKeyPolicy", input).await?;
    }
    update_tags(cx, id, request).await?;
    if !wanted {
        cx.call("kms", "DisableKey", json!({"KeyId": id})).await?;
    }
    Ok(Updated::InPlace(described(cx, id)))
}

async fn update_tags(cx: &Cx, id: &str, request: &ResourceRequest) -> Result<()> {
    let (tags, wanted) = (request.all_tags()?, kms_tags(request)?);
    let there = cx.call("kms", "ListResourceTags", json!({"KeyId": id})).await?;
    let there = there["Tags"].as_array().into_iter().flatten();
    let there: Json = there.map(|tag| json!({"Key": tag["TagKey"], "Value": tag["TagValue"]})).collect();
    let gone = tags.unwanted(&there);
    if !gone.is_empty() {
        cx.call("kms", "UntagResource", json!({"KeyId": id, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        cx.call("kms", "TagResource", json!({"KeyId": id, "Tags": wanted})).await?;
    }
    Ok(())
}

impl ResourceType for Key {
    fn name(&self) -> &'static str {
        "AWS::KMS::Key"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "BypassPolicyLockoutSafetyCheck",
            "Description",
            "EnableKeyRotation",
            "Enabled",
            "KeyPolicy",
            "KeySpec",
            "KeyUsage",
            "MultiRegion",
            "Origin",
            "PendingWindowInDays",
            "RotationPeriodInDays",
            "Tags",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(update(cx, id, before, request, false))
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(schedule_deletion(cx, id, properties))
    }
}

/// `AWS::KMS::ReplicaKey`
pub(crate) struct ReplicaKey;

impl ResourceType for ReplicaKey {
    fn name(&self) -> &'static str {
        "AWS::KMS::ReplicaKey"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "Enabled", "KeyPolicy", "PendingWindowInDays", "PrimaryKeyArn", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["PrimaryKeyArn"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(replicate(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(update(cx, id, before, request, true))
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(schedule_deletion(cx, id, properties))
    }
}

/// `AWS::KMS::Alias`
pub(crate) struct Alias;

async fn point(cx: &Cx, operation: &str, request: &ResourceRequest) -> Result<Resource> {
    let required = |name: &str| {
        let missing = || AwsError::new("ValidationError", 400, format!("Property {name} cannot be empty."));
        request.text(name).ok_or_else(missing)
    };
    let (name, target) = (required("AliasName")?, required("TargetKeyId")?);
    cx.call("kms", operation, json!({"AliasName": name, "TargetKeyId": target})).await?;
    Ok(Resource::new(name, []))
}

impl ResourceType for Alias {
    fn name(&self) -> &'static str {
        "AWS::KMS::Alias"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AliasName", "TargetKeyId"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["AliasName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(point(cx, "CreateAlias", request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(point(cx, "UpdateAlias", request).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let deleted = cx.call("kms", "DeleteAlias", json!({"AliasName": id})).await;
            unless_gone(deleted, &["NotFoundException"])
        })
    }
}
