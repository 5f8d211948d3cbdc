//! `coupons.exists(c, …)`, as the parser leaves it.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

use super::lower::is_ident;

pub(super) const ONLY_FIXED: &str =
    "within `coupons.exists` a segment can only compare fields of the coupon with fixed values";

/// The variable and the condition of `coupons.exists(variable, condition)`; none if it is another macro.
pub(super) fn exists(comprehension: &ComprehensionExpr) -> Option<(&str, &IdedExpr)> {
    let from_false = matches!(
        &comprehension.accu_init.expr,
        Expr::Literal(LiteralValue::Boolean(truth)) if !*truth.inner()
    );
    let Expr::Call(step) = &comprehension.loop_step.expr else { return None };
    let [accumulator, condition] = step.args.as_slice() else { return None };
    let is_exists = from_false
        && step.func_name == operators::LOGICAL_OR
        && is_ident(accumulator, &comprehension.accu_var)
        && is_ident(&comprehension.result, &comprehension.accu_var)
        && is_ident(&comprehension.iter_range, "coupons");
    is_exists.then_some((comprehension.iter_var.as_str(), condition))
}
