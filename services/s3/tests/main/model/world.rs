//! The cloud under the model: durable, on a clock that only the test moves, reached by a socket or from inside.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::runtime::{Builder, Runtime};
use undercast_kernel::store::Unreferenced;
use undercast_kernel::{Body, Failure, Random, Timestamp};
use undercast_testkit::{Client, Cloud, Folder};
use undercast_wire::Bytes;

use crate::services;

/// What a call answers, whichever way it went.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// Of a refusal. Empty where the way has no room for it: refusals of HEAD have no body.
    pub(super) code: String,
    pub(super) json: Json,
    pub(super) body: Vec<u8>,
}

impl Heard {
    pub(super) fn text(&self, member: &str) -> &str {
        self.json[member].as_str().unwrap_or_default()
    }
}

/// The dice of one run: what happens is chosen by the seed, and by nothing else.
pub(super) struct Dice(Random);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::seeded(seed))
    }

    pub(super) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.0.below(bound as u64)).unwrap()
    }

    /// Yes, so many times out of a hundred.
    pub(super) fn percent(&self, share: usize) -> bool {
        self.below(100) < share
    }

    pub(super) fn one<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A cloud, and the folder in which it lives on when it is opened again.
pub(super) struct World {
    // In the order in which they must go.
    cloud: Option<Cloud>,
    client: Option<Client>,
    runtime: Option<Runtime>,
    folder: Folder,
    /// Which way the next call goes.
    dice: Dice,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut world =
            Self { cloud: None, client: None, runtime: None, folder: Folder::new(), dice: Dice::new(!seed) };
        world.begin();
        let kernel = &world.cloud().kernel;
        kernel.clock().freeze();
        kernel.clock().set("2026-01-15T10:13:07.123Z".parse::<Timestamp>().unwrap());
        world.block_on(kernel.keep_clock()).unwrap();
        world
    }

    fn begin(&mut self) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let cloud = runtime.block_on(Cloud::in_folder(services(), &self.folder));
        self.client = Some(cloud.client());
        (self.runtime, self.cloud) = (Some(runtime), Some(cloud));
    }

    /// The cloud ends in the middle of whatever it does, and begins again where it was.
    pub(super) fn restart(&mut self) {
        let before = self.now();
        self.client = None;
        self.cloud = None;
        self.runtime = None;
        self.begin();
        assert_eq!(self.now(), before, "the clock stands where it stood");
    }

    fn cloud(&self) -> &Cloud {
        self.cloud.as_ref().unwrap()
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(work)
    }

    pub(super) fn now(&self) -> i64 {
        self.cloud().kernel.clock().now().as_millisecond()
    }

    pub(super) fn advance(&self, millis: i64) {
        let span = Duration::from_millis(millis.unsigned_abs());
        self.block_on(self.cloud().kernel.advance(span)).unwrap();
    }

    /// How many blobs there are once those have gone to which nothing refers.
    pub(super) fn blobs(&self) -> usize {
        let kernel = &self.cloud().kernel;
        let mut seen = Unreferenced::default();
        self.block_on(async {
            for _ in 0..2 {
                kernel.blobs().sweep(kernel.database(), &mut seen).await.unwrap();
            }
        });
        let folders = std::fs::read_dir(kernel.blobs().folder()).unwrap().flatten();
        let folders = folders.filter(|f| f.file_name().len() == 2 && f.path().is_dir());
        folders.map(|f| std::fs::read_dir(f.path()).unwrap().count()).sum()
    }

    pub(super) fn call(&self, operation: &str, input: Json, body: Option<&[u8]>) -> Heard {
        if self.dice.percent(50) { self.by_socket(operation, input, body) } else { self.inside(operation, input, body) }
    }

    fn by_socket(&self, operation: &str, input: Json, body: Option<&[u8]>) -> Heard {
        let client = self.client.as_ref().unwrap();
        let body = body.map(Bytes::copy_from_slice);
        let answer = self.block_on(client.call_with_body("s3", operation, input, body));
        let code = if answer.status < 300 { String::new() } else { answer.code().to_owned() };
        Heard { status: answer.status, code, json: answer.json, body: answer.body.to_vec() }
    }

    fn inside(&self, operation: &str, input: Json, body: Option<&[u8]>) -> Heard {
        let cx = self.cloud().kernel.cx_for("000000000000", "us-east-1");
        let body = body.map(|b| Body::from(b.to_vec()));
        let answer = self.block_on(async {
            let (json, body) = cx.call_with_body("s3", operation, input, body).await?;
            let bytes = match body {
                Some(body) => body.collect(usize::MAX).await.map_err(Failure::broken)?.unwrap_or_default().to_vec(),
                None => Vec::new(),
            };
            Ok::<_, Failure>((json, bytes))
        });
        match answer {
            Ok((json, body)) => Heard { status: 200, code: String::new(), json, body },
            Err(Failure::Aws(error)) => {
                let (status, code) = (error.status, error.code.to_string());
                Heard { status, code, json: json!({"message": error.message}), body: Vec::new() }
            }
            Err(other) => Heard { status: 500, code: other.to_string(), json: Json::Null, body: Vec::new() },
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.client = None;
        self.cloud = None;
    }
}
