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
};

/// How every placeholder begins.
const MARK: &str = "waystation-secret-";

/// Digits that follow the mark: 16 random bytes.
const TOKEN_DIGITS: usize = 32;

/// Most bytes of an HMAC's key and data together, with the secrets in place.
const HMAC_BYTES_MAX: usize = 16 << 20;

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
        while let Some(found) =
            bytes[at..].windows(MARK.len()).position(|here| here == MARK.as_bytes())
        {
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
        !self.0.is_empty() && self.replace(bytes, |_, _| Err(())).is_err()
    }

    /// The name of the secret that a text stands for.
    fn name(&self, placeholder: &[u8]) -> Option<&str> {
        let stands = |(_, known): &(&String, &String)| known.as_bytes() == placeholder;
        self.0.iter().find(stands).map(|(name, _)| name.as_str())
    }
}

impl secrets::Host for Guest {
    fn placeholder(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
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
        // Unguessable, so that text from outside cannot make the host put a secret in.
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|error| {
            wasmtime::Error::msg(format!("the operating system gives no randomness: {error}"))
        })?;
        let placeholder = format!("{MARK}{}", hex::encode(&token));
        self.placeholders.0.insert(name, placeholder.clone());
        Ok(Ok(placeholder))
    }

    fn hmac(
        &mut self,
        key: Vec<u8>,
        algorithm: Algorithm,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let (key, data) = match self.key_and_data(&key, &data) {
            Ok(filled) => filled,
            Err(error) => return Ok(Err(error)),
        };
        let code = match algorithm {
            Algorithm::Sha1 => Hmac::<Sha1>::new_from_slice(&key).map(|mac| tag(mac, &data)),
            Algorithm::Sha256 => Hmac::<Sha256>::new_from_slice(&key).map(|mac| tag(mac, &data)),
            Algorithm::Sha512 => Hmac::<Sha512>::new_from_slice(&key).map(|mac| tag(mac, &data)),
        };
        Ok(Ok(code.map_err(|error| wasmtime::Error::msg(error.to_string()))?))
    }

    fn reveal(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        if !self.context.revealed_secrets.contains(&name) {
            return Ok(Err(Error::NotGranted));
        }
        Ok(self
            .context
            .secrets
            .get(&name)
            .map(|value| value.expose().to_owned())
            .ok_or(Error::Missing))
    }
}

fn tag(mut mac: impl hmac::Mac, data: &[u8]) -> Vec<u8> {
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}
