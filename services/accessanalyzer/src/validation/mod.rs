//! Policy validation: what is wrong with a policy, or could be better.
//!
//! Source: "IAM policy validation check reference" in the IAM user guide, of which each issue has its code here and its words. Facts of
//! services are those of `models/iam`, so that of other services nothing is said.
//!
//! Not looked for, because it takes facts that are not known here: `INVALID_SERVICE` and `INVALID_SERVICE_IN_ACTION` (all services there
//! are), `MISSING_ACTION_FOR_CONDITION_KEY`, `USE_CONDITION_KEY_ONLY_WITH_SUPPORTED_SERVICES`, `DEPRECATED_GLOBAL_CONDITION_KEY` (the
//! reference says of the same key that it is not supported, which is what is told), and of `VARIABLE_USAGE_TOO_PERMISSIVE` and
//! `WILDCARD_USAGE_TOO_PERMISSIVE` all but what is said of `aws:userid`.

mod actions;
mod conditions;
mod elements;
mod json;
mod keys;
mod passing;
mod principals;
mod resources;
mod statements;
mod trust;
mod values;
mod variables;

use undercast_kernel::{Failure, Result};

use crate::api::{self, output};
use crate::error::{invalid, page};
use json::{Node, Place, Step};

/// How much an issue matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Impact {
    Error,
    Security,
    Warning,
    Suggestion,
}

impl Impact {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Security => "SECURITY_WARNING",
            Self::Warning => "WARNING",
            Self::Suggestion => "SUGGESTION",
        }
    }

    /// As the reference calls it in its addresses.
    fn anchor(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Security => "security-warning",
            Self::Warning => "general-warning",
            Self::Suggestion => "suggestion",
        }
    }
}

/// Something that is wrong, or could be better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issue {
    code: &'static str,
    impact: Impact,
    details: String,
    places: Vec<Place>,
}

/// What a policy is to be used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Identity,
    Resource,
    ServiceControl,
    ResourceControl,
}

/// A policy that is looked at, and what was found.
pub(crate) struct Look<'a> {
    kind: Kind,
    /// The type of resource that it is for, where it is said.
    resource_type: Option<&'a str>,
    /// Variables are read as such.
    variables: bool,
    issues: Vec<Issue>,
}

impl Look<'_> {
    fn tell(&mut self, impact: Impact, code: &'static str, details: impl Into<String>, places: &[&Place]) {
        let places = places.iter().map(|place| (*place).clone()).collect();
        self.issues.push(Issue { code, impact, details: details.into(), places });
    }

    fn error(&mut self, code: &'static str, details: impl Into<String>, place: &Place) {
        self.tell(Impact::Error, code, details, &[place]);
    }

    fn security(&mut self, code: &'static str, details: impl Into<String>, place: &Place) {
        self.tell(Impact::Security, code, details, &[place]);
    }

    fn warning(&mut self, code: &'static str, details: impl Into<String>, place: &Place) {
        self.tell(Impact::Warning, code, details, &[place]);
    }

    fn suggestion(&mut self, code: &'static str, details: impl Into<String>, place: &Place) {
        self.tell(Impact::Suggestion, code, details, &[place]);
    }

    /// It says who may assume a role.
    fn is_trust(&self) -> bool {
        self.resource_type == Some("AWS::IAM::AssumeRolePolicyDocument")
    }
}

/// All issues of a policy.
pub(crate) fn issues(text: &str, kind: Kind, resource_type: Option<&str>) -> Vec<Issue> {
    let characters: Vec<char> = text.chars().collect();
    let mut look = Look { kind, resource_type, variables: false, issues: Vec::new() };
    match json::read(&characters) {
        Err(at) => {
            let (line, column) = position(&characters, at);
            let details = format!("Fix the JSON syntax error at index {at} line {line} column {column}.");
            look.error("JSON_SYNTAX_ERROR", details, &Place { path: Vec::new(), span: (at, at) });
        }
        Ok(root) => {
            look.variables = root.get("Version").and_then(Node::text) == Some("2012-10-17");
            elements::policy(&mut look, &root, &characters);
            let statements = root.get("Statement").map_or(&[][..], Node::each);
            let statements: Vec<&Node> = statements.iter().filter(|node| node.object().is_some()).collect();
            for statement in &statements {
                elements::statement(&mut look, statement);
                actions::look(&mut look, statement);
                resources::look(&mut look, statement);
                principals::look(&mut look, statement);
                trust::look(&mut look, statement);
                conditions::look(&mut look, statement);
                passing::look(&mut look, statement);
                variables::look(&mut look, statement);
            }
            statements::look(&mut look, &statements);
        }
    }
    look.issues
}

/// Line, from 1, and column, from 0.
fn position(text: &[char], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line = before.iter().filter(|c| **c == '\n').count();
    let column = before.iter().rev().take_while(|c| **c != '\n').count();
    (line + 1, column)
}

fn number(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn location(text: &[char], place: Place) -> output::Location {
    let at = |offset: usize| {
        let (line, column) = position(text, offset);
        output::Position { line: number(line), column: number(column), offset: number(offset) }
    };
    let step = |step: Step| match step {
        Step::Key(key) => output::PathElement { key: Some(key), ..output::PathElement::default() },
        Step::Value(value) => output::PathElement { value: Some(value), ..output::PathElement::default() },
        Step::Index(index) => output::PathElement { index: Some(number(index)), ..output::PathElement::default() },
    };
    let (start, end) = place.span;
    output::Location {
        path: place.path.into_iter().map(step).collect(),
        span: output::Span { start: at(start), end: at(end) },
    }
}

const REFERENCE: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html";

pub(crate) fn validate(input: &api::ValidatePolicyInput) -> Result<api::ValidatePolicyOutput> {
    if input.locale.as_deref().is_some_and(|locale| locale != "EN") {
        return Err(Failure::not_built("findings of policy validation in other languages than English"));
    }
    let kind = match input.policy_type.as_str() {
        "IDENTITY_POLICY" => Kind::Identity,
        "RESOURCE_POLICY" => Kind::Resource,
        "SERVICE_CONTROL_POLICY" => Kind::ServiceControl,
        _ => Kind::ResourceControl,
    };
    let resource_type = input.validate_policy_resource_type.as_deref();
    if resource_type.is_some() && kind != Kind::Resource {
        let message = "A validatePolicyResourceType can be given for policies of the type RESOURCE_POLICY only.";
        return Err(invalid(message).into());
    }
    let text: Vec<char> = input.policy_document.chars().collect();
    let finding = |issue: Issue| {
        let slug = issue.code.to_lowercase().replace('_', "-");
        let anchor = format!("access-analyzer-reference-policy-checks-{}-{slug}", issue.impact.anchor());
        output::ValidatePolicyFinding {
            finding_details: issue.details,
            finding_type: issue.impact.name().to_owned(),
            issue_code: issue.code.to_owned(),
            learn_more_link: format!("{REFERENCE}#{anchor}"),
            locations: issue.places.into_iter().map(|place| location(&text, place)).collect(),
        }
    };
    let found = issues(&input.policy_document, kind, resource_type);
    let all: Vec<_> = found.into_iter().map(finding).collect();
    let (findings, next_token) = page("ValidatePolicy", all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ValidatePolicyOutput { findings, next_token })
}
