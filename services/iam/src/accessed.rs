//! Which services somebody may use, and when they were used last.

use minicbor::{Decode, Encode};
use undercast_kernel::store::{Read, Table};
use undercast_kernel::{Cx, Result, Timestamp};

use crate::api::{self, errors, output};
use crate::entity::Kind;
use crate::granted::{Given, SERVICES, Subject};
use crate::{pages, usage};

/// Account, id of the job → its report.
static REPORTS: Table<Report> = Table::new("iam.access_reports");

/// Services whose actions are told one by one, and what is none of those: data, and what no call of its own is.
const TRACKED: [&str; 2] = ["iam", "lambda"];

const MOST_JOBS_SECONDS: i64 = 7 * 86_400;

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Report {
    #[n(0)]
    by_action: bool,
    /// Seconds since 1970.
    #[n(1)]
    created: i64,
    #[n(2)]
    services: Vec<Service>,
}

/// A service that may be used.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Service {
    #[n(0)]
    namespace: String,
    #[n(1)]
    users: Vec<User>,
    /// Actions that are told one by one, with their last uses.
    #[n(2)]
    actions: Option<Vec<(String, Option<usage::Use>)>>,
}

/// A user or role that may use it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct User {
    #[n(0)]
    arn: String,
    #[n(1)]
    name: String,
    #[n(2)]
    id: String,
    #[n(3)]
    path: String,
    #[n(4)]
    is_role: bool,
    #[n(5)]
    used: Option<usage::Use>,
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The later of two uses.
fn later(uses: impl Iterator<Item = usage::Use>) -> Option<usage::Use> {
    uses.max_by_key(|used| used.at)
}

/// What the policies allow of a service whose actions are told one by one.
fn tracked(cx: &Cx, namespace: &str, policies: &[Given]) -> Option<Vec<String>> {
    if !TRACKED.contains(&namespace) {
        return None;
    }
    let service = cx.kernel().service(namespace)?;
    let (api, data) = (service.api(), service.data_events());
    let built = api.operations.iter().map(|operation| operation.name);
    let all = built.chain(api.unbuilt.iter().map(|operation| operation.name));
    let mut names: Vec<String> = all
        .filter(|name| !data.contains(name) && policies.iter().any(|p| p.has(&format!("{namespace}:{name}"))))
        .map(ToOwned::to_owned)
        .collect();
    names.sort();
    Some(names)
}

/// Makes the report: the services that the policies allow, and who used them when.
fn make(cx: &Cx, from: &impl Read, subject: &Subject, by_action: bool) -> Result<Report> {
    let policies = subject.policies(cx.account(), from)?;
    let callers = subject.callers(cx, from)?;
    let mut uses = Vec::new();
    for (kind, entity) in &callers {
        uses.push((*kind, entity, usage::of(cx, from, &entity.id)?));
    }
    let mut services = Vec::new();
    for (namespace, _) in SERVICES.iter().filter(|(name, _)| policies.iter().any(|policy| policy.is_of(name))) {
        let of_service = |of: &[(String, String, usage::Use)]| {
            later(of.iter().filter(|(service, _, _)| service == namespace).map(|(_, _, used)| used.clone()))
        };
        let users = uses.iter().map(|(kind, entity, of)| User {
            arn: entity.arn(cx, *kind),
            name: entity.name.clone(),
            id: entity.id.clone(),
            path: entity.path.clone(),
            is_role: *kind == Kind::Role,
            used: of_service(of),
        });
        let last = |action: &String| {
            let all = uses.iter().flat_map(|(_, _, of)| of.iter());
            later(all.filter(|(s, a, _)| s == namespace && a == action).map(|(_, _, used)| used.clone()))
        };
        let names = if by_action { tracked(cx, namespace, &policies) } else { None };
        let actions = names.map(|names| names.into_iter().map(|name| (name.clone(), last(&name))).collect());
        services.push(Service { namespace: (*namespace).to_owned(), users: users.collect(), actions });
    }
    Ok(Report { by_action, created: cx.now().as_second(), services })
}

/// Makes a report of what somebody may use and did use. It is done at once.
pub(crate) async fn generate(
    cx: &Cx,
    input: api::GenerateServiceLastAccessedDetailsInput,
) -> Result<api::GenerateServiceLastAccessedDetailsOutput> {
    usage::flush(cx.kernel()).await?;
    let from = cx.read();
    let subject = Subject::find(cx, &from, &input.arn)?;
    let report = make(cx, &from, &subject, input.granularity.as_deref() == Some("ACTION_LEVEL"))?;
    drop(from);
    let id = cx.random().uuid();
    cx.write(|tx| {
        // Reports are kept for a while only.
        for entry in REPORTS.all(tx, &(cx.account(),))? {
            let old = entry.row.created < report.created - MOST_JOBS_SECONDS;
            if let Some((_, job)) = entry.key::<(String, String)>().filter(|_| old) {
                REPORTS.delete(tx, &(cx.account(), job));
            }
        }
        REPORTS.put(tx, &(cx.account(), &id), &report);
        Ok(())
    })
    .await?;
    Ok(api::GenerateServiceLastAccessedDetailsOutput { job_id: Some(id) })
}

fn find(cx: &Cx, job: &str) -> Result<Report> {
    let found = REPORTS.get(&cx.read(), &(cx.account(), job))?;
    let missing = || errors::no_such_entity_exception(format!("Job with id {job} cannot be found."));
    found.ok_or_else(|| missing().into())
}

fn name_of(namespace: &str) -> String {
    let known = SERVICES.iter().find(|(name, _)| *name == namespace);
    known.map_or_else(|| namespace.to_owned(), |(_, name)| (*name).to_owned())
}

