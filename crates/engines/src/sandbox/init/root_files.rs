//! The sandbox's root file system: a small one in memory, with the host's libraries bound into it read-only.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, symlinkat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{fchdir, pivot_root};

use super::super::error::{At, Failure, Step};
use super::super::spec::{Mount, SandboxSpec};
use super::super::sys::{MountAttributes, set_mount_attributes};

/// Where programs and their libraries live on any Linux; each is bound, or repeated if it is a link.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];

/// The parts of the host's `/etc` that programs need and that hold no secret: the linker's cache, the links
/// of Debian's alternatives, and the public certificates.
const ETC: [&str; 6] = [
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
];

const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// Something of the host, on its way to the inside.
pub(super) enum Source {
    Bound { mount: OwnedFd, is_dir: bool, inside: PathBuf },
    Link { target: PathBuf, inside: PathBuf },
}

/// Takes hold of everything of the host that the sandbox shows, read-only from this moment.
pub(super) fn gather(spec: &SandboxSpec) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in SYSTEM {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_symlink() => {
                let target = fs::read_link(path).at(Step::Source, path)?;
                sources.push(Source::Link { target, inside: path.into() });
            }
            Ok(_) => sources.push(bind(Path::new(path), path.into())?),
            Err(_) => {}
        }
    }
    for path in ETC {
        if Path::new(path).exists() {
            sources.push(bind(Path::new(path), path.into())?);
        }
    }
    for path in DEVICES {
        sources.push(bind(Path::new(path), path.into())?);
    }
    // Shorter paths first, so that a mount may lie within another one that has a place for it.
    let mut mounts = spec.mounts.iter().collect::<Vec<&Mount>>();
    mounts.sort_by_key(|mount| mount.inside.components().count());
    for mount in mounts {
        sources.push(bind(&mount.host, mount.inside.clone())?);
    }
    Ok(sources)
}

fn bind(host: &Path, inside: PathBuf) -> Result<Source, Failure> {
    let name = host.display().to_string();
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let mount = open_tree(CWD, host, flags).at(Step::Source, &name)?;
    let kind = FileType::from_raw_mode(fstat(&mount).at(Step::Source, &name)?.st_mode);
    // A device file must stay one; everywhere else device files are dead.
    let set = match kind {
        FileType::CharacterDevice => libc::MOUNT_ATTR_NOEXEC,
        _ => libc::MOUNT_ATTR_NODEV,
    };
    let set = set | libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID;
    set_mount_attributes(mount.as_fd(), MountAttributes { set, recursive: true }).at(Step::Source, &name)?;
    Ok(Source::Bound { mount, is_dir: kind == FileType::Directory, inside })
}

/// Builds the root and moves into it; the host's file system is out of reach afterwards.
pub(super) fn assemble(spec: &SandboxSpec, sources: Vec<Source>) -> Result<(), Failure> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).at(Step::RootFiles, "/")?;
    let contents = spec.files.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
    let root = memory_files(contents + (4 << 20), "755")?;
    // Any directory will do to hang the new root on, as all sources are already in hand. It must not be
    // /proc: the kernel allows a new one only as long as the old is in full view.
    attach(&root, CWD, Path::new("/usr")).at(Step::RootFiles, "/")?;
    fchdir(&root).at(Step::RootFiles, "/")?;
    // Before what was given, which may lie below /tmp.
    mount_new(&root, "/tmp", &memory_files(spec.tmp_bytes, "1777")?)?;
    if spec.shared_memory_bytes > 0 {
        mount_new(&root, "/dev/shm", &memory_files(spec.shared_memory_bytes, "1777")?)?;
    }
    mount_new(&root, "/proc", &proc().at(Step::Proc, "/proc")?)?;
    for source in sources {
        place(&root, source)?;
    }
    for (path, bytes) in made_up_files(spec) {
        write_file(&root, &path, &bytes).at(Step::RootFiles, &path.display().to_string())?;
    }
    for (target, link) in DEVICE_LINKS {
        symlinkat(target, &root, relative(Path::new(link))).at(Step::RootFiles, link)?;
    }
    // If it cannot be made it may be there, behind a link; going there will tell.
    drop(make_dir(&root, &spec.working_dir));
    let sealed = MountAttributes { set: libc::MOUNT_ATTR_RDONLY, recursive: false };
    set_mount_attributes(root.as_fd(), sealed).at(Step::RootFiles, "/")?;
    // The old root comes to lie on the new one, at the same place, and is then taken off.
    pivot_root(".", ".").at(Step::RootFiles, "pivot_root")?;
    unmount(".", UnmountFlags::DETACH).at(Step::RootFiles, "old root")?;
    rustix::process::chdir("/").at(Step::RootFiles, "/")
}

