//! Coupons: a code from the pool that the campaign names.

use crate::{
    Probe,
    exports::waystation::plugin::coupon::{Failure, Grant, Guest, Request, Revocation, Traits},
    waystation::plugin::{
        codes::{self, Error},
        types::Deferral,
    },
};

impl Guest for Probe {
    fn get_traits() -> Traits {
        Traits { max_batch: 0, dedupe_window: Some(u64::MAX), finds: true, extras: Vec::new() }
    }

    fn issue(requests: Vec<Request>) -> Vec<Result<Grant, Failure>> {
        requests.iter().map(issue).collect()
    }

    fn revoke(revocations: Vec<Revocation>) -> Vec<Result<(), Failure>> {
        revocations
            .iter()
            .map(|revocation| {
                codes::give_back(&revocation.campaign, std::slice::from_ref(&revocation.key))
                    .map_err(failure)
            })
            .collect()
    }

    fn find(keys: Vec<String>) -> Vec<Result<Option<Grant>, Failure>> {
        keys.iter()
            .map(
                |key| {
                    if key.contains("lost") { Err(Failure::Unknown(key.clone())) } else { Ok(None) }
                },
            )
            .collect()
    }
}

fn issue(request: &Request) -> Result<Grant, Failure> {
    let mut taken =
        codes::take(&request.campaign, std::slice::from_ref(&request.key)).map_err(failure)?;
    match taken.remove(0) {
        Some(code) => {
            Ok(Grant { code, valid_until: request.offer.valid_until, extras: Vec::new() })
        }
        None => Err(Failure::Exhausted),
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::NotGranted => Failure::Refused("not granted".to_owned()),
        // Too short a wait, which the host lengthens.
        Error::Unavailable(detail) => Failure::Deferred(Deferral { after: 1, detail }),
    }
}
