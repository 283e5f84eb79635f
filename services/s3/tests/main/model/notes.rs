//! Annotations: put, read and deleted at versions that are there, that are not, and that a customer's key encrypts.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::bucket::{Bucket, Refusal, Version};
use super::steps::{equal, expect, md5, wanted_of};
use super::{Held, Player};

const NAMES: [&str; 4] = ["a", "a.b", "Ä-1", "z_"];
const SIZES: [usize; 4] = [1, 4_096, 4_097, 100_000];

impl Player {
    /// Something is done to an annotation of a key or of one of its versions.
    pub(super) fn note(&mut self, at: usize) -> Held {
        let (key, name) = (self.key(), self.dice.one(&NAMES));
        let bucket = &self.buckets[at];
        let id = if self.dice.percent(60) { self.version(bucket, key) } else { None };
        let mut input = json!({"Bucket": bucket.name, "Key": key, "AnnotationName": name});
        if let Some(id) = &id {
            input["VersionId"] = json!(id);
        }
        let found = bucket.find(key, id.as_deref()).cloned();
        if self.dice.percent(25) {
            return self.remove_note(at, key, name, input, found);
        }
        let (length, letter) = (self.dice.one(&SIZES), self.dice.below(26));
        let text = vec![b'a' + u8::try_from(letter).unwrap(); length];
        let sealed = found.as_ref().is_ok_and(|v| v.dress.key.is_some());
        let wanted = if sealed { Err("InvalidRequest") } else { found };
        self.say(format!("note of {length} bytes: {input}"));
        let heard = self.world.call("PutObjectAnnotation", input, Some(&text));
        expect(&heard, wanted_of(&wanted))?;
        let Ok(version) = wanted else { return Ok(()) };
        equal("ETag", &heard.text("ETag").trim_matches('"').to_owned(), &md5(&text))?;
        if let Some(version) = self.buckets[at].find_mut(key, version.shown_id()) {
            version.notes.insert(name.to_owned(), text);
        }
        self.touched.push((at, key.to_owned()));
        Ok(())
    }

    fn remove_note(
        &mut self,
        at: usize,
        key: &str,
        name: &str,
        mut input: Json,
        found: Result<Version, Refusal>,
    ) -> Held {
        let bypass = self.buckets[at].lock && self.dice.percent(30);
        if bypass {
            input["BypassGovernanceRetention"] = json!(true);
        }
        let now = self.world.now();
        let kept = |version: &Version| version.notes.contains_key(name) && version.kept(now, bypass);
        let wanted = found.and_then(|version| if kept(&version) { Err("AccessDenied") } else { Ok(version) });
        self.say(format!("delete note: {input}"));
        expect(&self.world.call("DeleteObjectAnnotation", input, None), wanted_of(&wanted))?;
        if let Ok(version) = wanted
            && let Some(version) = self.buckets[at].find_mut(key, version.shown_id())
        {
            version.notes.remove(name);
        }
        self.touched.push((at, key.to_owned()));
        Ok(())
    }

    /// The annotations that a copy takes along.
    pub(super) fn copied_notes(&self, input: &mut Json, source: Option<&Version>) -> BTreeMap<String, Vec<u8>> {
        if self.dice.percent(30) {
            input["AnnotationDirective"] = json!("EXCLUDE");
            return BTreeMap::new();
        }
        source.map(|version| version.notes.clone()).unwrap_or_default()
    }

    /// The annotations of a version are those of the model.
    pub(super) fn notes(&self, bucket: &Bucket, key: &str, version: &Version) -> Held {
        let of = json!({"Bucket": bucket.name, "Key": key, "VersionId": version.shown_id()});
        let heard = self.world.call("ListObjectAnnotations", of.clone(), None);
        expect(&heard, Ok(()))?;
        let listed = heard.json["Annotations"].as_array().cloned().unwrap_or_default();
        let entry = |e: &Json| {
            let text = |member: &str| e[member].as_str().unwrap_or_default().to_owned();
            (text("AnnotationName"), text("ETag").trim_matches('"').to_owned())
        };
        let found: BTreeMap<String, String> = listed.iter().map(entry).collect();
        let wanted = version.notes.iter().map(|(name, text)| (name.clone(), md5(text))).collect();
        equal(&format!("annotations of {key} {}", version.shown_id()), &found, &wanted)?;
        for (name, text) in &version.notes {
            let mut input = of.clone();
            input["AnnotationName"] = json!(name);
            let heard = self.world.call("GetObjectAnnotation", input, None);
            expect(&heard, Ok(()))?;
            if heard.body != *text {
                return Err(format!("the annotation {name} of {key} has other bytes"));
            }
        }
        Ok(())
    }
}
