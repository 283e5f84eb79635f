//! Distributed maps: what an execution has to do with one.

use super::{Around, Run};

impl Run {
    /// Begins a distributed map.
    pub(super) fn begin_map_run(&mut self, around: &Around<'_>, id: u32) {
        let why = "Undercast has not built this: distributed maps";
        self.fail_frame(around, id, undercast_asl::Failure::runtime(why));
    }
}
