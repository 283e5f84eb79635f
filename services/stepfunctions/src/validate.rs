//! `ValidateStateMachineDefinition`: what is wrong with a definition, without making anything of it.

use undercast_asl as asl;
use undercast_kernel::Result;

use crate::api::{self, output};

/// So many diagnostics are told, if nobody says how many.
const MOST: usize = 100;

pub(crate) fn validate(
    input: &api::ValidateStateMachineDefinitionInput,
) -> Result<api::ValidateStateMachineDefinitionOutput> {
    let limits = asl::Limits { express: input.type_.as_deref() == Some("EXPRESS") };
    let errors_only = input.severity.as_deref() != Some("WARNING");
    let found = asl::validate(&input.definition, &limits);
    let failed = found.iter().any(|one| one.severity() == asl::Severity::Error);
    let wanted = |one: &asl::Diagnostic| !errors_only || one.severity() == asl::Severity::Error;
    let most = input.max_results.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(MOST);
    let all: Vec<asl::Diagnostic> = found.into_iter().filter(wanted).collect();
    let truncated = all.len() > most;
    let shown = all.into_iter().take(most).map(|one| output::ValidateStateMachineDefinitionDiagnostic {
        severity: one.severity().as_str().to_owned(),
        code: one.code.as_str().to_owned(),
        message: one.message,
        location: one.location,
    });
    Ok(api::ValidateStateMachineDefinitionOutput {
        result: if failed { "FAIL" } else { "OK" }.to_owned(),
        diagnostics: shown.collect(),
        truncated: Some(truncated),
    })
}
