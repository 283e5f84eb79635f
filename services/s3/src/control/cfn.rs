//! `AWS::S3::AccessPoint`, `AWS::S3::MultiRegionAccessPoint` and `AWS::S3::MultiRegionAccessPointPolicy`.

use futures_core::future::BoxFuture;
use serde_json::{Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceType, Updated, pick, text, unless_gone,
};
use undercast_kernel::{AwsError, Cx, Result};

use super::{points, requests};
use crate::cfn::form::Form;
use crate::cfn::forms;

const BLOCK: &str = "PublicAccessBlockConfiguration";

/// The properties of an access point that are structures; of these the first one can be changed.
static POINT_FORMS: [(&str, &Form); 2] = [(BLOCK, &forms::BLOCK), ("VpcConfiguration", &forms::VPC)];

/// `AWS::S3::AccessPoint`
pub(crate) struct AccessPoint;

/// `AWS::S3::MultiRegionAccessPoint`
pub(crate) struct MultiRegionAccessPoint;

/// `AWS::S3::MultiRegionAccessPointPolicy`
pub(crate) struct MultiRegionAccessPointPolicy;

async fn call(cx: &Cx, operation: &str, mut input: Json) -> Result<Json> {
    if let Some(input) = input.as_object_mut() {
        input.insert("AccountId".to_owned(), cx.account().into());
    }
    cx.call("s3control", operation, input).await
}

/// A property without which nothing can be made.
pub(crate) fn required(request: &ResourceRequest, name: &str) -> Result<String> {
    let missing = || AwsError::new("ValidationError", 400, format!("{name} is required"));
    Ok(request.text(name).ok_or_else(missing)?)
}

async fn point(cx: &Cx, name: &str) -> Result<Resource> {
    let found = call(cx, "GetAccessPoint", json!({"Name": name})).await?;
    let of = |member: &str| found.get(member).cloned().unwrap_or_default();
    let attributes = [
        ("Alias", of("Alias")),
        ("Arn", of("AccessPointArn")),
        ("Name", name.into()),
        ("NetworkOrigin", of("NetworkOrigin")),
    ];
    Ok(Resource::new(name, attributes))
}

/// Properties in S3's form, of those named that are there.
fn formed(properties: &Properties, named: &[(&str, &'static Form)]) -> Result<Properties> {
    let there = named.iter().filter_map(|(name, form)| {
        let value = properties.get(*name).filter(|value| !value.is_null())?;
        Some(form.read(value, name).map(|read| ((*name).to_owned(), read)))
    });
    there.collect()
}

async fn create_point(cx: &Cx, request: &ResourceRequest) -> Result<Resource> {
    let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 50).to_lowercase());
    let mut input = pick(&request.properties, &["Bucket", "BucketAccountId"]);
    input.extend(formed(&request.properties, &POINT_FORMS)?);
    input.insert("Name".to_owned(), name.clone().into());
    let tags = request.all_tags()?;
    if !tags.is_empty() {
        input.insert("Tags".to_owned(), tags.list());
    }
    call(cx, "CreateAccessPoint", Json::Object(input)).await?;
    if let Some(policy) = request.properties.get("Policy").filter(|p| !p.is_null())
        && let Err(failure) = call(cx, "PutAccessPointPolicy", json!({"Name": name, "Policy": text(policy)})).await
    {
        // Nobody would know of an access point that is half made.
        unless_gone(call(cx, "DeleteAccessPoint", json!({"Name": name})).await, &["NoSuchAccessPoint"])?;
        return Err(failure);
    }
    point(cx, &name).await
}

async fn update_point(cx: &Cx, id: &str, before: &Properties, request: &ResourceRequest) -> Result<Updated> {
    let (was, block) = (formed(before, &POINT_FORMS[..1])?, formed(&request.properties, &POINT_FORMS[..1])?);
    if was != block {
        points::set_block(cx, id, block.get(BLOCK)).await?;
    }
    match request.properties.get("Policy").filter(|p| !p.is_null()) {
        Some(policy) => drop(call(cx, "PutAccessPointPolicy", json!({"Name": id, "Policy": text(policy)})).await?),
        None => drop(call(cx, "DeleteAccessPointPolicy", json!({"Name": id})).await?),
    }
    let resource = point(cx, id).await?;
    let arn = resource.attributes.get("Arn").cloned().unwrap_or_default();
    let there = call(cx, "ListTagsForResource", json!({"ResourceArn": arn})).await?;
    let tags = request.all_tags()?;
    let unwanted = tags.unwanted(there.get("Tags").unwrap_or(&Json::Null));
    if !unwanted.is_empty() {
        call(cx, "UntagResource", json!({"ResourceArn": arn, "TagKeys": unwanted})).await?;
    }
    if !tags.is_empty() {
        call(cx, "TagResource", json!({"ResourceArn": arn, "Tags": tags.list()})).await?;
    }
    Ok(Updated::InPlace(resource))
}

impl ResourceType for AccessPoint {
    fn name(&self) -> &'static str {
        "AWS::S3::AccessPoint"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Bucket", "BucketAccountId", "Name", "Policy", "PublicAccessBlockConfiguration", "Tags", "VpcConfiguration"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["Bucket", "BucketAccountId", "Name", "VpcConfiguration"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(create_point(cx, request))
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(update_point(cx, id, before, request))
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            unless_gone(call(cx, "DeleteAccessPoint", json!({"Name": id})).await, &["NoSuchAccessPoint"])
        })
    }
}

