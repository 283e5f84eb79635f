//! Principals that stand for all others: who can be told apart by what policies name, and by the keys that follow from who calls.

use std::collections::BTreeSet;

use undercast_kernel::arn::Arn;
use undercast_kernel::auth::canonical_user;
use undercast_kernel::policy::{ConditionEntry, PrincipalFacts, PrincipalKind, PrincipalType, Principals, Version};

use super::Undecided;
use super::automaton::{Fold, Glob, witnesses};
use super::space::{Part, nobody};
use super::values::globs;

/// Keys whose values the evaluator takes from the principal.
const OWN: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalisawsservice",
    "aws:principalservicename",
    "aws:principaltype",
];

/// Whether a key, in small letters, follows from who calls.
pub(crate) fn is_own(key: &str) -> bool {
    OWN.contains(&key)
}

/// Somebody whom no policy names.
#[derive(Debug)]
pub(crate) struct Stranger;

impl Stranger {
    /// An account that is nobody's.
    pub(crate) const ACCOUNT: &'static str = "999999999999";
}

/// What policies name.
#[derive(Default)]
struct Named {
    aws: BTreeSet<String>,
    services: BTreeSet<String>,
    providers: BTreeSet<String>,
    canonical: BTreeSet<String>,
    accounts: BTreeSet<String>,
    partitions: BTreeSet<String>,
    /// Patterns of `aws:PrincipalArn`, and those that are named.
    arns: Vec<Glob>,
    /// Patterns of `aws:PrincipalAccount`.
    of_account: Vec<Glob>,
    /// Patterns of `aws:PrincipalServiceName`.
    of_service: Vec<Glob>,
}

impl Named {
    fn principal(&mut self, kind: PrincipalType, value: &str) {
        match kind {
            PrincipalType::Service => _ = self.services.insert(value.to_owned()),
            PrincipalType::Federated => _ = self.providers.insert(value.to_owned()),
            PrincipalType::CanonicalUser => _ = self.canonical.insert(value.to_owned()),
            PrincipalType::Aws if value != "*" => {
                self.place(value);
                self.arns.push(Glob::literal(value));
                self.aws.insert(value.to_owned());
            }
            PrincipalType::Aws => {}
        }
    }

    /// The account and partition that something speaks of.
    fn place(&mut self, value: &str) {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_account(value) {
            self.accounts.insert(value.to_owned());
        }
        if let Some(arn) = Arn::parse(value) {
            if is_account(&arn.account) {
                self.accounts.insert(arn.account);
            }
            if !arn.partition.contains(['*', '?']) {
                self.partitions.insert(arn.partition);
            }
        }
    }

    fn condition(&mut self, entry: &ConditionEntry, version: Option<Version>) -> Result<(), Undecided> {
        entry.values.iter().for_each(|value| self.place(value));
        let patterns = globs((entry, version))?;
        match entry.key.to_lowercase().as_str() {
            "aws:principalarn" => self.arns.extend(patterns),
            "aws:principalaccount" => self.of_account.extend(patterns),
            "aws:principalservicename" => self.of_service.extend(patterns),
            _ => {}
        }
        Ok(())
    }

    fn of(parts: &[Part]) -> Result<Self, Undecided> {
        let mut named = Self { partitions: BTreeSet::from(["aws".to_owned()]), ..Self::default() };
        for part in parts {
            if let Some(Principals::Named(all)) = part.statement.principal.as_ref().map(|element| &element.principals) {
                for (kind, values) in all {
                    values.iter().for_each(|value| named.principal(*kind, value));
                }
            }
            for entry in part.statement.conditions.iter().filter(|entry| is_own(&entry.key.to_lowercase())) {
                named.condition(entry, part.version)?;
            }
        }
        let twelve = Glob::new("????????????", true, false, Fold::Exact);
        let told = witnesses(&named.of_account, &twelve)?;
        // An account has no colon in it.
        named.accounts.extend(told.into_iter().filter(|account| !account.contains(':')));
        named.accounts.insert(Stranger::ACCOUNT.to_owned());
        let any = Glob::new("?*", true, false, Fold::Exact);
        let services = witnesses(&named.of_service, &any)?;
        named.services.extend(services);
        named.services.insert("other.amazonaws.com".to_owned());
        named.providers.insert("other.example.com".to_owned());
        Ok(named)
    }

    /// ARNs of this form that stand for all others.
    fn arns(&self, form: &str) -> Result<Vec<String>, Undecided> {
        witnesses(&self.arns, &Glob::new(form, true, false, Fold::Exact))
    }

