//! The resource types `AWS::Organizations::*`.

use std::time::Duration;

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, texts, unless_gone};
use undercast_kernel::{AwsError, Cx, Result};

const SERVICE: &str = "organizations";
/// An account that is being made is looked at so often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

pub(crate) fn types() -> Vec<Box<dyn ResourceType>> {
    vec![Box::new(Account), Box::new(Organization), Box::new(Unit), Box::new(Policy), Box::new(ResourcePolicy)]
}

async fn call(cx: &Cx, operation: &str, input: Json) -> Result<Json> {
    cx.call(SERVICE, operation, input).await
}

fn invalid(message: impl Into<String>) -> undercast_kernel::Failure {
    AwsError::new("ValidationError", 400, message).into()
}

/// Sets the tags of what has this id to those that are wanted.
async fn retag(cx: &Cx, id: &str, request: &ResourceRequest) -> Result<()> {
    let tags = request.all_tags()?;
    let there = call(cx, "ListTagsForResource", json!({"ResourceId": id})).await?;
    let gone = tags.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        call(cx, "UntagResource", json!({"ResourceId": id, "TagKeys": gone})).await?;
    }
    if !tags.is_empty() {
        call(cx, "TagResource", json!({"ResourceId": id, "Tags": tags.list()})).await?;
    }
    Ok(())
}

/// `AWS::Organizations::Organization`
struct Organization;

async fn organization(cx: &Cx) -> Result<Resource> {
    let found = call(cx, "DescribeOrganization", json!({})).await?;
    let found = &found["Organization"];
    let roots = call(cx, "ListRoots", json!({})).await?;
    let id = found["Id"].as_str().unwrap_or_default();
    Ok(Resource::new(
        id,
        [
            ("Id", found["Id"].clone()),
            ("Arn", found["Arn"].clone()),
            ("ManagementAccountArn", found["MasterAccountArn"].clone()),
            ("ManagementAccountId", found["MasterAccountId"].clone()),
            ("ManagementAccountEmail", found["MasterAccountEmail"].clone()),
            ("RootId", roots["Roots"][0]["Id"].clone()),
        ],
    ))
}

impl ResourceType for Organization {
    fn name(&self) -> &'static str {
        "AWS::Organizations::Organization"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["FeatureSet"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let set = request.text("FeatureSet").unwrap_or_else(|| "ALL".to_owned());
            call(cx, "CreateOrganization", json!({"FeatureSet": set})).await?;
            organization(cx).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        _id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let there = call(cx, "DescribeOrganization", json!({})).await?;
            let wanted = request.text("FeatureSet").unwrap_or_else(|| "ALL".to_owned());
            if there["Organization"]["FeatureSet"] != wanted.as_str() {
                if wanted != "ALL" {
                    return Err(invalid("An organization with all features can't go back to consolidated billing."));
                }
                let asked = call(cx, "EnableAllFeatures", json!({})).await?;
                call(cx, "AcceptHandshake", json!({"HandshakeId": asked["Handshake"]["Id"]})).await?;
            }
            organization(cx).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let removed = call(cx, "DeleteOrganization", json!({})).await;
            unless_gone(removed, &["AWSOrganizationsNotInUseException"])
        })
    }
}

/// `AWS::Organizations::OrganizationalUnit`
struct Unit;

async fn unit(cx: &Cx, id: &str) -> Result<Resource> {
    let found = call(cx, "DescribeOrganizationalUnit", json!({"OrganizationalUnitId": id})).await?;
    let found = &found["OrganizationalUnit"];
    Ok(Resource::new(id, [("Id", found["Id"].clone()), ("Arn", found["Arn"].clone()), ("Path", found["Path"].clone())]))
}

impl ResourceType for Unit {
    fn name(&self) -> &'static str {
        "AWS::Organizations::OrganizationalUnit"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Name", "ParentId", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["ParentId"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let input = json!({"ParentId": request.text("ParentId"), "Name": request.text("Name"),
                "Tags": request.all_tags()?.list()});
            let made = call(cx, "CreateOrganizationalUnit", input).await?;
            unit(cx, made["OrganizationalUnit"]["Id"].as_str().unwrap_or_default()).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let input = json!({"OrganizationalUnitId": id, "Name": request.text("Name")});
            call(cx, "UpdateOrganizationalUnit", input).await?;
            retag(cx, id, request).await?;
            unit(cx, id).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let removed = call(cx, "DeleteOrganizationalUnit", json!({"OrganizationalUnitId": id})).await;
            unless_gone(removed, &["OrganizationalUnitNotFoundException", "AWSOrganizationsNotInUseException"])
        })
    }
}

