//! Parameters made, and made anew.

use fancy_regex::RegexBuilder;
use undercast_kernel::store::Tx;
use undercast_kernel::{Cx, Failure, Result};

use crate::api::{self, errors};
use crate::error::{self, validation};
use crate::names::{self, Named};
use crate::rows::{COUNTS, Counts, PARAMETERS, Parameter, Tier, VERSIONS, Value, Version, count};
use crate::tier::{self, Wanted};
use crate::{policies, sealed, settings, tagging};

/// A parameter has so many versions at most.
const MOST_VERSIONS: usize = 100;

/// How much a pattern may go back and forth over one value before it counts as unusable.
const BACKTRACK_LIMIT: usize = 100_000;

const SECURE: &str = "SecureString";

/// Holds a value against the pattern that it must have as a whole.
fn check_pattern(pattern: &str, value: &str) -> Result<()> {
    let unusable = || -> Failure {
        let message = format!("The request doesn't meet the regular expression requirement: {pattern}");
        errors::invalid_allowed_pattern_exception(message).into()
    };
    let whole = format!(r"\A(?:{pattern})\z");
    let regex = RegexBuilder::new(&whole).backtrack_limit(BACKTRACK_LIMIT).build().map_err(|_| unusable())?;
    if regex.is_match(value).map_err(|_| unusable())? {
        return Ok(());
    }
    let message = format!("Parameter value, cannot be validated against allowedPattern: {pattern}");
    Err(errors::parameter_pattern_mismatch_exception(message).into())
}

fn check_data_type(given: Option<&str>) -> Result<()> {
    match given {
        None | Some("text" | "") => Ok(()),
        Some("aws:ec2:image") => Err(Failure::not_built("the data type aws:ec2:image: there is no EC2")),
        Some("aws:ssm:integration") => {
            Err(Failure::not_built("the data type aws:ssm:integration: nothing is integrated"))
        }
        Some(other) => Err(validation(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase.)"
        ))),
    }
}

/// What a version will be, but for its value.
fn draft(cx: &Cx, input: &api::PutParameterInput, before: Option<&(Parameter, Version)>) -> Result<Version> {
    let old = before.map(|(_, version)| version);
    let kind = match (input.type_.as_deref(), old) {
        (None, None) => return Err(validation("A parameter type is required when you create a parameter.")),
        (Some(given), Some(old)) if given != old.kind => {
            let message = "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.";
            return Err(errors::hierarchy_type_mismatch_exception(message).into());
        }
        (Some(given), _) => given.to_owned(),
        (None, Some(old)) => old.kind.clone(),
    };
    let secure = kind == SECURE;
    if input.key_id.is_some() && !secure {
        return Err(validation("KeyId is required for SecureString type parameter only."));
    }
    let given = match input.policies.as_deref() {
        Some(text) => policies::parse(cx, text)?,
        None => policies::kept(old.map_or(&[], |old| old.policies.as_slice())),
    };
    let pattern = input.allowed_pattern.clone().or_else(|| old.and_then(|old| old.pattern.clone()));
    Ok(Version {
        number: old.map_or(1, |old| old.number + 1),
        key: secure.then(|| input.key_id.clone().unwrap_or_else(|| sealed::MANAGED.to_owned())),
        kind,
        value: Value::Plain(String::new()),
        description: input.description.clone().or_else(|| old.and_then(|old| old.description.clone())),
        pattern: pattern.filter(|pattern| !pattern.is_empty()),
        tier: Tier::Standard,
        modified: cx.now_millis(),
        by: cx.principal().arn.clone(),
        policies: given,
    })
}

fn check_value(input: &api::PutParameterInput, draft: &Version) -> Result<()> {
    if input.value.is_empty() {
        return Err(validation(
            "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.",
        ));
    }
    draft.pattern.as_deref().map_or(Ok(()), |pattern| check_pattern(pattern, &input.value))
}

/// The parameter as it is, which the request may write over or must not meet.
fn before(cx: &Cx, input: &api::PutParameterInput, named: &Named) -> Result<Option<(Parameter, Version)>> {
    let from = cx.read();
    let Some(parameter) = PARAMETERS.get(&from, &(named.account.as_str(), cx.region(), named.name.as_str()))? else {
        return Ok(None);
    };
    if input.overwrite != Some(true) {
        let message =
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
        return Err(errors::parameter_already_exists(message).into());
    }
    let newest = parameter.newest(cx, &from)?;
    Ok(Some((parameter, newest)))
}

