//! Who may do what to a table: the permissions that a call needs, and the condition keys that policies can ask about.
//!
//! Source: "Actions, resources, and condition keys for Amazon DynamoDB" in the service authorization reference, and "Using
//! IAM policy conditions for fine-grained access control" in the developer guide.

use crate::DynamoDb;
use crate::api::form;
use crate::error::Result;
use crate::expression::ExpressionKind;
use crate::expression::parse;
use crate::expression::syntax::{Clause, Comparator, Condition, Operand, Part, Path};
use crate::partiql::permission as partiql;
use crate::policies;
use crate::request::{home, scope, table_arn, table_name};
use crate::rows;
use crate::streams::store;
use crate::table::Table;
use crate::value::AttributeValue;
use std::sync::Arc;
use undercast_kernel::arn::Arn;
use undercast_kernel::policy::PrincipalKind;
use undercast_kernel::{Access, Cx};
use undercast_store::is_account;
use undercast_wire::schema::Operation;
use undercast_wire::{Fields, Value};

/// The permissions that a call needs: one for each table or index that it touches.
///
/// # Errors
/// When a table's name is none, and when the store fails.
pub(crate) fn access(
    service: &DynamoDb,
    cx: &Cx,
    operation: &'static Operation,
    input: &Fields,
) -> Result<Vec<Access>> {
    let name = operation.name;
    if input.text("TableName").is_some() {
        let mut all = vec![on_table(service, cx, name, input, None)?];
        if input.text("ResourcePolicy").is_some() {
            all.push(on_table(service, cx, "PutResourcePolicy", input, None)?);
        }
        all.extend(on_replicas(cx, input)?);
        if let Some(source) = input.text("GlobalTableSourceArn") {
            all.push(on_source(service, cx, source)?);
        }
        return Ok(all);
    }
    if let Some(text) = input.text("Statement") {
        return partiql::on_statement(service, cx, text, &parameters(input), "ExecuteStatement");
    }
    if input.get("Statements").is_some() {
        // Denied is each statement by itself, as its answer.
        return Ok(Vec::new());
    }
    if let Some(Value::List(statements)) = input.get("TransactStatements") {
        let mut all = Vec::with_capacity(statements.len());
        for one in statements.iter().filter_map(Value::as_fields) {
            let text = one.text("Statement").unwrap_or_default();
            all.extend(partiql::on_statement(service, cx, text, &parameters(one), "ExecuteTransaction")?);
        }
        return Ok(all);
    }
    if let Some(arn) = input.text("ResourceArn") {
        let mut access = Access::new(format!("dynamodb:{name}"), arn);
        undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
        return Ok(vec![with_policy(service, cx, access, arn)?]);
    }
    if let Some(Value::Map(tables)) = input.get("RequestItems") {
        return tables.iter().map(|(given, request)| on_batch(service, cx, name, given, request)).collect();
    }
    if let Some(Value::List(items)) = input.get("TransactItems") {
        let mut all: Vec<Access> = Vec::new();
        for (member, value) in items.iter().filter_map(Value::as_fields).flat_map(named) {
            let action = match member {
                "Get" => "GetItem",
                "Put" => "PutItem",
                "Update" => "UpdateItem",
                "Delete" => "DeleteItem",
                _ => "ConditionCheckItem",
            };
            if let Some(fields) = value.as_fields().filter(|fields| fields.text("TableName").is_some()) {
                all.push(on_table(service, cx, action, fields, Some(name))?);
            }
        }
        return Ok(all);
    }
    let target = input.text("TargetTableName").map(|table| table_arn(cx, table));
    let source = match (input.text("BackupArn").or(input.text("SourceTableArn")), input.text("SourceTableName")) {
        (Some(arn), _) => Some(arn.to_owned()),
        (None, table) => table.map(|table| table_arn(cx, table)),
    };
    if source.is_some() || target.is_some() {
        let on = |resource: String| Access::new(format!("dynamodb:{name}"), resource);
        return Ok(source.into_iter().chain(target).map(on).collect());
    }
    Ok(vec![Access::new(format!("dynamodb:{name}"), job_resource(cx, input).unwrap_or("*".to_owned()))])
}

