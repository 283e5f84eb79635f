//! Pipes: made, described, listed, started, stopped, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, input, output};
use crate::error::{conflict, validation};
use crate::parameters::Parameters;
use crate::rows::{Bucket, Log, PIPES, Pipe, State, arn_of, moment};
use crate::{definition, logbook, runner, settle, tags};

/// A page has so many.
const PAGE: usize = 100;

/// What is said of logs.
pub(crate) fn log_of(said: input::PipeLogConfigurationParameters) -> Result<Log> {
    let bucket = said.s3_log_destination.map(|to| {
        if let Some(format) = to.output_format.filter(|format| format != "json") {
            return Err(validation(format!("Log records are formatted as json, and not as {format}.")));
        }
        Ok(Bucket { name: to.bucket_name, owner: to.bucket_owner, prefix: to.prefix })
    });
    let log = Log {
        level: said.level,
        data: said.include_execution_data.is_some_and(|all| !all.is_empty()),
        group: said.cloudwatch_logs_log_destination.map(|to| to.log_group_arn),
        bucket: bucket.transpose()?,
        delivery: said.firehose_log_destination.map(|to| to.delivery_stream_arn),
    };
    if log.level != "OFF" && log.group.is_none() && log.bucket.is_none() && log.delivery.is_none() {
        return Err(validation("A log destination must be specified for a log level other than OFF."));
    }
    Ok(log)
}

pub(crate) async fn create(cx: &Cx, input: api::CreatePipeInput) -> Result<api::CreatePipeOutput> {
    let given = input.tags.unwrap_or_else(BTreeMap::new);
    tags::check(&given, 0)?;
    let parameters = Parameters {
        source: input.source_parameters.unwrap_or_else(Default::default),
        enrichment: input.enrichment_parameters.unwrap_or_else(Default::default),
        target: input.target_parameters.unwrap_or_else(Default::default),
    };
    let key = input.kms_key_identifier.filter(|key| !key.is_empty());
    let arn = arn_of(cx, &input.name);
    let pipe = Pipe {
        id: cx.random().uuid(),
        created: cx.now_millis(),
        modified: cx.now_millis(),
        description: input.description,
        wanted: input.desired_state.as_deref() != Some("STOPPED"),
        state: State::Creating,
        reason: None,
        takes: false,
        source: input.source,
        enrichment: input.enrichment.filter(|arn| !arn.is_empty()),
        target: input.target,
        role: input.role_arn,
        parameters: crate::rows::Kept::Plain(String::new()),
        log: input.log_configuration.map(log_of).transpose()?,
        tags: given,
        key,
        name: input.name,
    };
    definition::check(cx, &pipe, &parameters)?;
    if let Some(log) = &pipe.log {
        logbook::check(cx, log).await?;
    }
    let kept = parameters.keep(cx, &arn, pipe.key.as_deref()).await?;
    let pipe = Pipe { parameters: kept, ..pipe };
    cx.write(|tx| {
        if PIPES.has(tx, &cx.key(pipe.name.as_str()))? {
            return Err(conflict(&pipe.name, format!("Pipe {} already exists.", pipe.name)));
        }
        PIPES.put(tx, &cx.key(pipe.name.as_str()), &pipe);
        settle::plan(cx, tx, &pipe)
    })
    .await?;
    Ok(api::CreatePipeOutput {
        arn: Some(arn),
        desired_state: Some(pipe.wanted().to_owned()),
        current_state: Some(pipe.state.name().to_owned()),
        creation_time: Some(moment(pipe.created)),
        last_modified_time: Some(moment(pipe.modified)),
        name: Some(pipe.name),
    })
}

/// As answers name what is wanted of a pipe that may be on its way out.
fn wanted(pipe: &Pipe) -> &'static str {
    if pipe.state == State::Deleting { "DELETED" } else { pipe.wanted() }
}

pub(crate) async fn describe(cx: &Cx, input: &api::DescribePipeInput) -> Result<api::DescribePipeOutput> {
    let pipe = Pipe::find(cx, &cx.read(), &input.name)?;
    let arn = pipe.arn(cx);
    let Parameters { source, enrichment, target } = Parameters::open_for_caller(cx, &arn, &pipe.parameters).await?;
    Ok(api::DescribePipeOutput {
        arn: Some(arn),
        desired_state: Some(wanted(&pipe).to_owned()),
        current_state: Some(pipe.state.name().to_owned()),
        state_reason: pipe.reason,
        source: Some(pipe.source),
        source_parameters: Some(source),
        enrichment: pipe.enrichment,
        enrichment_parameters: Some(enrichment),
        target: Some(pipe.target),
        target_parameters: Some(target),
        role_arn: Some(pipe.role),
        tags: Some(pipe.tags),
        creation_time: Some(moment(pipe.created)),
        last_modified_time: Some(moment(pipe.modified)),
        log_configuration: pipe.log.map(shown_log),
        kms_key_identifier: pipe.key,
        description: pipe.description,
        name: Some(pipe.name),
    })
}

