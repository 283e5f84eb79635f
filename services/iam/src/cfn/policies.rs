//! `AWS::IAM::ManagedPolicy`, `AWS::IAM::Policy`, and the policies of one role, user or group.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, texts};
use undercast_kernel::{Cx, Result};

use super::{call, call_unless_gone, changes, is_gone, value};

/// The properties that list who has a policy, and what each of them is.
const HOLDERS: [(&str, &str); 3] = [("Roles", "Role"), ("Users", "User"), ("Groups", "Group")];

/// `AWS::IAM::ManagedPolicy`
pub(crate) struct ManagedPolicy;

async fn describe_policy(cx: &Cx, arn: &str) -> Result<Resource> {
    let answer = call(cx, "GetPolicy", json!({"PolicyArn": arn})).await?;
    let policy = &answer["Policy"];
    let attribute = |name: &'static str, member: &str| (name, policy[member].clone());
    let date = |name: &'static str| {
        // Dates are texts in attributes, as in AWS's own answers.
        let moment = policy[name].as_f64().and_then(undercast_wire::text::from_epoch);
        (name, moment.map_or(Json::Null, |moment| json!(moment.to_string())))
    };
    let attributes = [
        attribute("PolicyArn", "Arn"),
        attribute("PolicyId", "PolicyId"),
        attribute("AttachmentCount", "AttachmentCount"),
        attribute("DefaultVersionId", "DefaultVersionId"),
        attribute("IsAttachable", "IsAttachable"),
        attribute("PermissionsBoundaryUsageCount", "PermissionsBoundaryUsageCount"),
        date("CreateDate"),
        date("UpdateDate"),
    ];
    Ok(Resource::new(arn, attributes))
}

impl ResourceType for ManagedPolicy {
    fn name(&self) -> &'static str {
        "AWS::IAM::ManagedPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "Groups", "ManagedPolicyName", "Path", "PolicyDocument", "Roles", "Users"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Description", "ManagedPolicyName", "Path"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("ManagedPolicyName").unwrap_or_else(|| request.generated_name(cx, 128));
            let mut input = pick(&request.properties, &["Description", "Path"]);
            input.insert("PolicyName".to_owned(), json!(name));
            input.insert("PolicyDocument".to_owned(), json!(request.text("PolicyDocument")));
            let answer = call(cx, "CreatePolicy", Json::Object(input)).await?;
            let arn = answer["Policy"]["Arn"].as_str().unwrap_or_default();
            attach(cx, arn, &Properties::new(), &request.properties).await?;
            describe_policy(cx, arn).await
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
            if before.get("PolicyDocument") != request.properties.get("PolicyDocument") {
                remove_versions(cx, id, 4).await?;
                let input =
                    json!({"PolicyArn": id, "PolicyDocument": request.text("PolicyDocument"), "SetAsDefault": true});
                call(cx, "CreatePolicyVersion", input).await?;
            }
            attach(cx, id, before, &request.properties).await?;
            Ok(Updated::InPlace(describe_policy(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            attach(cx, id, properties, &Properties::new()).await?;
            match remove_versions(cx, id, 0).await {
                Err(error) if is_gone(&error) => return Ok(()),
                other => other?,
            }
            call_unless_gone(cx, "DeletePolicy", json!({"PolicyArn": id})).await
        })
    }
}

/// Removes versions that are not the default one, the oldest first, until `keep` are left besides it.
async fn remove_versions(cx: &Cx, arn: &str, keep: usize) -> Result<()> {
    let answer = call(cx, "ListPolicyVersions", json!({"PolicyArn": arn})).await?;
    let versions = answer["Versions"].as_array().into_iter().flatten();
    let old: Vec<&Json> = versions.filter(|v| v["IsDefaultVersion"] == false).collect();
    for version in old.iter().skip(keep.saturating_sub(1)) {
        call(cx, "DeletePolicyVersion", json!({"PolicyArn": arn, "VersionId": version["VersionId"]})).await?;
    }
    Ok(())
}

