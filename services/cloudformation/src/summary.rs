//! What a template says of itself: `ValidateTemplate` and `GetTemplateSummary`.

use undercast_kernel::{Cx, Result};

use crate::api::{self, output};
use crate::template::Template;
use crate::{plan, rows, types};

fn reason(types: &[String]) -> Option<String> {
    (!types.is_empty()).then(|| format!("The following resource(s) require capabilities: [{}]", types.join(", ")))
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(crate) async fn validate(cx: &Cx, input: api::ValidateTemplateInput) -> Result<api::ValidateTemplateOutput> {
    let text = plan::template_text(cx, input.template_body, input.template_url, None).await?;
    let template = Template::parse(&text)?;
    let (capabilities, iam) = types::capabilities(&template);
    let parameters = template.parameters.iter().map(|(name, p)| output::TemplateParameter {
        parameter_key: Some(name.clone()),
        default_value: p.default.clone(),
        no_echo: Some(p.no_echo),
        description: p.description.clone(),
    });
    Ok(api::ValidateTemplateOutput {
        parameters: Some(parameters.collect()),
        description: template.description.clone(),
        capabilities: some(capabilities),
        capabilities_reason: reason(&iam),
        declared_transforms: some(template.transforms.clone()),
    })
}

pub(crate) async fn summarise(cx: &Cx, input: api::GetTemplateSummaryInput) -> Result<api::GetTemplateSummaryOutput> {
    let stack = input.stack_name.as_deref().map(|name| rows::find(cx, &cx.read(), name)).transpose()?;
    let text = plan::template_text(cx, input.template_body, input.template_url, stack.as_ref()).await?;
    let template = Template::parse(&text)?;
    let (capabilities, iam) = types::capabilities(&template);
    let parameters = template.parameters.iter().map(|(name, p)| output::ParameterDeclaration {
        parameter_key: Some(name.clone()),
        default_value: p.default.clone(),
        parameter_type: Some(p.type_name.clone()),
        no_echo: Some(p.no_echo),
        description: p.description.clone(),
        parameter_constraints: Some(output::ParameterConstraints { allowed_values: some(p.allowed_values.clone()) }),
    });
    let mut resource_types: Vec<String> = template.resources.values().map(|r| r.resource_type.clone()).collect();
    resource_types.sort();
    resource_types.dedup();
    Ok(api::GetTemplateSummaryOutput {
        parameters: Some(parameters.collect()),
        description: template.description.clone(),
        capabilities: some(capabilities),
        capabilities_reason: reason(&iam),
        resource_types: Some(resource_types),
        version: Some("2010-09-09".to_owned()),
        metadata: template.metadata.as_ref().map(ToString::to_string),
        declared_transforms: some(template.transforms.clone()),
        ..api::GetTemplateSummaryOutput::default()
    })
}
