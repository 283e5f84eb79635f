//! Where a source can be made wrong: conditions that can be turned round, members of inputs that can be dropped.
//!
//! All mutants of a file are put into it at once, each behind a switch (`crate::mutants::on(17)`), so that the crate is
//! compiled once and a mutant costs one run of the tests.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, FnArg, Pat, Type, UnOp};

/// One way of being wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// Its number, which switches it on.
    pub(crate) number: u32,
    pub(crate) file: String,
    pub(crate) line: usize,
    /// What is changed.
    pub(crate) change: String,
}

/// A text that is put into a source at a place, in the place of so many bytes.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) at: usize,
    pub(crate) removes: usize,
    pub(crate) text: String,
    /// The order of those at one place: what closes before what opens, and expressions inside one another.
    order: (u8, usize, usize),
}

/// A file with all of its mutants.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) mutants: Vec<Mutant>,
    pub(crate) edits: Vec<Edit>,
    /// The first number that is free.
    pub(crate) next: u32,
}

/// Finds the mutants of a source. Numbers begin at `first`; those in `without` are numbered and not put in.
pub(crate) fn find(file: &str, source: &str, first: u32, without: &BTreeSet<u32>) -> syn::Result<Found> {
    let parsed = syn::parse_file(source)?;
    let mut finder = Finder { file, source, next: first, without, found: Found::default() };
    finder.visit_file(&parsed);
    finder.found.next = finder.next;
    Ok(finder.found)
}

/// The source with its mutants in it.
pub(crate) fn apply(source: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|e| (e.at, e.order));
    let mut out = String::with_capacity(source.len() * 2);
    let mut done = 0;
    for edit in edits {
        out.push_str(source.get(done..edit.at).unwrap_or_default());
        out.push_str(&edit.text);
        done = edit.at + edit.removes;
    }
    out.push_str(source.get(done..).unwrap_or_default());
    out
}

struct Finder<'a> {
    file: &'a str,
    source: &'a str,
    next: u32,
    without: &'a BTreeSet<u32>,
    found: Found,
}

impl Finder<'_> {
    /// Numbers a mutant; `None`: it shall not be put in.
    fn mutant(&mut self, span: Span, change: String) -> Option<u32> {
        let number = self.next;
        self.next += 1;
        if self.without.contains(&number) {
            return None;
        }
        let line = span.start().line;
        self.found.mutants.push(Mutant { number, file: self.file.to_owned(), line, change });
        Some(number)
    }

    fn insert(&mut self, at: usize, text: String, order: (u8, usize, usize)) {
        self.found.edits.push(Edit { at, removes: 0, text, order });
    }

    /// Puts texts before and behind an expression.
    fn around(&mut self, span: Span, before: String, behind: String) {
        let range = span.byte_range();
        let nth = self.found.edits.len();
        // What opens: the longer expression first. What closes: the shorter one first. Of one expression: as parentheses.
        self.insert(range.start, before, (2, usize::MAX - range.len(), nth));
        self.insert(range.end, behind, (0, range.len(), usize::MAX - nth));
    }

    fn text(&self, span: Span) -> String {
        let text = self.source.get(span.byte_range()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Turns a condition round. `let` cannot be.
    fn turn(&mut self, condition: &Expr) {
        let span = condition.span();
        if has_let(condition) {
            return;
        }
        let change = format!("turned round: `{}`", self.text(span));
        if let Some(number) = self.mutant(span, change) {
            self.around(span, "((".to_owned(), format!(") != crate::mutants::on({number}))"));
        }
    }

    /// The condition of an `if`, a guard, an operand: as a whole, unless looking into it finds the same.
    fn condition(&mut self, condition: &Expr) {
        if !turned_by_itself(condition) {
            self.turn(condition);
        }
    }

    /// `&&` becomes `||`, and the other way round.
    fn swap(&mut self, binary: &syn::ExprBinary) {
        let and = matches!(binary.op, BinOp::And(_));
        if has_let(&binary.left) || has_let(&binary.right) {
            return;
        }
        let change = format!(
            "`{}` instead of `{}`: `{}`",
            if and { "||" } else { "&&" },
            if and { "&&" } else { "||" },
            self.text(binary.span())
        );
        let Some(number) = self.mutant(binary.op.span(), change) else { return };
        // With the switch off this is the operator that was there; with it on, the other one.
        let goes_on = if and { "!=" } else { "==" };
        self.around(binary.span(), "({ let left = ".to_owned(), " } else { left } })".to_owned());
        let operator = binary.op.span().byte_range();
        let text = format!("; if left {goes_on} crate::mutants::on({number}) {{ ");
        self.found.edits.push(Edit { at: operator.start, removes: operator.len(), text, order: (1, 0, 0) });
    }

    /// Drops the members that are read of what `name` holds, at the beginning of `block`.
    fn drop_members(&mut self, name: &str, block: &syn::Block) {
        let mut uses = Uses { of: name, members: Vec::new(), entries: Vec::new(), entry: None };
        uses.visit_block(block);
        let at = block.brace_token.span.open().byte_range().end;
        let mut text = format!(" let mut {name} = {name};");
        for (member, span) in first_uses(uses.members) {
            if let Some(number) = self.mutant(span, format!("`{name}.{member}` is dropped")) {
                text.push_str(&format!(" if crate::mutants::on({number}) {{ {name}.{member} = Default::default(); }}"));
            }
        }
        for (member, span) in first_uses(uses.entries) {
            if let Some(number) = self.mutant(span, format!("`{member}` of each entry is dropped")) {
                text.push_str(&format!(
                    " if crate::mutants::on({number}) {{ for entry in &mut {name}.entries {{ entry.{member} = Default::default(); }} }}"
                ));
            }
        }
        self.insert(at, text, (1, 0, 0));
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        for argument in &signature.inputs {
            if let FnArg::Typed(typed) = argument
                && let Pat::Ident(name) = &*typed.pat
                && is_input(&typed.ty)
            {
                self.drop_members(&name.ident.to_string(), block);
            }
        }
    }
}

/// A structure of the API that a caller fills in, by the name of its type.
fn is_input(of: &Type) -> bool {
    let Type::Path(path) = of else { return false };
    let names: Vec<String> = path.path.segments.iter().map(|s| s.ident.to_string()).collect();
    names.len() == 2 && (names[0] == "input" || (names[0] == "api" && names[1].ends_with("Input")))
}

/// Each member once, where it is used first.
fn first_uses(mut uses: Vec<(String, Span)>) -> Vec<(String, Span)> {
    let mut seen = BTreeSet::new();
    uses.retain(|(member, _)| seen.insert(member.clone()));
    uses
}

/// The members that are read of a variable, and of the entries of a batch that it holds.
struct Uses<'a> {
    of: &'a str,
    members: Vec<(String, Span)>,
    entries: Vec<(String, Span)>,
    /// What an entry is called where we are.
    entry: Option<String>,
}