impl Service {
    fn output(&self) -> output::ServiceLastAccessed {
        let last = later(self.users.iter().filter_map(|user| user.used.clone()));
        let count = self.users.iter().filter(|user| user.used.is_some()).count();
        let actions = self.actions.as_ref().map(|all| {
            let shown = all.iter().map(|(name, used)| output::TrackedActionLastAccessed {
                action_name: Some(name.clone()),
                last_accessed_entity: used.as_ref().map(|used| used.arn.clone()),
                last_accessed_time: used.as_ref().map(|used| moment(used.at)),
                last_accessed_region: used.as_ref().map(|used| used.region.clone()),
            });
            shown.collect()
        });
        output::ServiceLastAccessed {
            service_name: name_of(&self.namespace),
            service_namespace: self.namespace.clone(),
            last_authenticated: last.as_ref().map(|used| moment(used.at)),
            last_authenticated_entity: last.as_ref().map(|used| used.arn.clone()),
            last_authenticated_region: last.map(|used| used.region),
            total_authenticated_entities: i32::try_from(count).ok(),
            tracked_actions_last_accessed: actions,
        }
    }
}

pub(crate) fn get(
    cx: &Cx,
    input: &api::GetServiceLastAccessedDetailsInput,
) -> Result<api::GetServiceLastAccessedDetailsOutput> {
    let report = find(cx, &input.job_id)?;
    let list = format!("GetServiceLastAccessedDetails {}", input.job_id);
    let place = |s: &Service| s.namespace.clone();
    let (page, is_truncated, marker) =
        pages::page(&list, report.services, place, input.marker.as_deref(), input.max_items)?;
    Ok(api::GetServiceLastAccessedDetailsOutput {
        job_status: "COMPLETED".to_owned(),
        job_type: Some(if report.by_action { "ACTION_LEVEL" } else { "SERVICE_LEVEL" }.to_owned()),
        job_creation_date: moment(report.created),
        job_completion_date: moment(report.created),
        services_last_accessed: page.iter().map(Service::output).collect(),
        is_truncated,
        marker,
        error: None,
    })
}

/// Who used a service of a report, and when.
pub(crate) fn get_entities(
    cx: &Cx,
    input: &api::GetServiceLastAccessedDetailsWithEntitiesInput,
) -> Result<api::GetServiceLastAccessedDetailsWithEntitiesOutput> {
    let report = find(cx, &input.job_id)?;
    let Some(service) = report.services.into_iter().find(|s| s.namespace == input.service_namespace) else {
        let message = format!("The report has no service {}.", input.service_namespace);
        return Err(errors::invalid_input_exception(message).into());
    };
    let mut users = service.users;
    users.sort_by(|a, b| a.id.cmp(&b.id));
    let list = format!("GetServiceLastAccessedDetailsWithEntities {} {}", input.job_id, service.namespace);
    let (page, is_truncated, marker) =
        pages::page(&list, users, |u| u.id.clone(), input.marker.as_deref(), input.max_items)?;
    let entity_details_list = page.into_iter().map(|user| output::EntityDetails {
        last_authenticated: user.used.as_ref().map(|used| moment(used.at)),
        entity_info: output::EntityInfo {
            arn: user.arn,
            name: user.name,
            type_: if user.is_role { "ROLE" } else { "USER" }.to_owned(),
            id: user.id,
            path: Some(user.path),
        },
    });
    Ok(api::GetServiceLastAccessedDetailsWithEntitiesOutput {
        job_status: "COMPLETED".to_owned(),
        job_creation_date: moment(report.created),
        job_completion_date: moment(report.created),
        entity_details_list: entity_details_list.collect(),
        is_truncated,
        marker,
        error: None,
    })
}

/// The policies by which somebody may use services.
pub(crate) fn policies_granting(
    cx: &Cx,
    input: api::ListPoliciesGrantingServiceAccessInput,
) -> Result<api::ListPoliciesGrantingServiceAccessOutput> {
    let from = cx.read();
    let subject = Subject::find(cx, &from, &input.arn)?;
    if matches!(subject, Subject::Policy(_)) {
        let message = "The ARN has to be that of a user, a group or a role.";
        return Err(errors::invalid_input_exception(message).into());
    }
    let policies = subject.policies(cx.account(), &from)?;
    let mut namespaces = input.service_namespaces;
    namespaces.sort();
    namespaces.dedup();
    let list = format!("ListPoliciesGrantingServiceAccess {}", input.arn);
    let (page, is_truncated, marker) = pages::page(&list, namespaces, Clone::clone, input.marker.as_deref(), None)?;
    let entry = |namespace: String| {
        let granting = policies.iter().filter(|policy| policy.is_of(&namespace)).map(granting).collect();
        output::ListPoliciesGrantingServiceAccessEntry { service_namespace: Some(namespace), policies: Some(granting) }
    };
    let policies_granting_service_access = page.into_iter().map(entry).collect();
    Ok(api::ListPoliciesGrantingServiceAccessOutput { policies_granting_service_access, is_truncated, marker })
}

fn granting(policy: &Given) -> output::PolicyGrantingServiceAccess {
    let inline = policy.arn.is_none();
    let (kind, name) = (policy.of.0.word().to_uppercase(), policy.of.1.clone());
    output::PolicyGrantingServiceAccess {
        policy_name: policy.name.clone(),
        policy_type: if inline { "INLINE" } else { "MANAGED" }.to_owned(),
        policy_arn: policy.arn.clone(),
        // A managed policy may be of many; of an inline one it is told whose it is.
        entity_type: inline.then_some(kind),
        entity_name: inline.then_some(name),
    }
}
