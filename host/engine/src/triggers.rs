//! What trigger sources are asked for, and what they bring: by hook, or when they are polled.

use tracing::warn;
use waystation_journey::Lane;
use waystation_sandbox::contract::{trigger_source, types};
use waystation_store::records::{NewEvent, Subject, Taken};

use crate::engine::{Core, Engine};
use crate::error::EngineError;

impl Engine {
    /// Whether a connection is a trigger source with hooks.
    #[must_use]
    pub fn takes_hooks(&self, connection: &str) -> bool {
        let link = self.link(connection);
        link.is_some_and(|link| link.trigger_source.as_ref().is_some_and(|traits| traits.hooks))
    }

    /// Hands a hook's request to the trigger source; its response is given back after its events are durable.
    ///
    /// # Errors
    /// [`EngineError::Missing`] if the connection is not a trigger source with hooks, [`EngineError::Call`] if the plugin
    /// failed, and what [`take`](Self::take) gives.
    pub async fn receive(
        &self,
        connection: &str,
        request: types::HttpRequest,
    ) -> Result<types::HttpResponse, EngineError> {
        let missing =
            || EngineError::Missing(format!("connection `{connection}` that takes hooks"));
        let flight = self.core.links.line(connection).ok_or_else(missing)?.begin_current();
        let link = flight.link();
        link.trigger_source.as_ref().filter(|traits| traits.hooks).ok_or_else(missing)?;
        let subscriptions = self.core.subscriptions(connection);
        let reception = link
            .connection
            .receive(&request, &subscriptions)
            .await
            .map_err(|error| EngineError::Call { connection: connection.to_owned(), error })?;
        drop(flight);
        let events = self.core.brought(connection, reception.events, &subscriptions)?;
        if !events.is_empty() {
            let ids: Vec<String> = events.iter().map(|event| event.id.clone()).collect();
            let taken = self.take(events).await?;
            warn_of_strangers(connection, &ids, &taken);
        }
        Ok(reception.response)
    }
}

impl Core {
    /// What live journeys ask of a trigger source, in the order of their names.
    pub(crate) fn subscriptions(&self, connection: &str) -> Vec<trigger_source::Subscription> {
        let picture = self.programs.picture();
        let asked = picture.subscriptions().filter(|asked| asked.connection == connection);
        let told = asked.map(|asked| trigger_source::Subscription {
            id: asked.id,
            // Texts and numbers: it cannot fail.
            parameters: serde_json::to_string(asked.parameters).unwrap_or_default(),
        });
        told.collect()
    }

    /// Events as the inbox takes them. What answers a subscription that is none, or no more, is dropped and counted.
    pub(crate) fn brought(
        &self,
        connection: &str,
        events: Vec<trigger_source::Event>,
        subscriptions: &[trigger_source::Subscription],
    ) -> Result<Vec<NewEvent>, EngineError> {
        let came = events.len();
        let known = |event: &trigger_source::Event| {
            let known = |id: &String| subscriptions.iter().any(|one| one.id == *id);
            event.subscription.as_ref().is_none_or(known)
        };
        let kept = events.into_iter().filter(known).map(|event| new_event(connection, event));
        let mut kept = kept.collect::<Result<Vec<_>, _>>()?;
        self.metrics.unsubscribed(came - kept.len());
        self.put_in_lanes(&mut kept);
        Ok(kept)
    }
}

/// Tells the operator of events that are about nobody.
pub(crate) fn warn_of_strangers(connection: &str, ids: &[String], taken: &[Taken]) {
    for (id, _) in ids.iter().zip(taken).filter(|(_, taken)| **taken == Taken::UnknownCustomer) {
        warn!(
            connection,
            event.id = id,
            "no customer has the identity that an event names; it is dropped"
        );
    }
}

/// Most bytes of what names an event or its customer: several of them stand in one entry of an index, which PostgreSQL bounds
/// to 2,704 bytes.
const NAME_BYTES: usize = 512;

fn new_event(connection: &str, event: trigger_source::Event) -> Result<NewEvent, EngineError> {
    let properties = serde_json::from_str(&event.properties).map_err(|error| {
        EngineError::Invalid(format!(
            "event {}: properties are not a JSON object: {error}",
            event.id
        ))
    })?;
    let names: &[&String] = match &event.subject {
        trigger_source::Subject::Customer(id) => &[&event.id, &event.name, id],
        trigger_source::Subject::Identity(identity) => {
            &[&event.id, &event.name, &identity.kind, &identity.value]
        }
    };
    if let Some(name) = names.iter().find(|name| name.is_empty() || name.len() > NAME_BYTES) {
        let start: String = name.chars().take(32).collect();
        return Err(EngineError::Invalid(format!(
            "an event's id, name, customer and identity are 1 to {NAME_BYTES} bytes each; `{start}…` has {}",
            name.len()
        )));
    }
    Ok(NewEvent {
        source: connection.to_owned(),
        id: event.id,
        name: event.name,
        subject: match event.subject {
            trigger_source::Subject::Customer(id) => Subject::Customer(id),
            trigger_source::Subject::Identity(identity) => {
                Subject::Identity { kind: identity.kind, value: identity.value }
            }
        },
        at: i64::try_from(event.at).unwrap_or(i64::MAX),
        subscription: event.subscription,
        lane: Lane::GENERAL,
        properties,
    })
}
