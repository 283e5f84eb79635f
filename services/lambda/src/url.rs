//! Function URLs: what they are. How they answer is in `site.rs`.

use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Failure, Result, paging};

use crate::api::{self, output};
use crate::configuration::moment;
use crate::function::{FunctionName, Url};
use crate::holder::Holder;
use crate::{alias, cors, error, site};

/// Id → account, region and name of its function.
pub(crate) static URLS: Table<(String, String, String)> = Table::new("lambda.urls");

/// The mode of URLs that hand on what comes as it comes.
const STREAMS: &str = "RESPONSE_STREAM";

fn address(cx: &Cx, holder: &Holder, url: &Url) -> String {
    let host = cx.site_host(&format!("{}.{}.{}", url.id, site::URLS_SITE, holder.function().region));
    format!("{}://{host}/", cx.origin().scheme)
}

fn show(cx: &Cx, holder: &Holder, url: &Url) -> output::FunctionUrlConfig {
    output::FunctionUrlConfig {
        function_url: address(cx, holder, url),
        function_arn: holder.name().qualified_arn(cx),
        creation_time: moment(url.created),
        last_modified_time: moment(url.modified),
        cors: cors::of(url),
        auth_type: url.auth.clone(),
        invoke_mode: Some(if url.streams { STREAMS } else { "BUFFERED" }.to_owned()),
    }
}

fn none() -> Failure {
    error::not_found("The resource you requested does not exist.")
}

/// What a call names that can have a URL: a function or an alias of one.
fn find(cx: &Cx, from: &(impl Read + ?Sized), name: &FunctionName) -> Result<Holder> {
    Holder::look(cx, from, name)?.ok_or_else(|| error::not_found("Function does not exist"))
}

pub(crate) async fn create(
    cx: &Cx,
    input: api::CreateFunctionUrlConfigInput,
) -> Result<api::CreateFunctionUrlConfigOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let url = Url {
        id: cx.random().text(32, "abcdefghijklmnopqrstuvwxyz234567"),
        auth: input.auth_type,
        created: cx.now_millis(),
        modified: cx.now_millis(),
        cors: input.cors.as_ref().map(cors::stored).transpose()?.flatten(),
        streams: input.invoke_mode.as_deref() == Some(STREAMS),
    };
    let holder = cx
        .write(|tx| {
            let mut holder = find(cx, tx, &name)?;
            if holder.url().is_some() {
                let message = format!("Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function", name.qualified_arn(cx));
                return Err(error::conflict(message));
            }
            let function = holder.function();
            URLS.put(tx, &(url.id.as_str(),), &(function.account.clone(), function.region.clone(), function.name.clone()));
            *holder.url_mut() = Some(url.clone());
            holder.put(tx);
            Ok(holder)
        })
        .await?;
    let shown = show(cx, &holder, &url);
    Ok(api::CreateFunctionUrlConfigOutput {
        function_url: shown.function_url,
        function_arn: shown.function_arn,
        auth_type: shown.auth_type,
        cors: shown.cors,
        creation_time: shown.creation_time,
        invoke_mode: shown.invoke_mode,
    })
}

pub(crate) fn get(cx: &Cx, input: &api::GetFunctionUrlConfigInput) -> Result<api::GetFunctionUrlConfigOutput> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let holder = Holder::look(cx, &cx.read(), &name)?.ok_or_else(none)?;
    let url = holder.url().ok_or_else(none)?;
    let shown = show(cx, &holder, url);
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
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    let (holder, url) = cx
        .write(|tx| {
            let mut holder = Holder::look(cx, tx, &name)?.ok_or_else(none)?;
            let mut url = holder.url().cloned().ok_or_else(none)?;
            if let Some(auth) = &input.auth_type {
                url.auth.clone_from(auth);
            }
            if let Some(mode) = &input.invoke_mode {
                url.streams = mode == STREAMS;
            }
            if let Some(given) = &input.cors {
                url.cors = cors::stored(given)?;
            }
            url.modified = cx.now_millis();
            *holder.url_mut() = Some(url.clone());
            holder.put(tx);
            Ok((holder, url))
        })
        .await?;
    let shown = show(cx, &holder, &url);
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

pub(crate) async fn delete(cx: &Cx, input: &api::DeleteFunctionUrlConfigInput) -> Result<()> {
    let name = FunctionName::parse(cx, &input.function_name, input.qualifier.as_deref())?;
    cx.write(|tx| {
        let mut holder = Holder::look(cx, tx, &name)?.ok_or_else(none)?;
        let url = holder.url_mut().take().ok_or_else(none)?;
        URLS.delete(tx, &(url.id.as_str(),));
        holder.put(tx);
        Ok(())
    })
    .await
}

pub(crate) fn list(cx: &Cx, input: &api::ListFunctionUrlConfigsInput) -> Result<api::ListFunctionUrlConfigsOutput> {
    let most = input.max_items.map_or(Ok(50), usize::try_from).map_err(Failure::broken)?;
    let read = cx.read();
    let function = FunctionName::parse(cx, &input.function_name, None)?.find(cx, &read)?;
    let aliases = alias::all(&read, &function)?;
    let scope = format!("ListFunctionUrlConfigs/{}", function.name);
    let of_aliases = aliases.into_iter().map(|alias| Holder::Alias(function.clone(), Box::new(alias)));
    let holders = std::iter::once(Holder::Function(function.clone())).chain(of_aliases);
    let all = holders.filter_map(|holder| holder.url().map(|url| show(cx, &holder, url))).collect();
    let (function_url_configs, next_marker) =
        paging::page(&scope, all, input.marker.as_deref(), most).ok_or_else(|| error::invalid("Invalid Marker"))?;
    Ok(api::ListFunctionUrlConfigsOutput { function_url_configs, next_marker })
}
