//! Filters of lists of parameters.
//!
//! Source: ParameterStringFilter in the API reference.

use undercast_kernel::store::Read;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{errors, input};
use crate::names;
use crate::rows::{Parameter, Version};

/// A filter, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    key: String,
    option: String,
    values: Vec<String>,
}

fn bad_key(message: String) -> Failure {
    errors::invalid_filter_key(message).into()
}

fn bad_value(message: String) -> Failure {
    errors::invalid_filter_value(message).into()
}

/// The options of a key, the usual one first.
fn options(key: &str) -> &'static [&'static str] {
    match key {
        "Path" => &["OneLevel", "Recursive"],
        "Name" => &["Equals", "BeginsWith", "Contains"],
        "Label" => &["Equals"],
        _ => &["Equals", "BeginsWith"],
    }
}

/// The values that a key knows.
fn known(key: &str) -> Option<&'static [&'static str]> {
    match key {
        "Type" => Some(&["String", "StringList", "SecureString"]),
        "Tier" => Some(&["Standard", "Advanced", "Intelligent-Tiering"]),
        _ => None,
    }
}

impl Filter {
    fn all(given: &[input::ParameterStringFilter], keys: &[&str]) -> Result<Vec<Self>> {
        let mut all: Vec<Self> = Vec::new();
        for filter in given {
            let filter = Self::one(filter, keys)?;
            if all.iter().any(|other| other.key == filter.key) {
                let key = &filter.key;
                return Err(bad_key(format!(
                    "The following filter is duplicated in the request: {key}. A request can contain only one occurrence of a specific filter."
                )));
            }
            all.push(filter);
        }
        Ok(all)
    }

    fn one(filter: &input::ParameterStringFilter, keys: &[&str]) -> Result<Self> {
        let key = &filter.key;
        let is_tag = key.starts_with("tag:") && keys.contains(&"tag");
        if !is_tag && !keys.contains(&key.as_str()) {
            let valid: Vec<&str> = keys.iter().copied().filter(|key| *key != "tag").collect();
            return Err(bad_key(format!(
                "The following filter key is not valid: {key}. Valid filter keys include: [{}].",
                valid.join(", ")
            )));
        }
        let options = options(key);
        let option = filter.option.clone().unwrap_or_else(|| options[0].to_owned());
        if !options.contains(&option.as_str()) {
            let message = format!(
                "The following filter option is not valid: {option}. Valid options include: [{}].",
                options.join(", ")
            );
            return Err(errors::invalid_filter_option(message).into());
        }
        let values = filter.values.clone().unwrap_or_else(Vec::new);
        if values.is_empty() && !is_tag {
            return Err(bad_value(format!("The following filter values are missing : null for filter key {key}.")));
        }
        if let Some(known) = known(key)
            && let Some(value) = values.iter().find(|value| option == "Equals" && !known.contains(&value.as_str()))
        {
            let message = format!(
                "The following filter value is not valid: {value}. Valid values include: [{}].",
                known.join(", ")
            );
            return Err(bad_value(message));
        }
        if key == "Path" {
            let rest: Vec<String> = values.iter().map(|path| names::path(path)).collect::<Result<_>>()?;
            return Ok(Self { key: key.clone(), option, values: rest });
        }
        Ok(Self { key: key.clone(), option, values })
    }

    /// The filters of `DescribeParameters`.
    ///
    /// # Errors
    /// AWS's, for what is none.
    pub(crate) fn of_list(given: &[input::ParameterStringFilter]) -> Result<Vec<Self>> {
        Self::all(given, &["tag", "Path", "Name", "Type", "KeyId", "Tier", "DataType"])
    }

    /// Those of `GetParametersByPath`.
    ///
    /// # Errors
    /// AWS's, for what is none.
    pub(crate) fn by_path(given: &[input::ParameterStringFilter]) -> Result<Vec<Self>> {
        Self::all(given, &["Type", "KeyId", "Label"])
    }

    /// The older filters of `DescribeParameters`: names by their beginnings.
    pub(crate) fn older(given: &[input::ParametersFilter]) -> Vec<Self> {
        let of = |filter: &input::ParametersFilter| Self {
            key: filter.key.clone(),
            option: if filter.key == "Name" { "BeginsWith" } else { "Equals" }.to_owned(),
            values: filter.values.clone(),
        };
        given.iter().map(of).collect()
    }

    fn matches(&self, value: &str) -> bool {
        let bare = |text: &str| text.trim_start_matches('/').to_owned();
        self.values.iter().any(|wanted| match self.option.as_str() {
            "BeginsWith" if self.key == "Name" => value.starts_with(wanted) || bare(value).starts_with(wanted.as_str()),
            "BeginsWith" => value.starts_with(wanted),
            "Contains" => value.contains(wanted),
            _ if self.key == "Name" => bare(value) == bare(wanted),
            _ => value == wanted,
        })
    }

    fn passes(&self, parameter: &Parameter, version: &Version) -> bool {
        if let Some(tag) = self.key.strip_prefix("tag:") {
            let value = parameter.tags.get(tag);
            return value.is_some_and(|value| self.values.is_empty() || self.matches(value));
        }
        match self.key.as_str() {
            "Name" => self.matches(&parameter.name),
            "Type" => self.matches(&version.kind),
            "KeyId" => version.key.as_deref().is_some_and(|key| self.matches(key)),
            "Tier" => self.matches(parameter.tier.name()),
            "DataType" => self.matches("text"),
            "Path" => {
                let recursive = self.option == "Recursive";
                self.values.iter().any(|path| names::is_below(&parameter.name, path, recursive))
            }
            // Labels choose the version before.
            _ => true,
        }
    }
}

/// The version of a parameter that passes all filters: that with the label, where a filter asks for one, else the newest.
///
/// # Errors
/// When the store fails.
pub(crate) fn version(
    cx: &Cx,
    from: &(impl Read + ?Sized),
    parameter: &Parameter,
    filters: &[Filter],
) -> Result<Option<Version>> {
    let version = match filters.iter().find(|filter| filter.key == "Label") {
        Some(filter) => {
            let number = filter.values.iter().find_map(|label| parameter.labels.get(label));
            match number {
                Some(number) => parameter.version(from, *number)?,
                None => None,
            }
        }
        None => Some(parameter.newest(cx, from)?),
    };
    Ok(version.filter(|version| filters.iter().all(|filter| filter.passes(parameter, version))))
}
