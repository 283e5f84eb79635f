//! Commands that need no running cloud.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use undercast_engines::sandbox::State;

use super::{Outcome, say};

pub(super) fn ca(data: &Path) -> Outcome {
    let folder = undercast_authority::folder(data);
    // It is made on first use.
    undercast_authority::Authority::load(&folder)?;
    let path = undercast_authority::certificate_path(&folder);
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

pub(super) async fn doctor(json: bool) -> Outcome {
    let findings = undercast_engines::sandbox::doctor(None).await;
    let missing = findings.iter().any(|f| f.state == State::Missing);
    for finding in findings {
        let state = match finding.state {
            State::Works => "works",
            State::Limited => "limited",
            State::Missing => "missing",
        };
        if json {
            say(
                &json!({"subject": finding.subject, "state": state, "sentence": finding.sentence, "fix": finding.fix})
                    .to_string(),
            )?;
            continue;
        }
        say(&format!("{:<10} {state:<8} {}", finding.subject, finding.sentence))?;
        if let Some(fix) = finding.fix {
            say(&format!("{:<10} {:<8} {fix}", "", "fix:"))?;
        }
    }
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
