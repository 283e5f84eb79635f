//! What parameters are called: the rules of names, and what is said of a version behind one.
//!
//! Source: "Requirements and constraints for parameter names" and "Working with parameter versions" in the user guide.

use undercast_kernel::arn::Arn;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::errors;
use crate::error;

/// A name has so many characters at most, and so many levels.
const LONGEST: usize = 1011;
const LEVELS: usize = 15;

/// Where secrets of Secrets Manager are read.
pub(crate) const SECRETS: &str = "/aws/reference/secretsmanager/";
/// Where AWS keeps parameters for everybody.
const PUBLIC: &str = "/aws/service/";

const PATH_RULES: &str = "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_";

/// What a request names: a parameter, in whatever account, and perhaps one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) selector: Option<Selector>,
    /// An ARN does not tell whether a name of one level begins with a slash.
    pub(crate) by_arn: bool,
}

/// Which version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    Version(i64),
    Label(String),
}

impl Selector {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Version(number) => number.to_string(),
            Self::Label(label) => label.clone(),
        }
    }
}

fn is_allowed(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c))
}

/// Holds the name of a new parameter against the rules.
///
/// # Errors
/// `ValidationException`, `AccessDeniedException` for AWS's own names, `HierarchyLevelLimitExceededException`.
pub(crate) fn check(name: &str) -> Result<()> {
    let lower = name.to_lowercase();
    let bare = lower.trim_start_matches('/');
    let is_path = name.matches('/').count() > 1;
    if bare.starts_with("aws") && name.starts_with('/') && is_path {
        return Err(error::access_denied(format!("No access to reserved parameter name: {name}.")));
    }
    if bare.starts_with("aws") || bare.starts_with("ssm") {
        return Err(error::validation(if is_path {
            PATH_RULES
        } else {
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive)."
        }));
    }
    if !is_allowed(name) || name.contains("//") || name.ends_with('/') {
        return Err(error::validation(PATH_RULES));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(error::validation("Parameter name must be a fully qualified name."));
    }
    if name.len() > LONGEST {
        return Err(error::validation(format!("Parameter name: can't be longer than {LONGEST} characters.")));
    }
    if name.trim_start_matches('/').split('/').count() > LEVELS {
        let message = "A hierarchy can have a maximum of 15 levels. For more information, see Requirements and constraints for parameter names in the AWS Systems Manager User Guide.";
        return Err(errors::hierarchy_level_limit_exceeded_exception(message).into());
    }
    Ok(())
}

/// Refuses AWS's public parameters, which are not here.
///
/// # Errors
/// `NotBuilt`.
pub(crate) fn refuse_public(name: &str) -> Result<()> {
    if name == PUBLIC.trim_end_matches('/') || name.starts_with(PUBLIC) {
        return Err(Failure::not_built(format!("AWS's public parameters ({name})")));
    }
    Ok(())
}

/// The ARN of a parameter.
pub(crate) fn arn(cx: &Cx, account: &str, name: &str) -> String {
    let slash = if name.starts_with('/') { "" } else { "/" };
    format!("arn:{}:ssm:{}:{account}:parameter{slash}{name}", cx.partition(), cx.region())
}

impl Named {
    /// A parameter of the caller's account.
    pub(crate) fn own(cx: &Cx, name: &str) -> Self {
        Self { account: cx.account().to_owned(), name: name.to_owned(), selector: None, by_arn: false }
    }

    /// What a name or an ARN names.
    ///
    /// # Errors
    /// `ValidationException` when it is neither.
    pub(crate) fn parse(cx: &Cx, given: &str) -> Result<Self> {
        let wrong = || error::validation(format!("Parameter name: {given} is not valid."));
        let by_arn = given.starts_with("arn:");
        let (account, rest) = match Arn::parse(given) {
            Some(arn) => {
                let rest =
                    arn.resource.strip_prefix("parameter/").filter(|_| arn.service == "ssm").ok_or_else(wrong)?;
                let here = arn.region == cx.region();
                let rest = if rest.contains('/') { format!("/{rest}") } else { rest.to_owned() };
                (arn.account, if here { rest } else { return Err(error::no_parameter()) })
            }
            None => (cx.account().to_owned(), given.to_owned()),
        };
        let (name, selector) = match rest.split_once(':') {
            None => (rest.as_str(), None),
            Some((name, selector)) if !selector.contains(':') && !selector.is_empty() => (name, Some(selector)),
            Some(_) => return Err(wrong()),
        };
        // A path begins with a slash; AWS says so in these words.
        let is_secret = name.starts_with(SECRETS);
        if !is_secret && (!is_allowed(name) || (name.contains('/') && !name.starts_with('/'))) {
            return Err(error::validation(PATH_RULES));
        }
        let selector = selector.map(|text| match text.parse() {
            Ok(number) => Selector::Version(number),
            Err(_) => Selector::Label(text.to_owned()),
        });
        Ok(Self { account, name: name.to_owned(), selector, by_arn })
    }

    pub(crate) fn arn(&self, cx: &Cx) -> String {
        arn(cx, &self.account, &self.name)
    }
}

/// The path of a hierarchy, without the slash at its end.
///
/// # Errors
/// `ValidationException` when it is none.
pub(crate) fn path(given: &str) -> Result<String> {
    let bare = given.trim_end_matches('/');
    let reserved = bare.to_lowercase();
    let own = reserved.starts_with("/ssm") || (reserved.starts_with("/aws") && !reserved.starts_with("/aws/"));
    if !given.starts_with('/') || !is_allowed(given) || given.contains("//") || own {
        return Err(error::validation(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". It can't be prefixed with \\\"aws\\\" or \\\"ssm\\\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_.",
        ));
    }
    Ok(bare.to_owned())
}

/// Whether a name stands below a path, in the next level or (`recursive`) in any.
pub(crate) fn is_below(name: &str, path: &str, recursive: bool) -> bool {
    let rest = match name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) => rest,
        // What has no slash is at the root.
        None if path.is_empty() && !name.contains('/') => name,
        None => return false,
    };
    recursive || !rest.contains('/')
}
