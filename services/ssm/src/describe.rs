//! Lists of parameters, without their values.

use undercast_kernel::{Cx, Result, paging};

use crate::api::{self, output};
use crate::error::{self, validation};
use crate::filters::{self, Filter};
use crate::rows::{PARAMETERS, Parameter, Version, moment};
use crate::{policies, sharing};

/// A page has so many where nothing is said.
const PAGE: i32 = 50;

fn shown(cx: &Cx, parameter: Parameter, version: Version) -> output::ParameterMetadata {
    output::ParameterMetadata {
        arn: Some(parameter.arn(cx)),
        name: Some(parameter.name),
        type_: Some(version.kind),
        key_id: version.key,
        last_modified_date: Some(moment(version.modified)),
        last_modified_user: Some(version.by),
        description: version.description,
        allowed_pattern: version.pattern,
        version: Some(version.number),
        tier: Some(parameter.tier.name().to_owned()),
        policies: policies::shown(&version.policies),
        data_type: Some("text".to_owned()),
    }
}

pub(crate) fn describe(cx: &Cx, input: &api::DescribeParametersInput) -> Result<api::DescribeParametersOutput> {
    let filters = match (&input.filters, &input.parameter_filters) {
        (Some(_), Some(_)) => {
            return Err(validation("You can use either Filters or ParameterFilters in a single request."));
        }
        (Some(older), None) => Filter::older(older),
        (None, given) => Filter::of_list(given.as_deref().unwrap_or(&[]))?,
    };
    let from = cx.read();
    let shared = input.shared == Some(true);
    let listed: Vec<Parameter> = if shared {
        sharing::with_caller(cx, &from)?
    } else {
        PARAMETERS.all(&from, &(cx.account(), cx.region()))?.into_iter().map(|entry| entry.row).collect()
    };
    let mut all = Vec::new();
    for parameter in listed {
        all.extend(filters::version(cx, &from, &parameter, &filters)?.map(|version| (parameter, version)));
    }
    let scope = format!("DescribeParameters/{shared}/{filters:?}");
    let size = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let page = paging::page(&scope, all, input.next_token.as_deref(), size);
    let (page, next_token) = page.ok_or_else(error::bad_page)?;
    let parameters = page.into_iter().map(|(parameter, version)| shown(cx, parameter, version)).collect();
    Ok(api::DescribeParametersOutput { parameters: Some(parameters), next_token })
}
