//! Secrets, granted by name: used by the host on the plugin's behalf, or revealed where that is granted too.

use std::{borrow::Cow, collections::BTreeMap};

use hmac::{Hmac, KeyInit as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::ITEMS_MAX;
use crate::{
    bindings::waystation::plugin::secrets::{self, Algorithm, Error},
    guest::Guest,
    hex,
    tape::{self, Blob, Signing},
};

/// How every placeholder begins.
pub(crate) const MARK: &str = "waystation-secret-";

/// Digits that follow the mark: 16 random bytes.
pub(crate) const TOKEN_DIGITS: usize = 32;

/// Most bytes of an HMAC's key and data together, with the secrets in place.
const HMAC_BYTES_MAX: usize = 16 << 20;

/// Bytes of an HMAC's data that are computed in one go, in less than a millisecond.
const HMAC_BYTES_AT_ONCE: usize = 256 << 10;

/// What stands for secrets in this call: the secret's name to its placeholder.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(BTreeMap<String, String>);

impl Guest {
    fn usable(&self, name: &str) -> Result<&str, Error> {
        if !self.context.usable_secrets.contains_key(name) {
            return Err(Error::NotGranted);
        }
        self.context.secrets.get(name).map(|value| value.expose()).ok_or(Error::Missing)
    }

    /// The bytes with the secret in the place of each placeholder; the same bytes if they hold none.
    fn filled<'a>(&self, bytes: &'a [u8], max: usize) -> Result<Cow<'a, [u8]>, Error> {
        let filled = self.placeholders.replace(bytes, |name, filled| {
            filled.extend_from_slice(self.usable(name)?.as_bytes());
            // A secret may be a thousand times as long as its placeholder.
            if filled.len() > max { Err(Error::TooLarge) } else { Ok(()) }
        })?;
        if filled.len() > max { Err(Error::TooLarge) } else { Ok(filled) }
    }

    fn key_and_data<'a>(
        &self,
        key: &[u8],
        data: &'a [u8],
    ) -> Result<(Vec<u8>, Cow<'a, [u8]>), Error> {
        // Bytes that nothing was put into are borrowed still.
        let Cow::Owned(key) = self.filled(key, HMAC_BYTES_MAX)? else {
            return Err(Error::NoSecretInKey);
        };
        let data = self.filled(data, HMAC_BYTES_MAX - key.len())?;
        Ok((key, data))
    }
}

impl Placeholders {
    /// The bytes with something else in the place of each placeholder: `put` adds what belongs there. The same bytes if
    /// they hold none.
    pub(crate) fn replace<'a, E>(
        &self,
        bytes: &'a [u8],
        mut put: impl FnMut(&str, &mut Vec<u8>) -> Result<(), E>,
    ) -> Result<Cow<'a, [u8]>, E> {
        let mut replaced = Vec::new();
        let (mut copied, mut at) = (0, 0);
        // Large bodies pass through here, mostly of calls that use no secret.
        while let Some(found) = (!self.0.is_empty()).then(|| mark(&bytes[at..])).flatten() {
            let start = at + found;
            let end = start + MARK.len() + TOKEN_DIGITS;
            at = start + MARK.len();
            let Some(name) = bytes.get(start..end).and_then(|text| self.name(text)) else {
                continue;
            };
            replaced.extend_from_slice(&bytes[copied..start]);
            put(name, &mut replaced)?;
            (copied, at) = (end, end);
        }
        if copied == 0 {
            return Ok(bytes.into());
        }
        replaced.extend_from_slice(&bytes[copied..]);
        Ok(replaced.into())
    }

    /// Whether the bytes hold a placeholder of this call.
    pub(crate) fn within(&self, bytes: &[u8]) -> bool {
        self.replace(bytes, |_, _| Err(())).is_err()
    }

    /// The name of the secret that a text stands for.
    fn name(&self, placeholder: &[u8]) -> Option<&str> {
        let stands = |(_, known): &(&String, &String)| known.as_bytes() == placeholder;
        self.0.iter().find(stands).map(|(name, _)| name.as_str())
    }
}

