//! The simulation: the kernel, the store in memory, SQS and its tasks in one thread, on a clock that only the simulation
//! moves, with faults, full disks and crashes, against a model that says what must hold.
//!
//! Knows: the kernel and SQS, as a program wires them; nothing is reached through a socket. Everything that happens is
//! chosen by a seed, so that a failure is a number to run again: `./x sim --seed 17`.
//!
//! What must hold: an acknowledged message is there until it is deleted or its time is over, and no longer; it is not
//! received while it is in flight, nor before its delay is over; FIFO queues keep the order of each group; a
//! deduplication id is taken once in five minutes; receive counts, times and dead letters are right; whoever waits is
//! woken at once; a call that was refused, cut, or met a full disk has changed nothing; a crash takes nothing that was
//! acknowledged, and no task; and when everything is over, nothing is left.
//!
//! Reading order: `model` (what must hold), `steps` (what callers do), `player` (how the two are compared), `world`.

mod dice;
mod disk;
mod model;
mod player;
mod steps;
mod trace;
mod world;

pub use disk::Sabotage;

use std::collections::BTreeMap;

use player::{Held, Player};

/// What is to be simulated.
pub struct Plan {
    /// Chooses everything.
    pub seed: u64,
    /// So many steps.
    pub steps: u32,
    /// What is done to the disk behind everybody's back, to see that it is noticed.
    pub sabotage: Option<Sabotage>,
}

/// A simulation in which everything held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// A number over everything that happened.
    pub trace: u64,
    /// Calls that were made.
    pub calls: u64,
    /// What befell calls and tasks.
    pub mishaps: u64,
    /// Times that the kernel ended and another began.
    pub crashes: u64,
    /// How often what is interesting came about: duplicates, dead letters, receivers that were woken.
    pub seen: BTreeMap<&'static str, u64>,
}

/// A simulation in which something did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    /// The step, counted from 1; more than there are: at the end, when everything is received and deleted.
    pub step: u32,
    /// What does not hold.
    pub violation: String,
    /// The last steps.
    pub last: Vec<String>,
    /// How to see it again.
    pub replay: String,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.last {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {}, step {}: {}", self.seed, self.step, self.violation)?;
        write!(f, "to see it again: {}", self.replay)
    }
}

/// Runs one simulation.
///
/// # Errors
/// What did not hold.
pub fn run(plan: Plan) -> Result<Passed, Box<Failed>> {
    let Plan { seed, steps, sabotage } = plan;
    let failed = |step: u32, violation: String, last: Vec<String>| {
        let replay = format!("./x sim --seed {seed} --steps {steps}");
        Box::new(Failed { seed, step, violation, last, replay })
    };
    let mut player = Player::new(seed, sabotage).map_err(|why| failed(0, why.0, Vec::new()))?;
    let mut step = 0;
    match play(&mut player, steps, &mut step) {
        Ok(()) => Ok(Passed {
            trace: player.trace.hash(),
            calls: player.calls,
            mishaps: player.mishaps,
            crashes: player.crashes,
            seen: player.model.seen,
        }),
        Err(why) => Err(failed(step, why.0, player.trace.last())),
    }
}

fn play(player: &mut Player, steps: u32, step: &mut u32) -> Held<()> {
    player.begin()?;
    while *step < steps {
        *step += 1;
        player.step()?;
    }
    *step += 1;
    player.finish()
}
