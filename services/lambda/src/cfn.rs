//! `AWS::Lambda::Function`.

use std::io::Write as _;

use futures_core::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use undercast_kernel::resources::{
    Properties, Resource, ResourceRequest, ResourceTags, ResourceType, Updated, pick, unless_gone,
};
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result};

/// `AWS::Lambda::Function`
pub(crate) struct Function;

/// Properties that the API's calls have under the same name.
const SETTINGS: &[&str] = &[
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "Handler",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
    "TracingConfig",
];

/// A package of one file, for code that stands in the template. CloudFormation calls the file `index`.
fn inline(code: &str, runtime: &str) -> Result<Vec<u8>> {
    let name = if runtime.starts_with("nodejs") { "index.js" } else { "index.py" };
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o644);
    archive.start_file(name, options).map_err(Failure::broken)?;
    archive.write_all(code.as_bytes()).map_err(Failure::broken)?;
    Ok(archive.finish().map_err(Failure::broken)?.into_inner())
}

/// The code as the API takes it.
fn code(properties: &Properties) -> Result<Map<String, Json>> {
    let code = properties.get("Code").and_then(Json::as_object).cloned().unwrap_or_default();
    let mut out = Map::new();
    for (name, value) in code {
        if name == "ZipFile" {
            let runtime = properties.get("Runtime").and_then(Json::as_str).unwrap_or_default();
            let bytes = inline(value.as_str().unwrap_or_default(), runtime)?;
            out.insert(name, json!(text::base64(&bytes)));
        } else {
            out.insert(name, value);
        }
    }
    Ok(out)
}

async fn describe(cx: &Cx, name: &str) -> Result<Resource> {
    let answer = cx.call("lambda", "GetFunctionConfiguration", json!({"FunctionName": name})).await?;
    Ok(Resource::new(name, [("Arn", answer["FunctionArn"].clone())]))
}

