//! What templates refer to outside: dynamic references (`{{resolve:…}}`), and parameters whose values Parameter Store has.
//!
//! Dynamic references are fetched with the rights of the deployment when a resource is made or changed, and stand nowhere else: what is
//! stored of a resource, and told of it, has the references.
//!
//! Source: "Get values stored in other services using dynamic references" and "Supply values to parameters" in the user guide.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Value as Json, json};
use undercast_kernel::resources::{Properties, ResourceRequest};
use undercast_kernel::{Cx, Failure, Result};

use crate::error::validation;
use crate::rows::Source;
use crate::template::{DynamicReference, ParameterType, Template, dynamic_references, replace_dynamic_references};

/// The properties that take `ssm-secure`, of the types that are here.
const SECURE: &[(&str, &str)] = &[("AWS::IAM::User", "LoginProfile")];

/// Refuses `ssm-secure` where CloudFormation does not take it.
///
/// # Errors
/// `ValidationError`.
pub(crate) fn check(template: &Template) -> Result<()> {
    let mut wrong = Vec::new();
    for resource in template.resources.values() {
        let kind = resource.resource_type.as_str();
        for (property, value) in resource.properties.iter().filter(|(name, _)| !SECURE.contains(&(kind, name.as_str())))
        {
            if dynamic_references(value).iter().any(|reference| reference.service == "ssm-secure") {
                wrong.push(format!("{kind}/Properties/{property}"));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(validation(format!("SSM Secure reference is not supported in: [{}]", wrong.join(", "))).into())
}

fn bad(reference: &DynamicReference) -> Failure {
    let DynamicReference { service, key } = reference;
    validation(format!(
        "Incorrect format is used in the following dynamic reference: [{{{{resolve:{service}:{key}}}}}]"
    ))
    .into()
}

fn unfetched(names: &str) -> Failure {
    validation(format!("Unable to fetch parameters [{names}] from parameter store for this account.")).into()
}

/// A parameter: its name, and perhaps a number.
async fn parameter(cx: &Cx, reference: &DynamicReference) -> Result<String> {
    let secure = reference.service == "ssm-secure";
    let (name, version) = match reference.key.rsplit_once(':') {
        Some((name, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => {
            (name, Some(version))
        }
        _ => (reference.key.as_str(), None),
    };
    let named = version.map_or_else(|| name.to_owned(), |version| format!("{name}:{version}"));
    let asked = json!({"Name": named, "WithDecryption": secure});
    let found = match cx.call("ssm", "GetParameter", asked).await {
        Err(Failure::Aws(error)) if error.code.starts_with("Parameter") => return Err(unfetched(&named)),
        other => other?,
    };
    let found = &found["Parameter"];
    if (found["Type"] == "SecureString") != secure {
        let message = format!("Parameters [{name}] referenced by template have types not supported by CloudFormation.");
        return Err(validation(message).into());
    }
    Ok(found["Value"].as_str().unwrap_or_default().to_owned())
}

/// A secret: what names it, `SecretString`, a key of its JSON, a label, a version.
async fn secret(cx: &Cx, reference: &DynamicReference) -> Result<String> {
    let parts: Vec<&str> = reference.key.split(':').collect();
    let length = if reference.key.starts_with("arn:") { 7 } else { 1 };
    let (id, rest) = parts.split_at_checked(length).ok_or_else(|| bad(reference))?;
    let at = |index: usize| rest.get(index).copied().filter(|part| !part.is_empty());
    if rest.len() > 4 || at(0).is_some_and(|kind| kind != "SecretString") {
        return Err(bad(reference));
    }
    let mut asked = json!({"SecretId": id.join(":")});
    for (member, value) in [("VersionStage", at(2)), ("VersionId", at(3))] {
        if let Some(value) = value {
            asked[member] = json!(value);
        }
    }
    let found = cx.call("secretsmanager", "GetSecretValue", asked).await?;
    let text = found["SecretString"].as_str().ok_or_else(|| bad(reference))?;
    let Some(key) = at(1) else { return Ok(text.to_owned()) };
    let read: Option<Json> = serde_json::from_str(text).ok();
    let value = read.as_ref().and_then(|read| read.get(key));
    let value = value
        .ok_or_else(|| validation(format!("Could not find a value associated with JSONKey in SecretString: {key}")))?;
    Ok(undercast_kernel::resources::text(value))
}

async fn fetch(cx: &Cx, reference: &DynamicReference) -> Result<String> {
    match reference.service.as_str() {
        "ssm" | "ssm-secure" => parameter(cx, reference).await,
        "secretsmanager" => secret(cx, reference).await,
        _ => Err(bad(reference)),
    }
}

/// Properties with what their dynamic references refer to.
///
/// # Errors
/// When something is not there, or not for this deployment.
pub(crate) async fn filled(cx: &Cx, properties: &Properties) -> Result<Properties> {
    let all = Json::Object(properties.clone());
    let mut known: HashMap<(String, String), String> = HashMap::new();
    for reference in dynamic_references(&all) {
        if let Entry::Vacant(new) = known.entry((reference.service.clone(), reference.key.clone())) {
            new.insert(fetch(cx, &reference).await?);
        }
    }
    if known.is_empty() {
        return Ok(properties.clone());
    }
    let real = replace_dynamic_references(&all, &mut |reference| {
        let found = known.get(&(reference.service.clone(), reference.key.clone()));
        found.cloned().ok_or_else(|| bad(reference))
    })?;
    match real {
        Json::Object(real) => Ok(real),
        _ => Err(Failure::broken("properties are an object")),
    }
}

/// The same of a request.
///
/// # Errors
/// As [`filled`].
pub(crate) async fn request(cx: &Cx, request: &ResourceRequest) -> Result<ResourceRequest> {
    Ok(ResourceRequest { properties: filled(cx, &request.properties).await?, ..request.clone() })
}

/// A source with the values that Parameter Store has of its parameters by now.
///
/// # Errors
/// `ValidationError` when one is not there, or is a secure string.
pub(crate) async fn fetched(cx: &Cx, source: Source) -> Result<Source> {
    let template = Template::parse(&source.template)?;
    let (mut found, mut missing, mut secure) = (Vec::new(), Vec::new(), Vec::new());
    for (name, parameter) in &template.parameters {
        let ParameterType::Ssm { .. } = parameter.parameter_type else { continue };
        let given = source.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let Some(named) = given.or_else(|| parameter.default.clone()) else { continue };
        match cx.call("ssm", "GetParameter", json!({"Name": named})).await {
            Ok(answer) if answer["Parameter"]["Type"] == "SecureString" => secure.push(named),
            Ok(answer) => {
                found.push((name.clone(), answer["Parameter"]["Value"].as_str().unwrap_or_default().to_owned()));
            }
            Err(Failure::Aws(error)) if error.code.starts_with("Parameter") => missing.push(named),
            Err(other) => return Err(other),
        }
    }
    if !missing.is_empty() {
        return Err(unfetched(&missing.join(", ")));
    }
    if !secure.is_empty() {
        let names = secure.join(", ");
        let message =
            format!("Parameters [{names}] referenced by template have types not supported by CloudFormation.");
        return Err(validation(message).into());
    }
    Ok(Source { fetched: Some(found), ..source })
}
