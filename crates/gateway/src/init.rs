//! `/_localstack/init`: what became of the init scripts, as the program that runs them tells it here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value as Json, json};

use crate::internal::Answer;

/// When scripts are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Before the state is opened.
    Boot,
    /// When the state is there, and the door is not yet open.
    Start,
    /// When the door is open.
    Ready,
    /// When the door is closed and the state is kept, before the program ends.
    Shutdown,
}

/// How a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// This process has not run it.
    Unknown,
    /// It runs.
    Running,
    /// It ended well.
    Successful,
    /// It ended badly, or could not be run.
    Error,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Boot, Self::Start, Self::Ready, Self::Shutdown];

    fn name(self) -> &'static str {
        match self {
            Self::Boot => "BOOT",
            Self::Start => "START",
            Self::Ready => "READY",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

impl Script {
    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Running => "RUNNING",
            Self::Successful => "SUCCESSFUL",
            Self::Error => "ERROR",
        }
    }
}

/// The scripts of a cloud and how they are, stage by stage.
#[derive(Debug, Clone, Default)]
pub struct Init(Arc<Mutex<[Scripts; 4]>>);

#[derive(Debug, Default)]
struct Scripts {
    completed: bool,
    scripts: Vec<(String, Script)>,
}

impl Init {
    fn stages(&self) -> MutexGuard<'_, [Scripts; 4]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the scripts of a stage, in the order in which they are run.
    pub fn found(&self, stage: Stage, names: impl Iterator<Item = String>) {
        self.stages()[stage as usize].scripts = names.map(|name| (name, Script::Unknown)).collect();
    }

    /// Says how the script is that stands at `index` of its stage.
    pub fn tell(&self, stage: Stage, index: usize, script: Script) {
        if let Some((_, state)) = self.stages()[stage as usize].scripts.get_mut(index) {
            *state = script;
        }
    }

    /// Says that nothing of a stage is left to be run.
    pub fn complete(&self, stage: Stage) {
        self.stages()[stage as usize].completed = true;
    }

    /// The answer for all stages, or for the one that is named. Its form is LocalStack's, whose clients ask for it.
    ///
    /// Source: "Querying stages" of <https://docs.localstack.cloud/references/init-hooks>.
    pub(crate) fn answer(&self, stage: Option<&str>) -> Answer {
        let stages = self.stages();
        let shown = |stage: Stage| {
            let scripts = stages[stage as usize].scripts.iter();
            scripts.map(move |(name, state)| json!({"stage": stage.name(), "name": name, "state": state.name()}))
        };
        let Some(name) = stage else {
            let completed = Stage::ALL.map(|s| (s.name().to_owned(), stages[s as usize].completed.into()));
            let scripts: Vec<Json> = Stage::ALL.into_iter().flat_map(shown).collect();
            return Ok(json!({"completed": Map::from_iter(completed), "scripts": scripts}));
        };
        let stage = Stage::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(name));
        let stage = stage.ok_or_else(|| (404, format!("there is no stage {name}")))?;
        Ok(json!({"completed": stages[stage as usize].completed, "scripts": shown(stage).collect::<Vec<_>>()}))
    }
}
