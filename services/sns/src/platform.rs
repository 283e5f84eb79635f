//! Platform applications and their endpoints: devices that would get notifications of a push service.
//!
//! Source: "Mobile push notifications" in the developer guide; messages as AWS answered them.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table, Tx};
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors, output};
use crate::deliver::Answer;
use crate::error::invalid;
use crate::message::Message;
use crate::operations::page;
use crate::rows::parse;
use crate::{metrics, topic_attributes};

/// Account, region, platform, name → application.
static APPLICATIONS: Table<Application> = Table::new("sns.applications");
/// Account, region, platform, name, id → endpoint.
static ENDPOINTS: Table<Endpoint> = Table::new("sns.endpoints");

const PLATFORMS: &[&str] =
    &["ADM", "APNS", "APNS_SANDBOX", "BAIDU", "FCM", "GCM", "MACOS", "MACOS_SANDBOX", "MPNS", "WNS"];
/// `CustomUserData` has at most so many bytes.
const MOST_DATA: usize = 2_048;

/// An application of a push service.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Application {
    #[n(0)]
    attributes: BTreeMap<String, String>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Endpoint {
    #[n(0)]
    token: String,
    #[n(1)]
    attributes: BTreeMap<String, String>,
}

/// Where an application is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    account: String,
    region: String,
    platform: String,
    name: String,
}

impl Place {
    fn key(&self) -> (&str, &str, &str, &str) {
        (&self.account, &self.region, &self.platform, &self.name)
    }

    /// The key of an endpoint.
    fn of<'a>(&'a self, id: &'a str) -> (&'a str, &'a str, &'a str, &'a str, &'a str) {
        (&self.account, &self.region, &self.platform, &self.name, id)
    }

    fn arn(&self, cx: &Cx) -> String {
        format!("arn:{}:sns:{}:{}:app/{}/{}", cx.partition(), self.region, self.account, self.platform, self.name)
    }

    fn endpoint(&self, cx: &Cx, id: &str) -> String {
        let (platform, name) = (&self.platform, &self.name);
        format!("arn:{}:sns:{}:{}:endpoint/{platform}/{name}/{id}", cx.partition(), self.region, self.account)
    }

    fn of_application(arn: &str) -> Result<Self> {
        let parsed = parse(arn, "PlatformApplicationArn")?;
        let parts: Vec<&str> = parsed.resource.split('/').collect();
        let ["app", platform, name] = parts.as_slice() else {
            let message = "Invalid parameter: PlatformApplicationArn Reason: Wrong number of slashes in relative portion of the ARN.";
            return Err(invalid(message).into());
        };
        let (platform, name) = ((*platform).to_owned(), (*name).to_owned());
        Ok(Self { account: parsed.account.clone(), region: parsed.region.clone(), platform, name })
    }

    /// The place of an endpoint's application, and the endpoint's id.
    fn of_endpoint(arn: &str) -> Result<(Self, String)> {
        let parsed = parse(arn, "EndpointArn")?;
        let parts: Vec<&str> = parsed.resource.split('/').collect();
        let ["endpoint", platform, name, id] = parts.as_slice() else {
            let message =
                "Invalid parameter: EndpointArn Reason: Wrong number of slashes in relative portion of the ARN.";
            return Err(invalid(message).into());
        };
        let (platform, name) = ((*platform).to_owned(), (*name).to_owned());
        Ok((Self { account: parsed.account.clone(), region: parsed.region.clone(), platform, name }, (*id).to_owned()))
    }

    fn find(&self, from: &(impl Read + ?Sized)) -> Result<Application> {
        let found = APPLICATIONS.get(from, &self.key())?;
        found.ok_or_else(|| errors::not_found_exception("PlatformApplication does not exist").into())
    }
}

fn find_endpoint(from: &(impl Read + ?Sized), arn: &str) -> Result<(Place, String, Endpoint)> {
    let (place, id) = Place::of_endpoint(arn)?;
    let found = ENDPOINTS.get(from, &place.of(&id))?;
    Ok((place, id, found.ok_or_else(|| errors::not_found_exception("Endpoint does not exist"))?))
}

