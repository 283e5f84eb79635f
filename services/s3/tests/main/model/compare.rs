//! How the bucket and its model are compared: all lists, whole and in pages, and what readings give.

use serde_json::{Value as Json, json};

use super::bucket::{Bucket, Restored, Version};
use super::steps::{add_key, equal, expect, mode, wanted_of};
use super::{Held, Player};

/// An entry of a list of versions, in words.
fn entry(key: &str, version: &Version, latest: bool) -> String {
    let seconds = version.modified.div_euclid(1000);
    if version.marker {
        return format!("{key} {} {latest} {seconds}", version.shown_id());
    }
    let Version { etag, body, dress, .. } = version;
    format!("{key} {} {latest} {seconds} {etag} {} {}", version.shown_id(), body.len(), dress.class)
}

fn shown(found: &Json, marker: bool) -> String {
    let text = |name: &str| found[name].as_str().unwrap_or_default();
    let (key, id, latest) = (text("Key"), text("VersionId"), found["IsLatest"] == true);
    let seconds = seconds(&found["LastModified"]);
    if marker {
        return format!("{key} {id} {latest} {seconds}");
    }
    let (etag, class) = (text("ETag").trim_matches('"'), text("StorageClass"));
    format!("{key} {id} {latest} {seconds} {etag} {} {class}", found["Size"])
}

/// A moment as answers have it.
fn seconds(found: &Json) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "moments of answers are whole seconds")]
    found.as_f64().map_or(-1, |s| s as i64)
}

fn each<'a>(page: &'a Json, list: &str) -> impl Iterator<Item = &'a Json> {
    page[list].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn texts(page: &Json, list: &str, member: &str) -> Vec<String> {
    each(page, list).map(|e| e[member].as_str().unwrap_or_default().to_owned()).collect()
}

/// What a list is asked for.
struct Asked {
    prefix: &'static str,
    delimiter: Option<&'static str>,
    most: usize,
}

impl Asked {
    /// The prefix to which a key is rolled up.
    fn rolled<'a>(&self, key: &'a str) -> Option<&'a str> {
        let delimiter = self.delimiter?;
        let at = key[self.prefix.len()..].find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }
}

/// A whole list: what stands alone, and what was rolled up.
#[derive(Debug, Default)]
struct Listed {
    entries: Vec<String>,
    markers: Vec<String>,
    prefixes: Vec<String>,
}

impl Listed {
    fn roll(&mut self, prefix: &str) {
        if self.prefixes.last().is_none_or(|last| last != prefix) {
            self.prefixes.push(prefix.to_owned());
        }
    }

    /// The versions of the model.
    fn versions(bucket: &Bucket, asked: &Asked) -> Self {
        let mut out = Self::default();
        for (key, versions) in bucket.keys.iter().filter(|(key, _)| key.starts_with(asked.prefix)) {
            match asked.rolled(key) {
                Some(prefix) => out.roll(prefix),
                None => {
                    for (at, version) in versions.iter().enumerate() {
                        let list = if version.marker { &mut out.markers } else { &mut out.entries };
                        list.push(entry(key, version, at == 0));
                    }
                }
            }
        }
        out
    }

    /// The current versions of the model.
    fn current(bucket: &Bucket, asked: &Asked) -> Self {
        let mut out = Self::default();
        for key in bucket.keys.keys().filter(|key| key.starts_with(asked.prefix)) {
            let Some(version) = bucket.current(key) else { continue };
            match asked.rolled(key) {
                Some(prefix) => out.roll(prefix),
                None => out.entries.push(entry(key, version, false).replacen(version.shown_id(), "", 1)),
            }
        }
        out
    }

    fn add(&mut self, page: &Json, versions: bool) {
        let list = if versions { "Versions" } else { "Contents" };
        self.entries.extend(each(page, list).map(|e| shown(e, false)));
        self.markers.extend(each(page, "DeleteMarkers").map(|e| shown(e, true)));
        self.prefixes.extend(texts(page, "CommonPrefixes", "Prefix"));
    }

