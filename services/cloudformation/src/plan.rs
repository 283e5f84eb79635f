//! From a request to what shall be deployed: the template's text, parameters, and their check.

use indexmap::IndexMap;
use serde_json::json;
use undercast_kernel::{Cx, Failure, Result, regions};

use crate::api::input;
use crate::error::validation;
use crate::rows::{Source, Stack};
use crate::template::{ParameterValues, Pseudo, Template};
use crate::{references, types};

/// The template of a request: given, in S3, or the one that the stack has.
pub(crate) async fn template_text(
    cx: &Cx,
    body: Option<String>,
    url: Option<String>,
    previous: Option<&Stack>,
) -> Result<String> {
    match (body, url, previous) {
        (Some(_), Some(_), _) => Err(validation("Specify only one of TemplateBody or TemplateURL.").into()),
        (Some(body), None, _) => {
            Template::parse_body(&body)?;
            Ok(body)
        }
        (None, Some(url), _) => fetch(cx, &url).await,
        (None, None, Some(stack)) => Ok(stack.source.template.clone()),
        (None, None, None) => Err(validation("Either Template URL or Template Body must be specified.").into()),
    }
}

/// Reads a template from S3, as the caller.
async fn fetch(cx: &Cx, url: &str) -> Result<String> {
    let (bucket, key) = place(url).ok_or_else(|| validation("TemplateURL must be a supported URL."))?;
    let (_, body) =
        cx.call_with_body("s3", "GetObject", json!({"Bucket": bucket, "Key": key}), None).await.map_err(|failure| {
            match failure {
                Failure::Aws(error) => validation(format!("S3 error: {}", error.message)).into(),
                other => other,
            }
        })?;
    let body = body.unwrap_or_default().collect(crate::template::MAX_URL_BYTES).await.map_err(Failure::broken)?;
    let bytes = body.ok_or_else(|| {
        validation(format!("Template may not exceed {} bytes in size.", crate::template::MAX_URL_BYTES))
    })?;
    String::from_utf8(bytes.to_vec()).map_err(|_| validation("Template format error: YAML not well-formed.").into())
}

/// Bucket and key of an S3 URL, in the host or in the path.
fn place(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, path) = rest.split_once('/')?;
    let path = path.split('?').next().unwrap_or(path);
    let path = undercast_wire::text::percent_decode(path, false)?;
    let host = host.split(':').next().unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    match labels.iter().position(|l| *l == "s3" || l.starts_with("s3-")) {
        Some(at) if at > 0 => Some((labels[..at].join("."), path)),
        _ => path.split_once('/').map(|(bucket, key)| (bucket.to_owned(), key.to_owned())),
    }
}

/// The parameters of a request; those with `UsePreviousValue` have the stack's.
pub(crate) fn parameters(
    given: Option<Vec<input::Parameter>>,
    previous: Option<&Stack>,
) -> Result<Vec<(String, String)>> {
    let mut out = Vec::new();
    for parameter in given.into_iter().flatten() {
        // What Parameter Store has is told in answers only.
        drop(parameter.resolved_value);
        let Some(key) = parameter.parameter_key else { return Err(validation("ParameterKey must not be null").into()) };
        let value = if parameter.use_previous_value == Some(true) {
            let stored = previous.and_then(|s| s.source.parameters.iter().find(|(k, _)| *k == key));
            // A parameter without a stored value had its default, and has it again.
            match stored {
                Some((_, value)) => Some(value.clone()),
                None if previous.is_some() => None,
                None => {
                    let message = format!(
                        "Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a parameter key not in the previous template"
                    );
                    return Err(validation(message).into());
                }
            }
        } else {
            parameter.parameter_value
        };
        out.extend(value.map(|v| (key, v)));
    }
    Ok(out)
}

pub(crate) fn tags(given: Option<Vec<input::Tag>>) -> Vec<(String, String)> {
    given.into_iter().flatten().map(|t| (t.key, t.value)).collect()
}

/// What templates know of the stack they are in.
pub(crate) fn pseudo(cx: &Cx, name: &str, arn: &str) -> Pseudo {
    Pseudo {
        account_id: cx.account().to_owned(),
        region: cx.region().to_owned(),
        partition: cx.partition().to_owned(),
        url_suffix: regions::url_suffix(cx.partition()).to_owned(),
        stack_name: name.to_owned(),
        stack_id: arn.to_owned(),
        notification_arns: Vec::new(),
    }
}

/// A template and the values of its parameters, both checked.
pub(crate) fn read(source: &Source) -> Result<(Template, ParameterValues)> {
    let template = Template::parse(&source.template)?;
    let given: IndexMap<String, String> = source.parameters.iter().cloned().collect();
    let fetched: IndexMap<String, String> = source.fetched.iter().flatten().cloned().collect();
    let values = template.parameters_with(&given, &fetched)?;
    Ok((template, values))
}

/// Everything that can be refused before anything is made.
pub(crate) fn check(cx: &Cx, source: &Source, name: &str, arn: &str) -> Result<()> {
    let (template, values) = read(source)?;
    types::check_capabilities(&template, &source.capabilities)?;
    types::check(cx, &template)?;
    references::check(&template)?;
    crate::template::Stack::new(&template, values, pseudo(cx, name, arn))?;
    Ok(())
}
