//! JSONata's functions of time, with the moment that is given from outside. The evaluator's own would ask the system's clock.

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;

use super::within;

type Answer = Result<JValue, EvaluatorError>;

pub(super) fn add(evaluator: &mut Evaluator, now: i64) -> Result<(), EvaluatorError> {
    evaluator.register_fn_override("millis", move |_: &[JValue]| Ok(JValue::from(now)))?;
    evaluator.register_fn_override("now", move |arguments: &[JValue]| {
        let named = [("now", Some(&JValue::from(now))), ("picture", arguments.first()), ("timezone", arguments.get(1))];
        within("$fromMillis($now, $picture, $timezone)", &named, None)
    })?;
    evaluator.register_fn_override("toMillis", move |arguments: &[JValue]| to_millis(now, arguments))
}

/// `$toMillis(text, picture)`. What a picture does not say is that of the moment, as far as it is larger than what it says: that is
/// put in front of both.
fn to_millis(now: i64, arguments: &[JValue]) -> Answer {
    let (text, picture) = (arguments.first(), arguments.get(1));
    let (Some(JValue::String(said)), Some(JValue::String(shape))) = (text, picture) else {
        let named = [("text", text), ("picture", picture)];
        let call = if arguments.len() < 2 { "$toMillis($text)" } else { "$toMillis($text, $picture)" };
        return within(call, &named, None);
    };
    let missing = missing(shape);
    let named = [("now", Some(&JValue::from(now))), ("picture", Some(&JValue::string(missing)))];
    let front = within("$fromMillis($now, $picture)", &named, None)?;
    let text = JValue::string(format!("{}{said}", front.as_str().unwrap_or_default()));
    let picture = JValue::string(format!("{missing}{shape}"));
    within("$toMillis($text, $picture)", &[("text", Some(&text)), ("picture", Some(&picture))], None)
}

/// The picture of what is larger than all that a picture says.
fn missing(picture: &str) -> &'static str {
    // `[[` is a bracket; else what follows one is a component.
    let said = picture.replace("[[", "");
    let has =
        |letters: &str| said.split('[').skip(1).any(|part| part.trim_start().starts_with(|c| letters.contains(c)));
    if has("YX") || !has("MDdHhmsfWwx") {
        ""
    } else if has("MdWwx") {
        "[Y0001]-"
    } else if has("D") {
        "[Y0001]-[M01]-"
    } else if has("Hh") {
        "[Y0001]-[M01]-[D01]T"
    } else if has("m") {
        "[Y0001]-[M01]-[D01]T[H01]:"
    } else if has("s") {
        "[Y0001]-[M01]-[D01]T[H01]:[m01]:"
    } else {
        "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01]."
    }
}
