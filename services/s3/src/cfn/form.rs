//! Properties in S3's words: CloudFormation calls many things otherwise, and takes numbers and booleans as texts too.

use serde_json::{Map, Value as Json};
use undercast_kernel::resources::text;
use undercast_kernel::{AwsError, Failure, Result};

/// What a property, or a member of one, is.
pub(crate) enum Form {
    Text,
    Number,
    Flag,
    /// A moment; a date alone is its midnight in UTC.
    Moment,
    /// An object of which only counts that it is there.
    Mark,
    List(&'static Form),
    Structure(&'static [Member]),
    /// One of the other forms, which S3 has in another shape.
    Shaped(&'static Form, Shape),
}

/// Brings what has been read into S3's shape; the path is for refusals.
pub(crate) type Shape = fn(Json, &str) -> Result<Json>;

/// A member of a structure.
pub(crate) struct Member {
    theirs: &'static str,
    ours: &'static str,
    required: bool,
    form: Form,
}

/// A member that has one name in both.
pub(super) const fn member(name: &'static str, form: Form) -> Member {
    Member { theirs: name, ours: name, required: false, form }
}

/// The same, which has to be there.
pub(super) const fn required(name: &'static str, form: Form) -> Member {
    Member { theirs: name, ours: name, required: true, form }
}

impl Member {
    /// S3 calls it so.
    pub(super) const fn called(mut self, ours: &'static str) -> Self {
        self.ours = ours;
        self
    }
}

/// A refusal in the words of the schemas that resources have.
pub(super) fn invalid(path: &str, what: &str) -> Failure {
    AwsError::new("ValidationError", 400, format!("Model validation failed (#/{path}: {what})")).into()
}

fn wrong_type(path: &str, wanted: &str, found: &Json) -> Failure {
    let found = match found {
        Json::Null => "Null",
        Json::Bool(_) => "Boolean",
        Json::Number(_) => "Number",
        Json::String(_) => "String",
        Json::Array(_) => "JSONArray",
        Json::Object(_) => "JSONObject",
    };
    invalid(path, &format!("expected type: {wanted}, found: {found}"))
}

impl Form {
    /// The property in S3's words. `path` says where it stands: `CorsConfiguration/CorsRules/0`.
    ///
    /// # Errors
    /// `ValidationError` where it has another type, lacks a member or has one that there is not.
    pub(crate) fn read(&self, value: &Json, path: &str) -> Result<Json> {
        let wrong = |wanted: &str| wrong_type(path, wanted, value);
        match self {
            Self::Text if value.is_array() || value.is_object() => Err(wrong("String")),
            Self::Text => Ok(text(value).into()),
            Self::Number => match text(value).parse::<i64>() {
                Ok(number) => Ok(number.into()),
                Err(_) => Err(wrong("Integer")),
            },
            Self::Flag => match text(value).to_ascii_lowercase().as_str() {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => Err(wrong("Boolean")),
            },
            Self::Moment => match value {
                Json::String(day) if day.len() == "2026-01-01".len() => Ok(format!("{day}T00:00:00Z").into()),
                Json::String(_) => Ok(value.clone()),
                _ => Err(wrong("String")),
            },
            Self::Mark if value.is_object() => Ok(Json::Object(Map::new())),
            Self::Mark => Err(wrong("JSONObject")),
            Self::List(of) => {
                let list = value.as_array().ok_or_else(|| wrong("JSONArray"))?;
                list.iter().enumerate().map(|(at, one)| of.read(one, &format!("{path}/{at}"))).collect()
            }
            Self::Structure(members) => structure(members, value.as_object().ok_or_else(|| wrong("JSONObject"))?, path),
            Self::Shaped(form, shape) => shape(form.read(value, path)?, path),
        }
    }
}

fn structure(members: &[Member], given: &Map<String, Json>, path: &str) -> Result<Json> {
    if let Some(unknown) = given.keys().find(|name| members.iter().all(|m| m.theirs != name.as_str())) {
        return Err(invalid(path, &format!("extraneous key [{unknown}] is not permitted")));
    }
    let mut out = Map::new();
    for member in members {
        match given.get(member.theirs).filter(|value| !value.is_null()) {
            Some(value) => {
                let read = member.form.read(value, &format!("{path}/{}", member.theirs))?;
                out.insert(member.ours.to_owned(), read);
            }
            None if member.required => {
                return Err(invalid(path, &format!("required key [{}] not found", member.theirs)));
            }
            None => {}
        }
    }
    Ok(Json::Object(out))
}

#[cfg(test)]
impl Form {
    /// Where the form and the facts of a type's property, as the model tells them, do not agree.
    pub(crate) fn unlike(&self, facts: &Json, shapes: &Json, path: &str, out: &mut Vec<String>) {
        match (self, facts["type"].as_str().unwrap_or_default()) {
            (Self::Shaped(form, _), _) => form.unlike(facts, shapes, path, out),
            (Self::List(of), "array") => of.unlike(&facts["element"], shapes, path, out),
            (Self::Structure(members), "ref") => {
                let properties = &shapes[facts["reference"]["$ref"].as_str().unwrap_or_default()]["properties"];
                let known = properties.as_object().into_iter().flatten();
                for (name, property) in known {
                    match members.iter().find(|m| m.theirs == name) {
                        Some(member) => {
                            let path = format!("{path}/{name}");
                            if member.required != (property["required"] == true) {
                                out.push(format!("{path}: required"));
                            }
                            member.form.unlike(&property["type"], shapes, &path, out);
                        }
                        None => out.push(format!("{path}/{name}: missing")),
                    }
                }
                let more = members.iter().filter(|m| properties.get(m.theirs).is_none());
                out.extend(more.map(|m| format!("{path}/{}: not in the model", m.theirs)));
            }
            (Self::Text, "string") | (Self::Number, "integer") | (Self::Flag, "boolean") | (Self::Mark, "json") => {}
            (Self::Moment, "date-time") => {}
            (_, other) => out.push(format!("{path}: {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static PART: [Member; 3] = [
        required("Name", Form::Text).called("ID"),
        member("Size", Form::Number),
        member("On", Form::Shaped(&Form::Flag, |on, _| Ok(json!([on])))),
    ];
    static WHOLE: [Member; 2] =
        [member("Parts", Form::List(&Form::Structure(&PART))), member("Day", Form::Moment).called("Date")];

    fn read(given: &Json) -> Result<Json> {
        Form::Structure(&WHOLE).read(given, "Whole")
    }

    #[test]
    fn names_and_types_become_those_of_s3() {
        let given = json!({"Parts": [{"Name": 7, "Size": "12", "On": "true"}, {"Name": "b", "Size": null}], "Day": "2026-01-01"});
        let wanted =
            json!({"Parts": [{"ID": "7", "Size": 12, "On": [true]}, {"ID": "b"}], "Date": "2026-01-01T00:00:00Z"});
        assert_eq!(read(&given).ok(), Some(wanted));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_path() {
        for (given, wanted) in [
            (json!([]), "(#/Whole: expected type: JSONObject, found: JSONArray)"),
            (json!({"Part": []}), "(#/Whole: extraneous key [Part] is not permitted)"),
            (json!({"Parts": {}}), "(#/Whole/Parts: expected type: JSONArray, found: JSONObject)"),
            (json!({"Parts": [{}]}), "(#/Whole/Parts/0: required key [Name] not found)"),
            (json!({"Parts": [{"Name": []}]}), "(#/Whole/Parts/0/Name: expected type: String, found: JSONArray)"),
            (
                json!({"Parts": [{"Name": "a"}, {"Name": "b", "Size": "many"}]}),
                "(#/Whole/Parts/1/Size: expected type: Integer, found: String)",
            ),
            (json!({"Parts": [{"Name": "a", "On": 1}]}), "(#/Whole/Parts/0/On: expected type: Boolean, found: Number)"),
            (json!({"Day": 1}), "(#/Whole/Day: expected type: String, found: Number)"),
        ] {
            let refused = read(&given).err().map(|e| e.to_string()).unwrap_or_else(String::new);
            assert!(refused.contains(wanted), "{given}: {refused}");
        }
    }
}
