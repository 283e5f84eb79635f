//! Which variables the states of a machine read: `variableReferences` of `DescribeStateMachine`.

use indexmap::IndexMap;

use crate::jsonata::{Expression, Reference};
use crate::template::{Lookup, Node, Template};
use crate::tree::{
    Comparison, Condition, Fail, Given, Items, Kind, Machine, Operand, Placement, Selection, State, Wait,
};

impl Machine {
    /// The variables that each state reads, also those in branches, by the state's name. States that read none are left out.
    pub fn variable_references(&self) -> IndexMap<String, Vec<String>> {
        let mut all = IndexMap::new();
        self.collect(&mut all);
        all
    }

    fn collect(&self, all: &mut IndexMap<String, Vec<String>>) {
        for state in self.states.values() {
            let mut names = Names(Vec::new());
            names.state(state);
            if !names.0.is_empty() {
                all.insert(state.name.clone(), names.0);
            }
            match &state.kind {
                Kind::Parallel(branches) => branches.iter().for_each(|branch| branch.collect(all)),
                Kind::Map(map) => map.processor.collect(all),
                _ => {}
            }
        }
    }
}

struct Names(Vec<String>);

impl Names {
    fn add(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    fn path(&mut self, path: &crate::path::Path) {
        let mut found = Vec::new();
        path.variables(&mut found);
        found.into_iter().for_each(|name| self.add(name));
    }

    fn expression(&mut self, expression: &Expression) {
        for reference in expression.references() {
            if let Reference::Variable(name) = reference
                && name != "states"
                && !expression.is_function(&name)
            {
                self.add(&name);
            }
        }
    }

    fn lookup(&mut self, lookup: &Lookup) {
        let mut found = Vec::new();
        match lookup {
            Lookup::Path(path) => path.variables(&mut found),
            Lookup::Call(call) => call.variables(&mut found),
        }
        found.into_iter().for_each(|name| self.add(name));
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Literal(_) => {}
            Node::Object(fields) => fields.iter().for_each(|(_, node)| self.node(node)),
            Node::Array(items) => items.iter().for_each(|node| self.node(node)),
            Node::Lookup(_, lookup) => self.lookup(lookup),
            Node::Expression(expression) => self.expression(expression),
        }
    }

    fn template(&mut self, template: Option<&Template>) {
        if let Some(template) = template {
            self.node(&template.0);
        }
    }

    fn given<T>(&mut self, given: Option<&Given<T>>) {
        match given {
            Some(Given::Lookup(lookup)) => self.lookup(lookup),
            Some(Given::Expression(expression)) => self.expression(expression),
            Some(Given::Fixed(_)) | None => {}
        }
    }

    fn state(&mut self, state: &State) {
        let flow = &state.flow;
        for selection in [&flow.input_path, &flow.output_path] {
            if let Selection::Path(path) = selection {
                self.path(path);
            }
        }
        if let Placement::At(path) = &flow.result_path {
            self.path(path);
        }
        for template in [&flow.parameters, &flow.result_selector, &flow.arguments, &flow.output, &flow.assign] {
            self.template(template.as_ref());
        }
        for catcher in &state.catch {
            self.template(catcher.output.as_ref());
            self.template(catcher.assign.as_ref());
        }
        self.kind(&state.kind);
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Task(task) => {
                self.given(task.timeout_seconds.as_ref());
                self.given(task.heartbeat_seconds.as_ref());
                self.template(task.credentials.as_ref());
            }
            Kind::Choice(choice) => {
                for rule in &choice.rules {
                    self.condition(&rule.condition);
                    self.template(rule.output.as_ref());
                    self.template(rule.assign.as_ref());
                }
            }
            Kind::Wait(Wait::Seconds(given)) => self.given(Some(given)),
            Kind::Wait(Wait::Until(given)) => self.given(Some(given)),
            Kind::Fail(Fail { error, cause }) => {
                self.given(error.as_ref());
                self.given(cause.as_ref());
            }
            Kind::Map(map) => self.map(map),
            Kind::Pass(_) | Kind::Succeed | Kind::Parallel(_) => {}
        }
    }

    fn map(&mut self, map: &crate::tree::Map) {
        match &map.items {
            Items::Path(path) => self.path(path),
            Items::Expression(expression) => self.expression(expression),
            Items::Template(template) => self.template(Some(template)),
            Items::Input => {}
        }
        self.template(map.item_selector.as_ref());
        self.given(map.max_concurrency.as_ref());
        self.given(map.tolerated_failure_count.as_ref());
        self.given(map.tolerated_failure_percentage.as_ref());
        if let Some(reader) = &map.item_reader {
            self.template(reader.arguments.as_ref());
            self.given(reader.config.max_items.as_ref());
        }
        if let Some(batcher) = &map.item_batcher {
            self.given(batcher.max_items.as_ref());
            self.given(batcher.max_input_bytes.as_ref());
            self.template(batcher.batch_input.as_ref());
        }
        if let Some(writer) = &map.result_writer {
            self.template(writer.arguments.as_ref());
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::And(all) | Condition::Or(all) => all.iter().for_each(|inner| self.condition(inner)),
            Condition::Not(inner) => self.condition(inner),
            Condition::Expression(expression) => self.expression(expression),
            Condition::Always(_) => {}
            Condition::Test(path, comparison) => {
                self.path(path);
                let operand = match comparison {
                    Comparison::String(_, Operand::Path(path))
                    | Comparison::Numeric(_, Operand::Path(path))
                    | Comparison::Timestamp(_, Operand::Path(path))
                    | Comparison::Boolean(Operand::Path(path)) => Some(path),
                    _ => None,
                };
                operand.into_iter().for_each(|path| self.path(path));
            }
        }
    }
}
