//! What callers do, chosen by the dice, and what must become of it.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde_json::{Value as Json, json};
use undercast_wire::text::{base64, hex_encode};

use super::bucket::{Bucket, Dress, HOUR, Part, Refusal, Restored, Retention, Upload, Version, Versioning, aged};
use super::world::Heard;
use super::{Held, Player, rules};

const KEYS: [&str; 9] = ["a", "a/1", "a/2", "a/b/3", "a0", "b/x", "b/x/y", "c d+e&<f>", "ä/%2F"];
const SIZES: [usize; 8] = [0, 1, 11, 100, 4_096, 4_097, 20_000, 131_072];

pub(super) fn md5(body: &[u8]) -> String {
    hex_encode(&Md5::digest(body))
}

/// The customer's keys.
pub(super) fn customer(which: usize) -> [(&'static str, String); 3] {
    let key = [b'k' + u8::try_from(which).unwrap(); 32];
    [("Algorithm", "AES256".to_owned()), ("Key", base64(&key)), ("KeyMD5", base64(&Md5::digest(key)))]
}

pub(super) fn add_key(input: &mut Json, prefix: &str, key: Option<usize>) {
    for (name, value) in key.into_iter().flat_map(customer) {
        input[format!("{prefix}SSECustomer{name}")] = json!(value);
    }
}

fn encoded(tags: &BTreeMap<String, String>) -> String {
    tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
}

/// What is to come of a call, as [`expect`] takes it.
pub(super) fn wanted_of<T>(found: &Result<T, Refusal>) -> Result<(), &[Refusal]> {
    found.as_ref().map(drop).map_err(std::slice::from_ref)
}

/// The answer must be that of a success, or one of these refusals.
pub(super) fn expect(heard: &Heard, wanted: Result<(), &[Refusal]>) -> Held {
    match wanted {
        Ok(()) if heard.status < 300 => Ok(()),
        Err(codes) if heard.status >= 300 && codes.contains(&heard.code.as_str()) => Ok(()),
        _ => Err(format!("{wanted:?} expected, found {} {} {}", heard.status, heard.code, heard.json)),
    }
}

pub(super) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Held {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {wanted:?} expected, found {found:?}")) }
}

impl Player {
    pub(super) fn step(&mut self) -> Held {
        let at = self.dice.below(self.buckets.len());
        let what = self.dice.below(123);
        match what {
            0..=27 => self.put(at),
            28..=38 => self.copy(at),
            39..=42 => self.begin_upload(at),
            43..=52 => self.part(at),
            53..=57 => self.complete(at),
            58 => self.abort(at),
            59..=67 => self.delete(at),
            68..=77 => self.delete_version(at),
            78..=81 => self.delete_many(at),
            82..=84 => self.versioning(at),
            85..=88 => self.tag(at),
            89..=95 => self.lock(at),
            96..=99 => self.lifecycle(at),
            100..=103 => self.restore(at),
            104..=110 => self.advance(),
            111..=120 => self.note(at),
            _ => {
                self.say("restart".to_owned());
                self.world.restart();
                self.everything = true;
                Ok(())
            }
        }
    }

    pub(super) fn key(&self) -> &'static str {
        self.dice.one(&KEYS)
    }

    fn bytes(&self) -> Vec<u8> {
        let (length, first) = (self.dice.one(&SIZES), self.dice.below(251));
        (0..length).map(|i| u8::try_from((i * 7 + i / 13 + first) % 251).unwrap()).collect()
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let tag = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let all = [vec![], vec![tag("t", "1")], vec![tag("t", "2")], vec![tag("t", "1"), tag("u", "")]];
        all[self.dice.below(all.len())].iter().cloned().collect()
    }

    fn retention(&self) -> Retention {
        let until = (self.world.now() / 1000 + 1) * 1000 + self.dice.one(&[1, 12, 30, 60]) * HOUR;
        Retention { compliance: self.dice.percent(40), until }
    }

    /// What a new object has, and how the request says it.
    fn dress(&self, bucket: &Bucket, input: &mut Json) -> Dress {
        let mut dress = Dress { tags: self.tags(), ..Dress::default() };
        if !dress.tags.is_empty() {
            input["Tagging"] = json!(encoded(&dress.tags));
        }
        if self.dice.percent(20) {
            dress.kind = format!("text/x-{}", self.dice.below(3));
            input["ContentType"] = json!(dress.kind);
        }
        if self.dice.percent(30) {
            dress.class = self.dice.one(&["STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]);
            input["StorageClass"] = json!(dress.class);
        }
        if self.dice.percent(20) {
            dress.key = Some(self.dice.below(2));
            add_key(input, "", dress.key);
        }
        if bucket.lock && self.dice.percent(15) {
            let retention = self.retention();
            dress.retention = Some(retention);
            input["ObjectLockMode"] = json!(mode(retention.compliance));
            input["ObjectLockRetainUntilDate"] = json!(retention.until / 1000);
        }
        if bucket.lock && self.dice.percent(8) {
            dress.hold = Some(self.dice.percent(60));
            input["ObjectLockLegalHoldStatus"] = json!(if dress.hold == Some(true) { "ON" } else { "OFF" });
        }
        dress
    }

    /// `If-None-Match: *` or `If-Match`, now and then.
    fn condition(&self, bucket: &Bucket, key: &str, input: &mut Json) -> Option<Option<String>> {
        match self.dice.below(8) {
            0 => {
                input["IfNoneMatch"] = json!("*");
                Some(None)
            }
            1 => {
                let there = bucket.current(key).map(|v| v.etag.clone());
                let etag = there.filter(|_| self.dice.percent(70)).unwrap_or_else(|| md5(b"nothing"));
                input["IfMatch"] = json!(format!("\"{etag}\""));
                Some(Some(etag))
            }
            _ => None,
        }
    }

    /// A version of a key, now and then one that is not there.
    pub(super) fn version(&self, bucket: &Bucket, key: &str) -> Option<String> {
        let versions = bucket.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        if versions.is_empty() || self.dice.percent(10) {
            return Some(self.stale.last().cloned().unwrap_or_else(|| "null".to_owned()));
        }
        Some(versions[self.dice.below(versions.len())].shown_id().to_owned())
    }

    /// What was made takes its place in the model, under the id that the answer names.
    fn place(&mut self, at: usize, key: &str, heard: &Heard, mut version: Version) -> Held {
        let now = self.world.now();
        let bucket = &mut self.buckets[at];
        let id = heard.json["VersionId"].as_str().map(ToOwned::to_owned);
        version.id = match bucket.versioning {
            Versioning::Off => equal("VersionId", &id, &None).map(|()| None)?,
            Versioning::Suspended => equal("VersionId", &id, &Some("null".to_owned())).map(|()| None)?,
            Versioning::Enabled => Some(id.filter(|id| id != "null").ok_or("a version has no id")?),
        };
        if let Some(id) = &version.id {
            self.stale.push(id.clone());
        }
        version.modified = now;
        let default = bucket.default.map(|(compliance, days)| Retention { compliance, until: now + days * 24 * HOUR });
        version.dress.retention = version.dress.retention.or(default);
        bucket.place(key, version);
        self.touched.push((at, key.to_owned()));
        Ok(())
    }

    fn put(&mut self, at: usize) -> Held {
        let (key, body) = (self.key(), self.bytes());
        let bucket = &self.buckets[at];
        let mut input = json!({"Bucket": bucket.name, "Key": key, "ContentMD5": base64(&Md5::digest(&body))});
        let dress = self.dress(bucket, &mut input);
        let condition = self.condition(bucket, key, &mut input);
        let wanted = bucket.condition(key, condition.as_ref());
        self.say(format!("put {} bytes: {input}", body.len()));
        let heard = self.world.call("PutObject", input, Some(&body));
        expect(&heard, wanted_of(&wanted))?;
        if wanted.is_err() {
            return Ok(());
        }
        let etag = heard.text("ETag").trim_matches('"').to_owned();
        if dress.key.is_none() {
            equal("ETag", &etag, &md5(&body))?;
        }
        self.place(at, key, &heard, Version { body, etag, dress, ..Version::default() })
    }

    /// The source of a copy: where it is, how the request names it, and what it has or why not.
    fn source(&self, input: &mut Json) -> (usize, &'static str, Option<String>, Result<Version, Refusal>) {
        let (from, key) = (self.dice.below(self.buckets.len()), self.key());
        let bucket = &self.buckets[from];
        let id = if self.dice.percent(40) { self.version(bucket, key) } else { None };
        let mut path = String::new();
        undercast_wire::text::percent_encode(key, true, &mut path);
        let version = id.as_ref().map_or_else(String::new, |id| format!("?versionId={id}"));
        input["CopySource"] = json!(format!("{}/{path}{version}", bucket.name));
        let found = bucket.find(key, id.as_deref()).cloned().map_err(|code| match code {
            "MethodNotAllowed" => "InvalidRequest",
            other => other,
        });
        let found = found.and_then(|v| if v.readable(self.world.now()) { Ok(v) } else { Err("InvalidObjectState") });
        if let Ok(version) = &found {
            add_key(input, "CopySource", version.dress.key);
        }
        (from, key, id, found)
    }

    fn copy(&mut self, at: usize) -> Held {
        let key = self.key();
        let mut input = json!({"Bucket": self.buckets[at].name, "Key": key});
        let (from, source_key, id, source) = self.source(&mut input);
        let own = self.dress(&self.buckets[at], &mut input);
        let mut dress = Dress { tags: BTreeMap::new(), kind: String::new(), ..own.clone() };
        let replaces = self.dice.percent(30);
        let source_dress = source.as_ref().map(|v| v.dress.clone()).unwrap_or_default();
        (dress.kind, dress.tags) = if replaces {
            input["MetadataDirective"] = json!("REPLACE");
            input["TaggingDirective"] = json!("REPLACE");
            (own.kind, own.tags)
        } else {
            (source_dress.kind, source_dress.tags)
        };
        let mut wanted = source.as_ref().map(drop).map_err(|code| vec![*code]);
        let changes = replaces || input.get("StorageClass").is_some() || dress.key.is_some();
        if from == at && source_key == key && id.is_none() && !changes {
            let mut codes = wanted.err().unwrap_or_default();
            codes.push("InvalidRequest");
            wanted = Err(codes);
        }
        let notes = self.copied_notes(&mut input, source.as_ref().ok());
        // Under a customer's key there are none.
        if !notes.is_empty() && dress.key.is_some() {
            wanted = wanted.and(Err(vec!["InvalidRequest"]));
        }
        self.say(format!("copy: {input}"));
        let heard = self.world.call("CopyObject", input, None);
        expect(&heard, wanted.as_ref().map(drop).map_err(Vec::as_slice))?;
        let (Ok(()), Ok(source)) = (wanted, source) else { return Ok(()) };
        let etag = heard.json["CopyObjectResult"]["ETag"].as_str().unwrap_or_default().trim_matches('"').to_owned();
        if dress.key.is_none() {
            equal("ETag", &etag, &md5(&source.body))?;
        }
        self.place(at, key, &heard, Version { body: source.body, etag, dress, notes, ..Version::default() })
    }

    fn begin_upload(&mut self, at: usize) -> Held {
        let key = self.key();
        let bucket = &self.buckets[at];
        let mut input = json!({"Bucket": bucket.name, "Key": key});
        let dress = self.dress(bucket, &mut input);
        self.say(format!("begin: {input}"));
        let heard = self.world.call("CreateMultipartUpload", input, None);
        expect(&heard, Ok(()))?;
        let (id, initiated) = (heard.text("UploadId").to_owned(), self.world.now());
        let upload = Upload { id, key: key.to_owned(), initiated, dress, parts: BTreeMap::new() };
        self.buckets[at].uploads.push(upload);
        Ok(())
    }

    /// One of the uploads; now and then one that is over.
    fn upload(&self, at: usize) -> Option<usize> {
        let count = self.buckets[at].uploads.len();
        (count > 0).then(|| self.dice.below(count))
    }

    fn part(&mut self, at: usize) -> Held {
        let Some(which) = self.upload(at) else { return self.begin_upload(at) };
        let number = i32::try_from(self.dice.below(3) + 1).unwrap();
        let upload = self.buckets[at].uploads[which].clone();
        let mut input =
            json!({"Bucket": self.buckets[at].name, "Key": upload.key, "UploadId": upload.id, "PartNumber": number});
        add_key(&mut input, "", upload.dress.key);
        let (heard, body, etag) = if self.dice.percent(25) {
            let (.., source) = self.source(&mut input);
            self.say(format!("part by copy: {input}"));
            let heard = self.world.call("UploadPartCopy", input, None);
            expect(&heard, wanted_of(&source))?;
            let Ok(source) = source else { return Ok(()) };
            let etag = heard.json["CopyPartResult"]["ETag"].as_str().unwrap_or_default().to_owned();
            (heard, source.body, etag)
        } else {
            // The least that a part before the last may have, seldom, for it takes time.
            let body = if self.dice.percent(8) { vec![b'5'; 5 * 1024 * 1024] } else { self.bytes() };
            self.say(format!("part of {} bytes: {input}", body.len()));
            let heard = self.world.call("UploadPart", input, Some(&body));
            expect(&heard, Ok(()))?;
            let etag = heard.text("ETag").to_owned();
            (heard, body, etag)
        };
        let etag = etag.trim_matches('"').to_owned();
        if upload.dress.key.is_none() {
            equal("ETag", &etag, &md5(&body)).map_err(|why| format!("{why} in {}", heard.json))?;
        }
        self.buckets[at].uploads[which].parts.insert(number, Part { body, etag });
        Ok(())
    }

    fn complete(&mut self, at: usize) -> Held {
        let Some(which) = self.upload(at) else { return self.begin_upload(at) };
        let bucket = &self.buckets[at];
        let upload = bucket.uploads[which].clone();
        // All parts, or some of them.
        let parts: Vec<(i32, Part)> = upload.parts.into_iter().filter(|_| !self.dice.percent(20)).collect();
        let named: Vec<Json> = parts.iter().map(|(n, p)| json!({"PartNumber": n, "ETag": p.etag})).collect();
        let mut input = json!({"Bucket": bucket.name, "Key": upload.key, "UploadId": upload.id,
                               "MultipartUpload": {"Parts": named}});
        let condition = self.condition(bucket, &upload.key, &mut input);
        let small = parts.iter().rev().skip(1).any(|(_, p)| p.body.len() < 5 * 1024 * 1024);
        let mut codes: Vec<Refusal> = bucket.condition(&upload.key, condition.as_ref()).err().into_iter().collect();
        if parts.is_empty() {
            codes = vec!["InvalidRequest", "MalformedXML"];
        } else if small {
            codes.push("EntityTooSmall");
        }
        self.say(format!("complete: {input}"));
        let heard = self.world.call("CompleteMultipartUpload", input, None);
        expect(&heard, if codes.is_empty() { Ok(()) } else { Err(&codes) })?;
        if !codes.is_empty() {
            return Ok(());
        }
        let etag = heard.text("ETag").trim_matches('"').to_owned();
        if upload.dress.key.is_none() {
            let md5s: Vec<u8> = parts.iter().flat_map(|(_, p)| Md5::digest(&p.body).to_vec()).collect();
            equal("ETag", &etag, &format!("{}-{}", md5(&md5s), parts.len()))?;
        }
        self.buckets[at].uploads.remove(which);
        let sizes = parts.iter().map(|(n, p)| (*n, p.body.len())).collect();
        let body = parts.into_iter().flat_map(|(_, p)| p.body).collect();
        let version = Version { body, etag, parts: sizes, dress: upload.dress, ..Version::default() };
        self.place(at, &upload.key, &heard, version)
    }

    fn abort(&mut self, at: usize) -> Held {
        let Some(which) = self.upload(at) else { return Ok(()) };
        let upload = self.buckets[at].uploads.remove(which);
        let input = json!({"Bucket": self.buckets[at].name, "Key": upload.key, "UploadId": upload.id});
        self.say(format!("abort: {input}"));
        expect(&self.world.call("AbortMultipartUpload", input.clone(), None), Ok(()))?;
        expect(&self.world.call("ListParts", input, None), Err(&["NoSuchUpload"]))
    }

    fn delete(&mut self, at: usize) -> Held {
        let key = self.key();
        let bucket = &self.buckets[at];
        let mut input = json!({"Bucket": bucket.name, "Key": key});
        let mut wanted = Ok(());
        if self.dice.percent(15) {
            let there = bucket.current(key).map(|v| v.etag.clone());
            let etag = there.filter(|_| self.dice.percent(60)).unwrap_or_else(|| md5(b"nothing"));
            input["IfMatch"] = json!(etag);
            wanted = bucket.condition(key, Some(&Some(etag)));
        }
        self.say(format!("delete: {input}"));
        let heard = self.world.call("DeleteObject", input, None);
        expect(&heard, wanted_of(&wanted))?;
        if wanted.is_ok() {
            self.delete_one(at, key, None, heard.json["VersionId"].as_str())?;
            let marks = self.buckets[at].versioning != Versioning::Off;
            equal("DeleteMarker", &(heard.json["DeleteMarker"] == true), &marks)?;
        }
        Ok(())
    }

    /// One deletion, as it was answered.
    fn delete_one(&mut self, at: usize, key: &str, version: Option<&str>, marker: Option<&str>) -> Held {
        let now = self.world.now();
        let bucket = &mut self.buckets[at];
        match version {
            Some(id) => bucket.delete_version(key, id),
            None => {
                let id = marker.map(ToOwned::to_owned);
                let id = match bucket.versioning {
                    Versioning::Off => equal("VersionId", &id, &None).map(|()| None)?,
                    Versioning::Suspended => equal("VersionId", &id, &Some("null".to_owned())).map(|()| None)?,
                    Versioning::Enabled => Some(id.ok_or("a delete marker has no id")?),
                };
                bucket.delete(key, id, now);
            }
        }
        self.touched.push((at, key.to_owned()));
        Ok(())
    }

    fn delete_version(&mut self, at: usize) -> Held {
        let key = self.key();
        let bucket = &self.buckets[at];
        let Some(id) = self.version(bucket, key) else { return Ok(()) };
        let there = bucket.keys.get(key).and_then(|all| all.iter().find(|v| v.shown_id() == id)).cloned();
        let bypass = bucket.lock && self.dice.percent(30);
        let mut input = json!({"Bucket": bucket.name, "Key": key, "VersionId": id});
        if bypass {
            input["BypassGovernanceRetention"] = json!(true);
        }
        self.say(format!("delete version: {input}"));
        let heard = self.world.call("DeleteObject", input, None);
        if there.as_ref().is_some_and(|v| v.kept(self.world.now(), bypass)) {
            return expect(&heard, Err(&["AccessDenied"]));
        }
        expect(&heard, Ok(()))?;
        equal("DeleteMarker", &(heard.json["DeleteMarker"] == true), &there.is_some_and(|v| v.marker))?;
        self.delete_one(at, key, Some(&id), None)
    }

    fn delete_many(&mut self, at: usize) -> Held {
        let bucket = &self.buckets[at];
        let bypass = bucket.lock && self.dice.percent(30);
        let (mut wishes, mut keys) = (Vec::new(), Vec::new());
        for _ in 0..=self.dice.below(3) {
            let key = self.key();
            if !keys.contains(&key) {
                keys.push(key);
                wishes.push((key, if self.dice.percent(60) { self.version(bucket, key) } else { None }));
            }
        }
        let objects: Vec<Json> = wishes.iter().map(|(key, id)| json!({"Key": key, "VersionId": id})).collect();
        let mut input = json!({"Bucket": bucket.name, "Delete": {"Objects": objects}});
        if bypass {
            input["BypassGovernanceRetention"] = json!(true);
        }
        self.say(format!("delete many: {input}"));
        let heard = self.world.call("DeleteObjects", input, None);
        expect(&heard, Ok(()))?;
        for (key, id) in wishes {
            let versions = self.buckets[at].keys.get(key).map(Vec::as_slice).unwrap_or_default();
            let there = versions.iter().find(|v| Some(v.shown_id()) == id.as_deref());
            let kept = there.is_some_and(|v| v.kept(self.world.now(), bypass));
            let named =
                |list: &str| heard.json[list].as_array().and_then(|l| l.iter().find(|o| o["Key"] == key)).cloned();
            match (named("Deleted"), named("Errors")) {
                (Some(deleted), None) if !kept => {
                    self.delete_one(at, key, id.as_deref(), deleted["DeleteMarkerVersionId"].as_str())?;
                }
                (None, Some(error)) if kept => equal("Code", &error["Code"], &json!("AccessDenied"))?,
                other => return Err(format!("{key} {id:?}, which is kept: {kept}, became {other:?}")),
            }
        }
        Ok(())
    }

    fn versioning(&mut self, at: usize) -> Held {
        let suspends = self.dice.percent(40);
        let (status, versioning) =
            if suspends { ("Suspended", Versioning::Suspended) } else { ("Enabled", Versioning::Enabled) };
        let name = self.buckets[at].name;
        let input = json!({"Bucket": name, "VersioningConfiguration": {"Status": status}});
        self.say(format!("versioning: {input}"));
        let heard = self.world.call("PutBucketVersioning", input, None);
        if self.buckets[at].lock && suspends {
            return expect(&heard, Err(&["InvalidBucketState"]));
        }
        expect(&heard, Ok(()))?;
        self.buckets[at].versioning = versioning;
        Ok(())
    }

    /// An existing version, or the reason why a call that means one is refused.
    fn existing(&self, at: usize, input: &mut Json) -> (&'static str, Result<String, Refusal>) {
        let (key, bucket) = (self.key(), &self.buckets[at]);
        let id = if self.dice.percent(50) { self.version(bucket, key) } else { None };
        input["Bucket"] = json!(bucket.name);
        input["Key"] = json!(key);
        input["VersionId"] = json!(id);
        (key, bucket.find(key, id.as_deref()).map(|v| v.shown_id().to_owned()))
    }

    fn tag(&mut self, at: usize) -> Held {
        let (tags, mut input) = (self.tags(), json!({}));
        let (key, found) = self.existing(at, &mut input);
        let set: Vec<Json> = tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
        let operation = if tags.is_empty() {
            "DeleteObjectTagging"
        } else {
            input["Tagging"] = json!({"TagSet": set});
            "PutObjectTagging"
        };
        self.say(format!("{operation}: {input}"));
        let heard = self.world.call(operation, input, None);
        expect(&heard, wanted_of(&found))?;
        if let Some(version) = found.ok().and_then(|id| self.buckets[at].find_mut(key, &id)) {
            version.dress.tags = tags;
        }
        self.touched.push((at, key.to_owned()));
        Ok(())
    }

    fn lock(&mut self, at: usize) -> Held {
        if !self.buckets[at].lock {
            let (key, mut input) = (self.key(), json!({"LegalHold": {"Status": "ON"}}));
            (input["Bucket"], input["Key"]) = (json!(self.buckets[at].name), json!(key));
            return expect(&self.world.call("PutObjectLegalHold", input, None), Err(&["InvalidRequest"]));
        }
        match self.dice.below(4) {
            0 => self.hold(at),
            1 => self.default_retention(at),
            _ => self.retain(at),
        }
    }

    fn hold(&mut self, at: usize) -> Held {
        let on = self.dice.percent(35);
        let mut input = json!({"LegalHold": {"Status": if on { "ON" } else { "OFF" }}});
        let (key, found) = self.existing(at, &mut input);
        self.say(format!("hold: {input}"));
        let heard = self.world.call("PutObjectLegalHold", input, None);
        expect(&heard, wanted_of(&found))?;
        if let Some(version) = found.ok().and_then(|id| self.buckets[at].find_mut(key, &id)) {
            version.dress.hold = Some(on);
        }
        self.touched.push((at, key.to_owned()));
        Ok(())
    }

    fn default_retention(&mut self, at: usize) -> Held {
        let default = self.dice.percent(30).then(|| (self.dice.percent(30), 1));
        let mut configuration = json!({"ObjectLockEnabled": "Enabled"});
        if let Some((compliance, days)) = default {
            configuration["Rule"] = json!({"DefaultRetention": {"Mode": mode(compliance), "Days": days}});
        }
        let input = json!({"Bucket": self.buckets[at].name, "ObjectLockConfiguration": configuration});
        self.say(format!("default retention: {input}"));
        expect(&self.world.call("PutObjectLockConfiguration", input, None), Ok(()))?;
        self.buckets[at].default = default;
        Ok(())
    }

    /// "Compliance mode: the retention period can't be shortened, and the mode can't be changed; governance mode: with
    /// `s3:BypassGovernanceRetention` and the header."
    fn retain(&mut self, at: usize) -> Held {
        let (retention, now) = (self.dice.percent(80).then(|| self.retention()), self.world.now());
        let bypass = self.dice.percent(40);
        let mut input = match retention {
            Some(r) => json!({"Retention": {"Mode": mode(r.compliance), "RetainUntilDate": r.until / 1000}}),
            None => json!({"Retention": {}}),
        };
        if bypass {
            input["BypassGovernanceRetention"] = json!(true);
        }
        let (key, found) = self.existing(at, &mut input);
        let before = found.as_ref().ok().and_then(|id| self.buckets[at].find(key, Some(id)).ok());
        let before = before.and_then(|v| v.dress.retention).filter(|r| r.until > now);
        let longer = |before: &Retention| {
            retention.is_some_and(|after| after.until >= before.until && after.compliance == before.compliance)
        };
        let denied = before.is_some_and(|b| !longer(&b) && (b.compliance || !bypass));
        let wanted = found.clone().and_then(|id| if denied { Err("AccessDenied") } else { Ok(id) });
        self.say(format!("retain: {input}"));
        let heard = self.world.call("PutObjectRetention", input, None);
        expect(&heard, wanted_of(&wanted))?;
        if let Some(version) = wanted.ok().and_then(|id| self.buckets[at].find_mut(key, &id)) {
            version.dress.retention = retention;
        }
        self.touched.push((at, key.to_owned()));
        Ok(())
    }

    fn lifecycle(&mut self, at: usize) -> Held {
        let name = self.buckets[at].name;
        if self.dice.percent(20) {
            self.say(format!("no lifecycle of {name}"));
            expect(&self.world.call("DeleteBucketLifecycle", json!({"Bucket": name}), None), Ok(()))?;
            self.buckets[at].rules.clear();
            return Ok(());
        }
        let rules: Vec<_> = (0..=self.dice.below(2)).map(|_| rules::rule(&self.dice, self.world.now())).collect();
        let small_moves = self.dice.percent(60);
        let minimum = if small_moves { "varies_by_storage_class" } else { "all_storage_classes_128K" };
        let shown: Vec<Json> = rules.iter().enumerate().map(|(n, r)| rules::shown(n, r)).collect();
        let input = json!({"Bucket": name, "LifecycleConfiguration": {"Rules": shown},
                           "TransitionDefaultMinimumObjectSize": minimum});
        self.say(format!("lifecycle: {input}"));
        expect(&self.world.call("PutBucketLifecycleConfiguration", input, None), Ok(()))?;
        (self.buckets[at].rules, self.buckets[at].small_moves) = (rules, small_moves);
        Ok(())
    }

    fn restore(&mut self, at: usize) -> Held {
        let (now, days) = (self.world.now(), i64::from(self.dice.percent(50)) + 1);
        let (tier, hours) = self.dice.one(&[("Standard", [5, 12]), ("Bulk", [12, 48])]);
        let mut input = json!({"RestoreRequest": {"Days": days, "GlacierJobParameters": {"Tier": tier}}});
        let (key, found) = self.existing(at, &mut input);
        self.say(format!("restore: {input}"));
        let heard = self.world.call("RestoreObject", input, None);
        let version = match found {
            Ok(id) => self.buckets[at].find_mut(key, &id).ok_or("it was there")?,
            Err(code) => return expect(&heard, Err(&[code])),
        };
        if !version.archived() {
            return expect(&heard, Err(&["InvalidObjectState"]));
        }
        let ready = now + hours[usize::from(version.dress.class == "DEEP_ARCHIVE")] * HOUR;
        let restored = match version.restored {
            None => Restored::Ongoing { ready, days },
            Some(Restored::Until(_)) => Restored::Until(aged(now, days)),
            // Only a faster retrieval may be asked for.
            Some(Restored::Ongoing { ready: before, days }) if ready < before => Restored::Ongoing { ready, days },
            Some(Restored::Ongoing { .. }) => return expect(&heard, Err(&["RestoreAlreadyInProgress"])),
        };
        version.restored = Some(restored);
        self.touched.push((at, key.to_owned()));
        expect(&heard, Ok(()))
    }

    fn advance(&mut self) -> Held {
        let hours = self.dice.one(&[1, 7, 24, 24, 31, 72, 120]);
        self.say(format!("{hours} hours"));
        let from = self.world.now();
        self.world.advance(hours * HOUR);
        let to = self.world.now();
        for bucket in &mut self.buckets {
            bucket.pass(from, to);
        }
        self.everything = true;
        Ok(())
    }
}

pub(super) fn mode(compliance: bool) -> &'static str {
    if compliance { "COMPLIANCE" } else { "GOVERNANCE" }
}
