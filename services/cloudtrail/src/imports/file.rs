//! What a bucket has of a trail: which files are looked at, and the events in one.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde_json::Value as Json;
use undercast_kernel::Timestamp;

use crate::lake::ingest::Event;

/// A file has so many bytes at most, unpacked.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

/// The bucket and the prefix of `s3://bucket/prefix`.
pub(crate) fn place(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("s3://")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    (!bucket.is_empty()).then_some((bucket, prefix))
}

/// The folder of a key.
pub(crate) fn folder(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a key is one of a trail's log files. Under `AWSLogs` other services have their folders, and only the one that is called
/// `CloudTrail` is looked at; elsewhere whoever named the prefix said what is there.
pub(crate) fn is_of_trail(prefix: &str, key: &str) -> bool {
    let mut folders = folder(key).split('/');
    if key.ends_with('/') {
        return false;
    }
    if folders.any(|name| name == "AWSLogs") { folders.any(|name| name == "CloudTrail") } else { !prefix.is_empty() }
}

/// The day of a log file, as its name tells it: `111122223333_CloudTrail_us-east-1_20261127T1930Z_….json.gz`.
fn day(key: &str) -> Option<String> {
    let name = key.rsplit('/').next().unwrap_or(key);
    let is_stamp = |part: &&str| {
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        part.len() == 14 && part.ends_with('Z') && digits(&part[..8]) && &part[8..9] == "T" && digits(&part[9..13])
    };
    name.split('_').filter(|part| part.is_ascii()).find(is_stamp).map(|stamp| stamp[..8].to_owned())
}

/// From when to when events are wanted, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
}

impl Span {
    /// Whether a file can have events that are wanted, by the day in its name. Where a time is said, a file without a day is not
    /// looked at.
    pub(crate) fn has_file(self, key: &str) -> bool {
        if self.start.is_none() && self.end.is_none() {
            return true;
        }
        let Some(day) = day(key) else { return false };
        let of = |at: i64| Timestamp::from_millisecond(at).map(|at| at.strftime("%Y%m%d").to_string());
        let after = self.start.is_none_or(|at| of(at).is_ok_and(|first| first <= day));
        let before = self.end.is_none_or(|at| of(at).is_ok_and(|last| day <= last));
        after && before
    }

    fn has(self, at: i64) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }
}

/// The events of a log file that are wanted; what is wrong with it.
pub(crate) fn events(zipped: &[u8], span: Span) -> Result<Vec<Event>, String> {
    let mut content = Vec::new();
    let mut decoder = MultiGzDecoder::new(zipped).take(MOST_BYTES);
    decoder.read_to_end(&mut content).map_err(|_| "The file is not compressed with gzip.".to_owned())?;
    let document: Json = serde_json::from_slice(&content).map_err(|_| "The file is not JSON.".to_owned())?;
    let Some(records) = document["Records"].as_array() else {
        return Err("The file has no Records: it is not a log file of CloudTrail.".to_owned());
    };
    let mut wanted = Vec::new();
    for record in records {
        let at = record["eventTime"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let (Some(at), Some(id)) = (at, record["eventID"].as_str()) else {
            return Err("A record has no eventTime or no eventID.".to_owned());
        };
        if span.has(at.as_millisecond()) {
            wanted.push(Event { at: at.as_millisecond(), id: id.to_owned(), text: record.to_string() });
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_trail() {
        let file = "AWSLogs/1/CloudTrail/us-east-1/2026/11/27/1_CloudTrail_us-east-1_20261127T1930Z_a.json.gz";
        assert!(is_of_trail("", file) && is_of_trail("AWSLogs/", file));
        assert!(is_of_trail("p", &format!("p/{file}")));
        assert!(!is_of_trail("", &file.replace("/CloudTrail/", "/CloudTrail-Digest/")));
        assert!(!is_of_trail("AWSLogs/1/", "AWSLogs/1/elasticloadbalancing/x.log.gz"));
        assert!(is_of_trail("copies/", "copies/x.json.gz") && !is_of_trail("", "x.json.gz"));
        assert!(!is_of_trail("copies/", "copies/"));
        assert_eq!(place("s3://b/p/q"), Some(("b", "p/q")));
        assert_eq!((place("s3://b"), place("s3:///p"), place("https://b")), (Some(("b", "")), None, None));
        assert_eq!((folder("a/b/c"), folder("c")), ("a/b", ""));
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap().as_millisecond());
        let span = |start, end| Span { start, end };
        assert!(span(None, None).has_file("anything") && !span(at("2026-11-27T23:00:00Z"), None).has_file("anything"));
        assert!(span(at("2026-11-27T23:00:00Z"), None).has_file(file));
        assert!(!span(at("2026-11-28T00:00:00Z"), None).has_file(file));
        assert!(span(None, at("2026-11-27T01:00:00Z")).has_file(file));
        assert!(!span(None, at("2026-11-26T23:00:00Z")).has_file(file));
    }

    #[test]
    fn what_is_no_log_file() {
        let zip = |text: &str| crate::deliver::zipped(text.as_bytes()).unwrap();
        let all = Span { start: None, end: None };
        for (bytes, wanted) in [
            (b"plain".to_vec(), "gzip"),
            (zip("nothing"), "not JSON"),
            (zip("{}"), "no Records"),
            (zip(r#"{"Records":[{"eventID":"a"}]}"#), "eventTime"),
            (zip(r#"{"Records":[{"eventTime":"2026-11-27T19:30:00Z"}]}"#), "eventID"),
        ] {
            let said = events(&bytes, all).unwrap_err();
            assert!(said.contains(wanted), "{said}");
        }
        let good = zip(r#"{"Records":[{"eventTime":"2026-11-27T19:30:00Z","eventID":"a"}]}"#);
        assert_eq!(events(&good, all).unwrap().len(), 1);
        let late = "2026-11-27T19:30:01Z".parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(events(&good, Span { start: Some(late), end: None }).unwrap().len(), 0);
        assert_eq!(events(&good, Span { start: None, end: Some(late) }).unwrap().len(), 1);
    }
}
