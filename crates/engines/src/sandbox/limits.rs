//! Limits on a whole tree of processes: which kind this machine offers, and the groups that hold one sandbox.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

/// What keeps a sandbox to its memory and its number of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Limits {
    /// The kernel, by a version 2 control group.
    Cgroup2,
    /// The kernel, by version 1 control groups.
    Cgroup1,
    /// The sandbox's own process 1, which adds up the memory of all others every 20 ms and ends the sandbox
    /// when it is too much; a quick process may pass the limit for that long. Processes are limited by the
    /// kernel (`RLIMIT_NPROC`, which counts within a user namespace from Linux 5.14 on).
    Watched,
}

/// Where groups can be made on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Two { parent: PathBuf },
    One { memory: PathBuf, pids: PathBuf },
    Nowhere,
}

/// The control groups of one sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) kind: Limits,
    memory: PathBuf,
    pids: PathBuf,
}

/// Open files that tell a group's memory, to be read from where the control groups cannot be seen.
pub(super) struct Gauges {
    /// One number: all that is charged to the group.
    pub(super) total: fs::File,
    /// What it is made of, a line each.
    pub(super) parts: fs::File,
}

const PREFIX: &str = "undercast-";

impl Limits {
    /// The kind that sandboxes get on this machine.
    ///
    /// With version 2 the first call may move the calling process into a group of its own beside its future
    /// sandboxes, if it is alone in its group and the group was delegated to it (`Delegate=yes`): the kernel
    /// allows no limits below a group that has processes. So call it once at the start of the program.
    #[must_use]
    pub fn of_this_machine() -> Self {
        place().kind()
    }

    /// The kind in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Cgroup2 => "the kernel limits memory and processes (control groups, version 2)",
            Self::Cgroup1 => "the kernel limits memory and processes (control groups, version 1)",
            Self::Watched => "memory is limited by counting it every 20 ms, not by the kernel",
        }
    }
}

impl Place {
    pub(super) fn kind(&self) -> Limits {
        match self {
            Self::Two { .. } => Limits::Cgroup2,
            Self::One { .. } => Limits::Cgroup1,
            Self::Nowhere => Limits::Watched,
        }
    }
}

/// Finds the place once, and removes the groups of programs that were killed before they could.
pub(super) fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let found = find_place().unwrap_or(Place::Nowhere);
        match &found {
            Place::Two { parent } => sweep(parent),
            Place::One { memory, pids } => [memory, pids].into_iter().for_each(|dir| sweep(dir)),
            Place::Nowhere => {}
        }
        found
    })
}

fn find_place() -> io::Result<Place> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let own = fs::read_to_string("/proc/self/cgroup")?;
    if let (Some(root), Some(path)) =
        (mounted(&mounts, "cgroup2", None), own.lines().find_map(|line| line.strip_prefix("0::")))
    {
        let own_dir = root.join(path.trim_start_matches('/'));
        if let Some(parent) = delegated(&root, &own_dir) {
            return Ok(Place::Two { parent });
        }
    }
    let memory = mounted(&mounts, "cgroup", Some("memory"));
    let pids = mounted(&mounts, "cgroup", Some("pids"));
    if let (Some(memory), Some(pids)) = (memory, pids) {
        // Version 1 is delegated to nobody in practice, so one directory at the top serves the whole machine.
        let (memory, pids) = (memory.join("undercast"), pids.join("undercast"));
        if make(&memory).is_ok() && make(&pids).is_ok() && writable(&memory) && writable(&pids) {
            return Ok(Place::One { memory, pids });
        }
    }
    Ok(Place::Nowhere)
}

/// The mount point of a file system type, with the option among its super-block options.
fn mounted(mountinfo: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let options = (after.next() == Some(kind)).then(|| after.nth(1))??;
        let fits = option.is_none_or(|wanted| options.split(',').any(|have| have == wanted));
        fits.then(|| before.split(' ').nth(4)).flatten().map(PathBuf::from)
    })
}

/// The nearest group, from our own upwards, below which limited groups can be made and entered.
fn delegated(root: &Path, own: &Path) -> Option<PathBuf> {
    if lists(&own.join("cgroup.controllers"), &["memory", "pids"]) && writable(own) {
        let ready = lists(&own.join("cgroup.subtree_control"), &["memory", "pids"]);
        if ready || adopt(own).is_ok() {
            return Some(own.to_owned());
        }
    }
    own.ancestors()
        .skip(1)
        .take_while(|dir| dir.starts_with(root))
        .find(|dir| {
            // Moving a process needs the right to write to the nearest group above both its places.
            lists(&dir.join("cgroup.subtree_control"), &["memory", "pids"]) && writable(dir)
        })
        .map(Path::to_owned)
}

