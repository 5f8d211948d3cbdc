//! Secrets, granted by name: used by the host on the plugin's behalf, or revealed where that is granted too.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::ITEMS_MAX;
use crate::{
    bindings::waystation::plugin::secrets::{self, Algorithm, Error},
    guest::Guest,
    hex,
};

/// What stands for secrets in this call: the secret's name to its placeholder.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(BTreeMap<String, String>);

impl Guest {
    fn usable(&self, name: &str) -> Result<&str, Error> {
        if !self.context.usable_secrets.contains(name) {
            return Err(Error::NotGranted);
        }
        self.context.secrets.get(name).map(|value| value.expose()).ok_or(Error::Missing)
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
        let placeholder = format!("waystation-secret-{}", hex::encode(&token));
        self.placeholders.0.insert(name, placeholder.clone());
        Ok(Ok(placeholder))
    }

    fn hmac(
        &mut self,
        name: String,
        algorithm: Algorithm,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        let secret = match self.usable(&name) {
            Ok(secret) => secret.as_bytes(),
            Err(error) => return Ok(Err(error)),
        };
        let code = match algorithm {
            Algorithm::Sha1 => Hmac::<Sha1>::new_from_slice(secret).map(|key| tag(key, &data)),
            Algorithm::Sha256 => Hmac::<Sha256>::new_from_slice(secret).map(|key| tag(key, &data)),
            Algorithm::Sha512 => Hmac::<Sha512>::new_from_slice(secret).map(|key| tag(key, &data)),
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

fn tag(mut key: impl hmac::Mac, data: &[u8]) -> Vec<u8> {
    key.update(data);
    key.finalize().into_bytes().to_vec()
}
