//! The `audience` permission over the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use waystation_journey::{Audience as Question, Condition, Customer, Field, Segments, Term};
use waystation_sandbox::{
    Audience, AudienceError, AudienceMember, AudiencePage, AudienceQuestion, Conditions,
};
use waystation_store::{Store, StoreError};

use crate::actions::field;
use crate::clock::Clock;
use crate::programs::Programs;

/// Customers that are looked through for one part, so that the time of an answer does not grow with the workspace.
const LOOKED_THROUGH: i64 = 20_000;
/// Members whose fields are loaded at once.
const LOADED: usize = 1_000;

/// Customers, as the store keeps them.
pub(crate) struct StoredAudience {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) programs: Arc<Programs>,
}

impl Audience for StoredAudience {
    fn read<'a>(
        &'a self,
        question: AudienceQuestion<'a>,
    ) -> BoxFuture<'a, Result<AudiencePage, AudienceError>> {
        Box::pin(async move {
            let condition = self.condition(&question)?;
            self.page(&question, &condition)
                .await
                .map_err(|error: StoreError| AudienceError::Unavailable(error.to_string()))
        })
    }
}

impl StoredAudience {
    fn condition(&self, question: &AudienceQuestion<'_>) -> Result<Condition, AudienceError> {
        let picture = self.programs.picture();
        let segments: &Segments = &picture.segments;
        let read = Question::parse(question.expression, segments).map_err(|problems| {
            let told =
                problems.iter().map(|one| format!("{}:{}: {}", one.line, one.column, one.message));
            AudienceError::Invalid(told.collect::<Vec<_>>().join("; "))
        })?;
        let condition =
            read.condition(segments, self.clock.now()).map_err(AudienceError::Invalid)?;
        if question.grant.conditions == Conditions::Granted
            && let Some(name) = ungranted(&condition, &question.grant.fields)
        {
            return Err(AudienceError::Invalid(format!(
                "the connection may not ask for the customers' field `{name}`: grant it in permissions.audience.fields, or set permissions.audience.conditions to any"
            )));
        }
        Ok(condition)
    }

    async fn page(
        &self,
        question: &AudienceQuestion<'_>,
        condition: &Condition,
    ) -> Result<AudiencePage, StoreError> {
        let end = self.store.customer_after(question.after, LOOKED_THROUGH).await?;
        let found = self
            .store
            .audience_until(condition, question.after, end.as_deref(), i64::from(question.limit))
            .await?;
        let full = found.len() >= question.limit as usize;
        let mut page = AudiencePage { members: Vec::with_capacity(found.len()), next: None };
        let mut bytes = 0;
        for ids in found.chunks(LOADED) {
            let customers = self.store.customers(ids).await?;
            for id in ids {
                // Who was removed meanwhile is no member any more.
                let Some(customer) = customers.get(id) else { continue };
                let member = member(customer, &question.grant.fields);
                bytes += size(&member);
                if bytes > question.bytes && !page.members.is_empty() {
                    page.next = page.members.last().map(|last| last.customer.clone());
                    return Ok(page);
                }
                page.members.push(member);
            }
        }
        page.next = if full { found.last().cloned() } else { end };
        Ok(page)
    }
}

fn member(customer: &Customer, granted: &BTreeSet<String>) -> AudienceMember {
    let fields = granted.iter().filter_map(|name| Some((name.clone(), field(customer, name)?)));
    AudienceMember { customer: customer.id.clone(), fields: fields.collect() }
}

fn size(member: &AudienceMember) -> usize {
    let fields = member.fields.iter().map(|(name, value)| name.len() + value.len());
    member.customer.len() + fields.sum::<usize>()
}

/// The first field that a condition reads and that was not granted. What a segment reads is the operator's own business.
fn ungranted<'a>(condition: &'a Condition, granted: &BTreeSet<String>) -> Option<&'a str> {
    let missing = |name: &'a str| (!granted.contains(name)).then_some(name);
    let of_field = |field: &'a Field| field.first().and_then(|name| missing(name));
    let of_term = |term: &'a Term| match term {
        Term::Field(field) | Term::DaysSinceField { field, .. } => of_field(field),
        _ => None,
    };
    match condition {
        Condition::Always(_) | Condition::Member(_) => None,
        Condition::Not(one) => ungranted(one, granted),
        Condition::Coupon(_) => missing("coupons"),
        Condition::All(all) | Condition::Any(all) => {
            all.iter().find_map(|one| ungranted(one, granted))
        }
        Condition::True(field) | Condition::Has(field) | Condition::Holds(field, _) => {
            of_field(field)
        }
        Condition::Compare { left, right, .. } => of_term(left).or_else(|| of_term(right)),
        Condition::OneOf(term, _) | Condition::Text { term, .. } => of_term(term),
        Condition::Tagged(_) => missing("tags"),
    }
}