fn shown_log(log: Log) -> output::PipeLogConfiguration {
    let bucket = |bucket: Bucket| output::S3LogDestination {
        bucket_name: Some(bucket.name),
        prefix: bucket.prefix,
        bucket_owner: Some(bucket.owner),
        output_format: Some("json".to_owned()),
    };
    output::PipeLogConfiguration {
        s3_log_destination: log.bucket.map(bucket),
        firehose_log_destination: log
            .delivery
            .map(|stream| output::FirehoseLogDestination { delivery_stream_arn: Some(stream) }),
        cloudwatch_logs_log_destination: log
            .group
            .map(|group| output::CloudwatchLogsLogDestination { log_group_arn: Some(group) }),
        level: Some(log.level),
        include_execution_data: log.data.then(|| vec!["ALL".to_owned()]),
    }
}

pub(crate) fn list(cx: &Cx, input: &api::ListPipesInput) -> Result<api::ListPipesOutput> {
    let begins =
        |text: &str, prefix: &Option<String>| prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix.as_str()));
    let mut found: Vec<Pipe> =
        PIPES.all(&cx.read(), &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect();
    found.retain(|pipe| {
        begins(&pipe.name, &input.name_prefix)
            && begins(&pipe.source, &input.source_prefix)
            && begins(&pipe.target, &input.target_prefix)
            && input.desired_state.as_ref().is_none_or(|wanted| wanted == pipe.wanted())
            && input.current_state.as_ref().is_none_or(|state| state == pipe.state.name())
    });
    let scope = format!(
        "ListPipes/{:?}/{:?}/{:?}/{:?}/{:?}",
        input.name_prefix, input.source_prefix, input.target_prefix, input.desired_state, input.current_state
    );
    let size = input.limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
    let page = paging::page(&scope, found, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(|| validation("The next token is not valid."))?;
    let shown = page.into_iter().map(|pipe| output::Pipe {
        arn: Some(pipe.arn(cx)),
        desired_state: Some(pipe.wanted().to_owned()),
        current_state: Some(pipe.state.name().to_owned()),
        state_reason: pipe.reason,
        creation_time: Some(moment(pipe.created)),
        last_modified_time: Some(moment(pipe.modified)),
        source: Some(pipe.source),
        target: Some(pipe.target),
        enrichment: pipe.enrichment,
        name: Some(pipe.name),
    });
    Ok(api::ListPipesOutput { pipes: Some(shown.collect()), next_token })
}

/// Refuses what a pipe on its way to another state does not take.
pub(crate) fn refuse_passing(pipe: &Pipe) -> Result<()> {
    if pipe.state.is_passing() {
        return Err(conflict(&pipe.name, format!("Pipe {} is currently {}.", pipe.name, pipe.state.name())));
    }
    Ok(())
}

/// Sends a pipe on its way to a state.
async fn send(cx: &Cx, name: &str, wanted: bool, state: State) -> Result<Pipe> {
    cx.write(|tx| {
        let mut pipe = Pipe::find(cx, tx, name)?;
        refuse_passing(&pipe)?;
        (pipe.wanted, pipe.state, pipe.modified, pipe.reason) = (wanted, state, cx.now_millis(), None);
        pipe.takes &= wanted && state != State::Deleting;
        PIPES.put(tx, &cx.key(name), &pipe);
        settle::plan(cx, tx, &pipe)?;
        Ok(pipe)
    })
    .await
}

pub(crate) async fn start(cx: &Cx, input: &api::StartPipeInput) -> Result<api::StartPipeOutput> {
    let pipe = send(cx, &input.name, true, State::Starting).await?;
    Ok(api::StartPipeOutput {
        arn: Some(pipe.arn(cx)),
        desired_state: Some(pipe.wanted().to_owned()),
        current_state: Some(pipe.state.name().to_owned()),
        creation_time: Some(moment(pipe.created)),
        last_modified_time: Some(moment(pipe.modified)),
        name: Some(pipe.name),
    })
}

pub(crate) async fn stop(
    state: &Arc<runner::State>,
    cx: &Cx,
    input: &api::StopPipeInput,
) -> Result<api::StopPipeOutput> {
    let pipe = send(cx, &input.name, false, State::Stopping).await?;
    state.running.stop(&pipe.id);
    Ok(api::StopPipeOutput {
        arn: Some(pipe.arn(cx)),
        desired_state: Some(pipe.wanted().to_owned()),
        current_state: Some(pipe.state.name().to_owned()),
        creation_time: Some(moment(pipe.created)),
        last_modified_time: Some(moment(pipe.modified)),
        name: Some(pipe.name),
    })
}

pub(crate) async fn delete(
    state: &Arc<runner::State>,
    cx: &Cx,
    input: &api::DeletePipeInput,
) -> Result<api::DeletePipeOutput> {
    let there = Pipe::find(cx, &cx.read(), &input.name)?;
    let pipe = send(cx, &input.name, there.wanted, State::Deleting).await?;
    state.running.stop(&pipe.id);
    Ok(api::DeletePipeOutput {
        arn: Some(pipe.arn(cx)),
        desired_state: Some(wanted(&pipe).to_owned()),
        current_state: Some(pipe.state.name().to_owned()),
        creation_time: Some(moment(pipe.created)),
        last_modified_time: Some(moment(pipe.modified)),
        name: Some(pipe.name),
    })
}
