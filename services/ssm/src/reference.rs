//! Secrets of Secrets Manager, read as parameters: `/aws/reference/secretsmanager/NAME`.
//!
//! Source: "Referencing AWS Secrets Manager secrets from Parameter Store parameters" in the user guide.

use serde_json::json;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result};

use crate::PRINCIPAL;
use crate::api::{errors, output};
use crate::error::validation;
use crate::names::{Named, SECRETS, Selector};

/// Secrets' versions have ids of at least so many characters; what is shorter is a label.
const SHORTEST_ID: usize = 32;

/// Reads a secret with the caller's rights. `None`: the name is not one of a secret.
pub(crate) async fn read(cx: &Cx, named: &Named, decrypts: bool) -> Result<Option<output::Parameter>> {
    let Some(id) = named.name.strip_prefix(SECRETS) else { return Ok(None) };
    if !decrypts {
        return Err(validation("WithDecryption flag must be True for retrieving a Secret Manager secret."));
    }
    let mut asked = json!({"SecretId": id});
    match &named.selector {
        Some(Selector::Label(label)) if label.len() >= SHORTEST_ID => asked["VersionId"] = json!(label),
        Some(selector) => asked["VersionStage"] = json!(selector.text()),
        None => {}
    }
    let read =
        cx.through(PRINCIPAL).call("secretsmanager", "GetSecretValue", asked).await.map_err(|why| match why {
            Failure::Aws(error) if error.code == "ResourceNotFoundException" => errors::parameter_not_found(format!(
                "An error occurred (ParameterNotFound) when referencing Secrets Manager: Secret {} not found.",
                named.name
            ))
            .into(),
            other => other,
        })?;
    let value = match read["SecretString"].as_str() {
        Some(text) => text.to_owned(),
        None => return Err(validation("Secrets with binary values can't be referenced from Parameter Store.")),
    };
    Ok(Some(output::Parameter {
        name: Some(named.name.clone()),
        type_: Some("SecureString".to_owned()),
        value: Some(value),
        version: Some(0),
        selector: named.selector.as_ref().map(|selector| format!(":{}", selector.text())),
        source_result: Some(read.to_string()),
        last_modified_date: read["CreatedDate"].as_f64().and_then(text::from_epoch),
        arn: Some(named.arn(cx)),
        data_type: Some("text".to_owned()),
    }))
}
