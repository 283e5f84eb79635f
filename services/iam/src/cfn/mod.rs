//! The CloudFormation types `AWS::IAM::*`.

mod belongings;
mod entities;
mod policies;
mod providers;

use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, ResourceRequest, ResourceType, text, texts, unless_gone};
use undercast_kernel::{Cx, Failure, Result};

/// All of them.
pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![
        Box::new(entities::Role),
        Box::new(entities::User),
        Box::new(entities::Group),
        Box::new(policies::ManagedPolicy),
        Box::new(policies::Policy),
        Box::new(policies::Inline { name: "AWS::IAM::RolePolicy", word: "Role" }),
        Box::new(policies::Inline { name: "AWS::IAM::UserPolicy", word: "User" }),
        Box::new(policies::Inline { name: "AWS::IAM::GroupPolicy", word: "Group" }),
        Box::new(belongings::InstanceProfile),
        Box::new(belongings::UserToGroupAddition),
        Box::new(belongings::AccessKey),
        Box::new(belongings::VirtualMfaDevice),
        Box::new(providers::OidcProvider),
        Box::new(providers::SamlProvider),
        Box::new(providers::ServerCertificate),
        Box::new(providers::ServiceLinkedRole),
    ]
}

/// What is not there, in IAM's word.
const GONE: &str = "NoSuchEntity";

fn is_gone(error: &Failure) -> bool {
    error.code() == Some(GONE)
}

/// One of IAM's operations.
async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.call("iam", operation, input).await
}

/// The same for what may be gone already.
async fn call_unless_gone(cx: &Cx, operation: &str, input: Json) -> Result<()> {
    unless_gone(call(cx, operation, input).await, &[GONE])
}

/// What `before` lists and `after` does not, and the other way round.
fn changes(before: &Properties, after: &Properties, property: &str) -> (Vec<String>, Vec<String>) {
    let (old, new) = (texts(before, property), texts(after, property));
    let gone = old.iter().filter(|o| !new.contains(o)).cloned().collect();
    let come = new.into_iter().filter(|n| !old.contains(n)).collect();
    (gone, come)
}

/// Name and document of inline policies.
fn inline(properties: &Properties) -> Vec<(String, String)> {
    let items = properties.get("Policies").and_then(Json::as_array).into_iter().flatten();
    items.filter_map(|p| Some((p["PolicyName"].as_str()?.to_owned(), text(&p["PolicyDocument"])))).collect()
}

/// Gives a `Role`, `User` or `Group` the policies that it shall have, and takes those from it that it shall not.
async fn update_policies(cx: &Cx, word: &str, name: &str, before: &Properties, after: &Properties) -> Result<()> {
    let member = format!("{word}Name");
    let (old, new) = (inline(before), inline(after));
    for (policy, document) in new.iter().filter(|p| !old.contains(p)) {
        let input = json!({member.as_str(): name, "PolicyName": policy, "PolicyDocument": document});
        call(cx, &format!("Put{word}Policy"), input).await?;
    }
    for (policy, _) in old.iter().filter(|(name, _)| !new.iter().any(|(n, _)| n == name)) {
        call(cx, &format!("Delete{word}Policy"), json!({member.as_str(): name, "PolicyName": policy})).await?;
    }
    let (gone, come) = changes(before, after, "ManagedPolicyArns");
    for arn in come {
        call(cx, &format!("Attach{word}Policy"), json!({member.as_str(): name, "PolicyArn": arn})).await?;
    }
    for arn in gone {
        call(cx, &format!("Detach{word}Policy"), json!({member.as_str(): name, "PolicyArn": arn})).await?;
    }
    Ok(())
}

/// Takes all policies from a `Role`, `User` or `Group`, whoever gave them. `false`: it is not there.
async fn remove_policies(cx: &Cx, word: &str, name: &str) -> Result<bool> {
    let member = format!("{word}Name");
    let named = json!({member.as_str(): name});
    let attached = match call(cx, &format!("ListAttached{word}Policies"), named.clone()).await {
        Err(error) if is_gone(&error) => return Ok(false),
        other => other?,
    };
    for policy in attached["AttachedPolicies"].as_array().into_iter().flatten() {
        let input = json!({member.as_str(): name, "PolicyArn": policy["PolicyArn"]});
        call(cx, &format!("Detach{word}Policy"), input).await?;
    }
    let inline = call(cx, &format!("List{word}Policies"), named).await?;
    for policy in inline["PolicyNames"].as_array().into_iter().flatten() {
        call(cx, &format!("Delete{word}Policy"), json!({member.as_str(): name, "PolicyName": policy})).await?;
    }
    Ok(true)
}

/// Sets the permissions boundary of a `Role` or `User` as it shall be.
async fn update_boundary(cx: &Cx, word: &str, name: &str, before: &Properties, after: &Properties) -> Result<()> {
    let member = format!("{word}Name");
    match (before.get("PermissionsBoundary"), after.get("PermissionsBoundary")) {
        (before, after) if before == after => Ok(()),
        (_, Some(arn)) => {
            let input = json!({member.as_str(): name, "PermissionsBoundary": arn});
            call(cx, &format!("Put{word}PermissionsBoundary"), input).await.map(drop)
        }
        (_, None) => {
            call(cx, &format!("Delete{word}PermissionsBoundary"), json!({member.as_str(): name})).await.map(drop)
        }
    }
}

/// Sets the tags of a thing as they shall be: `Role` named by `RoleName`, say.
async fn update_tags(cx: &Cx, thing: &str, member: &str, id: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = call(cx, &format!("List{thing}Tags"), json!({member: id})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        call(cx, &format!("Untag{thing}"), json!({member: id, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        call(cx, &format!("Tag{thing}"), json!({member: id, "Tags": tags.list()})).await?;
    }
    Ok(())
}

/// A text property of some properties.
fn value(properties: &Properties, name: &str) -> Option<String> {
    properties.get(name).filter(|v| !v.is_null()).map(text)
}