/// Asks for something that is done asynchronously, sees it done, and tells what was wrong with it.
async fn settled(cx: &Cx, operation: &str, details: Json) -> Result<()> {
    let input = json!({"ClientToken": cx.random().uuid(), "Details": details});
    let answer = call(cx, operation, input).await?;
    let token = answer.get("RequestTokenARN").and_then(Json::as_str).unwrap_or_default();
    requests::finish(cx, token).await?;
    let described = call(cx, "DescribeMultiRegionAccessPointOperation", json!({"RequestTokenARN": token})).await?;
    let Some(error) = described.pointer("/AsyncOperation/ResponseDetails/ErrorDetails") else { return Ok(()) };
    let of = |member: &str| error.get(member).and_then(Json::as_str).unwrap_or_default().to_owned();
    Err(AwsError::new(of("Code"), 400, of("Message")).into())
}

async fn multi_region(cx: &Cx, name: &str) -> Result<Resource> {
    let found = call(cx, "GetMultiRegionAccessPoint", json!({"Name": name})).await?;
    let of = |member: &str| found.pointer(&format!("/AccessPoint/{member}")).cloned().unwrap_or_default();
    let created = of("CreatedAt").as_i64().and_then(|s| undercast_kernel::Timestamp::from_second(s).ok());
    let created = created.map_or(Json::Null, |at| at.to_string().into());
    Ok(Resource::new(name, [("Alias", of("Alias")), ("CreatedAt", created)]))
}

impl ResourceType for MultiRegionAccessPoint {
    fn name(&self) -> &'static str {
        "AWS::S3::MultiRegionAccessPoint"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["Name", "PublicAccessBlockConfiguration", "Regions"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        self.properties()
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("Name").unwrap_or_else(|| request.generated_name(cx, 50).to_lowercase());
            let formed = formed(&request.properties, &[(BLOCK, &forms::BLOCK), ("Regions", &forms::REGIONS)])?;
            let details =
                json!({"Name": name, "PublicAccessBlock": formed.get(BLOCK), "Regions": formed.get("Regions")});
            settled(cx, "CreateMultiRegionAccessPoint", details).await?;
            multi_region(cx, &name).await
        })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { multi_region(cx, id).await.map(Updated::InPlace) })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let deleted = settled(cx, "DeleteMultiRegionAccessPoint", json!({"Name": id})).await;
            unless_gone(deleted.map(Json::from), &["NoSuchMultiRegionAccessPoint"])
        })
    }
}

async fn put_policy(cx: &Cx, name: &str, request: &ResourceRequest) -> Result<Resource> {
    let policy = required(request, "Policy")?;
    settled(cx, "PutMultiRegionAccessPointPolicy", json!({"Name": name, "Policy": policy})).await?;
    let status = call(cx, "GetMultiRegionAccessPointPolicyStatus", json!({"Name": name})).await?;
    let public = status.pointer("/Established/IsPublic").is_some_and(|p| p == true);
    let public = Json::from(public.to_string());
    let attributes = [("PolicyStatus", json!({"IsPublic": public})), ("PolicyStatus.IsPublic", public)];
    Ok(Resource::new(name, attributes))
}

impl ResourceType for MultiRegionAccessPointPolicy {
    fn name(&self) -> &'static str {
        "AWS::S3::MultiRegionAccessPointPolicy"
    }

    fn properties(&self) -> &'static [&'static str] {
        &["MrapName", "Policy"]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["MrapName"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move { put_policy(cx, &required(request, "MrapName")?, request).await })
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a str,
        _before: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Updated>> {
        Box::pin(async move { put_policy(cx, id, request).await.map(Updated::InPlace) })
    }

    /// The policy of a multi-region access point cannot be taken away: it ends with it, as on AWS.
    fn delete<'a>(&'a self, _cx: &'a Cx, _id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_have_the_properties_that_the_model_tells() {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/cloudformation/s3.json");
        let model: Json = serde_json::from_str(&std::fs::read_to_string(model).unwrap_or_else(|e| panic!("{e}")))
            .unwrap_or_else(|e| panic!("{e}"));
        let types: [&dyn ResourceType; 4] =
            [&AccessPoint, &MultiRegionAccessPoint, &MultiRegionAccessPointPolicy, &crate::cfn::BucketPolicy];
        let mut wrong = Vec::new();
        for of in types {
            let facts = model["types"][of.name()]["properties"].as_object().unwrap_or_else(|| panic!("{}", of.name()));
            let replaced = facts.iter().filter(|(_, p)| p["causesReplacement"] == "yes").map(|(name, _)| name.as_str());
            let sorted = |mut names: Vec<&str>| {
                names.sort_unstable();
                names.join(" ")
            };
            assert_eq!(
                sorted(of.properties().to_vec()),
                sorted(facts.keys().map(String::as_str).collect()),
                "{}",
                of.name()
            );
            assert_eq!(sorted(of.create_only().to_vec()), sorted(replaced.collect()), "{}", of.name());
        }
        let point = &model["types"]["AWS::S3::AccessPoint"]["properties"];
        for (name, form) in POINT_FORMS {
            form.unlike(&point[name]["type"], &model["shapes"], name, &mut wrong);
        }
        let multi = &model["types"]["AWS::S3::MultiRegionAccessPoint"]["properties"];
        forms::REGIONS.unlike(&multi["Regions"]["type"], &model["shapes"], "Regions", &mut wrong);
        forms::BLOCK.unlike(&multi[BLOCK]["type"], &model["shapes"], BLOCK, &mut wrong);
        assert_eq!(wrong, [""; 0]);
    }
}
