//! A bound on how long an expression may run.
//!
//! Only the comprehension macros (`all`, `exists`, `exists_one`, `map`, `filter`) can make an evaluation longer than
//! its text. Each of their turns is made to read the variable [`TURN`], which the scope refuses to hand out more often
//! than it allows; the failure cannot be caught within the expression.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::CelBool;

use super::tree::for_each_part;

/// No expression can spell this name.
pub(super) const TURN: &str = "@turn";

/// Makes every turn of every comprehension count.
pub(super) fn meter(expression: &mut IdedExpr) {
    for_each_part(expression, &mut meter);
    if let Expr::Comprehension(comprehension) = &mut expression.expr {
        meter_comprehension(comprehension);
    }
}

fn meter_comprehension(comprehension: &mut ComprehensionExpr) {
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