/// What whoever adds a replica may do in its region: DynamoDB makes and fills it with the rights of the caller.
const OF_NEW_REPLICA: [&str; 9] = [
    "CreateTable",
    "CreateTableReplica",
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "UpdateItem",
];

/// The permissions that changes to replicas and witnesses need in their regions.
///
/// Source: "Using IAM with global tables" in the developer guide.
fn on_replicas(cx: &Cx, input: &Fields) -> Result<Vec<Access>> {
    const LISTS: [(&str, &[&str], &[&str], &[&str]); 2] = [
        ("ReplicaUpdates", &OF_NEW_REPLICA, &["UpdateTable"], &["DeleteTable", "DeleteTableReplica"]),
        ("GlobalTableWitnessUpdates", &["CreateGlobalTableWitness"], &[], &["DeleteGlobalTableWitness"]),
    ];
    let mut all = Vec::new();
    for (list, made, changed, gone) in LISTS {
        let Some(Value::List(updates)) = input.get(list) else { continue };
        let name = table_name(cx, input.text("TableName").unwrap_or(""))?;
        for update in updates.iter().filter_map(Value::as_fields) {
            for (member, actions) in [("Create", made), ("Update", changed), ("Delete", gone)] {
                let of = update.get(member).and_then(Value::as_fields);
                let Some(region) = of.and_then(|of| of.text("RegionName")) else { continue };
                let arn = table_arn(&cx.elsewhere(cx.account(), region), name);
                all.extend(actions.iter().map(|action| Access::new(format!("dynamodb:{action}"), arn.as_str())));
            }
        }
    }
    Ok(all)
}

/// Whoever makes a replica of a table of another account needs its leave.
fn on_source(service: &DynamoDb, cx: &Cx, source: &str) -> Result<Access> {
    let access = Access::new("dynamodb:AssociateTableReplica", source);
    let Some(arn) = Arn::parse(source).filter(|arn| is_account(&arn.account)) else { return Ok(access) };
    let there = cx.elsewhere(&arn.account, &arn.region);
    let name = source.rsplit('/').next().unwrap_or_default();
    let known = service.descriptions.any(&there.read(), scope(&there), name)?;
    of_table(&there, access, source, known.as_deref())
}

/// What a call on exports, imports or global tables is about, where it is about one of them or about a table.
fn job_resource(cx: &Cx, input: &Fields) -> Option<String> {
    if let Some(table) = input.text("GlobalTableName") {
        return Some(cx.global_arn("dynamodb", &format!("global-table/{table}")));
    }
    let given = ["ExportArn", "ImportArn", "TableArn"].iter().find_map(|member| input.text(member));
    let table = || input.get("TableCreationParameters").and_then(|of| of.text("TableName"));
    given.map(ToOwned::to_owned).or_else(|| table().map(|name| table_arn(cx, name)))
}

/// The parameters of a statement, up to the first that is no value.
fn parameters(input: &Fields) -> Vec<AttributeValue> {
    let Some(Value::List(given)) = input.get("Parameters") else { return Vec::new() };
    given.iter().map_while(form::seen).collect()
}

/// The members that are set, by name.
fn named(fields: &Fields) -> impl Iterator<Item = (&'static str, &Value)> {
    let members = fields.schema.members;
    fields.set.iter().filter_map(move |(index, value)| Some((members.get(usize::from(*index))?.name, value)))
}

/// Whether policies may have a say. What they can ask about costs reading, and the root user is asked nothing but by a policy of
/// the table.
pub(crate) fn is_asked(cx: &Cx, access: &Access) -> bool {
    !matches!(cx.principal().kind, PrincipalKind::Root) || !access.policies.is_empty()
}

/// A permission on a table, or on a part of it, with the account that owns it and with its policy.
pub(crate) fn of_table(home: &Cx, access: Access, arn: &str, table: Option<&Table>) -> Result<Access> {
    let access = if home.account() == home.principal().account { access } else { access.in_account(home.account()) };
    match table.and_then(|table| table.policy.as_ref()) {
        Some(policy) => policies::guarded(home, access, arn, &policy.text),
        None => Ok(access),
    }
}

