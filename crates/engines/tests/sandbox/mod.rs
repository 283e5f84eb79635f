use tokio::io::AsyncReadExt;
use undercast_engines::sandbox::{Exit, SandboxSpec, launch};

fn spec(command: &[&str]) -> SandboxSpec {
    let mut spec = SandboxSpec::new(command.iter().copied());
    spec.init = env!("CARGO_BIN_EXE_undercast-sandbox-init").into();
    spec.env.push(("PATH".into(), "/usr/bin:/bin".into()));
    spec
}

#[tokio::test]
async fn smoke() {
    let mut running = launch(spec(&["sh", "-c", "id; ls -la / /dev /etc /tmp; cat /proc/self/status /proc/self/mountinfo /proc/self/cgroup; ps aux; ip addr; echo err >&2; exit 7"])).await.unwrap();
    let mut out = String::new();
    running.take_stdout().unwrap().read_to_string(&mut out).await.unwrap();
    println!("{out} {:?}", running.limits());
    let ending = running.wait().await.unwrap();
    println!("{ending:?}");
    assert_eq!(ending.exit, Exit::Code(7));
}