/// `AWS::Organizations::Account`. A deleted one is closed, as AWS closes it.
struct Account;

async fn account(cx: &Cx, id: &str) -> Result<Resource> {
    let found = call(cx, "DescribeAccount", json!({"AccountId": id})).await?;
    let found = &found["Account"];
    let joined = found["JoinedTimestamp"].as_f64().and_then(undercast_kernel::wire::text::from_epoch);
    Ok(Resource::new(
        id,
        [
            ("AccountId", json!(id)),
            ("Arn", found["Arn"].clone()),
            ("JoinedMethod", found["JoinedMethod"].clone()),
            ("JoinedTimestamp", json!(joined.map(|at| at.to_string()))),
            ("Status", found["Status"].clone()),
            ("State", found["State"].clone()),
            ("Paths", found["Paths"].clone()),
        ],
    ))
}

/// The one parent that an account may have.
fn parent(request: &ResourceRequest) -> Result<Option<String>> {
    let mut all = texts(&request.properties, "ParentIds");
    match all.len() {
        0 | 1 => Ok(all.pop()),
        _ => Err(invalid("An account has one parent.")),
    }
}

/// Moves an account to its parent, where it is not there.
async fn place(cx: &Cx, id: &str, wanted: Option<String>) -> Result<()> {
    let there = call(cx, "ListParents", json!({"ChildId": id})).await?;
    let now = there["Parents"][0]["Id"].clone();
    let wanted = match wanted {
        Some(wanted) => json!(wanted),
        None => call(cx, "ListRoots", json!({})).await?["Roots"][0]["Id"].clone(),
    };
    if now == wanted {
        return Ok(());
    }
    let input = json!({"AccountId": id, "SourceParentId": now, "DestinationParentId": wanted});
    call(cx, "MoveAccount", input).await.map(drop)
}

async fn made(cx: &Cx, request: &str) -> Result<String> {
    loop {
        let status = call(cx, "DescribeCreateAccountStatus", json!({"CreateAccountRequestId": request})).await?;
        let status = &status["CreateAccountStatus"];
        match status["State"].as_str() {
            Some("SUCCEEDED") => return Ok(status["AccountId"].as_str().unwrap_or_default().to_owned()),
            Some("FAILED") => return Err(invalid(format!("The account was not made: {}", status["FailureReason"]))),
            _ => tokio::time::sleep(BETWEEN_LOOKS).await,
        }
    }
}

impl ResourceType for Account {
    fn name(&self) -> &'static str {
        "AWS::Organizations::Account"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["AccountName", "Email", "ParentIds", "RoleName", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let parent = parent(request)?;
            let mut input = json!({"AccountName": request.text("AccountName"), "Email": request.text("Email"),
                "Tags": request.all_tags()?.list()});
            if let Some(role) = request.text("RoleName") {
                input["RoleName"] = json!(role);
            }
            let asked = call(cx, "CreateAccount", input).await?;
            let id = made(cx, asked["CreateAccountStatus"]["Id"].as_str().unwrap_or_default()).await?;
            place(cx, &id, parent).await?;
            account(cx, &id).await
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
            // "You can't update AccountName, Email or RoleName": an update that would is refused.
            for name in ["AccountName", "Email", "RoleName"] {
                if before.get(name) != request.properties.get(name) {
                    return Err(invalid(format!("{name} of an account can't be changed by a stack.")));
                }
            }
            place(cx, id, parent(request)?).await?;
            retag(cx, id, request).await?;
            account(cx, id).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let gone =
                ["AccountNotFoundException", "AccountAlreadyClosedException", "AWSOrganizationsNotInUseException"];
            unless_gone(call(cx, "CloseAccount", json!({"AccountId": id})).await, &gone)
        })
    }
}

