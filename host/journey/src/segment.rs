//! Segments: conditions on customers that have a name.
//!
//! The same CEL decides both ways. For one customer it is evaluated like any other expression ([`Audience::holds`]). For
//! all customers at once it is translated into a [`Condition`], which a database can be asked; what has no counterpart there
//! is refused when the segment is checked. A condition that cannot be evaluated for a customer, such as one that reads an
//! absent attribute, does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cel::common::ast::IdedExpr;

use crate::check::{Problem, Severity};
use crate::customer::{Coupon, Customer};
use crate::expression::{Expression, Fault, Names, Scope, Source};
use crate::past::{Background, Needs};

mod condition;
mod coupons;
mod lower;

pub use condition::{Condition, CouponField, Edge, Field, Literal, Order, Term};

/// Deepest nesting of segments that ask for each other.
pub(crate) const MAX_NESTING: usize = 8;

/// What stands in for the present time while a segment is checked.
const ANY_TIME: i64 = 1_800_000_000_000;

/// A named condition on customers.
#[derive(Debug)]
pub struct Segment {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) owner: Option<String>,
    pub(crate) audience: Audience,
}

impl Segment {
    /// Lower kebab case, at most 64 characters.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name for people; the segment's name if the file gives none.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Who answers for the segment.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Who is in it.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }
}

/// A condition on customers that can be evaluated for one and asked for all.
#[derive(Debug)]
pub struct Audience {
    expression: Expression,
    /// The same, as it is written.
    plain: IdedExpr,
    needs: Needs,
}

impl Audience {
    /// Reads a condition. Faults have no path; their lines and columns are those of the text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(when: &str, segments: &Segments) -> Result<Self, Vec<Problem>> {
        Self::read(when, "when", segments).map_err(|faults| {
            let problem = |fault: Fault| Problem {
                severity: Severity::Error,
                line: fault.line,
                column: fault.column,
                path: String::new(),
                message: fault.message,
            };
            faults.into_iter().map(problem).collect()
        })
    }

    pub(crate) fn read(when: &str, path: &str, segments: &Segments) -> Result<Self, Vec<Fault>> {
        let names = Names { segments: Some(segments), ..Names::default() };
        let (expression, reads, plain) = Expression::parse_plain(when, path, &names)?;
        let mut needs = expression.needs();
        needs.coupons = reads.coupons;
        let audience = Self { expression, plain: plain.ast, needs };
        match audience.lower(segments, ANY_TIME) {
            Ok(_) => Ok(audience),
            Err(refusal) => Err(vec![refusal.fault(&plain.source)]),
        }
    }

    /// Whether the condition holds for a customer. The past and the coupons must hold what
    /// [`Segments::needs`] says of [`needs`](Self::needs).
    #[must_use]
    pub fn holds(
        &self,
        customer: &Customer,
        coupons: &[Coupon],
        background: Background<'_>,
        now: i64,
    ) -> bool {
        let scope = Scope::new(customer, coupons, now).background(background);
        self.expression.holds(&scope).unwrap_or(false)
    }

    /// The question for a database, as of a time in Unix milliseconds.
    ///
    /// # Errors
    /// What has no counterpart; a checked audience only comes to that if a segment that it asks for is gone.
    pub fn condition(&self, segments: &Segments, now: i64) -> Result<Condition, String> {
        self.lower(segments, now).map_err(|refusal| refusal.message)
    }

    /// What it reads itself; the segments that it asks for read more.
    #[must_use]
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    pub(crate) fn expression(&self) -> &Expression {
        &self.expression
    }

    fn lower(&self, segments: &Segments, now: i64) -> Result<Condition, Refusal> {
        lower::lower(&self.plain, self.expression.readings(), segments, now)
    }
}

/// A part of a condition that has no counterpart in a database.
#[derive(Debug)]
struct Refusal {
    id: u64,
    /// Whether the part is a call or macro, which stands before what the parser says of it.
    call: bool,
    message: String,
}

impl Refusal {
    fn fault(self, source: &Source<'_>) -> Fault {
        if self.call {
            source.fault_before(self.id, self.message)
        } else {
            source.fault(self.id, self.message)
        }
    }
}

/// The segments of a workspace. They ask for each other only without a circle, and few deep.
#[derive(Debug, Clone, Default)]
pub struct Segments(BTreeMap<String, Arc<Segment>>);

impl Segments {
    /// A segment by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Segment> {
        self.0.get(name).map(|segment| &**segment)
    }

    /// All names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// These segments and a new one, or one in place of that with its name.
    ///
    /// # Errors
    /// What is wrong with the whole then: a circle, too many that ask for each other, or a segment that asks for this one
    /// and would become too large.
    pub fn with(&self, segment: Segment) -> Result<Self, String> {
        let mut next = self.clone();
        let name = segment.name.clone();
        next.0.insert(name.clone(), Arc::new(segment));
        next.check_nesting(&name)?;
        for asking in next.asking(&name) {
            next.check_nesting(&asking.name)?;
            if let Err(refusal) = asking.audience.lower(&next, ANY_TIME) {
                return Err(format!(
                    "segment `{}` asks for this one: {}",
                    asking.name, refusal.message
                ));
            }
        }
        Ok(next)
    }

    /// These segments but one.
    ///
    /// # Errors
    /// The name of a segment that asks for it.
    pub fn without(&self, name: &str) -> Result<Self, String> {
        if let Some(asking) = self.asking(name).next() {
            return Err(asking.name.clone());
        }
        let mut next = self.clone();
        next.0.remove(name);
        Ok(next)
    }

    /// The same needs with those of all segments that they name, and so on.
    #[must_use]
    pub fn needs(&self, needs: &Needs) -> Needs {
        let mut all = needs.clone();
        let mut open: Vec<String> = needs.segments.iter().cloned().collect();
        let mut seen: BTreeSet<String> = needs.segments.clone();
        while let Some(name) = open.pop() {
            let Some(segment) = self.get(&name) else { continue };
            all.add(&segment.audience.needs);
            let named = segment.audience.needs.segments.iter();
            open.extend(named.filter(|name| seen.insert((*name).clone())).cloned());
        }
        all
    }

    /// The segments that ask for this one themselves.
    fn asking(&self, name: &str) -> impl Iterator<Item = &Segment> {
        let segments = self.0.values().map(|segment| &**segment);
        segments.filter(move |segment| segment.audience.needs.segments.contains(name))
    }

    /// Follows what a segment asks for down to [`MAX_NESTING`]; a circle never ends.
    fn check_nesting(&self, name: &str) -> Result<(), String> {
        let mut level = BTreeSet::from([name]);
        for _ in 0..=MAX_NESTING {
            level = level
                .into_iter()
                .filter_map(|name| self.get(name))
                .flat_map(|segment| segment.audience.needs.segments.iter().map(String::as_str))
                .collect();
            if level.contains(name) {
                return Err(format!(
                    "segment `{name}` asks for itself, by way of others or directly"
                ));
            }
            if level.is_empty() {
                return Ok(());
            }
        }
        Err(format!(
            "segment `{name}` asks for segments that ask for others, more than {MAX_NESTING} deep"
        ))
    }
}