/// Waits until a function can be invoked.
async fn active(cx: &Cx, name: &str) -> Result<()> {
    for _ in 0..600 {
        let answer = cx.call("lambda", "GetFunctionConfiguration", json!({"FunctionName": name})).await?;
        if answer["State"] == "Active" {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Err(cx.broken(format!("the function {name} did not become active")))
}

async fn reserve(cx: &Cx, name: &str, before: Option<&Json>, after: Option<&Json>) -> Result<()> {
    match (before, after) {
        (b, a) if b == a => Ok(()),
        (_, Some(count)) => {
            let input = json!({"FunctionName": name, "ReservedConcurrentExecutions": count});
            cx.call("lambda", "PutFunctionConcurrency", input).await.map(drop)
        }
        (_, None) => cx.call("lambda", "DeleteFunctionConcurrency", json!({"FunctionName": name})).await.map(drop),
    }
}

/// What a setting is when a template does not say it any more.
fn default(setting: &str) -> Json {
    match setting {
        "Timeout" => json!(3),
        "MemorySize" => json!(128),
        "EphemeralStorage" => json!({"Size": 512}),
        "Environment" => json!({"Variables": {}}),
        "TracingConfig" => json!({"Mode": "PassThrough"}),
        "DeadLetterConfig" => json!({}),
        "Layers" => json!([]),
        "LoggingConfig" => json!({"LogFormat": "Text"}),
        _ => json!(""),
    }
}

/// Changes the settings that differ.
async fn reconfigure(cx: &Cx, id: &str, before: &Properties, after: &Properties) -> Result<()> {
    let mut input = Map::from_iter([("FunctionName".to_owned(), json!(id))]);
    for setting in SETTINGS.iter().filter(|s| before.get(**s) != after.get(**s)) {
        let value = after.get(*setting).cloned().unwrap_or_else(|| default(setting));
        input.insert((*setting).to_owned(), value);
    }
    if input.len() > 1 {
        cx.call("lambda", "UpdateFunctionConfiguration", Json::Object(input)).await?;
    }
    Ok(())
}

/// Gives the function the code signing configuration of its template.
async fn sign(cx: &Cx, id: &str, before: &Properties, after: &Properties) -> Result<()> {
    let name = "CodeSigningConfigArn";
    match after.get(name) {
        config if config == before.get(name) => Ok(()),
        Some(config) => {
            let input = json!({"FunctionName": id, "CodeSigningConfigArn": config});
            cx.call("lambda", "PutFunctionCodeSigningConfig", input).await.map(drop)
        }
        None => cx.call("lambda", "DeleteFunctionCodeSigningConfig", json!({"FunctionName": id})).await.map(drop),
    }
}

pub(crate) async fn retag(cx: &Cx, arn: &str, wanted: &ResourceTags) -> Result<()> {
    let there = cx.call("lambda", "ListTags", json!({"Resource": arn})).await?;
    let gone = wanted.unwanted(&there["Tags"]);
    if !gone.is_empty() {
        cx.call("lambda", "UntagResource", json!({"Resource": arn, "TagKeys": gone})).await?;
    }
    if !wanted.is_empty() {
        cx.call("lambda", "TagResource", json!({"Resource": arn, "Tags": wanted.map()})).await?;
    }
    Ok(())
}

impl ResourceType for Function {
    fn name(&self) -> &'static str {
        "AWS::Lambda::Function"
    }

    fn properties(&self) -> &'static [&'static str] {
        &[
            "Architectures",
            "Code",
            "CodeSigningConfigArn",
            "DeadLetterConfig",
            "Description",
            "Environment",
            "EphemeralStorage",
            "FunctionName",
            "Handler",
            "Layers",
            "LoggingConfig",
            "MemorySize",
            "PackageType",
            "ReservedConcurrentExecutions",
            "Role",
            "Runtime",
            "Tags",
            "Timeout",
            "TracingConfig",
        ]
    }

    fn create_only(&self) -> &'static [&'static str] {
        &["FunctionName", "PackageType"]
    }

    fn create<'a>(&'a self, cx: &'a Cx, request: &'a ResourceRequest) -> BoxFuture<'a, Result<Resource>> {
        Box::pin(async move {
            let name = request.text("FunctionName").unwrap_or_else(|| request.generated_name(cx, 64));
            let mut input = pick(&request.properties, SETTINGS);
            input.extend(pick(&request.properties, &["Architectures", "CodeSigningConfigArn", "PackageType"]));
            input.insert("FunctionName".to_owned(), json!(name));
            input.insert("Code".to_owned(), Json::Object(code(&request.properties)?));
            input.insert("Tags".to_owned(), request.all_tags()?.map());
            cx.call("lambda", "CreateFunction", Json::Object(input)).await?;
            reserve(cx, &name, None, request.properties.get("ReservedConcurrentExecutions")).await?;
            active(cx, &name).await?;
            describe(cx, &name).await
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
            if before.get("Code") != after.get("Code") || before.get("Architectures") != after.get("Architectures") {
                let mut input = code(after)?;
                input.insert("FunctionName".to_owned(), json!(id));
                if let Some(architectures) = after.get("Architectures") {
                    input.insert("Architectures".to_owned(), architectures.clone());
                }
                cx.call("lambda", "UpdateFunctionCode", Json::Object(input)).await?;
            }
            sign(cx, id, before, after).await?;
            reconfigure(cx, id, before, after).await?;
            let count = "ReservedConcurrentExecutions";
            reserve(cx, id, before.get(count), after.get(count)).await?;
            active(cx, id).await?;
            let resource = describe(cx, id).await?;
            retag(cx, resource.attributes["Arn"].as_str().unwrap_or_default(), &request.all_tags()?).await?;
            Ok(Updated::InPlace(resource))
        })
    }

    fn delete<'a>(&'a self, cx: &'a Cx, id: &'a str, _properties: &'a Properties) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { gone(cx.call("lambda", "DeleteFunction", json!({"FunctionName": id})).await) })
    }
}

/// To remove what is not there is to do nothing.
pub(crate) fn gone(removed: Result<Json>) -> Result<()> {
    unless_gone(removed, &["ResourceNotFoundException"])
}
