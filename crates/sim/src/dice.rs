//! What happens next: chosen by the seed, and by nothing else.

use undercast_kernel::Random;

use crate::model::Settings;

/// The dice of one simulation.
pub(crate) struct Dice(Random);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Not the kernel's chances, so that a change of what the kernel draws leaves the same steps.
        Self(Random::seeded(!seed))
    }

    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// Yes, so many times out of a hundred.
    pub(crate) fn percent(&self, share: u64) -> bool {
        self.below(100) < share
    }

    pub(crate) fn between(&self, least: i64, most: i64) -> i64 {
        least + i64::try_from(self.below((most - least + 1).unsigned_abs())).unwrap_or(0)
    }

    /// One of these; `None` when there are none.
    pub(crate) fn one<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(u64::try_from(of.len()).unwrap_or(0))).unwrap_or(0);
        of.get(at)
    }

    /// One of these numbers.
    pub(crate) fn pick(&self, of: &[i64]) -> i64 {
        self.one(of).copied().unwrap_or(0)
    }

    /// One of these, each as often as its weight says.
    pub(crate) fn weighed<T: Copy>(&self, of: &[(u64, T)], otherwise: T) -> T {
        let mut at = self.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, what) in of {
            if at < *weight {
                return *what;
            }
            at -= weight;
        }
        otherwise
    }

    /// How a queue shall be. Dead-letter queues are those whose names begin so.
    pub(crate) fn settings(&self, name: &str) -> Settings {
        let fifo = name.ends_with(".fifo");
        let dead = if fifo { "dead.fifo" } else { "dead" };
        let redrive = name.starts_with("work") && self.percent(80);
        Settings {
            fifo,
            visibility: self.pick(&[0, 1, 5, 30, 30, 120]) * 1000,
            delay: if self.percent(25) { self.pick(&[1, 10, 60]) * 1000 } else { 0 },
            retention: self.pick(&[60, 300, 3_600, 345_600, 345_600, 345_600]) * 1000,
            redrive: redrive.then(|| (dead.to_owned(), u32::try_from(self.between(1, 3)).unwrap_or(1))),
            by_content: fifo && self.percent(50),
            by_group: fifo && self.percent(50),
        }
    }
}