/// `AWS::Organizations::Policy`
struct Policy;

/// The content of a property, which is a document or a text.
fn content(request: &ResourceRequest) -> String {
    match request.properties.get("Content") {
        Some(Json::String(text)) => text.clone(),
        Some(document) => document.to_string(),
        None => String::new(),
    }
}

async fn policy(cx: &Cx, id: &str) -> Result<Resource> {
    let found = call(cx, "DescribePolicy", json!({"PolicyId": id})).await?;
    let summary = &found["Policy"]["PolicySummary"];
    let attributes =
        [("Id", json!(id)), ("Arn", summary["Arn"].clone()), ("AwsManaged", summary["AwsManaged"].clone())];
    Ok(Resource::new(id, attributes))
}

/// Attaches a policy to the targets that are wanted, and detaches it from others.
async fn target(cx: &Cx, id: &str, wanted: &[String]) -> Result<()> {
    let there = call(cx, "ListTargetsForPolicy", json!({"PolicyId": id})).await?;
    let there: Vec<&str> =
        there["Targets"].as_array().into_iter().flatten().filter_map(|t| t["TargetId"].as_str()).collect();
    for target in wanted.iter().filter(|target| !there.contains(&target.as_str())) {
        call(cx, "AttachPolicy", json!({"PolicyId": id, "TargetId": target})).await?;
    }
    for target in there.iter().filter(|target| !wanted.iter().any(|wanted| wanted == *target)) {
        call(cx, "DetachPolicy", json!({"PolicyId": id, "TargetId": target})).await?;
    }
    Ok(())
}

impl ResourceType for Policy {
    fn name(&self) -> &'static str {
        "AWS::Organizations::Policy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Content", "Description", "Name", "Tags", "TargetIds", "Type"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Type"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let description = request.text("Description").unwrap_or_else(String::new);
            let input = json!({"Content": content(request), "Description": description, "Name": request.text("Name"),
                "Type": request.text("Type"), "Tags": request.all_tags()?.list()});
            let made = call(cx, "CreatePolicy", input).await?;
            let id = made["Policy"]["PolicySummary"]["Id"].as_str().unwrap_or_default().to_owned();
            target(cx, &id, &texts(&request.properties, "TargetIds")).await?;
            policy(cx, &id).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            let description = request.text("Description").unwrap_or_else(String::new);
            let input = json!({"PolicyId": id, "Content": content(request), "Description": description,
                "Name": request.text("Name")});
            call(cx, "UpdatePolicy", input).await?;
            target(cx, id, &texts(&request.properties, "TargetIds")).await?;
            retag(cx, id, request).await?;
            policy(cx, id).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let gone = &["PolicyNotFoundException", "AWSOrganizationsNotInUseException"];
            if let Err(failure) = target(cx, id, &[]).await {
                return unless_gone(Err(failure), gone);
            }
            unless_gone(call(cx, "DeletePolicy", json!({"PolicyId": id})).await, gone)
        })
    }
}

/// `AWS::Organizations::ResourcePolicy`
struct ResourcePolicy;

async fn resource_policy(cx: &Cx) -> Result<Resource> {
    let found = call(cx, "DescribeResourcePolicy", json!({})).await?;
    let summary = &found["ResourcePolicy"]["ResourcePolicySummary"];
    let attributes = [("Id", summary["Id"].clone()), ("Arn", summary["Arn"].clone())];
    Ok(Resource::new(summary["Id"].as_str().unwrap_or_default(), attributes))
}

impl ResourceType for ResourcePolicy {
    fn name(&self) -> &'static str {
        "AWS::Organizations::ResourcePolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Content", "Tags"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let input = json!({"Content": content(request), "Tags": request.all_tags()?.list()});
            call(cx, "PutResourcePolicy", input).await?;
            resource_policy(cx).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move {
            call(cx, "PutResourcePolicy", json!({"Content": content(request)})).await?;
            retag(cx, id, request).await?;
            resource_policy(cx).await.map(Updated::InPlace)
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let removed = call(cx, "DeleteResourcePolicy", json!({})).await;
            unless_gone(removed, &["ResourcePolicyNotFoundException", "AWSOrganizationsNotInUseException"])
        })
    }
}
