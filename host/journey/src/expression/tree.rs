//! The parts of an expression.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// Hands over every part directly below an expression.
pub(super) fn for_each_part(expression: &mut IdedExpr, act: &mut dyn FnMut(&mut IdedExpr)) {
    match &mut expression.expr {
        Expr::Call(call) => {
            let target = call.target.iter_mut().map(|target| &mut **target);
            target.chain(&mut call.args).for_each(act);
        }
        Expr::Comprehension(comprehension) => {
            act(&mut comprehension.iter_range);
            act(&mut comprehension.accu_init);
            act(&mut comprehension.loop_cond);
            act(&mut comprehension.loop_step);
            act(&mut comprehension.result);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(act),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| of_entry(&mut entry.expr, act)),
        Expr::Struct(record) => {
            record.entries.iter_mut().for_each(|entry| of_entry(&mut entry.expr, act));
        }
        Expr::Select(select) => act(&mut select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn of_entry(entry: &mut EntryExpr, act: &mut dyn FnMut(&mut IdedExpr)) {
    match entry {
        EntryExpr::StructField(field) => act(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            act(&mut entry.key);
            act(&mut entry.value);
        }
    }
}
