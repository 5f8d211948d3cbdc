//! A bound on how long an expression may run.
//!
//! Only the comprehension macros (`all`, `exists`, `exists_one`, `map`, `filter`) can make an evaluation longer than
//! its text. Each of their turns is made to read the variable [`TURN`], which the scope refuses to hand out more often
//! than it allows; the failure cannot be caught within the expression.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators,
};
use cel::common::types::CelBool;

/// No expression can spell this name.
pub(super) const TURN: &str = "@turn";

/// Makes every turn of every comprehension count.
pub(super) fn meter(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Call(call) => {
            call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).for_each(meter)
        }
        Expr::Comprehension(comprehension) => meter_comprehension(comprehension),
        Expr::List(list) => list.elements.iter_mut().for_each(meter),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| meter_entry(&mut entry.expr)),
        Expr::Struct(record) => {
            record.entries.iter_mut().for_each(|entry| meter_entry(&mut entry.expr))
        }
        Expr::Select(select) => meter(&mut select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn meter_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => meter(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            meter(&mut entry.key);
            meter(&mut entry.value);
        }
    }
}

fn meter_comprehension(comprehension: &mut ComprehensionExpr) {
    meter(&mut comprehension.iter_range);
    meter(&mut comprehension.accu_init);
    meter(&mut comprehension.loop_cond);
    meter(&mut comprehension.loop_step);
    meter(&mut comprehension.result);
    if matches!(comprehension.loop_cond.expr, Expr::Literal(_)) {
        // `map` and `filter` append to a list in place only while the condition of the loop stays a literal and the
        // step keeps its form, so it is the step's guard that counts here.
        count_step(&mut comprehension.loop_step, &comprehension.accu_var);
    } else {
        count(&mut comprehension.loop_cond);
    }
}

fn count_step(step: &mut IdedExpr, accumulator: &str) {
    if let Expr::Call(call) = &mut step.expr
        && call.func_name == operators::CONDITIONAL
        && let [guard, _, _] = call.args.as_mut_slice()
    {
        return count(guard);
    }
    let appended = std::mem::take(step);
    let unchanged = identified(Expr::Ident(accumulator.to_owned()));
    *step = conditional(identified(Expr::Ident(TURN.to_owned())), appended, unchanged);
}

/// Turns `condition` into `@turn ? condition : false`. A conjunction would not do, as CEL's may swallow the failure.
fn count(condition: &mut IdedExpr) {
    let inner = std::mem::take(condition);
    let never = identified(Expr::Literal(LiteralValue::Boolean(CelBool::FALSE)));
    *condition = conditional(identified(Expr::Ident(TURN.to_owned())), inner, never);
}

fn conditional(condition: IdedExpr, then: IdedExpr, otherwise: IdedExpr) -> IdedExpr {
    identified(Expr::Call(CallExpr {
        func_name: operators::CONDITIONAL.to_owned(),
        target: None,
        args: vec![condition, then, otherwise],
    }))
}

/// Ids only serve positions in the source, and these nodes have none.
fn identified(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}