    /// The names of sessions of this kind in an account.
    fn sessions<'a>(&'a self, account: &'a str, kind: &'a str) -> impl Iterator<Item = String> + 'a {
        self.aws.iter().filter_map(move |value| {
            let arn = Arn::parse(value).filter(|arn| arn.service == "sts" && arn.account == account)?;
            arn.resource.strip_prefix(kind)?.strip_prefix('/').map(ToOwned::to_owned)
        })
    }
}

fn facts(arn: String, account: &str, kind: PrincipalKind) -> PrincipalFacts {
    let canonical = (!account.is_empty()).then(|| canonical_user(account));
    PrincipalFacts { arn, account: account.to_owned(), kind, user_id: String::new(), canonical_user: canonical }
}

/// The principals of an account.
fn in_account(named: &Named, partition: &str, account: &str, all: &mut Vec<PrincipalFacts>) -> Result<(), Undecided> {
    let place = format!("arn:{partition}:iam::{account}");
    let session = |arn: String, role_arn: String, name: &str| {
        let kind = PrincipalKind::AssumedRole { role_arn, session_name: name.to_owned(), provider: None };
        facts(arn, account, kind)
    };
    all.push(facts(format!("{place}:root"), account, PrincipalKind::Root));
    for arn in named.arns(&format!("{place}:user/?*"))? {
        all.push(facts(arn, account, PrincipalKind::User { name: String::new() }));
    }
    for role in named.arns(&format!("{place}:role/?*"))? {
        let name = role.rsplit('/').next().unwrap_or_default();
        let arn = format!("arn:{partition}:sts::{account}:assumed-role/{name}/another-session");
        all.push(session(arn, role, "another-session"));
    }
    for told in named.sessions(account, "assumed-role") {
        let Some((name, called)) = told.split_once('/') else { continue };
        for form in [format!("{place}:role/{name}"), format!("{place}:role/*/{name}")] {
            for role in named.arns(&form)? {
                let arn = format!("arn:{partition}:sts::{account}:assumed-role/{told}");
                all.push(session(arn, role, called));
            }
        }
    }
    let users: Vec<String> =
        named.aws.iter().filter(|value| value.starts_with(&format!("{place}:user/"))).cloned().collect();
    for arn in named.arns(&format!("arn:{partition}:sts::{account}:federated-user/?*"))? {
        for user_arn in users.iter().cloned().chain([format!("{place}:user/another-user")]) {
            let kind = PrincipalKind::FederatedUser { name: String::new(), user_arn };
            all.push(facts(arn.clone(), account, kind));
        }
    }
    Ok(())
}

/// Principals that stand for all others, as far as these statements tell them apart.
pub(crate) fn of(parts: &[Part]) -> Result<Vec<PrincipalFacts>, Undecided> {
    let named = Named::of(parts)?;
    let mut all = vec![PrincipalFacts { arn: "anonymous".to_owned(), ..nobody() }];
    for account in &named.accounts {
        for partition in &named.partitions {
            in_account(&named, partition, account, &mut all)?;
        }
    }
    let mut more = Vec::new();
    // Whoever is named by a unique id, or by the canonical id of an account that is not known, may be anybody.
    for principal in all.iter().filter(|principal| !principal.account.is_empty()) {
        for id in named.aws.iter().filter(|value| !value.contains(':') && !named.accounts.contains(*value)) {
            more.push(PrincipalFacts { user_id: id.clone(), ..principal.clone() });
        }
        if principal.account == Stranger::ACCOUNT {
            let canonical = |id: &String| PrincipalFacts { canonical_user: Some(id.clone()), ..principal.clone() };
            more.extend(named.canonical.iter().map(canonical));
        }
        if let PrincipalKind::AssumedRole { role_arn, session_name, .. } = &principal.kind {
            let through = |provider: &String| PrincipalKind::AssumedRole {
                role_arn: role_arn.clone(),
                session_name: session_name.clone(),
                provider: Some(provider.clone()),
            };
            let with = |kind| PrincipalFacts { kind, ..principal.clone() };
            more.extend(named.providers.iter().map(through).map(with));
        }
    }
    all.append(&mut more);
    let service = |name: &String| facts(name.clone(), "", PrincipalKind::Service { name: name.clone() });
    all.extend(named.services.iter().map(service));
    let federated =
        |provider: &String| facts(provider.clone(), "", PrincipalKind::Federated { provider: provider.clone() });
    all.extend(named.providers.iter().map(federated));
    Ok(all)
}
