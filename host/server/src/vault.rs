//! Secrets at rest: AES-256-GCM under the operator's key, bound to the connection that they belong to.

use std::collections::BTreeMap;
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::private::write_new;
use crate::random;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// Seals and opens secrets.
pub(crate) struct Vault {
    cipher: Aes256Gcm,
}

impl Vault {
    /// Takes the key from its text (base64 of 32 bytes), or else from the file, which is made on first use and readable by
    /// its owner only.
    pub(crate) fn open(key: Option<&str>, file: &Path) -> anyhow::Result<Self> {
        let text = match key {
            Some(key) => key.to_owned(),
            None if file.exists() => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the key file {}", file.display()))?,
            None => make_key(file)?,
        };
        let bytes =
            BASE64_STANDARD.decode(text.trim()).context("the workspace key is not base64")?;
        let key: [u8; KEY_BYTES] = bytes
            .try_into()
            .map_err(|_| anyhow::anyhow!("the workspace key must have {KEY_BYTES} bytes; make one with `openssl rand -base64 32`"))?;
        Ok(Self { cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)) })
    }

    /// Seals a connection's secrets.
    pub(crate) fn seal(
        &self,
        connection: &str,
        secrets: &BTreeMap<String, String>,
    ) -> anyhow::Result<String> {
        let nonce = random::bytes::<NONCE_BYTES>()?;
        let plain = serde_json::to_vec(secrets)?;
        let payload = Payload { msg: &plain, aad: connection.as_bytes() };
        let Ok(sealed) = self.cipher.encrypt(&Nonce::from(nonce), payload) else {
            bail!("secrets cannot be sealed")
        };
        Ok(BASE64_STANDARD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what `seal` made for this connection.
    pub(crate) fn unseal(
        &self,
        connection: &str,
        sealed: &str,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let bytes = BASE64_STANDARD.decode(sealed).context("sealed secrets are damaged")?;
        let Some((nonce, sealed)) = bytes.split_first_chunk::<NONCE_BYTES>() else {
            bail!("sealed secrets are damaged")
        };
        let payload = Payload { msg: sealed, aad: connection.as_bytes() };
        let Ok(plain) = self.cipher.decrypt(&Nonce::from(*nonce), payload) else {
            bail!(
                "the secrets of connection `{connection}` were sealed with another key; start with the former key, or apply the connection again with its secrets"
            )
        };
        Ok(serde_json::from_slice(&plain)?)
    }
}

fn make_key(file: &Path) -> anyhow::Result<String> {
    let text = BASE64_STANDARD.encode(random::bytes::<KEY_BYTES>()?);
    write_new(file, text.as_bytes())?;
    Ok(text)
}