/// A permission on what an ARN means, with the policy of the table or of the stream.
fn with_policy(service: &DynamoDb, cx: &Cx, access: Access, arn: &str) -> Result<Access> {
    let Some(resource) = arn.strip_prefix(cx.arn("dynamodb", "table/").as_str()) else { return Ok(access) };
    if resource.contains("/stream/") {
        return of_stream(cx, access, arn);
    }
    let table = service.descriptions.get(&cx.read(), scope(cx), resource)?;
    of_table(cx, access, arn, table.as_deref())
}

/// A permission on a stream, with the account that owns it and with its policy.
///
/// # Errors
/// When the store fails.
pub(crate) fn of_stream(cx: &Cx, access: Access, arn: &str) -> Result<Access> {
    let home = home(cx, arn);
    let parts = arn.strip_prefix(home.arn("dynamodb", "table/").as_str()).and_then(|rest| rest.split_once("/stream/"));
    let stream = match parts {
        Some((table, label)) => store::get(&home.read(), scope(&home), table, label)?,
        None => None,
    };
    let access = of_table(&home, access, arn, None)?;
    match stream.and_then(|stream| stream.policy) {
        Some(policy) => policies::guarded(&home, access, arn, &policy.text),
        None => Ok(access),
    }
}

fn on_table(
    service: &DynamoDb,
    cx: &Cx,
    action: &str,
    input: &Fields,
    enclosing: Option<&'static str>,
) -> Result<Access> {
    let given = input.text("TableName").unwrap_or("");
    let home = home(cx, given);
    let name = table_name(&home, given)?;
    let arn = table_arn(&home, name);
    let resource = match input.text("IndexName") {
        Some(index) => format!("{arn}/index/{index}"),
        None => arn.clone(),
    };
    if service.asks_nothing(cx, &home)? {
        return Ok(Access::new(format!("dynamodb:{action}"), resource));
    }
    let known = service.descriptions.get(&home.read(), scope(&home), name)?;
    let mut access = of_table(&home, Access::new(format!("dynamodb:{action}"), resource), &arn, known.as_deref())?;
    if !is_asked(cx, &access) {
        return Ok(access);
    }
    if let Some(operation) = enclosing {
        access.context.set("dynamodb:EnclosingOperation", operation);
    }
    for member in ["Select", "ReturnValues", "ReturnConsumedCapacity"] {
        if let Some(value) = input.text(member) {
            access.context.set(&format!("dynamodb:{member}"), value);
        }
    }
    undercast_kernel::tags::requested(&mut access.context, input.get("Tags"), input.get("TagKeys"));
    if let Some(table) = known {
        resource_tags(&home, &mut access, &table)?;
        let keys: Vec<String> = leading_keys(&table, input).into_iter().collect();
        if !keys.is_empty() {
            access.context.set_many("dynamodb:LeadingKeys", keys);
        }
    }
    // Searches of vectors know nothing of what policies say of attributes.
    let attributes = if action == "SearchVectors" { Vec::new() } else { attributes(input) };
    if !attributes.is_empty() {
        access.context.set_many("dynamodb:Attributes", attributes);
    }
    Ok(access)
}

fn on_batch(service: &DynamoDb, cx: &Cx, action: &str, given: &str, request: &Value) -> Result<Access> {
    let home = home(cx, given);
    let name = table_name(&home, given)?;
    let arn = table_arn(&home, name);
    if service.asks_nothing(cx, &home)? {
        return Ok(Access::new(format!("dynamodb:{action}"), arn));
    }
    let known = service.descriptions.get(&home.read(), scope(&home), name)?;
    let mut access = of_table(&home, Access::new(format!("dynamodb:{action}"), &arn), &arn, known.as_deref())?;
    let Some(table) = known.filter(|_| is_asked(cx, &access)) else { return Ok(access) };
    resource_tags(&home, &mut access, &table)?;
    let partition = &table.key.partition;
    let mut keys: Vec<String> = Vec::new();
    let mut all: Vec<String> = Vec::new();
    let mut note = |item: &Value| {
        if let Value::Map(item) = item {
            keys.extend(item.get(partition).and_then(text_of));
            all.extend(item.keys().cloned());
        }
    };
    match request {
        Value::List(requests) => {
            for (_, request) in requests.iter().filter_map(Value::as_fields).flat_map(named) {
                request.get("Item").or_else(|| request.get("Key")).into_iter().for_each(&mut note);
            }
        }
        keys => {
            if let Some(Value::List(keys)) = keys.get("Keys") {
                keys.iter().for_each(&mut note);
            }
        }
    }
    if let Some(fields) = request.as_fields() {
        all.extend(attributes(fields));
    }
    all.sort_unstable();
    all.dedup();
    access.context.set_many("dynamodb:LeadingKeys", keys);
    access.context.set_many("dynamodb:Attributes", all);
    Ok(access)
}

