//! Sandboxes: untrusted programs, alone with what they were given.
//!
//! A sandbox has user, mount, process, network, IPC, name and control-group namespaces of its own. Its root is
//! a small file system in memory with the system's libraries bound in read-only; of the host's files it sees
//! nothing else. It has no capability, cannot gain one, and a filter refuses the system calls it has no use for.
//!
//! **The way out.** Its network has one device, loopback, and nothing behind it. For each port in
//! [`SandboxSpec::ports`] process 1 listens on 127.0.0.1 *inside* and hands the listening socket to the host.
//! A socket belongs to the network it was made in, whoever holds it, so the host answers inside without any
//! relay, and a connection to anything else is refused by the sandbox's own empty network.
//!
//! Needs no root, no set-uid program and no container engine; where the kernel does not allow it, launching
//! fails with the reason. Nothing is ever run without isolation.

mod doctor;
mod error;
mod init;
mod limits;
mod message;
mod running;
mod seccomp;
mod spec;
mod sys;

pub use doctor::{Finding, State, doctor};
pub use error::{ControlError, LaunchError, Step};
pub use init::{INIT_WORD, run_if_init};
pub use limits::Limits;
pub use running::{Door, Ending, Exit, Running, launch};
pub use spec::{Mount, SandboxSpec, User};
