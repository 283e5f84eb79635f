//! The settings of Parameter Store: the tier of those who say none, and whether many calls a second are paid for.
//!
//! Source: GetServiceSetting in the API reference, "Specifying a default parameter tier" in the user guide.

use minicbor::{Decode, Encode};
use undercast_kernel::arn::Arn;
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::error::validation;
use crate::rows::moment;

/// Account, Region, id.
static SETTINGS: Table<Setting> = Table::new("ssm.settings");

/// A setting that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Setting {
    #[n(0)]
    value: String,
    /// Milliseconds since 1970.
    #[n(1)]
    modified: i64,
    #[n(2)]
    by: String,
}

const TIER: &str = "/ssm/parameter-store/default-parameter-tier";
const THROUGHPUT: &str = "/ssm/parameter-store/high-throughput-enabled";

/// The values of a setting, the usual one first.
const KNOWN: &[(&str, &[&str])] =
    &[(TIER, &["Standard", "Advanced", "Intelligent-Tiering"]), (THROUGHPUT, &["false", "true"])];

/// The settings of other parts of Systems Manager begin with these.
const OTHERS: &[&str] = &[
    "/ssm/appmanager/",
    "/ssm/automation/",
    "/ssm/documents/",
    "/ssm/managed-instance/",
    "/ssm/opsinsights/",
    "/ssm/opsitem/",
];

/// The id that a request names, by itself or in an ARN, and the values that it can have.
fn known(given: &str) -> Result<(&'static str, &'static [&'static str])> {
    let id = match Arn::parse(given) {
        Some(arn) => arn.resource.strip_prefix("servicesetting").map_or_else(String::new, ToOwned::to_owned),
        None => given.to_owned(),
    };
    if let Some((id, values)) = KNOWN.iter().find(|(known, _)| *known == id) {
        return Ok((id, values));
    }
    if OTHERS.iter().any(|other| id.starts_with(other)) {
        return Err(Failure::not_built(format!("the service setting {id}")));
    }
    let message = format!(
        "The specified service setting wasn't found: {given}. Either the service name or the setting hasn't been provisioned by the AWS service team."
    );
    Err(errors::service_setting_not_found(message).into())
}

/// The tier of parameters whose makers say none.
///
/// # Errors
/// When the store fails.
pub(crate) fn default_tier(cx: &Cx, from: &(impl Read + ?Sized)) -> Result<String> {
    Ok(SETTINGS.get(from, &cx.key(TIER))?.map_or_else(|| "Standard".to_owned(), |setting| setting.value))
}

fn shown(cx: &Cx, id: &str, setting: Option<Setting>, usual: &str) -> output::ServiceSetting {
    let status = if setting.is_some() { "Customized" } else { "Default" };
    let (value, modified, by) = match setting {
        Some(setting) => (setting.value, Some(moment(setting.modified)), setting.by),
        None => (usual.to_owned(), None, "System".to_owned()),
    };
    output::ServiceSetting {
        setting_id: Some(id.to_owned()),
        setting_value: Some(value),
        last_modified_date: modified,
        last_modified_user: Some(by),
        arn: Some(cx.arn("ssm", &format!("servicesetting{id}"))),
        status: Some(status.to_owned()),
    }
}

pub(crate) fn get(cx: &Cx, input: &api::GetServiceSettingInput) -> Result<api::GetServiceSettingOutput> {
    let (id, values) = known(&input.setting_id)?;
    let setting = SETTINGS.get(&cx.read(), &cx.key(id))?;
    Ok(api::GetServiceSettingOutput { service_setting: Some(shown(cx, id, setting, values[0])) })
}

pub(crate) async fn update(cx: &Cx, input: &api::UpdateServiceSettingInput) -> Result<()> {
    let (id, values) = known(&input.setting_id)?;
    if !values.contains(&input.setting_value.as_str()) {
        return Err(validation(format!(
            "The value {} isn't valid for the service setting {id}. Valid values include: [{}].",
            input.setting_value,
            values.join(", ")
        )));
    }
    let setting =
        Setting { value: input.setting_value.clone(), modified: cx.now_millis(), by: cx.principal().arn.clone() };
    cx.write(|tx| {
        SETTINGS.put(tx, &cx.key(id), &setting);
        Ok(())
    })
    .await
}

pub(crate) async fn reset(cx: &Cx, input: &api::ResetServiceSettingInput) -> Result<api::ResetServiceSettingOutput> {
    let (id, values) = known(&input.setting_id)?;
    cx.write(|tx| {
        SETTINGS.delete(tx, &cx.key(id));
        Ok(())
    })
    .await?;
    Ok(api::ResetServiceSettingOutput { service_setting: Some(shown(cx, id, None, values[0])) })
}
