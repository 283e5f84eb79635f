//! Zones that die: environments stand in them.

use std::time::Duration;

use serde_json::{Value as Json, json};
use undercast_kernel::FaultRule;

use crate::setup::{cloud, create, invoke, invoke_with, parsed, python};

crate::tests!(a_dead_zone_takes_its_environments_with_it, nothing_runs_where_every_zone_is_dead);

const ZONES: [&str; 6] = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"];

/// Answers with a number of its own process, which outlives an invocation.
const PROCESS: &str = "
import os, time
here = os.urandom(8).hex()
def handler(event, context):
    time.sleep(event.get('sleep', 0))
    return here
";

fn dead(zone: &str) -> FaultRule {
    serde_json::from_value(json!({"id": zone, "zone": zone, "effect": "dead"})).unwrap()
}

async fn a_dead_zone_takes_its_environments_with_it() {
    let (cloud, client) = cloud().await;
    create(&client, python("f", PROCESS)).await;
    let first = invoke(&client, "f", json!({})).await;
    assert_eq!(invoke(&client, "f", json!({})).await, first, "the environment is used again");
    let faults = cloud.kernel.faults();
    ZONES[..5].iter().for_each(|zone| faults.add(dead(zone)).unwrap());
    assert_eq!(faults.living_zones("us-east-1"), [ZONES[5]]);
    let last = invoke(&client, "f", json!({})).await;
    assert_eq!(faults.remove(None), 5);
    faults.add(dead(ZONES[0])).unwrap();
    assert_eq!(invoke(&client, "f", json!({})).await, last, "it stands in the one that lived");
    faults.add(dead(ZONES[5])).unwrap();
    assert_ne!(invoke(&client, "f", json!({})).await, last, "and moves when that one dies");
}

async fn nothing_runs_where_every_zone_is_dead() {
    let (cloud, client) = cloud().await;
    create(&client, python("f", PROCESS)).await;
    invoke(&client, "f", json!({})).await;
    let kill = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for zone in ZONES {
            cloud.kernel.faults().add(dead(zone)).unwrap();
        }
    };
    let payload = json!({"sleep": 30});
    let long = invoke_with(&client, "f", json!({}), &payload);
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(long, kill) }).await.unwrap();
    let message = parsed(&answer)["errorMessage"].to_string();
    assert!(message.contains("signal: killed"), "{message}");
    let refused = client.call("lambda", "Invoke", json!({"FunctionName": "f"})).await;
    assert_eq!((refused.status, refused.code()), (500, "ServiceException"));
    cloud.kernel.faults().remove(None);
    assert!(matches!(invoke(&client, "f", json!({})).await, Json::String(_)), "it runs again");
}
