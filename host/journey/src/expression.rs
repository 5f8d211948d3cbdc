//! Conditions and values: CEL, parsed once.

/// A CEL expression, parsed and checked.
#[derive(Debug)]
pub(crate) struct Expression {
    pub(crate) ast: cel::IdedExpr,
}
