//! Changes of a pipe. What is not said stays as it is; what belongs to one service is said as a whole.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::parameters::Parameters;
use crate::pipes::{log_of, refuse_passing};
use crate::rows::{PIPES, Pipe, State, moment};
use crate::{definition, logbook, settle};

pub(crate) async fn update(cx: &Cx, input: api::UpdatePipeInput) -> Result<api::UpdatePipeOutput> {
    let before = Pipe::find(cx, &cx.read(), &input.name)?;
    refuse_passing(&before)?;
    let arn = before.arn(cx);
    let mut parameters = Parameters::open_for_caller(cx, &arn, &before.parameters).await?;
    let mut pipe = before.clone();
    pipe.role = input.role_arn;
    pipe.description = input.description.or(pipe.description);
    if let Some(wanted) = input.desired_state {
        pipe.wanted = wanted == "RUNNING";
    }
    if let Some(enrichment) = input.enrichment {
        pipe.enrichment = Some(enrichment).filter(|arn| !arn.is_empty());
    }
    if let Some(target) = input.target.filter(|target| *target != pipe.target) {
        pipe.target = target;
        parameters.leave_target();
    }
    if let Some(said) = input.source_parameters {
        parameters.change_source(said);
    }
    if let Some(said) = input.enrichment_parameters {
        parameters.change_enrichment(said);
    }
    if let Some(said) = input.target_parameters {
        parameters.change_target(said);
    }
    if let Some(log) = input.log_configuration {
        let log = log_of(log)?;
        logbook::check(cx, &log).await?;
        pipe.log = Some(log);
    }
    if let Some(key) = input.kms_key_identifier {
        pipe.key = Some(key).filter(|key| !key.is_empty());
    }
    definition::check(cx, &pipe, &parameters)?;
    pipe.parameters = parameters.keep(cx, &arn, pipe.key.as_deref()).await?;
    (pipe.state, pipe.modified, pipe.reason) = (State::Updating, cx.now_millis(), None);
    let name = pipe.name.clone();
    cx.write(|tx| {
        let there = Pipe::find(cx, tx, &name)?;
        refuse_passing(&there)?;
        // Tags may have been set meanwhile.
        let pipe = Pipe { tags: there.tags, takes: there.takes, ..pipe.clone() };
        PIPES.put(tx, &cx.key(name.as_str()), &pipe);
        settle::plan(cx, tx, &pipe)
    })
    .await?;
    Ok(api::UpdatePipeOutput {
        arn: Some(arn),
        desired_state: Some(pipe.wanted().to_owned()),
        current_state: Some(pipe.state.name().to_owned()),
        creation_time: Some(moment(pipe.created)),
        last_modified_time: Some(moment(pipe.modified)),
        name: Some(pipe.name),
    })
}