/// Makes room below our own group: steps into a leaf and turns the controllers on.
fn adopt(own: &Path) -> io::Result<()> {
    let members = fs::read_to_string(own.join("cgroup.procs"))?;
    let alone = members.trim() == std::process::id().to_string();
    // The root of the whole hierarchy may hold processes and have limited groups below.
    let is_root = !own.join("cgroup.events").exists();
    if !alone && !is_root {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    if !is_root {
        let leaf = own.join("undercast");
        make(&leaf)?;
        fs::write(leaf.join("cgroup.procs"), "0")?;
    }
    fs::write(own.join("cgroup.subtree_control"), "+memory +pids")
}

fn lists(file: &Path, words: &[&str]) -> bool {
    fs::read_to_string(file)
        .is_ok_and(|text| words.iter().all(|word| text.split_whitespace().any(|have| have == *word)))
}

fn writable(dir: &Path) -> bool {
    access(dir, Access::WRITE_OK).is_ok() && access(dir.join("cgroup.procs"), Access::WRITE_OK).is_ok()
}

fn make(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Removes groups whose host process is gone. A group that still has processes refuses, which is right.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let host = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if host.is_some_and(|host| !Path::new("/proc").join(host).exists()) {
            drop(fs::remove_dir(entry.path()));
        }
    }
}