    /// What one has and the other has not.
    fn check(&self, what: &str, wanted: &Self) -> Held {
        let lists = |l: &Self| [l.entries.clone(), l.markers.clone(), l.prefixes.clone()];
        for (found, wanted) in lists(self).into_iter().zip(lists(wanted)) {
            let only =
                |of: &[String], not: &[String]| of.iter().filter(|e| !not.contains(e)).cloned().collect::<Vec<_>>();
            let (more, missing) = (only(&found, &wanted), only(&wanted, &found));
            if found != wanted {
                return Err(format!("{what}: too much {more:#?}, missing {missing:#?}, or another order"));
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.entries.len() + self.markers.len() + self.prefixes.len()
    }
}

impl Player {
    pub(super) fn compare(&mut self) -> Held {
        for at in 0..self.buckets.len() {
            self.learn(at)?;
            let everything = Asked { prefix: "", delimiter: None, most: 1000 };
            self.lists(at, &everything)?;
            let asked = Asked {
                prefix: self.dice.one(&["", "", "a", "a/", "b/x", "c", "ä", "zz"]),
                delimiter: self.dice.one(&[None, Some("/"), Some("x"), Some("/b/")]),
                most: 1 + self.dice.below(4),
            };
            self.lists(at, &asked)?;
            self.uploads(at)?;
        }
        let mut keys = std::mem::take(&mut self.touched);
        if std::mem::take(&mut self.everything) {
            let all = self.buckets.iter().enumerate();
            keys = all.flat_map(|(at, b)| b.keys.keys().map(move |k| (at, k.clone()))).collect();
        }
        keys.sort();
        keys.dedup();
        for (at, key) in keys {
            let versions = self.buckets[at].keys.get(&key).cloned().unwrap_or_default();
            self.reading(at, &key, None)?;
            for version in versions {
                self.reading(at, &key, Some(version.shown_id()))?;
            }
        }
        Ok(())
    }

    /// The ids of the markers that lifecycles made, which nobody was told.
    fn learn(&mut self, at: usize) -> Held {
        let bucket = &mut self.buckets[at];
        for (key, versions) in &mut bucket.keys {
            for (n, version) in versions.iter_mut().enumerate() {
                if version.id.as_deref() != Some("?") {
                    continue;
                }
                let input = json!({"Bucket": bucket.name, "Prefix": key});
                let heard = self.world.call("ListObjectVersions", input, None);
                expect(&heard, Ok(()))?;
                let mut found = each(&heard.json, "DeleteMarkers").filter(|m| m["Key"] == *key);
                let found =
                    found.find(|m| m["IsLatest"] == (n == 0) && seconds(&m["LastModified"]) == version.modified / 1000);
                let id = found.and_then(|m| m["VersionId"].as_str()).filter(|id| *id != "null");
                version.id =
                    Some(id.ok_or(format!("{key} has no marker of {}: {}", version.modified, heard.json))?.to_owned());
            }
        }
        Ok(())
    }

    fn lists(&self, at: usize, asked: &Asked) -> Held {
        let bucket = &self.buckets[at];
        let versions = Listed::versions(bucket, asked);
        self.pages(bucket, asked, "ListObjectVersions", versions.len())?.check("versions", &versions)?;
        let current = Listed::current(bucket, asked);
        self.pages(bucket, asked, "ListObjectsV2", current.len())?.check("objects", &current)?;
        self.pages(bucket, asked, "ListObjects", current.len())?.check("objects, version 1", &current)
    }

    /// Goes through all pages of a list, which are full but the last.
    fn pages(&self, bucket: &Bucket, asked: &Asked, operation: &str, count: usize) -> Held<Listed> {
        let mut out = Listed::default();
        let mut input =
            json!({"Bucket": bucket.name, "Prefix": asked.prefix, "Delimiter": asked.delimiter, "MaxKeys": asked.most});
        loop {
            let before = out.len();
            let heard = self.world.call(operation, input.clone(), None);
            expect(&heard, Ok(()))?;
            let page = &heard.json;
            out.add(page, operation == "ListObjectVersions");
            let size = out.len() - before;
            if page["IsTruncated"] != true {
                return if size <= asked.most { Ok(out) } else { Err(format!("a page of {size}: {input}")) };
            }
            equal("entries of a page", &size, &asked.most)?;
            if out.len() > count {
                return Err(format!("{operation} goes on behind {count} entries: {input}: {out:?}"));
            }
            match operation {
                "ListObjectVersions" => {
                    input["KeyMarker"] = page["NextKeyMarker"].clone();
                    input["VersionIdMarker"] = page["NextVersionIdMarker"].clone();
                }
                "ListObjectsV2" => input["ContinuationToken"] = page["NextContinuationToken"].clone(),
                _ => {
                    // Without a delimiter the last key is the marker.
                    let last = each(page, "Contents").last().map(|e| e["Key"].clone());
                    let next = Some(page["NextMarker"].clone()).filter(|n| !n.is_null());
                    input["Marker"] = next.or(last).unwrap_or_default();
                }
            }
        }
    }

    fn uploads(&self, at: usize) -> Held {
        let bucket = &self.buckets[at];
        let heard = self.world.call("ListMultipartUploads", json!({"Bucket": bucket.name}), None);
        expect(&heard, Ok(()))?;
        let mut found = texts(&heard.json, "Uploads", "UploadId");
        let mut wanted: Vec<String> = bucket.uploads.iter().map(|u| u.id.clone()).collect();
        found.sort();
        wanted.sort();
        equal("uploads", &found, &wanted)?;
        if wanted.is_empty() {
            return Ok(());
        }
        let upload = &bucket.uploads[self.dice.below(bucket.uploads.len())];
        let input = json!({"Bucket": bucket.name, "Key": upload.key, "UploadId": upload.id});
        let heard = self.world.call("ListParts", input, None);
        expect(&heard, Ok(()))?;
        let part = |number: &Json, etag: &str, size: &Json| format!("{number} {etag} {size}");
        let found: Vec<String> = each(&heard.json, "Parts")
            .map(|p| part(&p["PartNumber"], p["ETag"].as_str().unwrap_or_default().trim_matches('"'), &p["Size"]))
            .collect();
        let wanted: Vec<String> =
            upload.parts.iter().map(|(n, p)| part(&json!(n), &p.etag, &json!(p.body.len()))).collect();
        equal("parts", &found, &wanted)
    }

    /// A version is read, described, and asked for its tags and locks.
    fn reading(&self, at: usize, key: &str, id: Option<&str>) -> Held {
        let bucket = &self.buckets[at];
        let mut input = json!({"Bucket": bucket.name, "Key": key});
        if let Some(id) = id {
            input["VersionId"] = json!(id);
        }
        let name = format!("{key} {id:?} of {}", bucket.name);
        let found = bucket.find(key, id);
        let Ok(version) = found else {
            let code = found.map(drop);
            expect(&self.world.call("GetObject", input.clone(), None), wanted_of(&code))?;
            let wanted = if code == Err("MethodNotAllowed") { 405 } else { 404 };
            return equal("status of HEAD", &self.world.call("HeadObject", input, None).status, &wanted);
        };
        self.tags_and_locks(&input, version, bucket.lock).map_err(|why| format!("{name}: {why}"))?;
        self.notes(bucket, key, version)?;
        if let Some(key) = version.dress.key {
            let heard = self.world.call("HeadObject", input.clone(), None);
            equal("HEAD without the key", &heard.status, &400)?;
            add_key(&mut input, "", Some(1 - key));
            let heard = self.world.call("GetObject", input.clone(), None);
            expect(&heard, Err(&["AccessDenied"])).map_err(|why| format!("{name} with another key: {why}"))?;
            add_key(&mut input, "", Some(key));
        }
        self.head(&input, version).map_err(|why| format!("HEAD {name}: {why}"))?;
        let mut wanted = version.body.as_slice();
        if version.body.len() > 2 && self.dice.percent(30) {
            let first = self.dice.below(version.body.len());
            let last = first + self.dice.below(version.body.len() - first);
            input["Range"] = json!(format!("bytes={first}-{last}"));
            wanted = &version.body[first..=last];
        } else if !version.parts.is_empty() && self.dice.percent(50) {
            let which = self.dice.below(version.parts.len());
            let first: usize = version.parts[..which].iter().map(|(_, size)| size).sum();
            let (number, size) = version.parts[which];
            input["PartNumber"] = json!(number);
            wanted = &version.body[first..first + size];
        }
        let heard = self.world.call("GetObject", input, None);
        if !version.readable(self.world.now()) {
            return expect(&heard, Err(&["InvalidObjectState"])).map_err(|why| format!("GET {name}: {why}"));
        }
        expect(&heard, Ok(())).map_err(|why| format!("GET {name}: {why}"))?;
        if heard.body != wanted {
            return Err(format!("GET {name}: {} other bytes than the {} wanted", heard.body.len(), wanted.len()));
        }
        Ok(())
    }

    fn head(&self, input: &Json, version: &Version) -> Held {
        let heard = self.world.call("HeadObject", input.clone(), None);
        expect(&heard, Ok(()))?;
        let found = &heard.json;
        let dress = &version.dress;
        equal("ContentLength", &found["ContentLength"], &json!(version.body.len()))?;
        equal("ETag", &heard.text("ETag").trim_matches('"'), &version.etag.as_str())?;
        equal("ContentType", &heard.text("ContentType"), &dress.kind.as_str())?;
        equal("LastModified", &seconds(&found["LastModified"]), &version.modified.div_euclid(1000))?;
        let class = found["StorageClass"].as_str().unwrap_or("STANDARD");
        equal("StorageClass", &class, &dress.class)?;
        equal("LockMode", &found["ObjectLockMode"].as_str(), &dress.retention.map(|r| mode(r.compliance)))?;
        let until = dress.retention.map_or(-1, |r| r.until.div_euclid(1000));
        equal("RetainUntil", &seconds(&found["ObjectLockRetainUntilDate"]), &until)?;
        let restore = match version.restored {
            None => "",
            Some(Restored::Ongoing { .. }) => "ongoing-request=\"true\"",
            Some(Restored::Until(_)) => "ongoing-request=\"false\", expiry-date=",
        };
        let shown = heard.text("Restore");
        if restore.is_empty() != shown.is_empty() || !shown.starts_with(restore) {
            return Err(format!("Restore: {restore} expected, found {shown}"));
        }
        Ok(())
    }

    fn tags_and_locks(&self, input: &Json, version: &Version, lock: bool) -> Held {
        let heard = self.world.call("GetObjectTagging", input.clone(), None);
        expect(&heard, Ok(()))?;
        let found: Vec<(String, String)> =
            texts(&heard.json, "TagSet", "Key").into_iter().zip(texts(&heard.json, "TagSet", "Value")).collect();
        equal("tags", &found, &version.dress.tags.clone().into_iter().collect())?;
        if !lock {
            return Ok(());
        }
        let heard = self.world.call("GetObjectLegalHold", input.clone(), None);
        match version.dress.hold {
            None => expect(&heard, Err(&["NoSuchObjectLockConfiguration"])),
            Some(on) => equal("hold", &heard.json["LegalHold"]["Status"], &json!(if on { "ON" } else { "OFF" })),
        }
    }
}
