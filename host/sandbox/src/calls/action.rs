//! Actions.

use super::{batch, bounds, one_for_each};
use crate::{
    Connection, Kind,
    bindings::exports::waystation::plugin::action::GuestIndices,
    contract::action::{Call, Failure, Traits},
    error::CallError,
    manifest,
    tape::Tape,
};

impl Connection {
    /// Asks what the action can do. `max-batch` is held to 1 .. 1,000.
    ///
    /// # Errors
    /// [`CallError`] if there is no answer, or its schema is not one.
    pub async fn action_traits(&self) -> Result<Traits, CallError> {
        self.spanned("action.get-traits", 0, self.try_action_traits()).await
    }

    async fn try_action_traits(&self) -> Result<Traits, CallError> {
        let indices = self.action()?;
        let mut live = self.open(&Tape::Off).await?;
        let action = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(action.call_get_traits(&mut live.store)).await;
        let mut traits = live.close(answer)?;
        traits.max_batch = traits.max_batch.clamp(1, 1_000);
        bounds::extras(&mut traits.extras);
        manifest::check_schema("parameters-schema", &traits.parameters_schema)
            .map_err(CallError::Answer)?;
        Ok(traits)
    }

    /// Runs calls: one answer for each, in order; success is a JSON value. It does not fail; when there is no answer every
    /// one is `unknown`, or `deferred` if the call certainly did not begin.
    pub async fn run(&self, calls: &[Call]) -> Vec<Result<String, Failure>> {
        self.run_observed(calls).await.0
    }

    /// Runs calls as [`Connection::run`] does, and tells the error if there was no answer.
    pub async fn run_observed(
        &self,
        calls: &[Call],
    ) -> (Vec<Result<String, Failure>>, Option<CallError>) {
        let tape = self.tape();
        let answer = self.run_on(calls, &tape).await;
        self.keep(tape, "action.run", calls, &answer.0);
        answer
    }

    pub(crate) async fn run_on(
        &self,
        calls: &[Call],
        tape: &Tape,
    ) -> (Vec<Result<String, Failure>>, Option<CallError>) {
        match self.spanned("action.run", calls.len(), self.try_run(calls, tape)).await {
            Ok(answers) => (answers.into_iter().map(bound).collect(), None),
            Err(error) => (vec![Err(failure(&error)); calls.len()], Some(error)),
        }
    }

    async fn try_run(
        &self,
        calls: &[Call],
        tape: &Tape,
    ) -> Result<Vec<Result<String, Failure>>, CallError> {
        batch(calls.len())?;
        let indices = self.action()?;
        let mut live = self.open(tape).await?;
        let action = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(action.call_run(&mut live.store, calls)).await;
        one_for_each(calls.len(), live.close(answer)?)
    }

    fn action(&self) -> Result<&GuestIndices, CallError> {
        self.release().exports.action.as_ref().ok_or(CallError::NotExported(Kind::Action))
    }
}

fn failure(error: &CallError) -> Failure {
    if !error.began() {
        return Failure::Deferred(bounds::not_begun(error.to_string()));
    }
    let mut failure = Failure::Unknown(error.to_string());
    bounds::failure(&mut failure);
    failure
}

/// A result that the journey cannot read is lost, but the action was done: that is `unknown`.
fn bound(answer: Result<String, Failure>) -> Result<String, Failure> {
    match answer {
        Ok(result) if result.len() > bounds::JSON_BYTES => Err(Failure::Unknown(format!(
            "the plugin's result has {} bytes, more than the {} allowed",
            result.len(),
            bounds::JSON_BYTES
        ))),
        // As a value, which bounds the depth: what the journey keeps must be readable, too.
        Ok(result) => match serde_json::from_str::<serde_json::Value>(&result) {
            Ok(_) => Ok(result),
            Err(error) => {
                Err(Failure::Unknown(format!("the plugin's result is not JSON: {error}")))
            }
        },
        Err(mut failure) => {
            bounds::failure(&mut failure);
            Err(failure)
        }
    }
}
