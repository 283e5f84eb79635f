//! Schedules of a cloud that is stopped and begun again.

use serde_json::json;
use undercast_testkit::Folder;

use super::*;

/// Runs in a runtime of its own, which takes all that was going on with it, as a crash does.
fn life<T>(folder: &Folder, work: impl AsyncFnOnce(Cloud, Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let out = runtime.block_on(async {
        let cloud = Cloud::in_folder(services(), folder).await;
        let client = cloud.client();
        work(cloud, client).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    out
}

#[test]
fn each_moment_is_taken_once_whenever_the_cloud_stops() {
    let folder = Folder::new();
    let url = life(&folder, async |cloud, client| {
        cloud.kernel.clock().freeze();
        cloud.kernel.clock().set("2026-03-01T12:00:00Z".parse().unwrap());
        cloud.kernel.keep_clock().await.unwrap();
        role(&client, "scheduler", &["*"]).await;
        let url = queue(&client, "q").await;
        create(&client, "rate(1 minute)", json!({"StartDate": "2026-03-01T12:01:00Z"})).await;
        url
    });
    for _ in 0..4 {
        life(&folder, async |cloud, _| {
            // It stops in the midst of it.
            let kernel = cloud.kernel.clone();
            tokio::select! {
                moved = kernel.advance(Duration::from_secs(600)) => drop(moved.unwrap()),
                () = tokio::time::sleep(Duration::from_millis(15)) => {}
            }
            cloud.kernel.keep_clock().await.unwrap();
        });
    }
    let (told, until) = life(&folder, async |cloud, client| {
        pass(&cloud, 60).await;
        (bodies(&client, &url).await, cloud.kernel.clock().now())
    });
    let minutes = (until.as_second() - "2026-03-01T12:00:00Z".parse::<Timestamp>().unwrap().as_second()) / 60;
    let mut distinct = told.clone();
    distinct.dedup();
    // None is left out, and none comes twice.
    assert_eq!(i64::try_from(distinct.len()).unwrap(), minutes, "{told:?}");
    assert_eq!(told.len(), distinct.len(), "{told:?}");
}
