//! Putting secrets in the place of their placeholders, towards origins that each is granted for.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::origin::{Origin, Pattern};
use crate::{connection::SecretValue, permissions::secrets::Placeholders};

/// What RFC 3986 calls unreserved stays; everything else might end the part of the URL that it stands in.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A call's placeholders and the secrets that they stand for.
#[derive(Clone, Copy)]
pub(crate) struct Secrets<'a> {
    pub(crate) placeholders: &'a Placeholders,
    pub(crate) values: &'a BTreeMap<String, SecretValue>,
    /// Names of the secrets, each with the origins that it may be sent to.
    pub(crate) origins: &'a BTreeMap<String, Vec<Pattern>>,
}

/// How a secret is written where it is put.
#[derive(Debug, Clone, Copy)]
pub(super) enum Writing {
    Plain,
    /// Percent-encoded, whole.
    Url,
}

impl Secrets<'_> {
    /// Whether a secret may be sent to an origin.
    pub(super) fn granted(&self, name: &str, origin: &Origin) -> bool {
        self.origins
            .get(name)
            .is_some_and(|patterns| patterns.iter().any(|pattern| pattern.allows(origin)))
    }

    /// The bytes with the secrets in place, at most `max`; or why they may not be sent to the origin.
    pub(super) fn fill<'a>(
        &self,
        bytes: &'a [u8],
        origin: &Origin,
        writing: Writing,
        max: usize,
    ) -> Result<Cow<'a, [u8]>, String> {
        let check = |filled: &[u8]| match filled.len() {
            length if length > max => {
                Err(format!("with its secrets in place a part has more than {max} bytes"))
            }
            _ => Ok(()),
        };
        let filled = self.placeholders.replace(bytes, |name, filled| {
            if !self.granted(name, origin) {
                return Err(format!(
                    "the secret {name} is not granted towards {origin}; permissions.secrets.{name} must hold that origin to allow it"
                ));
            }
            let Some(value) = self.values.get(name) else {
                return Err(format!("the secret {name} has no value yet"));
            };
            match writing {
                Writing::Plain => filled.extend_from_slice(value.expose().as_bytes()),
                Writing::Url => percent_encode(value.expose().as_bytes(), IN_URL)
                    .for_each(|part| filled.extend_from_slice(part.as_bytes())),
            }
            check(filled)
        })?;
        check(&filled)?;
        Ok(filled)
    }

    /// A header field's value with the secrets in place, inside the base64 of `Basic` credentials too.
    pub(super) fn fill_header<'a>(
        &self,
        (name, value): (&str, &'a str),
        origin: &Origin,
        max: usize,
    ) -> Result<Cow<'a, [u8]>, String> {
        match self.basic(name, value) {
            Some(credentials) => {
                let filled = self.fill(&credentials, origin, Writing::Plain, max)?;
                Ok(format!("Basic {}", STANDARD.encode(filled)).into_bytes().into())
            }
            None => self.fill(value.as_bytes(), origin, Writing::Plain, max),
        }
    }

    /// Whether a header field's value holds a placeholder.
    pub(super) fn within_header(&self, name: &str, value: &str) -> bool {
        self.placeholders.within(value.as_bytes()) || self.basic(name, value).is_some()
    }

    /// The credentials in `Basic` authorization, if they hold a placeholder.
    fn basic(&self, name: &str, value: &str) -> Option<Vec<u8>> {
        let (scheme, credentials) = value.split_once(' ')?;
        if name != "authorization" || !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let credentials = STANDARD.decode(credentials.trim_matches(' ')).ok()?;
        self.placeholders.within(&credentials).then_some(credentials)
    }
}
