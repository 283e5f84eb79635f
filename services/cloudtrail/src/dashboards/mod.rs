//! Dashboards: widgets, each with a query, which are run when the dashboard is refreshed.
//!
//! Source: "CloudTrail Lake dashboards" in the user guide, and the API reference. The Highlights dashboard is not here: what its
//! widgets ask is AWS's own.

pub(crate) mod operations;
pub(crate) mod refresh;
pub(crate) mod row;
pub(crate) mod widget;
