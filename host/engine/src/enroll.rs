//! Enrolling customers by hand.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use waystation_journey::{HOST_SOURCE, JOURNEY_ENROLL, Lane};
use waystation_store::records::{NewEvent, Subject, Taken};

use crate::engine::Engine;
use crate::error::EngineError;

/// Most customers of a segment that are enrolled at once, and that are looked through for them.
const PART: i64 = 1_000;
const LOOKED_THROUGH: i64 = 20_000;

/// A customer to be enrolled.
#[derive(Debug, Clone)]
pub struct ByHand {
    /// Taken once for each journey.
    pub id: String,
    /// The customer's identifier.
    pub customer: String,
    /// What the journey sees as `entry`, besides `journey`.
    pub properties: Map<String, Value>,
}

impl Engine {
    /// Lets customers enter a live journey, whatever its entry rule is about; `again` and `key` hold as ever. One answer for
    /// each, in order, once they are durable. Nobody is created: who is not known is not enrolled.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if there is no such journey, [`EngineError::Conflict`] if it is not live, and what
    /// [`take`](Self::take) gives.
    pub async fn enroll(
        &self,
        journey: &str,
        customers: Vec<ByHand>,
    ) -> Result<Vec<Taken>, EngineError> {
        if !self.core.programs.picture().is_live(journey) {
            let known = self.store().journeys().await?.into_iter().any(|row| row.name == journey);
            return Err(if known {
                EngineError::Conflict(format!(
                    "journey `{journey}` is not live; nobody can enter it"
                ))
            } else {
                EngineError::Missing(format!("journey `{journey}`"))
            });
        }
        let ids: BTreeSet<&String> = customers.iter().map(|one| &one.customer).collect();
        let ids: Vec<String> = ids.into_iter().cloned().collect();
        let known = self.store().customers(&ids).await?;
        let is_known = |one: &ByHand| known.contains_key(&one.customer);
        let wanted: Vec<bool> = customers.iter().map(is_known).collect();
        let events = customers.into_iter().filter(is_known).map(|one| self.enrolling(journey, one));
        let mut taken = self.take(events.collect()).await?.into_iter();
        let answers = wanted.into_iter().map(|wanted| {
            if wanted { taken.next().unwrap_or(Taken::Duplicate) } else { Taken::UnknownCustomer }
        });
        Ok(answers.collect())
    }

    /// Lets the customers of a segment enter a live journey, a part at a time: those after one, up to 1,000. `run` tells this
    /// time from others: a customer is taken once in a run. Answers with where the next part starts, if there is one.
    ///
    /// # Errors
    /// Like [`enroll`](Self::enroll); [`EngineError::Missing`] also if there is no such segment.
    pub async fn enroll_segment(
        &self,
        journey: &str,
        segment: &str,
        run: &str,
        properties: &Map<String, Value>,
        after: Option<&str>,
    ) -> Result<(Vec<Taken>, Option<String>), EngineError> {
        let segments = self.segments();
        let known = segments.get(segment);
        let known = known.ok_or_else(|| EngineError::Missing(format!("segment `{segment}`")))?;
        let condition = known.audience().condition(&segments, self.now());
        let condition = condition.map_err(EngineError::Invalid)?;
        let store = self.store();
        let end = store.customer_after(after, LOOKED_THROUGH).await?;
        let members = store.audience_until(&condition, after, end.as_deref(), PART).await?;
        let full = i64::try_from(members.len()).is_ok_and(|count| count >= PART);
        let next = if full { members.last().cloned() } else { end };
        let customers = members.into_iter().map(|customer| ByHand {
            id: format!("{run}/{customer}"),
            customer,
            properties: properties.clone(),
        });
        Ok((self.enroll(journey, customers.collect()).await?, next))
    }

    fn enrolling(&self, journey: &str, one: ByHand) -> NewEvent {
        let mut properties = one.properties;
        properties.insert("journey".to_owned(), Value::from(journey));
        NewEvent {
            source: HOST_SOURCE.to_owned(),
            id: format!("{JOURNEY_ENROLL}/{journey}/{}", one.id),
            name: JOURNEY_ENROLL.to_owned(),
            subject: Subject::Customer(one.customer),
            at: self.now(),
            subscription: None,
            lane: Lane::GENERAL,
            properties,
        }
    }
}