fn in_attributes(message: impl std::fmt::Display) -> Failure {
    invalid(format!("Invalid parameter: Attributes Reason: {message}")).into()
}

fn check_application(attributes: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in attributes {
        match name.as_str() {
            "PlatformCredential" | "PlatformPrincipal" | "ApplePlatformTeamID" | "ApplePlatformBundleID" => {}
            "Enabled" if matches!(value.as_str(), "true" | "false") => {}
            "SuccessFeedbackRoleArn" | "FailureFeedbackRoleArn" | "SuccessFeedbackSampleRate" => {
                topic_attributes::check_feedback(name, value)?;
            }
            "EventEndpointCreated" | "EventEndpointDeleted" | "EventEndpointUpdated" | "EventDeliveryFailure" => {
                return Err(Failure::not_built(format!("sns platform applications with {name}: nobody is told of it")));
            }
            _ => return Err(in_attributes(format_args!("Invalid attribute name: {name}"))),
        }
    }
    Ok(())
}

/// Makes an application, or changes the one that has its name.
pub(crate) async fn create(
    cx: &Cx,
    input: api::CreatePlatformApplicationInput,
) -> Result<api::CreatePlatformApplicationOutput> {
    if !PLATFORMS.contains(&input.platform.as_str()) {
        let message = format!("Invalid parameter: Platform Reason: {} is not supported", input.platform);
        return Err(invalid(message).into());
    }
    check_name(&input.name)?;
    // AWS checks credentials with the push service, which nobody can here; that they are there it checks as well.
    let (credential, principal) =
        (input.attributes.contains_key("PlatformCredential"), input.attributes.contains_key("PlatformPrincipal"));
    match (credential, principal) {
        (false, false) => {
            return Err(
                invalid("Invalid parameter: Attributes Reason: PlatformCredential attribute not provided").into()
            );
        }
        (true, false) if !matches!(input.platform.as_str(), "GCM" | "FCM") => {
            return Err(in_attributes("PlatformCredential attribute provided without PlatformPrincipal"));
        }
        (false, true) => return Err(in_attributes("PlatformPrincipal attribute provided without PlatformCredential")),
        _ => {}
    }
    check_application(&input.attributes)?;
    let place = Place {
        account: cx.account().to_owned(),
        region: cx.region().to_owned(),
        platform: input.platform,
        name: input.name,
    };
    cx.write(|tx| {
        let mut application =
            APPLICATIONS.get(tx, &place.key())?.unwrap_or_else(|| Application { attributes: BTreeMap::new() });
        application.attributes.entry("Enabled".to_owned()).or_insert_with(|| "true".to_owned());
        application.attributes.extend(input.attributes.clone());
        APPLICATIONS.put(tx, &place.key(), &application);
        Ok(())
    })
    .await?;
    Ok(api::CreatePlatformApplicationOutput { platform_application_arn: Some(place.arn(cx)) })
}

fn check_name(name: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let why = if name.is_empty() {
        "cannot be empty"
    } else if name.chars().count() > 256 {
        "must be at most 256 characters long"
    } else if !name.chars().all(good) {
        "must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'"
    } else {
        return Ok(());
    };
    Err(invalid(format!("Invalid parameter: {name} Reason: {why}")).into())
}

pub(crate) async fn delete(cx: &Cx, input: api::DeletePlatformApplicationInput) -> Result<()> {
    let place = Place::of_application(&input.platform_application_arn)?;
    cx.write(|tx| {
        APPLICATIONS.delete(tx, &place.key());
        ENDPOINTS.clear(tx, &place.key())?;
        Ok(())
    })
    .await
}

