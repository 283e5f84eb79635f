//! Parameters read: one, many, those below a path, all versions of one.

use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, output};
use crate::error::{self, validation};
use crate::filters::{self, Filter};
use crate::names::{self, Named};
use crate::rows::{PARAMETERS, Parameter, Version, moment};
use crate::{policies, put, reference, sealed};

/// Pages have so many parameters, or versions, where nothing is said.
const BY_PATH: i32 = 10;
const VERSIONS: i32 = 50;

fn size(given: Option<i32>, usual: i32) -> usize {
    usize::try_from(given.unwrap_or(usual)).unwrap_or(1)
}

async fn value(cx: &Cx, parameter: &Parameter, version: &Version, decrypts: bool) -> Result<String> {
    if decrypts {
        sealed::open(cx, &parameter.arn(cx), &version.value).await
    } else {
        Ok(sealed::closed(&version.value))
    }
}

async fn shown(
    cx: &Cx,
    parameter: &Parameter,
    version: Version,
    named: Option<&Named>,
    decrypts: bool,
) -> Result<output::Parameter> {
    let value = value(cx, parameter, &version, decrypts).await?;
    let selector = named.and_then(|named| named.selector.as_ref());
    Ok(output::Parameter {
        name: Some(parameter.name.clone()),
        type_: Some(version.kind),
        value: Some(value),
        version: Some(version.number),
        selector: selector.map(|selector| format!(":{}", selector.text())),
        source_result: None,
        last_modified_date: Some(moment(version.modified)),
        arn: Some(parameter.arn(cx)),
        data_type: Some("text".to_owned()),
    })
}

async fn read(cx: &Cx, given: &str, decrypts: bool) -> Result<output::Parameter> {
    let named = Named::parse(cx, given)?;
    if let Some(secret) = reference::read(cx, &named, decrypts).await? {
        return Ok(secret);
    }
    names::refuse_public(&named.name)?;
    let parameter = Parameter::find(cx, &cx.read(), &named)?;
    let version = parameter.selected(cx, &cx.read(), named.selector.as_ref())?;
    shown(cx, &parameter, version, Some(&named), decrypts).await
}

pub(crate) async fn one(cx: &Cx, input: &api::GetParameterInput) -> Result<api::GetParameterOutput> {
    let found = read(cx, &input.name, input.with_decryption == Some(true)).await?;
    Ok(api::GetParameterOutput { parameter: Some(found) })
}

/// What is not there is told beside what is.
pub(crate) async fn many(cx: &Cx, input: &api::GetParametersInput) -> Result<api::GetParametersOutput> {
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for name in &input.names {
        match read(cx, name, input.with_decryption == Some(true)).await {
            Ok(parameter) => found.push(parameter),
            Err(Failure::Aws(error)) if is_invalid(&error.code) => invalid.push(name.clone()),
            Err(other) => return Err(other),
        }
    }
    Ok(api::GetParametersOutput { parameters: Some(found), invalid_parameters: Some(invalid) })
}

fn is_invalid(code: &str) -> bool {
    matches!(code, "ParameterNotFound" | "ParameterVersionNotFound")
}

pub(crate) async fn by_path(cx: &Cx, input: &api::GetParametersByPathInput) -> Result<api::GetParametersByPathOutput> {
    let path = names::path(&input.path)?;
    names::refuse_public(&path)?;
    let recursive = input.recursive == Some(true);
    let decrypts = input.with_decryption == Some(true);
    let filters = Filter::by_path(input.parameter_filters.as_deref().unwrap_or(&[]))?;
    let from = cx.read();
    let mut all = Vec::new();
    for parameter in PARAMETERS.all(&from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row) {
        if !names::is_below(&parameter.name, &path, recursive) {
            continue;
        }
        all.extend(filters::version(cx, &from, &parameter, &filters)?.map(|version| (parameter, version)));
    }
    let scope = format!("GetParametersByPath/{path}/{recursive}/{filters:?}");
    let page = paging::page(&scope, all, input.next_token.as_deref(), size(input.max_results, BY_PATH));
    let (page, next_token) = page.ok_or_else(error::bad_page)?;
    let mut parameters = Vec::new();
    for (parameter, version) in page {
        parameters.push(shown(cx, &parameter, version, None, decrypts).await?);
    }
    Ok(api::GetParametersByPathOutput { parameters: Some(parameters), next_token })
}

pub(crate) async fn history(cx: &Cx, input: &api::GetParameterHistoryInput) -> Result<api::GetParameterHistoryOutput> {
    if input.name.starts_with(names::SECRETS) {
        return Err(validation("History isn't available for secrets that are referenced from Parameter Store."));
    }
    let named = put::plain_name(cx, &input.name)?;
    names::refuse_public(&named.name)?;
    let parameter = Parameter::find(cx, &cx.read(), &named)?;
    let scope = format!("GetParameterHistory/{}", named.arn(cx));
    let all = parameter.versions(&cx.read())?;
    let page = paging::page(&scope, all, input.next_token.as_deref(), size(input.max_results, VERSIONS));
    let (page, next_token) = page.ok_or_else(error::bad_page)?;
    let mut parameters = Vec::new();
    for version in page {
        parameters.push(output::ParameterHistory {
            name: Some(parameter.name.clone()),
            value: Some(value(cx, &parameter, &version, input.with_decryption == Some(true)).await?),
            type_: Some(version.kind),
            key_id: version.key,
            last_modified_date: Some(moment(version.modified)),
            last_modified_user: Some(version.by),
            description: version.description,
            allowed_pattern: version.pattern,
            version: Some(version.number),
            labels: Some(parameter.labels_of(version.number)),
            tier: Some(version.tier.name().to_owned()),
            policies: policies::shown(&version.policies),
            data_type: Some("text".to_owned()),
        });
    }
    Ok(api::GetParameterHistoryOutput { parameters: Some(parameters), next_token })
}
