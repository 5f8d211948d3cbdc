//! Coupons.

use super::{batch, bounds, one_for_each};
use crate::{
    Connection, Kind,
    bindings::exports::waystation::plugin::coupon::GuestIndices,
    contract::coupon::{Failure, Grant, Request, Revocation, Traits},
    error::CallError,
    tape::Tape,
};

const CODE_CHARS: usize = 128;

impl Connection {
    /// Asks what the coupon plugin can do. `max-batch` is held to 1 .. 1,000.
    ///
    /// # Errors
    /// [`CallError`] if there is no answer.
    pub async fn coupon_traits(&self) -> Result<Traits, CallError> {
        self.spanned("coupon.get-traits", 0, self.try_coupon_traits()).await
    }

    async fn try_coupon_traits(&self) -> Result<Traits, CallError> {
        let indices = self.coupon()?;
        let mut live = self.open(&Tape::Off).await?;
        let coupon = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(coupon.call_get_traits(&mut live.store)).await;
        let mut traits = live.close(answer)?;
        traits.max_batch = traits.max_batch.clamp(1, 1_000);
        bounds::extras(&mut traits.extras);
        Ok(traits)
    }

    /// Issues coupons: one answer for each request, in order. It does not fail; when there is no answer every one is
    /// `unknown`, or `deferred` if the call certainly did not begin.
    pub async fn issue(&self, requests: &[Request]) -> Vec<Result<Grant, Failure>> {
        self.issue_observed(requests).await.0
    }

    /// Issues coupons as [`Connection::issue`] does, and tells the error if there was no answer.
    pub async fn issue_observed(
        &self,
        requests: &[Request],
    ) -> (Vec<Result<Grant, Failure>>, Option<CallError>) {
        let tape = self.tape();
        let answer = self.issue_on(requests, &tape).await;
        self.keep(tape, "coupon.issue", requests, &answer.0);
        answer
    }

    pub(crate) async fn issue_on(
        &self,
        requests: &[Request],
        tape: &Tape,
    ) -> (Vec<Result<Grant, Failure>>, Option<CallError>) {
        match self.spanned("coupon.issue", requests.len(), self.try_issue(requests, tape)).await {
            Ok(answers) => {
                let bounded = |answer: Result<_, _>| answer.map_err(bound).and_then(grant);
                (answers.into_iter().map(bounded).collect(), None)
            }
            Err(error) => (vec![Err(failure(&error)); requests.len()], Some(error)),
        }
    }

    async fn try_issue(
        &self,
        requests: &[Request],
        tape: &Tape,
    ) -> Result<Vec<Result<Grant, Failure>>, CallError> {
        batch(requests.len())?;
        let indices = self.coupon()?;
        let mut live = self.open(tape).await?;
        let coupon = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(coupon.call_issue(&mut live.store, requests)).await;
        one_for_each(requests.len(), live.close(answer)?)
    }

    /// Takes coupons back: one answer for each, in order, like [`Connection::issue`].
    pub async fn revoke(&self, revocations: &[Revocation]) -> Vec<Result<(), Failure>> {
        self.revoke_observed(revocations).await.0
    }

    /// Takes coupons back as [`Connection::revoke`] does, and tells the error if there was no answer.
    pub async fn revoke_observed(
        &self,
        revocations: &[Revocation],
    ) -> (Vec<Result<(), Failure>>, Option<CallError>) {
        let tape = self.tape();
        let answer = self.revoke_on(revocations, &tape).await;
        self.keep(tape, "coupon.revoke", revocations, &answer.0);
        answer
    }

    pub(crate) async fn revoke_on(
        &self,
        revocations: &[Revocation],
        tape: &Tape,
    ) -> (Vec<Result<(), Failure>>, Option<CallError>) {
        match self
            .spanned("coupon.revoke", revocations.len(), self.try_revoke(revocations, tape))
            .await
        {
            Ok(answers) => {
                (answers.into_iter().map(|answer| answer.map_err(bound)).collect(), None)
            }
            Err(error) => (vec![Err(failure(&error)); revocations.len()], Some(error)),
        }
    }

    async fn try_revoke(
        &self,
        revocations: &[Revocation],
        tape: &Tape,
    ) -> Result<Vec<Result<(), Failure>>, CallError> {
        batch(revocations.len())?;
        let indices = self.coupon()?;
        let mut live = self.open(tape).await?;
        let coupon = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(coupon.call_revoke(&mut live.store, revocations)).await;
        one_for_each(revocations.len(), live.close(answer)?)
    }

    /// Asks what became of earlier requests: one answer for each key, in order; `Ok(None)` means certainly never issued.
    /// When there is no answer every one is `unknown`.
    pub async fn find_grants(&self, keys: &[String]) -> Vec<Result<Option<Grant>, Failure>> {
        let tape = self.tape();
        let answers = self.find_grants_on(keys, &tape).await;
        self.keep(tape, "coupon.find", keys, &answers);
        answers
    }

    pub(crate) async fn find_grants_on(
        &self,
        keys: &[String],
        tape: &Tape,
    ) -> Vec<Result<Option<Grant>, Failure>> {
        match self.spanned("coupon.find", keys.len(), self.try_find_grants(keys, tape)).await {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| answer.map_err(bound).and_then(|found| found.map(grant).transpose()))
                .collect(),
            // Whether the coupon was issued does not depend on whether the question could be asked.
            Err(error) => vec![Err(unknown(error.to_string())); keys.len()],
        }
    }

    async fn try_find_grants(
        &self,
        keys: &[String],
        tape: &Tape,
    ) -> Result<Vec<Result<Option<Grant>, Failure>>, CallError> {
        batch(keys.len())?;
        let indices = self.coupon()?;
        let mut live = self.open(tape).await?;
        let coupon = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(coupon.call_find(&mut live.store, keys)).await;
        one_for_each(keys.len(), live.close(answer)?)
    }

    fn coupon(&self) -> Result<&GuestIndices, CallError> {
        self.release().exports.coupon.as_ref().ok_or(CallError::NotExported(Kind::Coupon))
    }
}

fn unknown(mut text: String) -> Failure {
    bounds::detail(&mut text);
    Failure::Unknown(text)
}

fn failure(error: &CallError) -> Failure {
    if error.began() {
        unknown(error.to_string())
    } else {
        Failure::Deferred(bounds::not_begun(error.to_string()))
    }
}

fn bound(mut failure: Failure) -> Failure {
    match &mut failure {
        Failure::Refused(text) | Failure::Unknown(text) => bounds::detail(text),
        Failure::Deferred(deferral) => bounds::deferral(deferral),
        Failure::Exhausted => {}
    }
    failure
}

/// A grant whose code nobody can use is not a grant, but something was issued.
fn grant(mut grant: Grant) -> Result<Grant, Failure> {
    if !bounds::has_chars(&grant.code, 1, CODE_CHARS) {
        return Err(unknown(format!(
            "the plugin's code does not have 1 to {CODE_CHARS} characters"
        )));
    }
    bounds::extras(&mut grant.extras);
    Ok(grant)
}
