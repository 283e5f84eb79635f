//! Labels of versions.
//!
//! Source: "Working with parameter labels" in the user guide: a version has ten at most, and a label is at one version of a parameter.

use undercast_kernel::{Cx, Result};

use crate::api::{self, errors};
use crate::error;
use crate::put::plain_name;
use crate::rows::Parameter;

/// A version has so many labels at most.
const MOST: usize = 10;

/// A label has letters, digits and three signs, and begins neither with a digit nor as AWS's own.
fn is_valid(label: &str) -> bool {
    let lower = label.to_lowercase();
    let allowed = label.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    allowed
        && !label.starts_with(|c: char| c.is_ascii_digit())
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}

pub(crate) async fn label(
    cx: &Cx,
    input: &api::LabelParameterVersionInput,
) -> Result<api::LabelParameterVersionOutput> {
    let named = plain_name(cx, &input.name)?;
    let (valid, invalid): (Vec<&String>, Vec<&String>) = input.labels.iter().partition(|label| is_valid(label));
    let number = cx
        .write(|tx| {
            let mut parameter = Parameter::find(cx, tx, &named)?;
            let number = input.parameter_version.filter(|number| *number != 0).unwrap_or(parameter.version);
            let version = parameter.version(tx, number)?;
            let version = version.ok_or_else(|| error::no_version(&number.to_string(), &named.name))?;
            if valid.is_empty() {
                return Ok(number);
            }
            parameter.labels.extend(valid.iter().map(|label| ((*label).clone(), number)));
            if parameter.labels_of(number).len() > MOST {
                let message = "A parameter version can have maximum 10 labels.Move one or more labels to another version and try again.";
                return Err(errors::parameter_version_label_limit_exceeded(message).into());
            }
            parameter.put(tx);
            parameter.announce(cx, tx, "LabelParameterVersion", &version)?;
            Ok(number)
        })
        .await?;
    Ok(api::LabelParameterVersionOutput {
        invalid_labels: Some(invalid.into_iter().cloned().collect()),
        parameter_version: Some(number),
    })
}

pub(crate) async fn unlabel(
    cx: &Cx,
    input: &api::UnlabelParameterVersionInput,
) -> Result<api::UnlabelParameterVersionOutput> {
    let named = plain_name(cx, &input.name)?;
    let number = input.parameter_version;
    let removed = cx
        .write(|tx| {
            let mut parameter = Parameter::find(cx, tx, &named)?;
            if parameter.version(tx, number)?.is_none() {
                return Err(error::no_version(&number.to_string(), &named.name));
            }
            let here = |label: &&String| parameter.labels.get(*label) == Some(&number);
            let removed: Vec<String> = input.labels.iter().filter(here).cloned().collect();
            parameter.labels.retain(|label, _| !removed.contains(label));
            parameter.put(tx);
            Ok(removed)
        })
        .await?;
    let invalid = input.labels.iter().filter(|label| !removed.contains(label)).cloned().collect();
    Ok(api::UnlabelParameterVersionOutput { removed_labels: Some(removed), invalid_labels: Some(invalid) })
}
