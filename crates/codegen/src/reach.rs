//! Which shapes the listed operations reach, from which side, and which of them contain themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Config, Model};

/// What the listed operations reach.
#[derive(Default)]
pub(crate) struct Reach<'a> {
    /// Shapes of inputs that handlers read.
    pub(crate) inputs: BTreeSet<&'a str>,
    /// Shapes of inputs, those behind ignored and refused members too, and of outputs behind those that the service writes
    /// itself: readers and writers need their tables.
    pub(crate) described: BTreeSet<&'a str>,
    /// Shapes of outputs.
    pub(crate) outputs: BTreeSet<&'a str>,
    /// Shapes that are one type on both sides, with all that they hold.
    pub(crate) kept: BTreeSet<&'a str>,
    /// The operations whose input a shape is.
    pub(crate) input_of: BTreeMap<&'a str, Vec<&'a str>>,
    /// The operations whose output a shape is.
    pub(crate) output_of: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Reach<'a> {
    pub(crate) fn of(model: &'a Model, config: &Config) -> Self {
        let mut reach = Self::default();
        for shape in config.kept.iter().filter_map(|name| model.shapes.get(name)) {
            let read = |shape: &str, member: &str| config.is_read(shape, member, &[]);
            walk(model, &shape.name, &read, &mut reach.kept);
        }
        for name in &config.operations {
            let Some(operation) = model.operations.get(name) else { continue };
            if let Some(input) = &operation.input {
                reach.input_of.entry(input).or_default().push(&operation.name);
            }
            if let Some(output) = &operation.output {
                reach.output_of.entry(output).or_default().push(&operation.name);
                // What is behind a shape that the service writes itself needs tables, and no types.
                // What is kept has no members that calls may not set.
                let shown = |shape: &str, member: &str| {
                    !config.external.contains_key(shape)
                        && (!reach.kept.contains(shape) || config.is_read(shape, member, &[]))
                };
                walk(model, output, &shown, &mut reach.outputs);
                walk(model, output, &|_, _| true, &mut reach.described);
            }
        }
        for (input, operations) in &reach.input_of {
            let read = |shape: &str, member: &str| {
                let operations: &[&str] = if shape == *input { operations } else { &[] };
                config.is_read(shape, member, operations)
            };
            walk(model, input, &read, &mut reach.inputs);
            walk(model, input, &|_, _| true, &mut reach.described);
        }
        reach
    }

    /// All shapes.
    pub(crate) fn all(&self) -> BTreeSet<&'a str> {
        self.described.union(&self.outputs).copied().collect()
    }
}

fn walk<'a>(model: &'a Model, name: &'a str, follow: &dyn Fn(&str, &str) -> bool, seen: &mut BTreeSet<&'a str>) {
    let Some(shape) = model.shapes.get(name) else { return };
    if seen.insert(&shape.name) {
        let members = shape.members.iter().filter(|m| follow(&shape.name, &m.name));
        members.for_each(|m| walk(model, &m.shape, follow, seen));
    }
}

/// Whether a structure holds `target` by structures alone, so that its Rust type needs a box.
pub(crate) fn holds(model: &Model, from: &str, target: &str) -> bool {
    fn go<'a>(model: &'a Model, from: &'a str, target: &str, seen: &mut BTreeSet<&'a str>) -> bool {
        let Some(shape) = model.shapes.get(from) else { return false };
        if shape.kind != "structure" || !seen.insert(&shape.name) {
            return false;
        }
        shape.members.iter().any(|m| m.shape == target || go(model, &m.shape, target, seen))
    }
    from == target || go(model, from, target, &mut BTreeSet::new())
}
