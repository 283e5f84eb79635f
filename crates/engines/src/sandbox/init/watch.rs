//! Counts the memory of everything in the sandbox, from inside.
//!
//! Needed where the kernel does not count at all, and where it counts too much: a control group also counts
//! what lies in `/tmp`, which is storage and not memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::fs::statvfs;

use super::super::limits::Gauges;
use super::super::message::Launch;
use super::super::sys;

const KIBIBYTE: u64 = 1024;

/// Counts at intervals, and keeps the highest marks.
pub(super) struct Watch {
    limit_bytes: u64,
    interval: Option<Duration>,
    next: Instant,
    gauges: Option<Gauges>,
    peak_bytes: u64,
}

impl Watch {
    pub(super) fn new(launch: &Launch, gauges: Option<Gauges>) -> Self {
        let interval = launch.watch_millis.map(|millis| Duration::from_millis(millis.into()));
        let limit_bytes = launch.spec.memory_bytes;
        Self { limit_bytes, interval, next: Instant::now(), gauges, peak_bytes: 0 }
    }

    /// How long until the next count; `None` if nobody asked for counts.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.interval.map(|_| self.next.saturating_duration_since(Instant::now()))
    }

    /// Counts if it is time, and answers whether there is more memory in use than allowed.
    pub(super) fn is_over(&mut self) -> bool {
        let Some(interval) = self.interval else { return false };
        let now = Instant::now();
        if now < self.next {
            return false;
        }
        self.next = now + interval;
        match &self.gauges {
            // The total is quick to read and includes the rest: mostly it is all there is to look at.
            Some(gauges) => {
                number(&gauges.total).is_none_or(|total| total > self.limit_bytes)
                    && memory_of_group(&gauges.parts) > self.limit_bytes
            }
            // Pages that processes share count for each of them at first, which is quick, then in parts.
            None => {
                sum("status", &["RssAnon:", "RssShmem:"]) > self.limit_bytes
                    && sum("smaps_rollup", &["Pss_Anon:", "Pss_Shmem:"]) > self.limit_bytes
            }
        }
    }

    /// The most memory that was resident at a time, as far as the kernel's high-water marks tell: the sum
    /// over the processes now alive, or the largest that has ended.
    pub(super) fn peak(&mut self) -> u64 {
        let now = sum("status", &["VmHWM:"]);
        self.peak_bytes = self.peak_bytes.max(now).max(sys::largest_ended_child());
        self.peak_bytes
    }
}

/// What a group's processes use themselves: all but caches and what lies in `/tmp`.
fn memory_of_group(parts: &File) -> u64 {
    let Some(text) = read(parts) else { return u64::MAX };
    let value = |names: [&str; 2]| {
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        names.iter().find_map(|name| of(name)?.parse::<u64>().ok()).unwrap_or(0)
    };
    // Version 1 says `total_rss` for what version 2 calls `anon`.
    let used = value(["anon", "total_rss"]) + value(["shmem", "total_shmem"]);
    let stored = statvfs("/tmp").map_or(0, |tmp| (tmp.f_blocks - tmp.f_bfree) * tmp.f_frsize);
    used.saturating_sub(stored)
}

fn number(file: &File) -> Option<u64> {
    read(file)?.trim().parse().ok()
}

fn read(file: &File) -> Option<String> {
    let mut bytes = [0; 8192];
    let count = file.read_at(&mut bytes, 0).ok()?;
    String::from_utf8(bytes.get(..count)?.to_vec()).ok()
}

/// All processes of the sandbox but process 1.
pub(super) fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).filter(|&pid| pid != 1)
}

/// The sum of some lines of `/proc/<pid>/<file>` over all processes but process 1. A process that hides
/// that file counts with what it cannot hide.
fn sum(file: &str, lines: &[&str]) -> u64 {
    let counts = processes().map(|pid| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        match count(&read(file), lines) {
            Some(bytes) => bytes,
            None => count(&read("status"), &["RssAnon:", "RssShmem:"]).unwrap_or(0),
        }
    });
    counts.sum()
}

/// The sum of the lines, in bytes; `None` if there are none.
fn count(text: &str, names: &[&str]) -> Option<u64> {
    let values = text.lines().filter_map(|line| {
        let value = names.iter().find_map(|name| line.strip_prefix(name))?;
        value.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    values.reduce(|sum, value| sum + value).map(|kibibytes| kibibytes * KIBIBYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_up() {
        let status = "Name:\tx\nRssAnon:\t     100 kB\nRssFile:\t    1312 kB\nRssShmem:\t       8 kB\n";
        assert_eq!(count(status, &["RssAnon:", "RssShmem:"]), Some(108 * 1024));
        assert_eq!(count(status, &["Pss_Anon:"]), None, "absent is not zero");
    }
}
