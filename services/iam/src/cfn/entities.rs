//! `AWS::IAM::Role`, `AWS::IAM::User` and `AWS::IAM::Group`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, texts};
use undercast_kernel::{Cx, Result};

use super::{call, call_unless_gone, changes, remove_policies, update_boundary, update_policies, update_tags, value};

/// `AWS::IAM::Role`
pub(crate) struct Role;

async fn describe_role(cx: &Cx, name: &str) -> Result<Resource> {
    let answer = call(cx, "GetRole", json!({"RoleName": name})).await?;
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
            call(cx, "CreateRole", Json::Object(input)).await?;
            update_policies(cx, "Role", &name, &Properties::new(), &request.properties).await?;
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
                call(cx, "UpdateAssumeRolePolicy", json!({"RoleName": id, "PolicyDocument": document})).await?;
            }
            let described = |p: &Properties| (p.get("Description").cloned(), p.get("MaxSessionDuration").cloned());
            if described(before) != described(after) {
                let session = after.get("MaxSessionDuration").cloned().unwrap_or(json!(3_600));
                let description = request.text("Description");
                let input = json!({"RoleName": id, "Description": description, "MaxSessionDuration": session});
                call(cx, "UpdateRole", input).await?;
            }
            update_boundary(cx, "Role", id, before, after).await?;
            update_policies(cx, "Role", id, before, after).await?;
            update_tags(cx, "Role", "RoleName", id, request).await?;
            Ok(Updated::InPlace(describe_role(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if remove_policies(cx, "Role", id).await? {
                call_unless_gone(cx, "DeleteRole", json!({"RoleName": id})).await?;
            }
            Ok(())
        })
    }
}

/// `AWS::IAM::User`
pub(crate) struct User;

async fn describe_user(cx: &Cx, name: &str) -> Result<Resource> {
    let answer = call(cx, "GetUser", json!({"UserName": name})).await?;
    Ok(Resource::new(name, [("Arn", answer["User"]["Arn"].clone())]))
}

/// Puts a user into the groups that it shall be in, and takes it out of those that it shall not.
async fn update_groups(cx: &Cx, user: &str, before: &Properties, after: &Properties) -> Result<()> {
    let (gone, come) = changes(before, after, "Groups");
    for group in come {
        call(cx, "AddUserToGroup", json!({"GroupName": group, "UserName": user})).await?;
    }
    for group in gone {
        call_unless_gone(cx, "RemoveUserFromGroup", json!({"GroupName": group, "UserName": user})).await?;
    }
    Ok(())
}

/// Gives a user a password, another one, or none.
async fn update_login(cx: &Cx, user: &str, before: &Properties, after: &Properties) -> Result<()> {
    let (old, new) = (before.get("LoginProfile"), after.get("LoginProfile"));
    let Some(new) = new.filter(|new| !new.is_null()) else {
        if old.is_some() {
            call_unless_gone(cx, "DeleteLoginProfile", json!({"UserName": user})).await?;
        }
        return Ok(());
    };
    if old == Some(new) {
        return Ok(());
    }
    let operation = if old.is_some() { "UpdateLoginProfile" } else { "CreateLoginProfile" };
    let mut input = json!({"UserName": user, "Password": new["Password"]});
    input["PasswordResetRequired"] = new.get("PasswordResetRequired").cloned().unwrap_or(json!(false));
    call(cx, operation, input).await.map(drop)
}

impl ResourceType for User {
    fn name(&self) -> &'static str {
        "AWS::IAM::User"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Groups", "LoginProfile", "ManagedPolicyArns", "Path", "PermissionsBoundary", "Policies", "Tags", "UserName"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["UserName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("UserName").unwrap_or_else(|| request.generated_name(cx, 64));
            let mut input = pick(&request.properties, &["Path", "PermissionsBoundary"]);
            input.insert("UserName".to_owned(), json!(name));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            call(cx, "CreateUser", Json::Object(input)).await?;
            let (none, after) = (Properties::new(), &request.properties);
            update_policies(cx, "User", &name, &none, after).await?;
            update_groups(cx, &name, &none, after).await?;
            update_login(cx, &name, &none, after).await?;
            describe_user(cx, &name).await
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
            if value(before, "Path") != value(after, "Path") {
                let path = value(after, "Path").unwrap_or_else(|| "/".to_owned());
                call(cx, "UpdateUser", json!({"UserName": id, "NewPath": path})).await?;
            }
            update_boundary(cx, "User", id, before, after).await?;
            update_policies(cx, "User", id, before, after).await?;
            update_groups(cx, id, before, after).await?;
            update_login(cx, id, before, after).await?;
            update_tags(cx, "User", "UserName", id, request).await?;
            Ok(Updated::InPlace(describe_user(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if !remove_policies(cx, "User", id).await? {
                return Ok(());
            }
            for group in texts(properties, "Groups") {
                call_unless_gone(cx, "RemoveUserFromGroup", json!({"GroupName": group, "UserName": id})).await?;
            }
            update_login(cx, id, properties, &Properties::new()).await?;
            call_unless_gone(cx, "DeleteUser", json!({"UserName": id})).await
        })
    }
}

/// `AWS::IAM::Group`
pub(crate) struct Group;

async fn describe_group(cx: &Cx, name: &str) -> Result<Resource> {
    let answer = call(cx, "GetGroup", json!({"GroupName": name, "MaxItems": 1})).await?;
    Ok(Resource::new(name, [("Arn", answer["Group"]["Arn"].clone())]))
}

impl ResourceType for Group {
    fn name(&self) -> &'static str {
        "AWS::IAM::Group"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["GroupName", "ManagedPolicyArns", "Path", "Policies"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["GroupName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("GroupName").unwrap_or_else(|| request.generated_name(cx, 128));
            let mut input = pick(&request.properties, &["Path"]);
            input.insert("GroupName".to_owned(), json!(name));
            call(cx, "CreateGroup", Json::Object(input)).await?;
            update_policies(cx, "Group", &name, &Properties::new(), &request.properties).await?;
            describe_group(cx, &name).await
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
            if value(before, "Path") != value(after, "Path") {
                let path = value(after, "Path").unwrap_or_else(|| "/".to_owned());
                call(cx, "UpdateGroup", json!({"GroupName": id, "NewPath": path})).await?;
            }
            update_policies(cx, "Group", id, before, after).await?;
            Ok(Updated::InPlace(describe_group(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if remove_policies(cx, "Group", id).await? {
                call_unless_gone(cx, "DeleteGroup", json!({"GroupName": id})).await?;
            }
            Ok(())
        })
    }
}
