//! Short ways to say what a test is about.

use indexmap::IndexMap;
use serde_json::{Value, json};
use undercast_cloudformation::template::{Attributes, Known, Pseudo, Stack, Template, TemplateError};

pub(crate) fn pseudo() -> Pseudo {
    Pseudo {
        account_id: "111122223333".into(),
        region: "us-east-1".into(),
        partition: "aws".into(),
        url_suffix: "amazonaws.com".into(),
        stack_name: "demo".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:111122223333:stack/demo/1".into(),
        notification_arns: vec!["arn:aws:sns:us-east-1:111122223333:news".into()],
    }
}

/// Every resource `X` has the id `x-id` and every attribute `A` the value `X-A`; zones and one export are known.
pub(crate) struct World;

impl Attributes for World {
    fn ref_of(&self, logical: &str) -> Known {
        Known::Value(format!("{}-id", logical.to_lowercase()).into())
    }

    fn get_att(&self, logical: &str, name: &str) -> Known {
        if name == "Nope" { Known::Missing } else { Known::Value(format!("{logical}-{name}").into()) }
    }

    fn import(&self, name: &str) -> Known {
        if name == "shared-vpc" { Known::Value("vpc-1".into()) } else { Known::Missing }
    }

    fn azs(&self, region: &str) -> Known {
        Known::Value(json!([format!("{region}a"), format!("{region}b")]))
    }
}

/// Nothing is known yet.
pub(crate) struct Nothing;

impl Attributes for Nothing {
    fn ref_of(&self, _logical: &str) -> Known {
        Known::Pending
    }

    fn get_att(&self, _logical: &str, _name: &str) -> Known {
        Known::Pending
    }

    fn import(&self, _name: &str) -> Known {
        Known::Pending
    }

    fn azs(&self, _region: &str) -> Known {
        Known::Pending
    }
}

pub(crate) fn given(values: &[(&str, &str)]) -> IndexMap<String, String> {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn template(text: &str) -> Template {
    match Template::parse(text) {
        Ok(template) => template,
        Err(error) => panic!("{error}: {text}"),
    }
}

pub(crate) fn stack<'t>(template: &'t Template, values: &[(&str, &str)]) -> Result<Stack<'t>, TemplateError> {
    Stack::new(template, template.parameters(&given(values))?, pseudo())
}

const HEAD: &str = "
Parameters:
  Env: {Type: String, Default: dev}
  Ports: {Type: List<Number>, Default: '80, 443'}
  Names: {Type: CommaDelimitedList, Default: 'a, b,c'}
  Count: {Type: Number, Default: 3}
Mappings:
  Regions:
    us-east-1: {Ami: ami-1, Zones: [x, y], Size: 2}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  IsDev: !Not [!Condition IsProd]
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Gone: {Type: AWS::SQS::Queue, Condition: IsProd}
  R:
    Type: AWS::Test::Thing
    Properties:
      P: ";

/// Resolves one property, written in YAML, in a template with some parameters, mappings and resources.
pub(crate) fn property(yaml: &str, known: &dyn Attributes, planned: bool) -> Result<Option<Value>, TemplateError> {
    let template = Template::parse(&format!("{HEAD}{yaml}\n"))?;
    let stack = stack(&template, &[])?;
    let mut properties = if planned { stack.planned_properties("R", known)? } else { stack.properties("R", known)? };
    Ok(properties.remove("P"))
}