impl Guest {
    fn placeholder_of(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        if let Err(error) = self.usable(&name) {
            return Ok(Err(error));
        }
        if let Some(placeholder) = self.placeholders.0.get(&name) {
            return Ok(Ok(placeholder.clone()));
        }
        debug_assert!(
            self.placeholders.0.len() < ITEMS_MAX,
            "a connection has at most 100 secrets"
        );
        if self.tape.player().is_some() {
            let placeholder = tape::placeholder(&name);
            self.placeholders.0.insert(name, placeholder.clone());
            return Ok(Ok(placeholder));
        }
        // Unguessable, so that text from outside cannot make the host put a secret in.
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|error| {
            wasmtime::Error::msg(format!("the operating system gives no randomness: {error}"))
        })?;
        let placeholder = format!("{MARK}{}", hex::encode(&token));
        self.placeholders.0.insert(name, placeholder.clone());
        Ok(Ok(placeholder))
    }

    async fn hmac_of(
        &self,
        algorithm: Algorithm,
        signing: &Signing,
    ) -> wasmtime::Result<Result<Blob, Error>> {
        let (key, data) = match self.key_and_data(&signing.key.0, &signing.data.0) {
            Ok(filled) => filled,
            Err(error) => return Ok(Err(error)),
        };
        let code = match algorithm {
            Algorithm::Sha1 => tag(Hmac::<Sha1>::new_from_slice(&key), &data).await,
            Algorithm::Sha256 => tag(Hmac::<Sha256>::new_from_slice(&key), &data).await,
            Algorithm::Sha512 => tag(Hmac::<Sha512>::new_from_slice(&key), &data).await,
        };
        Ok(Ok(Blob(code?)))
    }

    fn revealed(&self, name: &str) -> Result<String, Error> {
        if !self.context.revealed_secrets.contains(name) {
            return Err(Error::NotGranted);
        }
        let value = self.context.secrets.get(name);
        value.map(|value| value.expose().to_owned()).ok_or(Error::Missing)
    }
}

impl secrets::Host for Guest {
    fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        let answer = self.placeholder_of(name.clone())?;
        self.tape.note(tape::PLACEHOLDER, &name, &answer);
        Ok(answer)
    }

    async fn hmac(
        &mut self,
        key: Vec<u8>,
        algorithm: Algorithm,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let word = match algorithm {
            Algorithm::Sha1 => tape::SHA1,
            Algorithm::Sha256 => tape::SHA256,
            Algorithm::Sha512 => tape::SHA512,
        };
        let signing = Signing { key: Blob(key), algorithm: word.to_owned(), data: Blob(data) };
        let answer = self.hmac_of(algorithm, &signing).await?;
        self.tape.signed(&signing, &answer);
        Ok(answer.map(|code| code.0))
    }

    fn reveal(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        let answer = self.revealed(&name);
        self.tape.note("secrets.reveal", &name, &answer);
        Ok(answer)
    }
}

/// Gives other tasks of the thread a turn now and then, for a plugin may ask for this as often as it likes.
async fn tag<M: hmac::Mac>(
    mac: Result<M, hmac::digest::InvalidLength>,
    data: &[u8],
) -> wasmtime::Result<Vec<u8>> {
    let mut mac = mac.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let mut parts = data.chunks(HMAC_BYTES_AT_ONCE).peekable();
    while let Some(part) = parts.next() {
        mac.update(part);
        if parts.peek().is_some() {
            tokio::task::yield_now().await;
        }
    }
    Ok(mac.finalize().into_bytes().to_vec())
}

/// Where a placeholder may begin. Horspool's search: the byte at which the mark would end tells how far it can be away.
fn mark(bytes: &[u8]) -> Option<usize> {
    let mark = MARK.as_bytes();
    let mut at = 0;
    while let Some(here) = bytes.get(at..at + mark.len()) {
        if here == mark {
            return Some(at);
        }
        let [before @ .., _] = mark else { return None };
        let last = here[mark.len() - 1];
        at += before.iter().rev().position(|byte| *byte == last).map_or(mark.len(), |far| far + 1);
    }
    None
}
