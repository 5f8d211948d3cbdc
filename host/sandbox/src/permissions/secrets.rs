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
        let mut filled = Vec::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(found) =
            bytes[at..].windows(MARK.len()).position(|here| here == MARK.as_bytes())
        {
            let start = at + found;
            let end = start + MARK.len() + TOKEN_DIGITS;
            at = start + MARK.len();
            let Some(name) = bytes.get(start..end).and_then(|text| self.placeholders.name(text))
            else {
                continue;
            };
            filled.extend_from_slice(&bytes[copied..start]);
            filled.extend_from_slice(self.usable(name)?.as_bytes());
            // A secret may be a thousand times as long as its placeholder.
            if filled.len() > max {
                return Err(Error::TooLarge);
            }
            (copied, at) = (end, end);
        }
        if copied == 0 {
            return if bytes.len() > max { Err(Error::TooLarge) } else { Ok(bytes.into()) };
        }
        filled.extend_from_slice(&bytes[copied..]);
        if filled.len() > max { Err(Error::TooLarge) } else { Ok(filled.into()) }
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

    fn hmac_of(&self, signing: &Signing) -> wasmtime::Result<Result<Blob, Error>> {
        let (key, data) = match self.key_and_data(&signing.key.0, &signing.data.0) {
            Ok(filled) => filled,
            Err(error) => return Ok(Err(error)),
        };
        code(&signing.algorithm, &key, &data)
            .map(|code| Ok(Blob(code)))
            .map_err(wasmtime::Error::msg)
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

    fn hmac(
        &mut self,
        key: Vec<u8>,
        algorithm: Algorithm,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let algorithm = match algorithm {
            Algorithm::Sha1 => SHA1,
            Algorithm::Sha256 => SHA256,
            Algorithm::Sha512 => SHA512,
        };
        let signing = Signing { key: Blob(key), algorithm: algorithm.to_owned(), data: Blob(data) };
        let answer = self.hmac_of(&signing)?;
        self.tape.signed(&signing, &answer);
        Ok(answer.map(|code| code.0))
    }

    fn reveal(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        let answer = self.revealed(&name);
        self.tape.note("secrets.reveal", &name, &answer);
        Ok(answer)
    }
}

const SHA1: &str = "sha1";
const SHA256: &str = "sha256";
const SHA512: &str = "sha512";

/// HMAC of the data under the key; `algorithm` is a word of the contract.
pub(crate) fn code(algorithm: &str, key: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
    let code = match algorithm {
        SHA1 => Hmac::<Sha1>::new_from_slice(key).map(|mac| tag(mac, data)),
        SHA256 => Hmac::<Sha256>::new_from_slice(key).map(|mac| tag(mac, data)),
        SHA512 => Hmac::<Sha512>::new_from_slice(key).map(|mac| tag(mac, data)),
        other => return Err(format!("there is no algorithm {other}")),
    };
    code.map_err(|error| error.to_string())
}

fn tag(mut mac: impl hmac::Mac, data: &[u8]) -> Vec<u8> {
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}
