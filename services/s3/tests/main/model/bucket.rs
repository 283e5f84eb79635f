//! A versioned bucket as the documentation has it: lists of versions, searched from end to end.
//!
//! Source: the user guide: "How S3 Versioning works", "Working with delete markers", "Locking objects with Object Lock",
//! "Managing the lifecycle of objects" (with "Conflicting lifecycle actions"), "Restoring an archived object",
//! "Annotating your objects".

use std::collections::BTreeMap;

pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// The classes in the order in which objects move.
pub(super) const CLASSES: [&str; 7] =
    ["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"];

/// What a refusal is called.
pub(super) type Refusal = &'static str;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versioning {
    Off,
    Enabled,
    Suspended,
}

/// A retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retention {
    pub(super) compliance: bool,
    /// Milliseconds since 1970, as all moments here.
    pub(super) until: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restored {
    Ongoing { ready: i64, days: i64 },
    Until(i64),
}

/// A version of a key, or a delete marker.
#[derive(Debug, Clone, Default)]
pub(super) struct Version {
    /// `None`: the null version.
    pub(super) id: Option<String>,
    pub(super) marker: bool,
    pub(super) modified: i64,
    pub(super) body: Vec<u8>,
    pub(super) etag: String,
    /// The numbers and sizes of the parts of which it was made.
    pub(super) parts: Vec<(i32, usize)>,
    pub(super) dress: Dress,
    pub(super) restored: Option<Restored>,
    /// Its annotations.
    pub(super) notes: BTreeMap<String, Vec<u8>>,
}

/// What a version has besides its bytes.
#[derive(Debug, Clone)]
pub(super) struct Dress {
    pub(super) class: &'static str,
    pub(super) kind: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) retention: Option<Retention>,
    pub(super) hold: Option<bool>,
    /// Which of the customer's keys encrypts it.
    pub(super) key: Option<usize>,
}

impl Default for Dress {
    fn default() -> Self {
        let kind = "binary/octet-stream".to_owned();
        Self { class: "STANDARD", kind, tags: BTreeMap::new(), retention: None, hold: None, key: None }
    }
}

impl Version {
    pub(super) fn shown_id(&self) -> &str {
        self.id.as_deref().unwrap_or("null")
    }

    /// Object Lock keeps it.
    pub(super) fn kept(&self, now: i64, bypass: bool) -> bool {
        let retained = self.dress.retention.is_some_and(|r| r.until > now && (r.compliance || !bypass));
        self.dress.hold == Some(true) || retained
    }

    pub(super) fn archived(&self) -> bool {
        matches!(self.dress.class, "GLACIER" | "DEEP_ARCHIVE")
    }

    pub(super) fn readable(&self, now: i64) -> bool {
        !self.archived() || matches!(self.restored, Some(Restored::Until(end)) if end > now)
    }
}

/// A part of an upload.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) body: Vec<u8>,
    pub(super) etag: String,
}

/// An upload that is going on.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) initiated: i64,
    pub(super) dress: Dress,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// When something ends or moves.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    Days(i64),
    Date(i64),
}

/// A lifecycle rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    pub(super) prefix: String,
    pub(super) tag: Option<(String, String)>,
    pub(super) larger: Option<i64>,
    pub(super) expires: Option<When>,
    /// `ExpiredObjectDeleteMarker`
    pub(super) markers: bool,
    pub(super) moves: Option<(When, &'static str)>,
    /// Days, and how many newer ones stay.
    pub(super) old_expire: Option<(i64, Option<usize>)>,
    pub(super) old_move: Option<(i64, &'static str)>,
    pub(super) gives_up: Option<i64>,
}

/// A bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) name: &'static str,
    pub(super) lock: bool,
    pub(super) versioning: Versioning,
    /// The default retention: compliance, days.
    pub(super) default: Option<(bool, i64)>,
    pub(super) rules: Vec<Rule>,
    /// `varies_by_storage_class`: objects of every size move to the archives.
    pub(super) small_moves: bool,
    /// The versions of each key, newest first.
    pub(super) keys: BTreeMap<String, Vec<Version>>,
    pub(super) uploads: Vec<Upload>,
}

/// The end of so many days: "adding the number of days … and rounding the resulting time to the next day midnight UTC".
pub(super) fn aged(since: i64, days: i64) -> i64 {
    ((since + days * DAY).div_euclid(DAY) + 1) * DAY
}

