//! Which fixed texts an expression compares a field with.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

/// The texts that `variable.field` is compared with by `==` or `in`, anywhere in the expression.
pub(super) fn texts(expression: &IdedExpr, variable: &str, field: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![expression];
    while let Some(part) = open.pop() {
        let Expr::Call(call) = &part.expr else { continue };
        found.extend(of_call(call, variable, field));
        open.extend(call.args.iter().chain(call.target.as_deref()));
    }
    found
}

fn of_call(call: &CallExpr, variable: &str, field: &str) -> Vec<String> {
    let [left, right] = call.args.as_slice() else { return Vec::new() };
    let is_field = |part: &IdedExpr| match &part.expr {
        Expr::Select(select) => {
            select.field == field
                && matches!(&select.operand.expr, Expr::Ident(name) if name == variable)
        }
        _ => false,
    };
    match call.func_name.as_str() {
        operators::EQUALS if is_field(left) => text(right).into_iter().collect(),
        operators::EQUALS if is_field(right) => text(left).into_iter().collect(),
        operators::IN if is_field(left) => match &right.expr {
            Expr::List(list) => list.elements.iter().filter_map(text).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn text(part: &IdedExpr) -> Option<String> {
    match &part.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    }
}
