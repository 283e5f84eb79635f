//! The simulation holds, says the same thing twice, and can fail.

use std::collections::BTreeMap;

use undercast_sim::{Failed, Plan, Sabotage, run};

#[test]
fn everything_holds_for_a_few_seeds() {
    let (mut crashes, mut seen) = (0, BTreeMap::new());
    for seed in 1..=12 {
        match run(Plan { seed, steps: 500, sabotage: None }) {
            Ok(passed) => {
                crashes += passed.crashes;
                passed.seen.into_iter().for_each(|(what, times)| *seen.entry(what).or_insert(0) += times);
            }
            Err(failed) => panic!("{failed}"),
        }
    }
    assert!(crashes > 50, "only {crashes} crashes");
    // What never came about was not tested.
    for what in
        ["attempt repeated", "dead letter", "duplicate", "expired", "moved", "stale handle", "waited in vain", "woken"]
    {
        assert!(seen.get(what).is_some_and(|times| *times > 3), "{what}: {seen:?}");
    }
}

#[test]
fn a_seed_always_gives_the_same_trace() {
    let trace = |seed| run(Plan { seed, steps: 400, sabotage: None }).unwrap();
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7).trace, trace(8).trace);
}

/// What is found when rows of a table are dropped: each `nth` of those that `of` picks.
fn sabotaged(table: &'static str, nth: u32, of: fn(put: bool) -> bool) -> Box<Failed> {
    for seed in 1..=10 {
        let mut count = 0;
        let sabotage: Sabotage = Box::new(move |batch| {
            batch.retain(|key, value| {
                let hit = key.starts_with(table.as_bytes()) && of(value.is_some());
                count += u32::from(hit);
                !(hit && count % nth == 0)
            });
        });
        if let Err(failed) = run(Plan { seed, steps: 300, sabotage: Some(sabotage) }) {
            return failed;
        }
    }
    panic!("nobody noticed what was done to {table}");
}

#[test]
fn an_acknowledged_message_that_is_lost_is_noticed_and_can_be_seen_again() {
    // The whole of a message is dropped, in all of its tables, so that nothing but its absence tells.
    let lose = || -> Sabotage {
        let mut sent = 0;
        Box::new(move |batch| {
            let new = batch.iter().any(|(key, value)| key.starts_with(b"sqs.bodies") && value.is_some());
            sent += u32::from(new);
            if new && sent % 5 == 0 {
                batch.retain(|key, value| {
                    let of_message =
                        ["sqs.bodies", "sqs.messages", "sqs.order"].iter().any(|t| key.starts_with(t.as_bytes()));
                    !(of_message && value.is_some())
                });
            }
        })
    };
    let failed = run(Plan { seed: 1, steps: 300, sabotage: Some(lose()) }).unwrap_err();
    assert!(failed.to_string().contains("./x sim --seed 1 --steps 300"), "{failed}");
    assert!(!failed.last.is_empty() && failed.step > 0, "{failed}");
    let lost = (1..=10).filter_map(|seed| run(Plan { seed, steps: 300, sabotage: Some(lose()) }).err());
    assert!(lost.filter(|f| f.violation.contains("lost: ")).count() > 0);
    let again = run(Plan { seed: 1, steps: 300, sabotage: Some(lose()) }).unwrap_err();
    assert_eq!(failed, again, "the same seed fails in the same way");
}

#[test]
fn a_deletion_that_is_forgotten_is_noticed() {
    let failed = sabotaged("sqs.", 3, |put| !put);
    assert!(!failed.violation.is_empty());
}

#[test]
fn a_receive_that_is_forgotten_is_noticed() {
    assert!(!sabotaged("sqs.messages", 3, |put| put).violation.is_empty());
}

#[test]
fn a_deduplication_id_that_is_forgotten_is_noticed() {
    let failed = sabotaged("sqs.deduplication", 1, |put| put);
    assert!(failed.violation.contains("deduplication"), "{failed}");
}

#[test]
fn a_task_that_is_forgotten_is_noticed() {
    let failed = sabotaged("kernel.tasks", 3, |put| put);
    assert!(!failed.violation.is_empty());
}
