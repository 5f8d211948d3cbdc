//! Trigger sources.

use super::{bounds, told};
use crate::{
    Connection, Kind,
    bindings::exports::waystation::plugin::trigger_source::GuestIndices,
    contract::{
        trigger_source::{Event, Polled, Reception, Subscription, Traits},
        types::HttpRequest,
    },
    error::CallError,
    manifest,
    tape::Tape,
};

const NAME_CHARS: usize = 128;
const EVENT_NAMES_MAX: usize = 1_000;
const POLLED_MAX: usize = 10_000;
const CURSOR_BYTES: usize = 64 << 10;
const POLL_MIN_MS: u64 = 1_000;
const POLL_MAX_MS: u64 = 24 * 3_600 * 1_000;

impl Connection {
    /// Asks what the trigger source can do.
    ///
    /// # Errors
    /// [`CallError`] if there is no answer, or one that the contract forbids.
    pub async fn trigger_source_traits(&self) -> Result<Traits, CallError> {
        self.spanned("trigger-source.get-traits", 0, self.try_trigger_source_traits()).await
    }

    async fn try_trigger_source_traits(&self) -> Result<Traits, CallError> {
        let indices = self.trigger_source()?;
        let mut live = self.open(&Tape::Off).await?;
        let source = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(source.call_get_traits(&mut live.store)).await;
        let mut traits = live.close(answer)?;
        bounds::extras(&mut traits.extras);
        manifest::check_schema("subscription-schema", &traits.subscription_schema)
            .map_err(CallError::Answer)?;
        if traits.event_names.len() > EVENT_NAMES_MAX {
            return Err(CallError::Answer(format!("it names more than {EVENT_NAMES_MAX} events")));
        }
        match traits.event_names.iter().find(|name| !is_event_name(name)) {
            Some(name) => Err(CallError::Answer(bad_name(name))),
            None => Ok(traits),
        }
    }

    /// Lets the trigger source read events from a request to the connection's hook, and reports too if it is a channel as well.
    ///
    /// # Errors
    /// [`CallError::Plugin`] with the plugin's own text if it does not understand the request, any other if there is no
    /// answer or one that the contract forbids. Nothing of such an answer counts.
    pub async fn receive(
        &self,
        request: &HttpRequest,
        subscriptions: &[Subscription],
    ) -> Result<Reception, CallError> {
        let tape = self.tape();
        let answer = self
            .spanned("trigger-source.receive", 1, self.receive_on(request, subscriptions, &tape))
            .await;
        self.keep(tape, "trigger-source.receive", &(request, subscriptions), &told(&answer));
        answer
    }

    pub(crate) async fn receive_on(
        &self,
        request: &HttpRequest,
        subscriptions: &[Subscription],
        tape: &Tape,
    ) -> Result<Reception, CallError> {
        let indices = self.trigger_source()?;
        let mut live = self.open(tape).await?;
        let source = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer =
            deadline.bound(source.call_receive(&mut live.store, request, subscriptions)).await;
        let mut reception = live.close(answer)?.map_err(plugin_says)?;
        bounds::response(&reception.response).map_err(CallError::Answer)?;
        reception.events.iter().try_for_each(check_event)?;
        // Whoever sends no messages cannot know what became of them.
        if !reception.reports.is_empty() && self.release().exports.channel.is_none() {
            return Err(CallError::Answer(
                "it reports on messages, but is not a channel".to_owned(),
            ));
        }
        bounds::reports(&mut reception.reports).map_err(CallError::Answer)?;
        Ok(reception)
    }

    /// Lets the trigger source look for new events. `next-at` is held to 1 s .. 24 h from now.
    ///
    /// # Errors
    /// Like [`Connection::receive`]; poll again with the same cursor.
    pub async fn poll(
        &self,
        subscriptions: &[Subscription],
        cursor: Option<&str>,
    ) -> Result<Polled, CallError> {
        let tape = self.tape();
        let answer = self
            .spanned(
                "trigger-source.poll",
                subscriptions.len(),
                self.poll_on(subscriptions, cursor, &tape),
            )
            .await;
        self.keep(tape, "trigger-source.poll", &(subscriptions, cursor), &told(&answer));
        answer
    }

    pub(crate) async fn poll_on(
        &self,
        subscriptions: &[Subscription],
        cursor: Option<&str>,
        tape: &Tape,
    ) -> Result<Polled, CallError> {
        let indices = self.trigger_source()?;
        let mut live = self.open(tape).await?;
        let source = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(source.call_poll(&mut live.store, subscriptions, cursor)).await;
        let mut polled = live.close(answer)?.map_err(plugin_says)?;
        if polled.events.len() > POLLED_MAX {
            return Err(CallError::Answer(format!(
                "it gives more than {POLLED_MAX} events at once"
            )));
        }
        polled.events.iter().try_for_each(check_event)?;
        if polled.cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_BYTES) {
            return Err(CallError::Answer(format!(
                "the cursor has more than {CURSOR_BYTES} bytes"
            )));
        }
        let now = tape.at().unwrap_or_else(|| self.now());
        polled.next_at =
            polled.next_at.clamp(now.saturating_add(POLL_MIN_MS), now.saturating_add(POLL_MAX_MS));
        Ok(polled)
    }

    fn trigger_source(&self) -> Result<&GuestIndices, CallError> {
        self.release()
            .exports
            .trigger_source
            .as_ref()
            .ok_or(CallError::NotExported(Kind::TriggerSource))
    }
}

fn plugin_says(mut text: String) -> CallError {
    bounds::detail(&mut text);
    CallError::Plugin(text)
}

fn check_event(event: &Event) -> Result<(), CallError> {
    if !bounds::has_chars(&event.id, 1, NAME_CHARS) {
        return Err(CallError::Answer(format!(
            "an event's identifier must have 1 to {NAME_CHARS} characters"
        )));
    }
    if !is_event_name(&event.name) {
        return Err(CallError::Answer(bad_name(&event.name)));
    }
    if event.properties.len() > bounds::JSON_BYTES {
        return Err(CallError::Answer(format!(
            "the properties of the event {} have more than {} bytes",
            event.id,
            bounds::JSON_BYTES
        )));
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&event.properties) {
        Ok(_) => Ok(()),
        Err(error) => Err(CallError::Answer(format!(
            "the properties of the event {} are not a JSON object: {error}",
            event.id
        ))),
    }
}

/// Lower case words joined by `.` and `_`.
fn is_event_name(name: &str) -> bool {
    name.len() <= NAME_CHARS
        && name.split(['.', '_']).all(|word| {
            !word.is_empty()
                && word.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        })
}

fn bad_name(name: &str) -> String {
    let shown: String = name.chars().take(NAME_CHARS).collect();
    format!(
        "the event name {shown:?} must be lower case words joined by . and _, such as cart.item_added, at most {NAME_CHARS} characters"
    )
}
