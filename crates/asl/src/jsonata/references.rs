//! What an expression reads that is not in itself.
//!
//! An expression of a state has no context item: what it reads begins with `$states` or a variable. Only the first step of a path
//! reads the context item; later steps, predicates, the terms of a sort and the fields of a grouping read what the step before
//! gives. A function's body reads what its definition would.

use jsonata_core::ast::{AstNode, PathStep, Stage};
use jsonata_core::value::with_stack;

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// A name of the context item, which there is not; `$` is the item itself.
    Top(String),
    /// `$$`
    Root,
    /// `$states.name`
    States(String),
    /// `$name`
    Variable(String),
}

/// Each of them once, in their order.
pub(super) fn of(tree: &AstNode) -> Vec<Reference> {
    let mut found = Found { all: Vec::new(), own: Vec::new() };
    found.walk(tree, true);
    let Found { all, own } = found;
    all.into_iter().filter(|reference| !matches!(reference, Reference::Variable(name) if own.contains(name))).collect()
}

struct Found {
    all: Vec<Reference>,
    /// Variables that the expression itself sets.
    own: Vec<String>,
}

impl Found {
    fn add(&mut self, reference: Reference) {
        if !self.all.contains(&reference) {
            self.all.push(reference);
        }
    }

    fn each<'a>(&mut self, nodes: impl IntoIterator<Item = &'a AstNode>, top: bool) {
        for node in nodes {
            self.walk(node, top);
        }
    }

    fn walk(&mut self, node: &AstNode, top: bool) {
        with_stack(|| self.visit(node, top));
    }

    fn visit(&mut self, node: &AstNode, top: bool) {
        match node {
            AstNode::Name(name) if top => self.add(Reference::Top(name.clone())),
            AstNode::Wildcard if top => self.add(Reference::Top("*".to_owned())),
            AstNode::Descendant if top => self.add(Reference::Top("**".to_owned())),
            AstNode::Variable(name) if name.is_empty() && top => self.add(Reference::Top("$".to_owned())),
            AstNode::Variable(name) if name.is_empty() => {}
            AstNode::Variable(name) => self.add(Reference::Variable(name.clone())),
            AstNode::ParentVariable(_) => self.add(Reference::Root),
            AstNode::Path { steps } => self.path(steps, top),
            AstNode::Binary { lhs, rhs, op } => {
                if let (jsonata_core::ast::BinaryOp::ColonEqual, AstNode::Variable(name)) = (op, &**lhs) {
                    self.own.push(name.clone());
                } else {
                    self.walk(lhs, top);
                }
                self.walk(rhs, top);
            }
            AstNode::Unary { operand, .. } => self.walk(operand, top),
            AstNode::Function { args, .. } => self.each(args, top),
            AstNode::Call { procedure, args } => {
                self.walk(procedure, top);
                self.each(args, top);
            }
            AstNode::Lambda { params, body, .. } => {
                self.own.extend(params.iter().cloned());
                self.walk(body, top);
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => self.each(items, top),
            AstNode::Object(fields) => self.fields(fields, top),
            AstNode::ObjectTransform { input, pattern } => {
                self.walk(input, top);
                self.fields(pattern, false);
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.walk(condition, top);
                self.walk(then_branch, top);
                self.each(else_branch.as_deref(), top);
            }
            AstNode::FunctionApplication(inner) => self.walk(inner, false),
            AstNode::Sort { input, terms } => {
                self.walk(input, top);
                self.each(terms.iter().map(|(term, _)| term), false);
            }
            AstNode::Transform { location, update, delete } => {
                self.walk(location, false);
                self.walk(update, false);
                self.each(delete.as_deref(), false);
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &[(AstNode, AstNode)], top: bool) {
        for (name, value) in fields {
            self.walk(name, top);
            self.walk(value, top);
        }
    }

    fn path(&mut self, steps: &[PathStep], top: bool) {
        for (at, step) in steps.iter().enumerate() {
            match (&step.node, steps.get(at + 1).map(|next| &next.node)) {
                (AstNode::Variable(name), Some(AstNode::Name(field))) if name == "states" => {
                    self.add(Reference::States(field.clone()));
                }
                (node, _) => self.walk(node, top && at == 0),
            }
            self.own.extend(step.focus.iter().chain(&step.index_var).cloned());
            for stage in &step.stages {
                if let Stage::Filter(filter) = stage {
                    self.walk(filter, false);
                }
            }
        }
    }
}