/// Attaches a policy to those that are listed now, and detaches it from those that were.
async fn attach(cx: &Cx, arn: &str, before: &Properties, after: &Properties) -> Result<()> {
    for (property, word) in HOLDERS {
        let (gone, come) = changes(before, after, property);
        for name in come {
            call(cx, &format!("Attach{word}Policy"), json!({format!("{word}Name"): name, "PolicyArn": arn})).await?;
        }
        for name in gone {
            let input = json!({format!("{word}Name"): name, "PolicyArn": arn});
            call_unless_gone(cx, &format!("Detach{word}Policy"), input).await?;
        }
    }
    Ok(())
}

/// `AWS::IAM::Policy`: an inline policy of roles, users and groups.
pub(crate) struct Policy;

/// Puts the policy where it is listed now, and takes it from where it was, or was called otherwise.
async fn put_inline(cx: &Cx, before: &Properties, after: &Properties) -> Result<()> {
    let (old_name, name) = (value(before, "PolicyName"), value(after, "PolicyName"));
    let document = value(after, "PolicyDocument");
    for (property, word) in HOLDERS {
        let (old, new) = (texts(before, property), texts(after, property));
        for entity in &new {
            let input = json!({format!("{word}Name"): entity, "PolicyName": name, "PolicyDocument": document});
            call(cx, &format!("Put{word}Policy"), input).await?;
        }
        for entity in old.iter().filter(|entity| old_name != name || !new.contains(entity)) {
            let input = json!({format!("{word}Name"): entity, "PolicyName": old_name});
            call_unless_gone(cx, &format!("Delete{word}Policy"), input).await?;
        }
    }
    Ok(())
}

impl ResourceType for Policy {
    fn name(&self) -> &'static str {
        "AWS::IAM::Policy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Groups", "PolicyDocument", "PolicyName", "Roles", "Users"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            put_inline(cx, &Properties::new(), &request.properties).await?;
            let id = request.generated_name(cx, 128);
            Ok(Resource::new(id.clone(), [("Id", json!(id))]))
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
            put_inline(cx, before, &request.properties).await?;
            Ok(Updated::InPlace(Resource::new(id, [("Id", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { put_inline(cx, properties, &Properties::new()).await })
    }
}

/// `AWS::IAM::RolePolicy`, `AWS::IAM::UserPolicy`, `AWS::IAM::GroupPolicy`: an inline policy of one of them.
pub(crate) struct Inline {
    pub(crate) name: &'static str,
    /// `Role`, `User` or `Group`.
    pub(crate) word: &'static str,
}

impl Inline {
    /// The physical id: the primary identifier's parts.
    async fn put(&self, cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
        let member = format!("{}Name", self.word);
        let (holder, policy) = (request.text(&member), request.text("PolicyName"));
        let document = request.text("PolicyDocument");
        let input = json!({member: holder, "PolicyName": policy, "PolicyDocument": document});
        call(cx, &format!("Put{}Policy", self.word), input).await?;
        let id = [policy, holder].into_iter().flatten().collect::<Vec<_>>().join("|");
        Ok(Resource::new(id, []))
    }
}

impl ResourceType for Inline {
    fn name(&self) -> &'static str {
        self.name
    }

    fn properties(&self) -> &'static [&'static str] {
        match self.word {
            "Role" => &["PolicyDocument", "PolicyName", "RoleName"],
            "User" => &["PolicyDocument", "PolicyName", "UserName"],
            _ => &["GroupName", "PolicyDocument", "PolicyName"],
        }
    }

    fn create_only(&self) -> &'static [&'static str] {
        match self.word {
            "Role" => &["PolicyName", "RoleName"],
            "User" => &["PolicyName", "UserName"],
            _ => &["GroupName", "PolicyName"],
        }
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(self.put(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { Ok(Updated::InPlace(self.put(cx, request).await?)) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let member = format!("{}Name", self.word);
            let (holder, policy) = (value(properties, &member), value(properties, "PolicyName"));
            let input = json!({member: holder, "PolicyName": policy});
            call_unless_gone(cx, &format!("Delete{}Policy", self.word), input).await
        })
    }
}
