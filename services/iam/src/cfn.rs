//! `AWS::IAM::Role`, `AWS::IAM::ManagedPolicy` and `AWS::IAM::Policy`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, texts, unless_gone,
};
use undercast_kernel::{Cx, Result};

/// `AWS::IAM::Role`
pub(crate) struct Role;

/// Name and document of inline policies.
fn inline(properties: &Properties) -> Vec<(String, String)> {
    let items = properties.get("Policies").and_then(Json::as_array).into_iter().flatten();
    items.filter_map(|p| Some((p["PolicyName"].as_str()?.to_owned(), p["PolicyDocument"].to_string()))).collect()
}

/// What is not there, in IAM's word.
const GONE: &str = "NoSuchEntity";

fn is_gone(error: &undercast_kernel::Failure) -> bool {
    error.code() == Some(GONE)
}

async fn describe_role(cx: &Cx, name: &str) -> Result<Resource> {
    let answer = cx.call("iam", "GetRole", json!({"RoleName": name})).await?;
    let role = &answer["Role"];
    Ok(Resource::new(name, [("Arn", role["Arn"].clone()), ("RoleId", role["RoleId"].clone())]))
}

impl ResourceType for Role {
    fn name(&self) -> &'static str {
        "AWS::IAM::Role"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "Path",
            "PermissionsBoundary",
            "Policies",
            "RoleName",
            "Tags",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Path", "RoleName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("RoleName").unwrap_or_else(|| request.generated_name(cx, 64));
            let same = ["Description", "MaxSessionDuration", "Path", "PermissionsBoundary"];
            let mut input = pick(&request.properties, &same);
            input.insert("RoleName".to_owned(), json!(name));
            input.insert("AssumeRolePolicyDocument".to_owned(), json!(request.text("AssumeRolePolicyDocument")));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            cx.call("iam", "CreateRole", Json::Object(input)).await?;
            update_policies(cx, &name, &Properties::new(), &request.properties).await?;
            describe_role(cx, &name).await
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
            let after = &request.properties;
            if before.get("AssumeRolePolicyDocument") != after.get("AssumeRolePolicyDocument") {
                let document = request.text("AssumeRolePolicyDocument");
                cx.call("iam", "UpdateAssumeRolePolicy", json!({"RoleName": id, "PolicyDocument": document})).await?;
            }
            let described = |p: &Properties| (p.get("Description").cloned(), p.get("MaxSessionDuration").cloned());
            if described(before) != described(after) {
                let session = after.get("MaxSessionDuration").cloned().unwrap_or(json!(3_600));
                cx.call(
                    "iam",
                    "UpdateRole",
                    json!({"RoleName": id, "Description": request.text("Description"), "MaxSessionDuration": session}),
                )
                .await?;
            }
            match (before.get("PermissionsBoundary"), after.get("PermissionsBoundary")) {
                (b, a) if b == a => {}
                (_, Some(arn)) => drop(
                    cx.call("iam", "PutRolePermissionsBoundary", json!({"RoleName": id, "PermissionsBoundary": arn}))
                        .await?,
                ),
                (_, None) => drop(cx.call("iam", "DeleteRolePermissionsBoundary", json!({"RoleName": id})).await?),
            }
            update_policies(cx, id, before, after).await?;
            update_tags(cx, id, request).await?;
            Ok(Updated::InPlace(describe_role(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let attached = match cx.call("iam", "ListAttachedRolePolicies", json!({"RoleName": id})).await {
                Err(error) if is_gone(&error) => return Ok(()),
                other => other?,
            };
            for policy in attached["AttachedPolicies"].as_array().into_iter().flatten() {
                cx.call("iam", "DetachRolePolicy", json!({"RoleName": id, "PolicyArn": policy["PolicyArn"]})).await?;
            }
            let inline = cx.call("iam", "ListRolePolicies", json!({"RoleName": id})).await?;
            for name in inline["PolicyNames"].as_array().into_iter().flatten() {
                cx.call("iam", "DeleteRolePolicy", json!({"RoleName": id, "PolicyName": name})).await?;
            }
            cx.call("iam", "DeleteRole", json!({"RoleName": id})).await.map(drop)
        })
    }
}

async fn update_policies(cx: &Cx, role: &str, before: &Properties, after: &Properties) -> Result<()> {
    let (old, new) = (inline(before), inline(after));
    for (name, document) in new.iter().filter(|p| !old.contains(p)) {
        cx.call("iam", "PutRolePolicy", json!({"RoleName": role, "PolicyName": name, "PolicyDocument": document}))
            .await?;
    }
    for (name, _) in old.iter().filter(|(name, _)| !new.iter().any(|(n, _)| n == name)) {
        cx.call("iam", "DeleteRolePolicy", json!({"RoleName": role, "PolicyName": name})).await?;
    }
    let (old, new) = (texts(before, "ManagedPolicyArns"), texts(after, "ManagedPolicyArns"));
    for arn in new.iter().filter(|a| !old.contains(a)) {
        cx.call("iam", "AttachRolePolicy", json!({"RoleName": role, "PolicyArn": arn})).await?;
    }
    for arn in old.iter().filter(|a| !new.contains(a)) {
        cx.call("iam", "DetachRolePolicy", json!({"RoleName": role, "PolicyArn": arn})).await?;
    }
    Ok(())
}

