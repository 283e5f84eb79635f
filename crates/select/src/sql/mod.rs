//! The language: from text to a tree.

mod calls;
mod keywords;
mod lexer;
mod parser;
mod select;
mod tree;

pub(crate) use select::parse;
pub(crate) use tree::{
    AggregateKind, Binary, Expression, Function, Item, Name, Path, Position, Query, Step, Trim, Type, Unknown,
};
