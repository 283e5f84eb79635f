//! Commands that need no running cloud.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::{Outcome, say};

pub(super) fn ca(data: &Path) -> Outcome {
    let path = undercast_gateway::tls::ensure_ca(&data.join("ca"))?;
    let path = path.display();
    say(&format!("{path}"))?;
    for (client, line) in [
        ("aws, boto3", format!("export AWS_CA_BUNDLE='{path}'")),
        ("python requests", format!("export REQUESTS_CA_BUNDLE='{path}'")),
        ("node", format!("export NODE_EXTRA_CA_CERTS='{path}'")),
        ("go", format!("export SSL_CERT_FILE='{path}'")),
        ("java", format!("keytool -importcert -noprompt -cacerts -storepass changeit -alias undercast -file '{path}'")),
        ("curl", format!("curl --cacert '{path}' https://localhost:4566/_undercast/health")),
    ] {
        say(&format!("{client:>16}  {line}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn env(endpoint: &str) -> Outcome {
    for (name, value) in [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        say(&format!("export {name}='{value}'"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn doctor(json: bool) -> Outcome {
    let report = undercast_engines::sandbox::doctor();
    if json {
        say(&json!({"report": format!("{report:?}")}).to_string())?;
    } else {
        say(&format!("{report:#?}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
