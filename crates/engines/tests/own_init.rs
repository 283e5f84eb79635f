//! A program may be its own init, which is the usual way. Without the test harness, because that has threads
//! before a test begins, and `main` must come first.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail, and says that it passed")]

use tokio::io::AsyncReadExt;
use undercast_engines::sandbox::{Exit, SandboxSpec, launch};

fn main() {
    undercast_engines::run_if_helper();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut running = launch(SandboxSpec::new(["/bin/echo", "from inside"])).await.unwrap();
        let mut told = String::new();
        running.take_stdout().unwrap().read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "from inside\n");
        assert_eq!(running.wait().await.unwrap().exit, Exit::Code(0));
    });
    println!("test a_program_may_be_its_own_init ... ok");
}
