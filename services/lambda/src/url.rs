//! Function URLs: what they are. How they answer is in `site.rs`.

use undercast_kernel::store::Table;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, output};
use crate::configuration::moment;
use crate::error;
use crate::function::{Function, FunctionName, Url};
use crate::site;

/// Id → account, region and name of its function.
pub(crate) static URLS: Table<(String, String, String)> = Table::new("lambda.urls");

fn address(cx: &Cx, function: &Function, url: &Url) -> String {
    let host = cx.site_host(&format!("{}.{}.{}", url.id, site::URLS_SITE, function.region));
    format!("{}://{host}/", cx.origin().scheme)
}

fn show(cx: &Cx, function: &Function, url: &Url) -> output::FunctionUrlConfig {
    output::FunctionUrlConfig {
        function_url: address(cx, function, url),
        function_arn: function.arn(cx),
        creation_time: moment(url.created),
        last_modified_time: moment(url.modified),
        cors: None,
        auth_type: url.auth.clone(),
        invoke_mode: Some("BUFFERED".to_owned()),
    }
}

fn buffered(mode: Option<&String>) -> Result<()> {
    match mode.filter(|m| *m != "BUFFERED") {
        Some(mode) => Err(Failure::not_built(format!("lambda function URLs with InvokeMode {mode}"))),
        None => Ok(()),
    }
}

fn none() -> Failure {
    error::not_found("The resource you requested does not exist.")
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateFunctionUrlConfigInput,
) -> Result<api::CreateFunctionUrlConfigOutput> {
    buffered(input.invoke_mode.as_ref())?;
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let url = Url {
        id: cx.random().text(32, "abcdefghijklmnopqrstuvwxyz234567"),
        auth: input.auth_type,
        created: cx.now_millis(),
        modified: cx.now_millis(),
    };
    let function = cx
        .write(|tx| {
            let mut function = name.find(cx, tx)?;
            if function.url.is_some() {
                let message = format!("Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function", function.arn(cx));
                return Err(error::conflict(message));
            }
            URLS.put(tx, &(url.id.as_str(),), &(function.account.clone(), function.region.clone(), function.name.clone()));
            function.url = Some(url.clone());
            function.put(tx);
            Ok(function)
        })
        .await?;
    let shown = show(cx, &function, &url);
    Ok(api::CreateFunctionUrlConfigOutput {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        invoke_mode: shown.invoke_mode,
    })
}

pub(crate) fn get(cx: &Cx, name: &str) -> Result<api::GetFunctionUrlConfigOutput> {
    let function = FunctionName::parse(cx, name, None)?.find(cx, &cx.read())?;
    let url = function.url.as_ref().ok_or_else(none)?;
    let shown = show(cx, &function, url);
    Ok(api::GetFunctionUrlConfigOutput {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}

pub(crate) async fn update(
    cx: &Cx,
    input: api::UpdateFunctionUrlConfigInput,
) -> Result<api::UpdateFunctionUrlConfigOutput> {
    buffered(input.invoke_mode.as_ref())?;
    let name = FunctionName::parse(cx, &input.function_name, None)?;
    let (function, url) = cx
        .write(|tx| {
            let mut function = name.find(cx, tx)?;
            let mut url = function.url.clone().ok_or_else(none)?;
            if let Some(auth) = &input.auth_type {
                url.auth.clone_from(auth);
            }
            url.modified = cx.now_millis();
            function.url = Some(url.clone());
            function.put(tx);
            Ok((function, url))
        })
        .await?;
    let shown = show(cx, &function, &url);
    Ok(api::UpdateFunctionUrlConfigOutput {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        last_modified_time: shown.last_modified_time,
        invoke_mode: shown.invoke_mode,
    })
}

pub(crate) async fn delete(cx: &Cx, name: &str) -> Result<()> {
    let name = FunctionName::parse(cx, name, None)?;
    cx.write(|tx| {
        let mut function = name.find(cx, tx)?;
        let url = function.url.take().ok_or_else(none)?;
        URLS.delete(tx, &(url.id.as_str(),));
        function.put(tx);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: api::ListFunctionUrlConfigsInput) -> Result<api::ListFunctionUrlConfigsOutput> {
    // Without aliases a function has one URL at most, so that there is one page.
    if let Some(marker) = input.marker {
        return Err(error::invalid(format!("Invalid Marker: {marker}")));
    }
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &cx.read())?;
    let all = function.url.iter().take(most).map(|u| show(cx, &function, u)).collect();
    Ok(api::ListFunctionUrlConfigsOutput { function_url_configs: all, next_marker: None })
}
