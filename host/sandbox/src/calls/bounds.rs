//! Bounds that the contract sets to what plugins answer.

use crate::contract::types::{Deferral, Extras, Failure, HttpResponse, Report};

const DETAIL_CHARS: usize = 1_000;
const EXTRAS_MAX: usize = 64;
const EXTRAS_BYTES: usize = 64 << 10;
const AFTER_MIN_MS: u64 = 1_000;
const AFTER_MAX_MS: u64 = 24 * 3_600 * 1_000;
/// How long the host waits before it tries again what it could not begin.
const AFTER_HOST_MS: u64 = 5_000;
/// Most bytes of JSON that an answer carries.
pub(super) const JSON_BYTES: usize = 64 << 10;
const HEADERS_MAX: usize = 100;
/// Most characters of a provider's identifier of a message.
pub(super) const IDENTIFIER_CHARS: usize = 1_000;

/// What is kept of a text for an operator.
pub(super) fn detail(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(DETAIL_CHARS) {
        text.truncate(end);
    }
}

/// A wait that is neither busy nor forever.
pub(super) fn deferral(deferral: &mut Deferral) {
    deferral.after = deferral.after.clamp(AFTER_MIN_MS, AFTER_MAX_MS);
    detail(&mut deferral.detail);
}

pub(super) fn failure(failure: &mut Failure) {
    match failure {
        Failure::Refused(text) | Failure::Unknown(text) => detail(text),
        Failure::Deferred(wait) => deferral(wait),
    }
}

/// What the host answers for an item of a call that did not begin.
pub(super) fn not_begun(text: String) -> Deferral {
    let mut wait = Deferral { after: AFTER_HOST_MS, detail: text };
    deferral(&mut wait);
    wait
}

/// Extras beyond the contract's bounds are dropped: they never carry what an outcome depends on.
pub(super) fn extras(extras: &mut Extras) {
    extras.truncate(EXTRAS_MAX);
    let mut bytes = 0;
    extras.retain(|(name, value)| {
        bytes += name.len() + value.len();
        bytes <= EXTRAS_BYTES
    });
}

/// Whether a text has so many characters.
pub(super) fn has_chars(text: &str, min: usize, max: usize) -> bool {
    let chars = text.chars().take(max + 1).count();
    (min..=max).contains(&chars)
}

/// Says what is wrong with a response that the host is to send.
pub(super) fn response(response: &HttpResponse) -> Result<(), String> {
    if !(200..=599).contains(&response.status) {
        return Err(format!(
            "the response's status {} is not between 200 and 599",
            response.status
        ));
    }
    if response.headers.len() > HEADERS_MAX {
        return Err(format!("the response has more than {HEADERS_MAX} header fields"));
    }
    let token = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| {
                byte.is_ascii_digit()
                    || byte.is_ascii_lowercase()
                    || b"!#$%&'*+-.^_`|~".contains(&byte)
            })
    };
    match response
        .headers
        .iter()
        .find(|(name, value)| !token(name) || value.chars().any(char::is_control))
    {
        Some((name, _)) => Err(format!(
            "the response's header field {name:?} must have a lower case name and a value without line breaks"
        )),
        None => Ok(()),
    }
}

/// Holds reports to their bounds, or says which bound one breaks that cannot be mended.
pub(super) fn reports(reports: &mut [Report]) -> Result<(), String> {
    reports.iter_mut().try_for_each(report)
}

fn report(report: &mut Report) -> Result<(), String> {
    if report.key.is_none() && report.provider_id.is_none() {
        return Err("a report has neither a key nor a provider's identifier".to_owned());
    }
    let named =
        |id: &Option<String>| id.as_ref().is_none_or(|id| has_chars(id, 1, IDENTIFIER_CHARS));
    if !named(&report.key) || !named(&report.provider_id) {
        return Err(format!("a report's identifier must have 1 to {IDENTIFIER_CHARS} characters"));
    }
    if let Some(text) = &mut report.detail {
        detail(text);
    }
    extras(&mut report.extras);
    Ok(())
}
