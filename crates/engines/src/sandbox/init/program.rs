//! The last steps of a new process before it is the sandboxed program: nothing may be left to give up.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, chdir, setrlimit, setsid, umask};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

use super::super::error::{At, Failure, Step};
use super::super::message::Launch;
use super::super::{seccomp, sys};

/// Replaces this process by the program; answers only why it could not.
pub(super) fn become_it(launch: &Launch) -> Failure {
    match confine(launch) {
        Ok(()) => execute(launch),
        Err(failure) => failure,
    }
}

fn confine(launch: &Launch) -> Result<(), Failure> {
    let spec = &launch.spec;
    setsid().at(Step::Privileges, "setsid")?;
    sys::default_signals();
    umask(Mode::from_bits_truncate(0o022));
    // Standard input is /dev/null already; whatever else is open ends with `exec`.
    sys::close_from(3, true).at(Step::Privileges, "close_range")?;
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, spec.max_open_files.into())?;
    if launch.group.is_none() {
        // Process 1 is counted as well.
        limit(Resource::Nproc, u64::from(spec.max_processes) + 1)?;
    }
    drop_capabilities().at(Step::Privileges, "capabilities")?;
    set_no_new_privs(true).at(Step::Privileges, "no_new_privs")?;
    chdir(&spec.working_dir).at(Step::WorkingDir, &spec.working_dir.display().to_string())?;
    let memory_is_watched = launch.group.is_none();
    seccomp::install(memory_is_watched).at(Step::Filter, "seccomp")
}

fn limit(resource: Resource, most: u64) -> Result<(), Failure> {
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).at(Step::Limits, &format!("{resource:?}"))
}

/// Empties every capability set, so that neither a file nor user id 0 can bring one back.
fn drop_capabilities() -> io::Result<()> {
    for bit in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            // The kernel knows fewer than 64.
            Err(rustix::io::Errno::INVAL) => break,
            other => other?,
        }
    }
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED;
    set_capabilities_secure_bits(bits)?;
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

fn execute(launch: &Launch) -> Failure {
    let spec = &launch.spec;
    let Some((program, arguments)) = spec.command.split_first() else {
        return Failure::new(Step::Execute, "", &io::Error::from_raw_os_error(libc::EINVAL));
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let error = command.exec();
    Failure::new(Step::Execute, program.to_string_lossy(), &error)
}
