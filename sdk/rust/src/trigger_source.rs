//! Trigger sources tell the host what customers did or when something is due: shop webhooks, calendars, pollers.

use serde::de::DeserializeOwned;

use crate::http::{HttpRequest, HttpResponse};
use crate::{Plugin, clock};

pub use crate::bindings::trigger_source::exports::waystation::plugin::trigger_source::{
    Event, Polled, Reception, Subject, Subscription, Traits,
};
pub use crate::values::{Report, ReportKind};

/// How long an idle source is left alone: the longest that the host allows, in milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// A plugin that brings events.
pub trait TriggerSource: Plugin {
    /// What the trigger source can do. Must always give the same answer for one configuration.
    fn traits(&self) -> Traits;

    /// Reads events from a request to the connection's hook. The request is not authenticated: checking a signature is the
    /// plugin's task. The host calls it if the traits say `hooks`. A plugin that is a channel too gets all of the hook's
    /// requests here, and puts what became of messages into [`Reception::reports`].
    ///
    /// # Errors
    /// The request makes no sense: the host answers it with status 400 and logs the text.
    fn receive(
        &self,
        _request: HttpRequest,
        _subscriptions: Vec<Subscription>,
    ) -> Result<Reception, String> {
        Ok(Reception::answer(HttpResponse::text(404, "this trigger source takes no requests")))
    }

    /// Looks for new events. `cursor` is what the poll before answered. The host calls it if the traits say `polls`.
    ///
    /// # Errors
    /// What went wrong: the host logs it and polls again later with the same cursor.
    fn poll(
        &self,
        _subscriptions: Vec<Subscription>,
        cursor: Option<String>,
    ) -> Result<Polled, String> {
        Ok(Polled { events: Vec::new(), cursor, next_at: clock::now().saturating_add(DAY) })
    }
}

impl Reception {
    /// An answer without events and reports.
    #[must_use]
    pub fn answer(response: HttpResponse) -> Self {
        Reception { response, events: Vec::new(), reports: Vec::new() }
    }
}

impl Subscription {
    /// The parameters as a type.
    ///
    /// # Errors
    /// They are not of this shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.parameters)
    }
}

impl Traits {
    /// A source that serves requests to the connection's hook. Subscriptions take no parameters until said otherwise.
    #[must_use]
    pub fn hooks() -> Self {
        Traits { hooks: true, ..Traits::none() }
    }

    /// A source that is polled. Subscriptions take no parameters until said otherwise.
    #[must_use]
    pub fn polls() -> Self {
        Traits { polls: true, ..Traits::none() }
    }

    /// JSON Schema (draft 2020-12) of a subscription's parameters, at most 64 KiB.
    #[must_use]
    pub fn subscription_schema(mut self, schema: impl Into<String>) -> Self {
        self.subscription_schema = schema.into();
        self
    }

    /// Names of the events that it emits.
    #[must_use]
    pub fn event_names(mut self, names: &[&str]) -> Self {
        self.event_names = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    fn none() -> Self {
        Traits {
            subscription_schema: String::new(),
            event_names: Vec::new(),
            hooks: false,
            polls: false,
            extras: Vec::new(),
        }
    }
}