fn due(since: i64, when: When) -> i64 {
    match when {
        When::Days(days) => aged(since, days),
        When::Date(at) => at,
    }
}

fn rank(class: &str) -> usize {
    CLASSES.iter().position(|c| *c == class).unwrap_or(0)
}

impl Rule {
    fn matches(&self, key: &str, version: &Version) -> bool {
        key.starts_with(&self.prefix)
            && self.tag.as_ref().is_none_or(|(k, v)| version.dress.tags.get(k) == Some(v))
            && self.larger.is_none_or(|least| version.body.len() as i64 > least)
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Expire,
    Move(&'static str),
}

impl Bucket {
    pub(super) fn new(name: &'static str, lock: bool) -> Self {
        let versioning = if lock { Versioning::Enabled } else { Versioning::Off };
        Self {
            name,
            lock,
            versioning,
            default: None,
            rules: Vec::new(),
            small_moves: false,
            keys: BTreeMap::new(),
            uploads: Vec::new(),
        }
    }

    /// The current version, unless it is a delete marker.
    pub(super) fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.first().filter(|v| !v.marker)
    }

    /// What a reading finds.
    pub(super) fn find(&self, key: &str, id: Option<&str>) -> Result<&Version, Refusal> {
        let versions = self.keys.get(key).map(Vec::as_slice).unwrap_or_default();
        match id {
            None => self.current(key).ok_or("NoSuchKey"),
            Some(id) => match versions.iter().find(|v| v.shown_id() == id) {
                None => Err("NoSuchVersion"),
                Some(version) if version.marker => Err("MethodNotAllowed"),
                Some(version) => Ok(version),
            },
        }
    }

    pub(super) fn find_mut(&mut self, key: &str, id: &str) -> Option<&mut Version> {
        self.keys.get_mut(key)?.iter_mut().find(|v| v.shown_id() == id)
    }

    /// A version becomes the current one.
    pub(super) fn place(&mut self, key: &str, version: Version) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        match self.versioning {
            Versioning::Off => versions.clear(),
            Versioning::Suspended => versions.retain(|v| v.id.is_some()),
            Versioning::Enabled => {}
        }
        versions.insert(0, version);
    }

    /// A deletion that names no version. `id`: that of the marker it makes.
    pub(super) fn delete(&mut self, key: &str, id: Option<String>, now: i64) {
        if self.versioning == Versioning::Off {
            self.keys.remove(key);
            return;
        }
        self.place(key, Version { id, marker: true, modified: now, ..Version::default() });
    }

    pub(super) fn delete_version(&mut self, key: &str, id: &str) {
        if let Some(versions) = self.keys.get_mut(key) {
            versions.retain(|v| v.shown_id() != id);
        }
        self.keys.retain(|_, versions| !versions.is_empty());
    }

    /// What a writing demands of what is there: `Some(None)` is `If-None-Match: *`.
    pub(super) fn condition(&self, key: &str, asked: Option<&Option<String>>) -> Result<(), Refusal> {
        match (asked, self.current(key)) {
            (Some(None), Some(_)) => Err("PreconditionFailed"),
            (Some(Some(_)), None) => Err("NoSuchKey"),
            (Some(Some(etag)), Some(there)) if *etag != there.etag => Err("PreconditionFailed"),
            _ => Ok(()),
        }
    }

    /// Time passes. All that falls due is done at its own moment. `ids`: the markers that lifecycle rules make have ids
    /// that nobody was told; they are found out by whoever compares.
    pub(super) fn pass(&mut self, from: i64, to: i64) {
        let mut now = from;
        while now < to {
            let midnight = aged(now, 0);
            let restored = self.keys.values().flatten().filter_map(|v| match v.restored {
                Some(Restored::Ongoing { ready: at, .. } | Restored::Until(at)) => Some(at),
                None => None,
            });
            now = restored.chain([midnight]).filter(|at| *at > now).min().unwrap_or(midnight);
            if now > to {
                return;
            }
            self.restorations(now);
            if now == midnight {
                self.midnight(now);
            }
        }
    }

    fn restorations(&mut self, now: i64) {
        for version in self.keys.values_mut().flatten() {
            version.restored = match version.restored {
                Some(Restored::Ongoing { ready, days }) if ready <= now => Some(Restored::Until(aged(ready, days))),
                Some(Restored::Until(end)) if end <= now => None,
                other => other,
            };
        }
    }

