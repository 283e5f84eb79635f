//! Fair queues: where senders name groups in a standard queue, a group that has more than its share in flight waits until the
//! others have been served.
//!
//! AWS does not say at which share a group is noisy. Here it is one that has more messages in flight than its even share of all
//! that are, as long as there are others that wait.
//! Source: "Amazon SQS fair queues" in the developer guide.

use std::collections::{HashMap, HashSet};

use undercast_kernel::Result;
use undercast_kernel::store::{Order, Read, Table, Tx};

use crate::message::{BODIES, MESSAGES, ORDER};
use crate::queue::{Placed, Queue};

/// Queue → its messages have groups, some of them.
static GROUPED: Table<u8> = Table::new("sqs.grouped");

/// So many messages are looked at for one of a quiet group.
const LOOKED_AT: usize = 1_000;

/// Messages of a queue have groups from now on.
pub(crate) fn group(tx: &mut Tx<'_>, queue: &Queue) -> Result<()> {
    if !GROUPED.has(tx, &queue.place())? {
        GROUPED.put(tx, &queue.place(), &1);
    }
    Ok(())
}

/// Whether messages of a queue have groups.
pub(crate) fn is_grouped(from: &(impl Read + ?Sized), queue: &Queue) -> Result<bool> {
    Ok(GROUPED.has(from, &queue.place())?)
}

/// Forgets a queue that is deleted.
pub(crate) fn forget(tx: &mut Tx<'_>, queue: &Queue) {
    GROUPED.delete(tx, &queue.place());
}

/// The groups that have more than an even share of what is in flight.
pub(crate) fn noisy(in_flight: &HashMap<String, usize>) -> HashSet<String> {
    let total: usize = in_flight.values().sum();
    let groups = in_flight.len();
    in_flight.iter().filter(|(_, count)| groups > 1 && **count * groups > total).map(|(name, _)| name.clone()).collect()
}

/// Messages that can be seen now, those of quiet groups first: the moment and the number of each.
pub(crate) fn order(tx: &Tx<'_>, queue: &Queue, now: i64) -> Result<Vec<(i64, u64)>> {
    let (start, end) = ((queue.place(), i64::MIN), (queue.place(), now + 1));
    let waiting = ORDER.range(tx, &start, &end, Order::Ascending, LOOKED_AT)?;
    // Whose time is over counts no more.
    let group = |number: u64, received: bool| -> Result<Option<String>> {
        let standing = MESSAGES.get(tx, &(queue.place(), number))?;
        if !standing.is_some_and(|s| !queue.is_over(&s, now) && (s.receives > 0 || !received)) {
            return Ok(None);
        }
        Ok(BODIES.get(tx, &(queue.place(), number))?.and_then(|message| message.group))
    };
    let mut in_flight: HashMap<String, usize> = HashMap::new();
    let mut all = Vec::new();
    for row in &waiting {
        let Some((_, visible, number)) = row.key::<(Placed, i64, u64)>() else { continue };
        let group = group(number, false)?;
        if let Some(group) = &group {
            in_flight.entry(group.clone()).or_insert(0);
        }
        all.push((group, visible, number));
    }
    for row in ORDER.range(tx, &end, &(queue.place(), i64::MAX), Order::Ascending, LOOKED_AT)? {
        let Some((_, _, number)) = row.key::<(Placed, i64, u64)>() else { continue };
        if let Some(group) = group(number, true)? {
            *in_flight.entry(group).or_insert(0) += 1;
        }
    }
    let noisy = noisy(&in_flight);
    // The order of each stays as it is.
    all.sort_by_key(|(group, ..)| group.as_ref().is_some_and(|group| noisy.contains(group)));
    Ok(all.into_iter().map(|(_, visible, number)| (visible, number)).collect())
}
