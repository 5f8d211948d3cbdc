//! Channels.

use super::{batch, bounds, one_for_each, told};
use crate::{
    Connection, Kind,
    bindings::exports::waystation::plugin::channel::GuestIndices,
    contract::{
        channel::{Message, Outcome, Reception, Traits},
        types::HttpRequest,
    },
    error::CallError,
    tape::Tape,
};

impl Connection {
    /// Asks what the channel can do. `max-batch` is held to 1 .. 1,000.
    ///
    /// # Errors
    /// [`CallError`] if there is no answer, or one that the contract forbids.
    pub async fn channel_traits(&self) -> Result<Traits, CallError> {
        self.spanned("channel.get-traits", 0, self.try_channel_traits()).await
    }

    async fn try_channel_traits(&self) -> Result<Traits, CallError> {
        let indices = self.channel()?;
        let mut live = self.open(&Tape::Off).await?;
        let channel = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(channel.call_get_traits(&mut live.store)).await;
        let mut traits = live.close(answer)?;
        traits.max_batch = traits.max_batch.clamp(1, 1_000);
        bounds::extras(&mut traits.extras);
        if !bounds::has_chars(&traits.address, 1, 64) {
            return Err(CallError::Answer(
                "the kind of address must have 1 to 64 characters".to_owned(),
            ));
        }
        Ok(traits)
    }

    /// Sends messages: one outcome for each, in order. It does not fail; when there is no answer every outcome is
    /// `unknown`, or `deferred` if the call certainly did not begin.
    pub async fn send(&self, messages: &[Message]) -> Vec<Outcome> {
        self.send_observed(messages).await.0
    }

    /// Sends messages as [`Connection::send`] does, and tells the error if there was no answer.
    pub async fn send_observed(&self, messages: &[Message]) -> (Vec<Outcome>, Option<CallError>) {
        let tape = self.tape();
        let answer = self.send_on(messages, &tape).await;
        self.keep(tape, "channel.send", messages, &answer.0);
        answer
    }

    pub(crate) async fn send_on(
        &self,
        messages: &[Message],
        tape: &Tape,
    ) -> (Vec<Outcome>, Option<CallError>) {
        match self.spanned("channel.send", messages.len(), self.try_send(messages, tape)).await {
            Ok(mut outcomes) => {
                outcomes.iter_mut().for_each(bound);
                (outcomes, None)
            }
            Err(error) => (vec![outcome(&error); messages.len()], Some(error)),
        }
    }

    async fn try_send(&self, messages: &[Message], tape: &Tape) -> Result<Vec<Outcome>, CallError> {
        batch(messages.len())?;
        let indices = self.channel()?;
        let mut live = self.open(tape).await?;
        let channel = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(channel.call_send(&mut live.store, messages)).await;
        one_for_each(messages.len(), live.close(answer)?)
    }

    /// Asks what became of earlier messages: one answer for each key, in order; `None` means certainly never sent. When
    /// there is no answer every one is `unknown`.
    pub async fn find_messages(&self, keys: &[String]) -> Vec<Option<Outcome>> {
        let tape = self.tape();
        let answers = self.find_messages_on(keys, &tape).await;
        self.keep(tape, "channel.find", keys, &answers);
        answers
    }

    pub(crate) async fn find_messages_on(
        &self,
        keys: &[String],
        tape: &Tape,
    ) -> Vec<Option<Outcome>> {
        match self.spanned("channel.find", keys.len(), self.try_find_messages(keys, tape)).await {
            Ok(mut outcomes) => {
                outcomes.iter_mut().flatten().for_each(bound);
                outcomes
            }
            // What happened to the message does not depend on whether the question could be asked.
            Err(error) => vec![Some(unknown(&error)); keys.len()],
        }
    }

    async fn try_find_messages(
        &self,
        keys: &[String],
        tape: &Tape,
    ) -> Result<Vec<Option<Outcome>>, CallError> {
        batch(keys.len())?;
        let indices = self.channel()?;
        let mut live = self.open(tape).await?;
        let channel = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(channel.call_find(&mut live.store, keys)).await;
        one_for_each(keys.len(), live.close(answer)?)
    }

    /// Lets the channel read a provider's report from a request to the connection's hook.
    ///
    /// # Errors
    /// [`CallError::Plugin`] with the plugin's own text if it does not understand the request, any other if there is no
    /// answer.
    pub async fn receive_reports(&self, request: &HttpRequest) -> Result<Reception, CallError> {
        let tape = self.tape();
        let call = self.receive_reports_on(request, &tape);
        let answer = self.spanned("channel.receive", 1, call).await;
        self.keep(tape, "channel.receive", request, &told(&answer));
        answer
    }

    pub(crate) async fn receive_reports_on(
        &self,
        request: &HttpRequest,
        tape: &Tape,
    ) -> Result<Reception, CallError> {
        let indices = self.channel()?;
        let mut live = self.open(tape).await?;
        let channel = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(channel.call_receive(&mut live.store, request)).await;
        let mut reception = live.close(answer)?.map_err(|mut text| {
            bounds::detail(&mut text);
            CallError::Plugin(text)
        })?;
        bounds::response(&reception.response).map_err(CallError::Answer)?;
        bounds::reports(&mut reception.reports).map_err(CallError::Answer)?;
        Ok(reception)
    }

    fn channel(&self) -> Result<&GuestIndices, CallError> {
        self.release().exports.channel.as_ref().ok_or(CallError::NotExported(Kind::Channel))
    }
}

fn unknown(error: &CallError) -> Outcome {
    let mut text = error.to_string();
    bounds::detail(&mut text);
    Outcome::Unknown(text)
}

fn outcome(error: &CallError) -> Outcome {
    if error.began() {
        unknown(error)
    } else {
        Outcome::Deferred(bounds::not_begun(error.to_string()))
    }
}

fn bound(outcome: &mut Outcome) {
    match outcome {
        Outcome::Accepted(receipt) => {
            bounds::extras(&mut receipt.extras);
            // An identifier is kept whole or not at all: half of one would match nothing.
            receipt.provider_id.take_if(|id| !bounds::has_chars(id, 1, bounds::IDENTIFIER_CHARS));
        }
        Outcome::Refused(refusal) => bounds::detail(&mut refusal.detail),
        Outcome::Deferred(deferral) => bounds::deferral(deferral),
        Outcome::Unknown(text) => bounds::detail(text),
    }
}