pub(crate) fn resource_tags(cx: &Cx, access: &mut Access, table: &Arc<Table>) -> Result<()> {
    for (key, value) in rows::tags(&cx.read(), scope(cx), &table.id)? {
        access.context.set(&format!("aws:ResourceTag/{key}"), value);
    }
    Ok(())
}

/// The text of a value that can be a key.
fn text_of(value: &Value) -> Option<String> {
    let fields = value.as_fields()?;
    match fields.get("B") {
        Some(Value::Blob(bytes)) => Some(crate::value::base64(bytes)),
        _ => fields.text("S").or_else(|| fields.text("N")).map(ToOwned::to_owned),
    }
}

/// The partition that the call is about, if it is about one.
fn leading_keys(table: &Table, input: &Fields) -> Option<String> {
    if let Some(Value::Map(item)) = input.get("Key").or_else(|| input.get("Item")) {
        return item.get(&table.key.partition).and_then(text_of);
    }
    let schema = input.text("IndexName").and_then(|name| table.index(name)).map_or(&table.key, |index| &index.key);
    if let Some(Value::Map(conditions)) = input.get("KeyConditions") {
        let condition = conditions.get(&schema.partition)?;
        return match condition.get("AttributeValueList") {
            Some(Value::List(values)) if condition.text("ComparisonOperator") == Some("EQ") => {
                values.first().and_then(text_of)
            }
            _ => None,
        };
    }
    let written = parse::condition(ExpressionKind::KeyCondition, input.text("KeyConditionExpression")?).ok()?;
    partition_of(input, &written, &schema.partition)
}

/// The value that a key condition asks the partition key to be equal to.
fn partition_of(input: &Fields, condition: &Condition, partition: &str) -> Option<String> {
    match condition {
        Condition::And(parts) => parts.iter().find_map(|part| partition_of(input, part, partition)),
        Condition::Compare { comparator: Comparator::Equal, left, right } => {
            let ((Operand::Path(path), Operand::Value(value)) | (Operand::Value(value), Operand::Path(path))) =
                (left, right)
            else {
                return None;
            };
            if root(input, path)? != partition {
                return None;
            }
            match input.get("ExpressionAttributeValues")? {
                Value::Map(values) => values.get(value).and_then(text_of),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The attribute that a path begins with.
fn root<'a>(input: &'a Fields, path: &'a Path) -> Option<&'a str> {
    match path.parts.first()? {
        Part::Name(name) => Some(name),
        Part::Placeholder(placeholder) => match input.get("ExpressionAttributeNames")? {
            Value::Map(names) => names.get(placeholder).and_then(Value::as_str),
            _ => None,
        },
        Part::Index(_) => None,
    }
}

/// The attributes that the call names, outside of conditions.
fn attributes(input: &Fields) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for member in ["Item", "Key", "AttributeUpdates"] {
        if let Some(Value::Map(attributes)) = input.get(member) {
            found.extend(attributes.keys().cloned());
        }
    }
    if let Some(Value::List(names)) = input.get("AttributesToGet") {
        found.extend(names.iter().filter_map(Value::as_str).map(ToOwned::to_owned));
    }
    let mut paths: Vec<Path> = Vec::new();
    if let Some(Ok(projection)) = input.text("ProjectionExpression").map(parse::projection) {
        paths.extend(projection.paths);
    }
    if let Some(Ok(update)) = input.text("UpdateExpression").map(parse::update) {
        for clause in update.clauses {
            match clause {
                Clause::Set(actions) => paths.extend(actions.into_iter().map(|(path, _)| path)),
                Clause::Remove(removed) => paths.extend(removed),
                Clause::Add(actions) | Clause::Delete(actions) => {
                    paths.extend(actions.into_iter().map(|(path, _)| path));
                }
            }
        }
    }
    found.extend(paths.iter().filter_map(|path| root(input, path)).map(ToOwned::to_owned));
    found.sort_unstable();
    found.dedup();
    found
}