pub(crate) async fn put(cx: &Cx, input: api::PutParameterInput) -> Result<api::PutParameterOutput> {
    names::check(&input.name)?;
    let named = Named::own(cx, &input.name);
    check_data_type(input.data_type.as_deref())?;
    let tags = tagging::given(input.tags.as_deref().unwrap_or(&[]));
    tagging::check(&tags, 0)?;
    if input.overwrite == Some(true) && !tags.is_empty() {
        return Err(validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    loop {
        let before = before(cx, &input, &named)?;
        let mut version = draft(cx, &input, before.as_ref())?;
        check_value(&input, &version)?;
        let counts = COUNTS.get(&cx.read(), &(named.account.as_str(), cx.region()))?.unwrap_or_else(Counts::default);
        let old = before.as_ref().map(|(parameter, _)| parameter.tier);
        let usual = settings::default_tier(cx, &cx.read())?;
        let kept = old.filter(|old| *old == Tier::Advanced).map(|old| old.name().to_owned());
        let wanted = input.tier.clone().or(kept).unwrap_or(usual);
        version.tier = tier::choose(
            &Wanted {
                tier: &wanted,
                bytes: input.value.len(),
                has_policies: !version.policies.is_empty(),
                before: old,
            },
            counts,
        )?;
        version.value = match &version.key {
            None => Value::Plain(input.value.clone()),
            Some(key) => sealed::seal(cx, &named.arn(cx), key, version.tier, &input.value).await?,
        };
        let seen = before.as_ref().map(|(parameter, _)| parameter.version);
        let parameter = Parameter {
            account: named.account.clone(),
            region: cx.region().to_owned(),
            name: named.name.clone(),
            version: version.number,
            tier: version.tier,
            tags: tags.clone(),
            shared: None,
            labels: std::collections::BTreeMap::new(),
        };
        // Another call may have been faster, and is looked at then.
        if cx.write(|tx| store(cx, tx, &parameter, &version, seen)).await? {
            return Ok(api::PutParameterOutput {
                version: Some(version.number),
                tier: Some(version.tier.name().to_owned()),
            });
        }
    }
}

/// Stores a version; false when the parameter is not as it was seen.
fn store(cx: &Cx, tx: &mut Tx<'_>, new: &Parameter, version: &Version, seen: Option<i64>) -> Result<bool> {
    let there = PARAMETERS.get(tx, &new.place())?;
    if there.as_ref().map(|there| there.version) != seen {
        return Ok(false);
    }
    let parameter = match there {
        None => {
            let counts = COUNTS.get(tx, &(new.account.as_str(), new.region.as_str()))?;
            tier::check_room(new.tier, counts.unwrap_or_else(Counts::default))?;
            count(tx, new, new.tier, 1)?;
            new.clone()
        }
        Some(there) => {
            make_room(tx, &there)?;
            if there.tier != new.tier {
                count(tx, new, there.tier, -1)?;
                count(tx, new, new.tier, 1)?;
            }
            Parameter { version: version.number, tier: new.tier, ..there }
        }
    };
    VERSIONS.put(tx, &parameter.version_place(version.number), version);
    parameter.put(tx);
    policies::plan(cx, tx, &parameter, version)?;
    parameter.announce(cx, tx, if seen.is_some() { "Update" } else { "Create" }, version)?;
    Ok(true)
}

/// Lets the oldest version go for a new one.
fn make_room(tx: &mut Tx<'_>, parameter: &Parameter) -> Result<()> {
    let all = parameter.versions(tx)?;
    let Some(oldest) = all.first().filter(|_| all.len() >= MOST_VERSIONS) else { return Ok(()) };
    if !parameter.labels_of(oldest.number).is_empty() {
        let (name, number) = (&parameter.name, oldest.number);
        return Err(errors::parameter_max_version_limit_exceeded(format!(
            "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. Version {number}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again."
        ))
        .into());
    }
    VERSIONS.delete(tx, &parameter.version_place(oldest.number));
    Ok(())
}

/// A name that must be one of the caller's account, without a version.
///
/// # Errors
/// `ParameterNotFound` where it says a version.
pub(crate) fn plain_name(cx: &Cx, given: &str) -> Result<Named> {
    let named = Named::parse(cx, given)?;
    if named.selector.is_some() { Err(error::no_parameter()) } else { Ok(named) }
}
