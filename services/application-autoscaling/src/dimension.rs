//! What can be scaled: the capacity of reading and of writing that a table or a global index is given.

use serde_json::{Value as Json, json};
use undercast_kernel::{Cx, Failure, Result};

use crate::error::validation;
use crate::role;

/// The one namespace whose service is here.
pub(crate) const NAMESPACE: &str = "dynamodb";

/// A dimension of a table or an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dimension {
    index: bool,
    write: bool,
}

/// What is scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `table/t`, `table/t/index/i`
    pub(crate) resource: String,
    pub(crate) dimension: Dimension,
}

const ALL: [(&str, Dimension); 4] = [
    ("dynamodb:table:ReadCapacityUnits", Dimension { index: false, write: false }),
    ("dynamodb:table:WriteCapacityUnits", Dimension { index: false, write: true }),
    ("dynamodb:index:ReadCapacityUnits", Dimension { index: true, write: false }),
    ("dynamodb:index:WriteCapacityUnits", Dimension { index: true, write: true }),
];

impl Dimension {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        ALL.into_iter().find(|(name, _)| *name == text).map(|(_, dimension)| dimension)
    }

    pub(crate) fn name(self) -> &'static str {
        ALL.into_iter().find(|(_, dimension)| *dimension == self).map_or("", |(name, _)| name)
    }

    /// As activities say it.
    pub(crate) fn words(self) -> &'static str {
        if self.write { "write capacity units" } else { "read capacity units" }
    }

    /// The predefined metric that tells how far it is used.
    pub(crate) fn utilization(self) -> &'static str {
        if self.write { "DynamoDBWriteCapacityUtilization" } else { "DynamoDBReadCapacityUtilization" }
    }

    /// `ReadCapacityUnits`, with `Consumed` or `Provisioned` before it where it is a metric.
    pub(crate) fn units(self) -> &'static str {
        if self.write { "WriteCapacityUnits" } else { "ReadCapacityUnits" }
    }
}

/// Refuses namespaces whose service is not here.
pub(crate) fn check_namespace(namespace: &str) -> Result<()> {
    if namespace == NAMESPACE {
        return Ok(());
    }
    Err(Failure::not_built(format!("scaling in the namespace {namespace}")))
}

/// What a capacity is, and what it is beside.
struct Capacity {
    read: i64,
    write: i64,
}

impl Place {
    /// What a request names.
    pub(crate) fn parse(namespace: &str, resource: &str, dimension: &str) -> Result<Self> {
        check_namespace(namespace)?;
        let unsupported = || validation("Unsupported service namespace, resource type or scalable dimension");
        let dimension = Dimension::parse(dimension).ok_or_else(unsupported)?;
        let place = Self { resource: resource.to_owned(), dimension };
        let good = match place.names() {
            Some((table, index)) => !table.is_empty() && index.is_some() == dimension.index && index != Some(""),
            None => false,
        };
        if good { Ok(place) } else { Err(unsupported()) }
    }

    fn names(&self) -> Option<(&str, Option<&str>)> {
        let rest = self.resource.strip_prefix("table/")?;
        match rest.split_once('/') {
            None => Some((rest, None)),
            Some((table, rest)) => Some((table, Some(rest.strip_prefix("index/").filter(|i| !i.contains('/'))?))),
        }
    }

    /// The table, and the index if it is one of an index.
    pub(crate) fn table(&self) -> (&str, Option<&str>) {
        self.names().unwrap_or((&self.resource, None))
    }

    /// Its key, with which those of what belongs to it begin.
    pub(crate) fn key<'a>(&'a self, cx: &'a Cx) -> ((&'a str, &'a str, &'a str), &'static str) {
        ((cx.account(), cx.region(), &self.resource), self.dimension.name())
    }

    /// The key of something of a name that belongs to it.
    pub(crate) fn named<'a>(
        &'a self,
        cx: &'a Cx,
        name: &'a str,
    ) -> ((&'a str, &'a str, &'a str), &'static str, &'a str) {
        ((cx.account(), cx.region(), &self.resource), self.dimension.name(), name)
    }

    /// The dimensions of its metrics.
    pub(crate) fn metric_dimensions(&self) -> Json {
        let (table, index) = self.table();
        let mut dimensions = vec![json!({"Name": "TableName", "Value": table})];
        dimensions.extend(index.map(|index| json!({"Name": "GlobalSecondaryIndexName", "Value": index})));
        Json::Array(dimensions)
    }

    async fn capacities(&self, cx: &Cx) -> Result<Capacity> {
        let (table, index) = self.table();
        let gone = || validation(format!("DynamoDB table does not exist: table/{table}"));
        let described = role::scaling(cx).call("dynamodb", "DescribeTable", json!({"TableName": table})).await;
        let described = match described {
            Err(failure) if failure.code() == Some("ResourceNotFoundException") => return Err(gone()),
            other => other?,
        };
        let table = &described["Table"];
        let given = match index {
            None => &table["ProvisionedThroughput"],
            Some(name) => {
                let all = table["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
                let found = all.into_iter().find(|index| index["IndexName"] == name);
                let missing = || validation(format!("DynamoDB index does not exist: {}", self.resource));
                &found.ok_or_else(missing)?["ProvisionedThroughput"]
            }
        };
        let units = |name: &str| given[name].as_i64().unwrap_or(0);
        Ok(Capacity { read: units("ReadCapacityUnits"), write: units("WriteCapacityUnits") })
    }

    /// What it is given now. 0: it is paid for by request.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) async fn capacity(&self, cx: &Cx) -> Result<i64> {
        let found = self.capacities(cx).await?;
        Ok(if self.dimension.write { found.write } else { found.read })
    }

    /// Gives it as much.
    pub(crate) async fn set_capacity(&self, cx: &Cx, capacity: i64) -> Result<()> {
        let found = self.capacities(cx).await?;
        let (table, index) = self.table();
        let (read, write) = if self.dimension.write { (found.read, capacity) } else { (capacity, found.write) };
        let given = json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
        let input = match index {
            None => json!({"TableName": table, "ProvisionedThroughput": given}),
            Some(index) => {
                let update = json!({"Update": {"IndexName": index, "ProvisionedThroughput": given}});
                json!({"TableName": table, "GlobalSecondaryIndexUpdates": [update]})
            }
        };
        role::scaling(cx).call("dynamodb", "UpdateTable", input).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_indexes_have_dimensions_of_their_own() {
        let place = |resource: &str, dimension: &str| Place::parse("dynamodb", resource, dimension).is_ok();
        assert!(place("table/t", "dynamodb:table:ReadCapacityUnits"));
        assert!(place("table/t/index/i", "dynamodb:index:WriteCapacityUnits"));
        for (resource, dimension) in [
            ("t", "dynamodb:table:ReadCapacityUnits"),
            ("table/", "dynamodb:table:ReadCapacityUnits"),
            ("table/t", "dynamodb:index:ReadCapacityUnits"),
            ("table/t/index/i", "dynamodb:table:ReadCapacityUnits"),
            ("table/t/index/", "dynamodb:index:ReadCapacityUnits"),
            ("table/t/stream/i", "dynamodb:index:ReadCapacityUnits"),
            ("table/t", "ecs:service:DesiredCount"),
        ] {
            assert!(!place(resource, dimension), "{resource} {dimension}");
        }
    }
}