async fn update_tags(cx: &Cx, role: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = cx.call("iam", "ListRoleTags", json!({"RoleName": role})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        cx.call("iam", "UntagRole", json!({"RoleName": role, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        cx.call("iam", "TagRole", json!({"RoleName": role, "Tags": tags.list()})).await?;
    }
    Ok(())
}

/// `AWS::IAM::ManagedPolicy`
pub(crate) struct ManagedPolicy;

fn describe_policy(answer: &Json) -> Resource {
    let (arn, id) = (&answer["Policy"]["Arn"], &answer["Policy"]["PolicyId"]);
    Resource::new(arn.as_str().unwrap_or_default(), [("PolicyArn", arn.clone()), ("PolicyId", id.clone())])
}

impl ResourceType for ManagedPolicy {
    fn name(&self) -> &'static str {
        "AWS::IAM::ManagedPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles", "Users"]
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
            let answer = cx.call("iam", "CreatePolicy", Json::Object(input)).await?;
            let described = describe_policy(&answer);
            attach(cx, &described.id, &Properties::new(), &request.properties).await?;
            Ok(described)
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
                cx.call("iam", "CreatePolicyVersion", input).await?;
            }
            attach(cx, id, before, &request.properties).await?;
            let answer = cx.call("iam", "GetPolicy", json!({"PolicyArn": id})).await?;
            Ok(Updated::InPlace(describe_policy(&answer)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            attach(cx, id, properties, &Properties::new()).await?;
            match remove_versions(cx, id, 0).await {
                Err(error) if is_gone(&error) => return Ok(()),
                other => other?,
            }
            cx.call("iam", "DeletePolicy", json!({"PolicyArn": id})).await.map(drop)
        })
    }
}

/// Removes versions that are not the default one, the oldest first, until `keep` are left besides it.
async fn remove_versions(cx: &Cx, arn: &str, keep: usize) -> Result<()> {
    let answer = cx.call("iam", "ListPolicyVersions", json!({"PolicyArn": arn})).await?;
    let versions = answer["Versions"].as_array().cloned().unwrap_or_default();
    let old: Vec<&Json> = versions.iter().filter(|v| v["IsDefaultVersion"] == false).collect();
    for version in old.iter().skip(keep.saturating_sub(1)) {
        cx.call("iam", "DeletePolicyVersion", json!({"PolicyArn": arn, "VersionId": version["VersionId"]})).await?;
    }
    Ok(())
}

/// Attaches a policy to the users and roles that are listed now, and detaches it from those that were.
async fn attach(cx: &Cx, arn: &str, before: &Properties, after: &Properties) -> Result<()> {
    for (property, word) in [("Roles", "Role"), ("Users", "User")] {
        let (old, new) = (texts(before, property), texts(after, property));
        for name in new.iter().filter(|n| !old.contains(n)) {
            cx.call("iam", &format!("Attach{word}Policy"), json!({format!("{word}Name"): name, "PolicyArn": arn}))
                .await?;
        }
        for name in old.iter().filter(|n| !new.contains(n)) {
            let input = json!({format!("{word}Name"): name, "PolicyArn": arn});
            unless_gone(cx.call("iam", &format!("Detach{word}Policy"), input).await, &[GONE])?;
        }
    }
    Ok(())
}

/// `AWS::IAM::Policy`: an inline policy of roles and users.
pub(crate) struct Policy;

/// Puts the policy where it is listed now, and takes it from where it was.
async fn put_inline(
    cx: &Cx,
    name: &str,
    document: Option<String>,
    before: &Properties,
    after: &Properties,
) -> Result<()> {
    for (property, word) in [("Roles", "Role"), ("Users", "User")] {
        let (old, new) = (texts(before, property), texts(after, property));
        for entity in &new {
            let input = json!({format!("{word}Name"): entity, "PolicyName": name, "PolicyDocument": document});
            cx.call("iam", &format!("Put{word}Policy"), input).await?;
        }
        for entity in old.iter().filter(|n| !new.contains(n)) {
            let input = json!({format!("{word}Name"): entity, "PolicyName": name});
            unless_gone(cx.call("iam", &format!("Delete{word}Policy"), input).await, &[GONE])?;
        }
    }
    Ok(())
}

impl ResourceType for Policy {
    fn name(&self) -> &'static str {
        "AWS::IAM::Policy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "PolicyName", "Roles", "Users"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["PolicyName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("PolicyName").unwrap_or_default();
            put_inline(cx, &name, request.text("PolicyDocument"), &Properties::new(), &request.properties).await?;
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
            let name = request.text("PolicyName").unwrap_or_default();
            put_inline(cx, &name, request.text("PolicyDocument"), before, &request.properties).await?;
            Ok(Updated::InPlace(Resource::new(id, [("Id", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let name = properties.get("PolicyName").and_then(Json::as_str).unwrap_or_default();
            put_inline(cx, name, None, properties, &Properties::new()).await
        })
    }
}