fn is_variable(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Path(path) if path.path.is_ident(name))
}

/// `input.entries`, `&input.entries`, `input.entries.iter().enumerate()` …
fn is_of_entries(expression: &Expr, name: &str) -> bool {
    match expression {
        Expr::Field(field) => {
            is_variable(&field.base, name) && matches!(&field.member, syn::Member::Named(m) if m == "entries")
        }
        Expr::MethodCall(call) => is_of_entries(&call.receiver, name),
        Expr::Reference(reference) => is_of_entries(&reference.expr, name),
        _ => false,
    }
}

impl Uses<'_> {
    fn inside(&mut self, entry: Option<String>, look: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.entry, entry);
        look(self);
        self.entry = before;
    }
}

impl<'ast> Visit<'ast> for Uses<'_> {
    fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
        if let syn::Member::Named(member) = &field.member {
            if is_variable(&field.base, self.of) {
                self.members.push((member.to_string(), field.span()));
            } else if self.entry.as_ref().is_some_and(|entry| is_variable(&field.base, entry)) {
                self.entries.push((member.to_string(), field.span()));
            }
        }
        visit::visit_expr_field(self, field);
    }

    fn visit_expr_for_loop(&mut self, each: &'ast syn::ExprForLoop) {
        match &*each.pat {
            Pat::Ident(name) if is_of_entries(&each.expr, self.of) => {
                self.visit_expr(&each.expr);
                self.inside(Some(name.ident.to_string()), |uses| uses.visit_block(&each.body));
            }
            _ => visit::visit_expr_for_loop(self, each),
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.visit_expr(&call.receiver);
        let of_entries = is_of_entries(&call.receiver, self.of);
        for argument in &call.args {
            match argument {
                Expr::Closure(closure) if of_entries && closure.inputs.len() == 1 => {
                    let name =
                        if let Pat::Ident(name) = &closure.inputs[0] { Some(name.ident.to_string()) } else { None };
                    self.inside(name, |uses| uses.visit_expr(&closure.body));
                }
                other => self.visit_expr(other),
            }
        }
    }
}

/// A condition that is turned round where it is found by itself: a comparison, a negation.
fn turned_by_itself(condition: &Expr) -> bool {
    match condition {
        Expr::Paren(inner) => turned_by_itself(&inner.expr),
        Expr::Unary(unary) => matches!(unary.op, UnOp::Not(_)),
        Expr::Binary(binary) => is_comparison(&binary.op),
        _ => false,
    }
}

fn is_comparison(op: &BinOp) -> bool {
    matches!(op, BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_))
}

/// Whether there is a `let` that belongs to the condition itself.
fn has_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        Expr::Paren(inner) => has_let(&inner.expr),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // Tests are what is measured, not what is made wrong.
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.condition(&branch.cond);
        visit::visit_expr_if(self, branch);
    }

    fn visit_expr_while(&mut self, repeated: &'ast syn::ExprWhile) {
        self.condition(&repeated.cond);
        visit::visit_expr_while(self, repeated);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            self.condition(guard);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        // In this source only booleans are negated.
        if matches!(unary.op, UnOp::Not(_)) {
            self.turn(&Expr::Unary(unary.clone()));
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if is_comparison(&binary.op) {
            self.turn(&Expr::Binary(binary.clone()));
        }
        if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) {
            self.swap(binary);
            for operand in [&*binary.left, &*binary.right] {
                let nested = matches!(operand, Expr::Binary(b) if matches!(b.op, BinOp::And(_) | BinOp::Or(_)));
                if !nested {
                    self.condition(operand);
                }
            }
        }
        visit::visit_expr_binary(self, binary);
    }
}