    /// The daily run of the lifecycle: everything is looked at, then done.
    fn midnight(&mut self, now: i64) {
        let mut deeds = Vec::new();
        for (key, versions) in &self.keys {
            for (at, version) in versions.iter().enumerate() {
                let deed = match at {
                    0 if !version.marker => self.of_current(key, version, now),
                    0 if versions.len() == 1 => self.of_lone_marker(key, version, now),
                    0 => None,
                    at => self.of_old(key, version, versions[at - 1].modified, at - 1, now),
                };
                if let Some(deed) = deed {
                    deeds.push((key.clone(), at, version.id.clone(), version.modified, version.marker, deed));
                }
            }
        }
        for (key, at, id, modified, marker, deed) in deeds {
            let same = |v: &Version| v.id == id && v.modified == modified && v.marker == marker;
            match deed {
                Deed::Expire if at == 0 && !marker => {
                    let id = (self.versioning == Versioning::Enabled).then(|| "?".to_owned());
                    self.delete(&key, id, now);
                }
                Deed::Expire => {
                    if let Some(versions) = self.keys.get_mut(&key) {
                        versions.retain(|v| !same(v) || v.kept(now, false));
                    }
                }
                Deed::Move(class) => {
                    if let Some(version) = self.keys.get_mut(&key).and_then(|v| v.iter_mut().find(|v| same(v))) {
                        version.dress.class = class;
                        version.restored = None;
                    }
                }
            }
        }
        self.keys.retain(|_, versions| !versions.is_empty());
        let rules = self.rules.clone();
        self.uploads.retain(|upload| {
            !rules.iter().any(|rule| {
                let mine = upload.key.starts_with(&rule.prefix) && rule.tag.is_none();
                mine && rule.gives_up.is_some_and(|days| aged(upload.initiated, days) <= now)
            })
        });
    }

    /// Whether an object may move: small ones do not, unless the rule or the configuration says so.
    fn may_move(&self, rule: &Rule, version: &Version, to: &str) -> bool {
        let large = version.body.len() >= 128 * 1024;
        let archive = self.small_moves && matches!(to, "GLACIER" | "DEEP_ARCHIVE");
        !version.marker && rank(to) > rank(version.dress.class) && (large || rule.larger.is_some() || archive)
    }

    /// "Permanent deletion takes precedence over transition. Transition takes precedence over creation of delete markers."
    fn of_current(&self, key: &str, version: &Version, now: i64) -> Option<Deed> {
        let rules: Vec<&Rule> = self.rules.iter().filter(|r| r.matches(key, version)).collect();
        let expires = rules.iter().any(|r| r.expires.is_some_and(|w| due(version.modified, w) <= now));
        let moves = rules.iter().filter_map(|r| {
            let (when, to) = r.moves?;
            (self.may_move(r, version, to) && due(version.modified, when) <= now).then_some(to)
        });
        let furthest = moves.max_by_key(|to| rank(to)).map(Deed::Move);
        let expire = expires.then_some(Deed::Expire);
        if self.versioning == Versioning::Off { expire.or(furthest) } else { furthest.or(expire) }
    }

    fn of_old(&self, key: &str, version: &Version, since: i64, newer: usize, now: i64) -> Option<Deed> {
        let rules: Vec<&Rule> = self.rules.iter().filter(|r| r.matches(key, version)).collect();
        let expires = rules.iter().any(|r| {
            r.old_expire.is_some_and(|(days, keep)| aged(since, days) <= now && keep.is_none_or(|k| newer >= k))
        });
        let moves = rules.iter().filter_map(|r| {
            let (days, to) = r.old_move?;
            (self.may_move(r, version, to) && aged(since, days) <= now).then_some(to)
        });
        let furthest = moves.max_by_key(|to| rank(to)).map(Deed::Move);
        // What Object Lock keeps can still move.
        let expire = (expires && !version.kept(now, false)).then_some(Deed::Expire);
        expire.or(furthest)
    }

    fn of_lone_marker(&self, key: &str, marker: &Version, now: i64) -> Option<Deed> {
        let rules = self.rules.iter().filter(|r| r.matches(key, marker));
        let ends = |r: &Rule| r.markers || r.expires.is_some_and(|w| due(marker.modified, w) <= now);
        rules.into_iter().any(ends).then_some(Deed::Expire)
    }
}