fn place(root: &OwnedFd, source: Source) -> Result<(), Failure> {
    match source {
        Source::Link { target, inside } => {
            let name = inside.display().to_string();
            symlinkat(&target, root, relative(&inside)).at(Step::RootFiles, &name)
        }
        Source::Bound { mount, is_dir, inside } => {
            let name = inside.display().to_string();
            let spot = if is_dir { make_dir(root, &inside) } else { make_file(root, &inside) };
            let spot = spot.at(Step::RootFiles, &name)?;
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
            move_mount(&mount, "", &spot, "", flags).at(Step::RootFiles, &name)
        }
    }
}

fn mount_new(root: &OwnedFd, inside: &str, mount: &OwnedFd) -> Result<(), Failure> {
    let spot = make_dir(root, Path::new(inside)).at(Step::RootFiles, inside)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", &spot, "", flags).at(Step::RootFiles, inside)
}

fn attach(mount: &OwnedFd, from: BorrowedFd<'_>, to: &Path) -> io::Result<()> {
    Ok(move_mount(mount, "", from, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// A file system in memory that holds at most so many bytes.
fn memory_files(bytes: u64, mode: &str) -> Result<OwnedFd, Failure> {
    let build = || -> io::Result<OwnedFd> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // A size of 0 would mean no limit at all.
        fsconfig_set_string(&context, "size", bytes.max(1).to_string())?;
        // Empty files use kernel memory, so their number has an end as well.
        fsconfig_set_string(&context, "nr_inodes", (bytes / 4096 + 1024).to_string())?;
        fsconfig_set_string(&context, "mode", mode)?;
        fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
    };
    build().at(Step::RootFiles, "tmpfs")
}

/// The sandbox's own view of its processes; read-only, so that no setting of the kernel can be written.
fn proc() -> io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_RDONLY;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Opens a directory below the root and makes those that are missing. Links are not followed: they would
/// lead to the host's files, as the new root is not the root yet.
fn make_dir(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut dir = openat(root, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        dir = match openat(&dir, name, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => {
                mkdirat(&dir, name, Mode::from_bits_truncate(0o755))?;
                openat(&dir, name, flags, Mode::empty())?
            }
            other => other?,
        };
    }
    Ok(dir)
}

/// Makes an empty file below the root, to be written or to be mounted over.
fn make_file(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let dir = make_dir(root, path.parent().ok_or_else(invalid)?)?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_bits_truncate(0o644);
    Ok(openat(&dir, path.file_name().ok_or_else(invalid)?, flags, mode)?)
}

fn write_file(root: &OwnedFd, path: &Path, bytes: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut fs::File::from(make_file(root, path)?), bytes)
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// The part of `/etc` that describes this sandbox and not the host, and the caller's own files.
fn made_up_files(spec: &SandboxSpec) -> Vec<(PathBuf, Vec<u8>)> {
    let (name, id) = (&spec.user.name, spec.user.id);
    let root = if id == 0 { "" } else { "root:x:0:0:root:/:/sbin/nologin\n" };
    let passwd = format!("{root}{name}:x:{id}:{id}:{name}:/tmp:/bin/sh\n");
    let group_of_root = if id == 0 { "" } else { "root:x:0:\n" };
    let group = format!("{group_of_root}{name}:x:{id}:\n");
    let mut hosts = format!("127.0.0.1 localhost {}\n", spec.host_name);
    for (address, name) in &spec.hosts {
        // Writing to a string cannot fail.
        let _ = writeln!(hosts, "{address} {name}");
    }
    let etc = [
        ("/etc/passwd", passwd),
        ("/etc/group", group),
        ("/etc/hosts", hosts),
        ("/etc/hostname", format!("{}\n", spec.host_name)),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
        ("/etc/resolv.conf", "# There is no name server: names are in /etc/hosts.\n".to_owned()),
    ];
    let etc = etc.into_iter().map(|(path, text)| (PathBuf::from(path), text.into_bytes()));
    etc.chain(spec.files.iter().cloned()).collect()
}
