//! S3 against a small model of a versioned bucket: what is put, copied, uploaded in parts, deleted, tagged, annotated, locked,
//! archived and left to lifecycles is listed and read as the documentation has it, also after the cloud ended in the middle.
//!
//! A seed chooses everything, so that a failure is a number to run again: `./x sim s3 --seed 17`.
//!
//! Reading order: `bucket` (the model), `steps` (what callers do), `compare` (how the two are compared), `world`.

mod bucket;
mod compare;
mod notes;
mod rules;
mod steps;
mod world;

use std::collections::VecDeque;

use serde_json::json;

use bucket::Bucket;
use world::{Dice, World};

/// What did not hold.
type Held<T = ()> = Result<T, String>;

/// Who plays against the model.
struct Player {
    world: World,
    dice: Dice,
    buckets: Vec<Bucket>,
    /// Keys whose versions are to be read.
    touched: Vec<(usize, String)>,
    /// All of them are.
    everything: bool,
    /// Ids of versions that were made, of which some are gone.
    stale: Vec<String>,
    last: VecDeque<String>,
}

impl Player {
    fn new(seed: u64) -> Self {
        let buckets = vec![Bucket::new("plain", false), Bucket::new("locked", true)];
        let (touched, stale, last) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { world: World::new(seed), dice: Dice::new(seed), buckets, touched, everything: false, stale, last }
    }

    fn say(&mut self, what: String) {
        self.last.push_back(what);
        if self.last.len() > 25 {
            self.last.pop_front();
        }
    }

    fn begin(&mut self) -> Held {
        for bucket in &self.buckets {
            let input = json!({"Bucket": bucket.name, "ObjectLockEnabledForBucket": bucket.lock});
            steps::expect(&self.world.call("CreateBucket", input, None), Ok(()))?;
            let rules = json!({"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
                                          "BlockedEncryptionTypes": {"EncryptionType": ["NONE"]}}]});
            let input = json!({"Bucket": bucket.name, "ServerSideEncryptionConfiguration": rules});
            steps::expect(&self.world.call("PutBucketEncryption", input, None), Ok(()))?;
        }
        Ok(())
    }
}

impl Player {
    /// Everything is deleted once nothing keeps it, and then no bytes are left.
    fn finish(&mut self) -> Held {
        for bucket in &self.buckets {
            let input = json!({"Bucket": bucket.name});
            steps::expect(&self.world.call("DeleteBucketLifecycle", input.clone(), None), Ok(()))?;
            if !bucket.keys.is_empty() {
                steps::expect(&self.world.call("DeleteBucket", input, None), Err(&["BucketNotEmpty"]))?;
            }
        }
        self.world.advance(100 * bucket::DAY);
        for bucket in &self.buckets {
            // The others go with their bucket.
            for upload in bucket.uploads.iter().filter(|_| self.dice.percent(50)) {
                let input = json!({"Bucket": bucket.name, "Key": upload.key, "UploadId": upload.id});
                steps::expect(&self.world.call("AbortMultipartUpload", input, None), Ok(()))?;
            }
            for (key, version) in bucket.keys.iter().flat_map(|(key, all)| all.iter().map(move |v| (key, v))) {
                let input = json!({"Bucket": bucket.name, "Key": key, "VersionId": version.shown_id()});
                if version.dress.hold == Some(true) {
                    let mut off = input.clone();
                    off["LegalHold"] = json!({"Status": "OFF"});
                    steps::expect(&self.world.call("PutObjectLegalHold", off, None), Ok(()))?;
                }
                steps::expect(&self.world.call("DeleteObject", input, None), Ok(()))?;
            }
            steps::expect(&self.world.call("DeleteBucket", json!({"Bucket": bucket.name}), None), Ok(()))?;
        }
        match self.world.blobs() {
            0 => Ok(()),
            left => Err(format!("{left} blobs are left of nothing")),
        }
    }
}

fn play(seed: u64, steps: u32) {
    let mut player = Player::new(seed);
    let mut at = 0;
    let held = player.begin().and_then(|()| {
        while at < steps {
            at += 1;
            player.step()?;
            player.compare()?;
        }
        player.finish()
    });
    if let Err(why) = held {
        let last: Vec<String> = player.last.iter().map(|l| l.chars().take(600).collect()).collect();
        let rules: Vec<String> =
            player.buckets.iter().map(|b| format!("{} {:?} {:?}", b.name, b.versioning, b.rules)).collect();
        panic!(
            "{}\n{}\nseed {seed}, step {at}: {why}\nto see it again: ./x sim s3 --seed {seed} --steps {steps}",
            last.join("\n"),
            rules.join("\n"),
        );
    }
}

/// `name-17` among the words of the test's command line: words that name no test are left to the tests.
fn asked(name: &str) -> Option<u64> {
    std::env::args().find_map(|word| word.strip_prefix(name)?.strip_prefix('-')?.parse().ok())
}

#[test]
fn a_bucket_is_as_the_model_has_it() {
    let (seed, steps) = (asked("seed"), asked("steps").unwrap_or(90));
    let seeds = asked("seeds").unwrap_or(if seed.is_some() { 1 } else { 3 });
    let first = seed.unwrap_or(1);
    for seed in first..first + seeds {
        play(seed, u32::try_from(steps).unwrap());
    }
}