/// What is told of an application: its secrets are not.
fn shown(application: &Application) -> BTreeMap<String, String> {
    let secret = |name: &String| matches!(name.as_str(), "PlatformCredential" | "PlatformPrincipal");
    application.attributes.iter().filter(|(name, _)| !secret(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetPlatformApplicationAttributesInput,
) -> Result<api::GetPlatformApplicationAttributesOutput> {
    let application = Place::of_application(&input.platform_application_arn)?.find(&cx.read())?;
    Ok(api::GetPlatformApplicationAttributesOutput { attributes: Some(shown(&application)) })
}

pub(crate) async fn set(cx: &Cx, input: api::SetPlatformApplicationAttributesInput) -> Result<()> {
    let place = Place::of_application(&input.platform_application_arn)?;
    check_application(&input.attributes)?;
    cx.write(|tx| {
        let mut application = place.find(tx)?;
        application.attributes.extend(input.attributes.clone());
        APPLICATIONS.put(tx, &place.key(), &application);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListPlatformApplicationsInput) -> Result<api::ListPlatformApplicationsOutput> {
    let all = APPLICATIONS.all(&cx.read(), &(cx.account(), cx.region()))?;
    let found = all.into_iter().filter_map(|entry| {
        let (account, region, platform, name) = entry.key::<(String, String, String, String)>()?;
        let arn = Place { account, region, platform, name }.arn(cx);
        Some(output::PlatformApplication { platform_application_arn: Some(arn), attributes: Some(shown(&entry.row)) })
    });
    let (applications, next_token) = page("ListPlatformApplications", found.collect(), input.next_token.as_deref())?;
    Ok(api::ListPlatformApplicationsOutput { platform_applications: Some(applications), next_token })
}

fn check_attributes(attributes: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in attributes {
        match name.as_str() {
            "CustomUserData" if value.len() > MOST_DATA => {
                return Err(in_attributes(
                    "Invalid value for attribute: CustomUserData: must be at most 2048 bytes long in UTF-8 encoding",
                ));
            }
            "CustomUserData" | "Token" => {}
            "Enabled" if matches!(value.as_str(), "true" | "false") => {}
            "Enabled" => return Err(in_attributes("Invalid value for attribute: Enabled: must be true or false")),
            _ => return Err(in_attributes(format_args!("Invalid attribute name: {name}"))),
        }
    }
    Ok(())
}

/// Makes an endpoint, or finds the one that has the same token and the same attributes.
pub(crate) async fn create_endpoint(
    cx: &Cx,
    input: api::CreatePlatformEndpointInput,
) -> Result<api::CreatePlatformEndpointOutput> {
    let place = Place::of_application(&input.platform_application_arn)?;
    let mut given = input.attributes.unwrap_or_else(BTreeMap::new);
    given.extend(input.custom_user_data.map(|data| ("CustomUserData".to_owned(), data)));
    check_attributes(&given)?;
    if input.token.is_empty() {
        return Err(invalid("Invalid parameter: Token Reason: cannot be empty").into());
    }
    let id = cx.random().uuid();
    let arn = cx
        .write(|tx| {
            place.find(tx)?;
            if let Some((there, endpoint)) = by_token(tx, &place, &input.token)? {
                let arn = place.endpoint(cx, &there);
                let same = |(name, value): (&String, &String)| {
                    endpoint.attributes.get(name).map_or("true", String::as_str) == value
                };
                if given.iter().all(same) {
                    return Ok(arn);
                }
                let message = format!(
                    "Invalid parameter: Token Reason: Endpoint {arn} already exists with the same Token, but different attributes."
                );
                return Err(invalid(message).into());
            }
            ENDPOINTS.put(tx, &place.of(&id), &Endpoint { token: input.token.clone(), attributes: given.clone() });
            Ok(place.endpoint(cx, &id))
        })
        .await?;
    Ok(api::CreatePlatformEndpointOutput { endpoint_arn: Some(arn) })
}

fn by_token(tx: &Tx<'_>, place: &Place, token: &str) -> Result<Option<(String, Endpoint)>> {
    let found = ENDPOINTS.all(tx, &place.key())?.into_iter().find(|entry| entry.row.token == token);
    Ok(found.and_then(|entry| Some((entry.key::<(String, String, String, String, String)>()?.4, entry.row))))
}

pub(crate) async fn delete_endpoint(cx: &Cx, input: api::DeleteEndpointInput) -> Result<()> {
    let (place, id) = Place::of_endpoint(&input.endpoint_arn)?;
    cx.write(|tx| {
        ENDPOINTS.delete(tx, &place.of(&id));
        Ok(())
    })
    .await
}

fn described(endpoint: &Endpoint) -> BTreeMap<String, String> {
    let mut out = endpoint.attributes.clone();
    out.insert("Token".to_owned(), endpoint.token.clone());
    out.entry("Enabled".to_owned()).or_insert_with(|| "true".to_owned());
    out
}

pub(crate) fn get_endpoint(
    cx: &Cx,
    input: &api::GetEndpointAttributesInput,
) -> Result<api::GetEndpointAttributesOutput> {
    let (_, _, endpoint) = find_endpoint(&cx.read(), &input.endpoint_arn)?;
    Ok(api::GetEndpointAttributesOutput { attributes: Some(described(&endpoint)) })
}

pub(crate) async fn set_endpoint(cx: &Cx, input: api::SetEndpointAttributesInput) -> Result<()> {
    check_attributes(&input.attributes)?;
    cx.write(|tx| {
        let (place, id, mut endpoint) = find_endpoint(tx, &input.endpoint_arn)?;
        let mut given = input.attributes.clone();
        endpoint.token = given.remove("Token").unwrap_or(endpoint.token);
        endpoint.attributes.extend(given);
        ENDPOINTS.put(tx, &place.of(&id), &endpoint);
        Ok(())
    })
    .await
}

pub(crate) fn list_endpoints(
    cx: &Cx,
    input: &api::ListEndpointsByPlatformApplicationInput,
) -> Result<api::ListEndpointsByPlatformApplicationOutput> {
    let (read, place) = (cx.read(), Place::of_application(&input.platform_application_arn)?);
    place.find(&read)?;
    let found = ENDPOINTS.all(&read, &place.key())?.into_iter().filter_map(|entry| {
        let id = entry.key::<(String, String, String, String, String)>()?.4;
        Some(output::Endpoint { endpoint_arn: Some(place.endpoint(cx, &id)), attributes: Some(described(&entry.row)) })
    });
    let (endpoints, next_token) = page(&input.platform_application_arn, found.collect(), input.next_token.as_deref())?;
    Ok(api::ListEndpointsByPlatformApplicationOutput { endpoints: Some(endpoints), next_token })
}

/// Refuses an endpoint that is not there to be subscribed.
pub(crate) fn check_endpoint(cx: &Cx, arn: &str) -> Result<()> {
    match find_endpoint(&cx.read(), arn) {
        Err(Failure::Aws(_)) => {
            Err(invalid(format!("Invalid parameter: Endpoint Reason: Endpoint does not exist for endpoint {arn}"))
                .into())
        }
        other => other.map(drop),
    }
}

/// Sends a device something: into the inbox.
pub(crate) async fn push(cx: &Cx, arn: &str, message: &Message) -> Result<Answer> {
    let read = cx.read();
    let found = find_endpoint(&read, arn).map_err(|failure| match failure.code() {
        Some("NotFound") => {
            invalid("Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified").into()
        }
        _ => failure,
    });
    let (place, _, endpoint) = found?;
    let application = place.find(&read)?;
    let is_off = |attributes: &BTreeMap<String, String>| attributes.get("Enabled").is_some_and(|v| v == "false");
    if is_off(&endpoint.attributes) {
        metrics::pushed(cx, &place.name, &place.platform, false);
        return Err(errors::endpoint_disabled_exception("Endpoint is disabled").into());
    }
    if is_off(&application.attributes) {
        metrics::pushed(cx, &place.name, &place.platform, false);
        return Err(errors::platform_application_disabled_exception("Platform application is disabled").into());
    }
    let text = message.text_for(&place.platform);
    let from = place.arn(cx);
    cx.write(|tx| cx.post(tx, "push", &endpoint.token, &from, message.subject.as_deref(), &text)).await?;
    metrics::pushed(cx, &place.name, &place.platform, true);
    Ok(Answer { status: 200, response: "It is in the inbox.".to_owned() })
}
