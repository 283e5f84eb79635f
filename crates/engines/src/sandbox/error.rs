//! Why a sandbox could not be started or steered.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A step of building a sandbox: where it stopped says what the machine lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Talking to the init process.
    Talk,
    /// Creating the namespaces.
    Namespaces,
    /// Mapping the user into the new user namespace.
    UserMapping,
    /// Putting the sandbox under its resource limits.
    Limits,
    /// Reaching a directory that is to be shown inside.
    Source,
    /// Building the root file system.
    RootFiles,
    /// Mounting the sandbox's own `/proc`.
    Proc,
    /// Raising the loopback device.
    Loopback,
    /// Listening on a port inside.
    Port,
    /// Giving up privileges.
    Privileges,
    /// Installing the filter of system calls.
    Filter,
    /// Changing to the working directory.
    WorkingDir,
    /// Executing the program.
    Execute,
}

impl Step {
    /// The step as the middle of a sentence: "could not …".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Talk => "talk to the sandbox's init process",
            Self::Namespaces => "create namespaces",
            Self::UserMapping => "map the user into the sandbox",
            Self::Limits => "put the sandbox under its limits",
            Self::Source => "reach a directory to show inside",
            Self::RootFiles => "build the sandbox's file system",
            Self::Proc => "mount the sandbox's own /proc",
            Self::Loopback => "raise the sandbox's loopback device",
            Self::Port => "listen on a port inside the sandbox",
            Self::Privileges => "give up privileges",
            Self::Filter => "install the filter of system calls",
            Self::WorkingDir => "change to the working directory",
            Self::Execute => "execute the program",
        }
    }
}

/// Why a sandbox was not started. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The specification asks for something that cannot be.
    #[error("the sandbox's specification is wrong: {what}")]
    Spec {
        /// What is wrong.
        what: &'static str,
    },
    /// The init program could not be started.
    #[error("could not start the sandbox's init program: `{}`", path.display())]
    Init {
        /// The init program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine does not allow what isolation needs. The process was not run without it.
    #[error("this machine does not let a sandbox be built: could not {}; {advice}", step.words())]
    NotIsolated {
        /// Which step was refused.
        step: Step,
        /// What would help, as the end of a sentence.
        advice: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// One step failed because of what was asked.
    #[error("could not {}: `{subject}`", step.words())]
    Setup {
        /// Which step failed.
        step: Step,
        /// On what: a path, a port or a program.
        subject: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The init program ended without a word: it is not a program that calls `run_if_init`, or was killed.
    #[error("the sandbox's init program ended before the sandbox was ready: `{}`", path.display())]
    Silent {
        /// The init program.
        path: PathBuf,
    },
}

/// Why a running sandbox did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Ended,
    /// The init process was killed from outside, so how the program ended is not known. It is not running
    /// any more: the kernel ends a sandbox with its init.
    #[error("the sandbox's init process was killed, so how the program ended is not known")]
    Lost,
    /// The connection to the init process failed.
    #[error("could not talk to the sandbox's init process")]
    Talk(#[from] io::Error),
}

/// A step that failed inside the init process, on its way to the host.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) step: Step,
    pub(super) subject: String,
    pub(super) errno: i32,
}

impl Failure {
    pub(super) fn new(step: Step, subject: impl Into<String>, error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        Self { step, subject: subject.into(), errno }
    }
}

/// Names the step at which a kernel call failed.
pub(super) trait At<T> {
    fn at(self, step: Step, subject: &str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, subject: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(step, subject, &error.into()))
    }
}
