//! `AWS::IAM::InstanceProfile`, `AWS::IAM::UserToGroupAddition`, `AWS::IAM::AccessKey` and `AWS::IAM::VirtualMFADevice`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, Resource, ResourceRequest, ResourceType, Updated, pick, texts};
use undercast_kernel::{AwsError, CREDENTIALS, Cx, Result};

use super::{call, call_unless_gone, changes, update_tags, value};
use crate::mfa;

/// `AWS::IAM::InstanceProfile`
pub(crate) struct InstanceProfile;

async fn describe_profile(cx: &Cx, name: &str) -> Result<Resource> {
    let answer = call(cx, "GetInstanceProfile", json!({"InstanceProfileName": name})).await?;
    Ok(Resource::new(name, [("Arn", answer["InstanceProfile"]["Arn"].clone())]))
}

async fn update_roles(cx: &Cx, name: &str, before: &Properties, after: &Properties) -> Result<()> {
    let (gone, come) = changes(before, after, "Roles");
    // One goes before the next one comes: there is room for one only.
    for role in gone {
        let input = json!({"InstanceProfileName": name, "RoleName": role});
        call_unless_gone(cx, "RemoveRoleFromInstanceProfile", input).await?;
    }
    for role in come {
        call(cx, "AddRoleToInstanceProfile", json!({"InstanceProfileName": name, "RoleName": role})).await?;
    }
    Ok(())
}

impl ResourceType for InstanceProfile {
    fn name(&self) -> &'static str {
        "AWS::IAM::InstanceProfile"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["InstanceProfileName", "Path", "Roles"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["InstanceProfileName", "Path"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("InstanceProfileName").unwrap_or_else(|| request.generated_name(cx, 128));
            let mut input = pick(&request.properties, &["Path"]);
            input.insert("InstanceProfileName".to_owned(), json!(name));
            call(cx, "CreateInstanceProfile", Json::Object(input)).await?;
            update_roles(cx, &name, &Properties::new(), &request.properties).await?;
            describe_profile(cx, &name).await
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
            update_roles(cx, id, before, &request.properties).await?;
            Ok(Updated::InPlace(describe_profile(cx, id).await?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            update_roles(cx, id, properties, &Properties::new()).await?;
            call_unless_gone(cx, "DeleteInstanceProfile", json!({"InstanceProfileName": id})).await
        })
    }
}

/// `AWS::IAM::UserToGroupAddition`
pub(crate) struct UserToGroupAddition;

async fn update_members(cx: &Cx, before: &Properties, after: &Properties) -> Result<()> {
    let (old, new) = (value(before, "GroupName"), value(after, "GroupName"));
    let (were, are) = (texts(before, "Users"), texts(after, "Users"));
    for user in are.iter().filter(|user| old != new || !were.contains(user)) {
        call(cx, "AddUserToGroup", json!({"GroupName": new, "UserName": user})).await?;
    }
    for user in were.iter().filter(|user| old != new || !are.contains(user)) {
        call_unless_gone(cx, "RemoveUserFromGroup", json!({"GroupName": old, "UserName": user})).await?;
    }
    Ok(())
}

impl ResourceType for UserToGroupAddition {
    fn name(&self) -> &'static str {
        "AWS::IAM::UserToGroupAddition"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["GroupName", "Users"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &[]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            update_members(cx, &Properties::new(), &request.properties).await?;
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
            update_members(cx, before, &request.properties).await?;
            Ok(Updated::InPlace(Resource::new(id, [("Id", json!(id))])))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, _id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { update_members(cx, properties, &Properties::new()).await })
    }
}

/// `AWS::IAM::AccessKey`
pub(crate) struct AccessKey;

/// The key with its secret, which templates may read as often as they are updated.
fn key(cx: &Cx, id: &str) -> Result<Resource> {
    let secret = CREDENTIALS.get(&cx.read(), &(id,))?.map(|credential| credential.secret);
    Ok(Resource::new(id, [("Id", json!(id)), ("SecretAccessKey", json!(secret))]))
}

async fn set_status(cx: &Cx, id: &str, properties: &Properties) -> Result<()> {
    let status = value(properties, "Status").unwrap_or_else(|| "Active".to_owned());
    let user = value(properties, "UserName");
    call(cx, "UpdateAccessKey", json!({"UserName": user, "AccessKeyId": id, "Status": status})).await.map(drop)
}

impl ResourceType for AccessKey {
    fn name(&self) -> &'static str {
        "AWS::IAM::AccessKey"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Serial", "Status", "UserName"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        // Another serial number is how a template asks for another key.
        &["Serial", "UserName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let made = call(cx, "CreateAccessKey", json!({"UserName": request.text("UserName")})).await?;
            let id = made["AccessKey"]["AccessKeyId"].as_str().unwrap_or_default();
            if request.text("Status").is_some() {
                set_status(cx, id, &request.properties).await?;
            }
            key(cx, id)
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
            set_status(cx, id, &request.properties).await?;
            Ok(Updated::InPlace(key(cx, id)?))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let input = json!({"UserName": value(properties, "UserName"), "AccessKeyId": id});
            call_unless_gone(cx, "DeleteAccessKey", input).await
        })
    }
}

/// `AWS::IAM::VirtualMFADevice`
pub(crate) struct VirtualMfaDevice;

/// Gives the device to the user that is listed, and takes it from the one that was. Its codes are worked out from its seed.
async fn update_holder(cx: &Cx, serial: &str, before: &Properties, after: &Properties) -> Result<()> {
    if texts(after, "Users").len() > 1 {
        let message = "A virtual MFA device can be of one user only.";
        return Err(AwsError::new("ValidationError", 400, message).into());
    }
    let (gone, come) = changes(before, after, "Users");
    for user in gone {
        call_unless_gone(cx, "DeactivateMFADevice", json!({"UserName": user, "SerialNumber": serial})).await?;
    }
    for user in come {
        let [first, second] = mfa::codes(cx, serial)?;
        let input = json!({"UserName": user, "SerialNumber": serial, "AuthenticationCode1": first, "AuthenticationCode2": second});
        call(cx, "EnableMFADevice", input).await?;
    }
    Ok(())
}

fn device(serial: &str) -> Resource {
    Resource::new(serial, [("SerialNumber", json!(serial))])
}

impl ResourceType for VirtualMfaDevice {
    fn name(&self) -> &'static str {
        "AWS::IAM::VirtualMFADevice"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Path", "Tags", "Users", "VirtualMfaDeviceName"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Path", "VirtualMfaDeviceName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("VirtualMfaDeviceName").unwrap_or_else(|| request.generated_name(cx, 226));
            let mut input = pick(&request.properties, &["Path"]);
            input.insert("VirtualMFADeviceName".to_owned(), json!(name));
            input.insert("Tags".to_owned(), request.all_tags()?.list());
            let made = call(cx, "CreateVirtualMFADevice", Json::Object(input)).await?;
            let serial = made["VirtualMFADevice"]["SerialNumber"].as_str().unwrap_or_default();
            update_holder(cx, serial, &Properties::new(), &request.properties).await?;
            Ok(device(serial))
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
            update_holder(cx, id, before, &request.properties).await?;
            update_tags(cx, "MFADevice", "SerialNumber", id, request).await?;
            Ok(Updated::InPlace(device(id)))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            update_holder(cx, id, properties, &Properties::new()).await?;
            call_unless_gone(cx, "DeleteVirtualMFADevice", json!({"SerialNumber": id})).await
        })
    }
}