impl Group {
    /// Makes the groups of a new sandbox; `None` where the machine has no place for them.
    pub(super) fn create(memory_bytes: u64, processes: u32) -> io::Result<Option<Self>> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}", std::process::id());
        let group = match place() {
            Place::Nowhere => return Ok(None),
            Place::Two { parent } => {
                let dir = parent.join(name);
                Self { kind: Limits::Cgroup2, memory: dir.clone(), pids: dir }
            }
            Place::One { memory, pids } => {
                Self { kind: Limits::Cgroup1, memory: memory.join(&name), pids: pids.join(&name) }
            }
        };
        match group.fill(memory_bytes, processes) {
            Ok(()) => Ok(Some(group)),
            Err(error) => {
                group.remove();
                Err(error)
            }
        }
    }

    fn fill(&self, memory_bytes: u64, processes: u32) -> io::Result<()> {
        make(&self.memory)?;
        make(&self.pids)?;
        fs::write(self.pids.join("pids.max"), processes.to_string())?;
        let limit = memory_bytes.to_string();
        if self.kind == Limits::Cgroup2 {
            fs::write(self.memory.join("memory.max"), limit)?;
            // Lack of memory ends all processes together, and swap is no way around the limit. Both files
            // are newer than the controller, and swap may be compiled out.
            drop(fs::write(self.memory.join("memory.oom.group"), "1"));
            drop(fs::write(self.memory.join("memory.swap.max"), "0"));
            return Ok(());
        }
        fs::write(self.memory.join("memory.limit_in_bytes"), &limit)?;
        // Memory and swap together; the file is missing where swap is not counted.
        drop(fs::write(self.memory.join("memory.memsw.limit_in_bytes"), &limit));
        Ok(())
    }

    /// Puts a process, and so all that it will start, into the groups.
    pub(super) fn add(&self, pid: i32) -> io::Result<()> {
        fs::write(self.memory.join("cgroup.procs"), pid.to_string())?;
        if self.pids != self.memory {
            fs::write(self.pids.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    pub(super) fn gauges(&self) -> io::Result<Gauges> {
        let total = if self.kind == Limits::Cgroup2 { "memory.current" } else { "memory.usage_in_bytes" };
        let open = |name: &str| fs::File::open(self.memory.join(name));
        Ok(Gauges { total: open(total)?, parts: open("memory.stat")? })
    }

    /// How many processes the kernel ended here for lack of memory.
    pub(super) fn out_of_memory_kills(&self) -> u64 {
        let file = if self.kind == Limits::Cgroup2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.memory.join(file)).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// Removes the groups. The kernel needs a moment after the last process is gone.
    pub(super) fn remove(&self) {
        for dir in [&self.memory, &self.pids] {
            for _ in 0..50 {
                match fs::remove_dir(dir) {
                    Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                        std::thread::sleep(std::time::Duration::from_millis(2));
                    }
                    _ => break,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of directories that looks like version 2 groups: (path, members, enabled below, is the root).
    fn tree(groups: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let root = tempfile::TempDir::new().unwrap();
        for (path, members, enabled) in groups {
            let dir = root.path().join(path);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("cgroup.procs"), members).unwrap();
            fs::write(dir.join("cgroup.controllers"), "cpu memory pids").unwrap();
            fs::write(dir.join("cgroup.subtree_control"), enabled).unwrap();
            if !path.is_empty() {
                fs::write(dir.join("cgroup.events"), "populated 1").unwrap();
            }
        }
        root
    }

    fn chosen(groups: &[(&str, &str, &str)], own: &str) -> Option<String> {
        let root = tree(groups);
        let found = delegated(root.path(), &root.path().join(own))?;
        Some(found.strip_prefix(root.path()).unwrap().to_str().unwrap().to_owned())
    }

    #[test]
    fn a_session_of_systemd_uses_the_group_above_its_scope() {
        let user = ("user", "", "cpu memory pids");
        let scope = ("user/app.slice/x.scope", "1\n2", "");
        let slice = ("user/app.slice", "", "memory pids");
        assert_eq!(chosen(&[user, slice, scope], "user/app.slice/x.scope").as_deref(), Some("user/app.slice"));
        let bare_slice = ("user/app.slice", "", "pids");
        assert_eq!(chosen(&[user, bare_slice, scope], "user/app.slice/x.scope").as_deref(), Some("user"));
        let nothing = ("user", "", "");
        assert_eq!(chosen(&[nothing, bare_slice, scope], "user/app.slice/x.scope"), None);
        assert_eq!(chosen(&[("", "1\n2", "")], "").as_deref(), Some(""), "the root of all may hold processes");
    }

    #[test]
    fn a_delegated_group_of_our_own_is_divided_if_we_are_alone() {
        let own = std::process::id().to_string();
        let root = tree(&[("svc", &own, "")]);
        let svc = root.path().join("svc");
        // The kernel would make the files of a new group; here the leaf has to have its own.
        fs::create_dir(svc.join("undercast")).unwrap();
        assert_eq!(delegated(root.path(), &svc), Some(svc.clone()));
        assert_eq!(fs::read_to_string(svc.join("undercast/cgroup.procs")).unwrap(), "0");
        assert_eq!(fs::read_to_string(svc.join("cgroup.subtree_control")).unwrap(), "+memory +pids");
        assert_eq!(chosen(&[("svc", &format!("{own}\n1"), "")], "svc"), None, "others live here too");
    }

    #[test]
    fn mounts_are_found_by_kind_and_option() {
        let text = "31 24 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
            32 24 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
            33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let found = |kind, option| mounted(text, kind, option).map(|path| path.display().to_string());
        assert_eq!(found("cgroup", Some("pids")).as_deref(), Some("/sys/fs/cgroup/pids"));
        assert_eq!(found("cgroup", Some("memory")).as_deref(), Some("/sys/fs/cgroup/memory"));
        assert_eq!(found("cgroup2", None).as_deref(), Some("/sys/fs/cgroup/unified"));
        assert_eq!(found("cgroup", Some("cpu")), None);
    }

    #[test]
    fn a_version_2_group_is_limited_and_read_by_its_files() {
        let root = tempfile::TempDir::new().unwrap();
        let dir = root.path().join("group");
        let group = Group { kind: Limits::Cgroup2, memory: dir.clone(), pids: dir.clone() };
        group.fill(1 << 27, 21).unwrap();
        group.add(4711).unwrap();
        let value = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(value("memory.max"), "134217728");
        assert_eq!(value("memory.swap.max"), "0");
        assert_eq!(value("memory.oom.group"), "1");
        assert_eq!(value("pids.max"), "21");
        assert_eq!(value("cgroup.procs"), "4711");
        assert_eq!(group.out_of_memory_kills(), 0);
        fs::write(dir.join("memory.events"), "low 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 1\n").unwrap();
        assert_eq!(group.out_of_memory_kills(), 2);
    }

    #[test]
    fn groups_of_the_dead_are_swept() {
        let root = tempfile::TempDir::new().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let names =
            [format!("undercast-{}-0", dead.id()), format!("undercast-{}-0", std::process::id()), "other-1-0".into()];
        names.iter().for_each(|name| fs::create_dir(root.path().join(name)).unwrap());
        sweep(root.path());
        assert_eq!(names.map(|name| root.path().join(name).exists()), [false, true, true]);
    }
}
