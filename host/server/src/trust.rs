//! Keys and signatures of releases.
//!
//! A release is signed by its digest: the signature is Ed25519 (RFC 8032) over the ASCII bytes `waystation-release-v1:` and the
//! component's SHA-256 in lower case hexadecimal. It stands in a file of its own, in one line:
//! `ed25519 <key id> <base64 of the 64 bytes>`. A key's identifier is the first 16 hexadecimal digits of the SHA-256 of its 32
//! public bytes.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature as Bytes, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::random;

/// What is signed besides the digest, so that a signature can stand for nothing else.
const CONTEXT: &str = "waystation-release-v1:";
const PUBLIC: &str = "ed25519:";
const SECRET: &str = "ed25519-secret:";
const KEY_ID_DIGITS: usize = 16;

/// A public key, written `ed25519:<base64 of 32 bytes>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey(VerifyingKey);

/// A secret key, written `ed25519-secret:<base64 of 32 bytes>`.
pub(crate) struct SecretKey(SigningKey);

/// A release's signature, written `ed25519 <key id> <base64 of 64 bytes>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Identifier of the key that made it.
    pub(crate) key: String,
    bytes: Bytes,
}

impl PublicKey {
    /// What signatures name this key by.
    pub(crate) fn id(&self) -> String {
        digest(self.0.as_bytes()).chars().take(KEY_ID_DIGITS).collect()
    }

    /// Whether this key made the signature, and for the component with this digest.
    pub(crate) fn verifies(&self, signature: &Signature, digest: &str) -> bool {
        signature.key == self.id()
            && self.0.verify_strict(&message(digest), &signature.bytes).is_ok()
    }
}

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(SigningKey::from_bytes(&random::bytes()?)))
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs the component with this digest.
    pub(crate) fn sign(&self, digest: &str) -> Signature {
        Signature { key: self.public().id(), bytes: self.0.sign(&message(digest)) }
    }

    /// The key as text, to be kept where only its owner reads it.
    pub(crate) fn text(&self) -> String {
        format!("{SECRET}{}", BASE64_STANDARD.encode(self.0.as_bytes()))
    }
}

/// SHA-256 in lower case hexadecimal, which names a component.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// In lower case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn message(digest: &str) -> Vec<u8> {
    format!("{CONTEXT}{digest}").into_bytes()
}

fn bytes<const N: usize>(base64: &str) -> anyhow::Result<[u8; N]> {
    let bytes = BASE64_STANDARD.decode(base64).context("it is not base64")?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| anyhow::anyhow!("it has {length} bytes instead of {N}"))
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", BASE64_STANDARD.encode(self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        if text.starts_with(SECRET) {
            bail!(
                "this is a secret key, which belongs to nobody but its owner; give the public one"
            );
        }
        let Some(key) = text.strip_prefix(PUBLIC) else {
            bail!("a public key is written `{PUBLIC}…`, as `waystation plugin keygen` prints it");
        };
        let key = bytes(key).context("the public key cannot be read")?;
        let key =
            VerifyingKey::from_bytes(&key).context("the public key is no point of the curve")?;
        if key.is_weak() {
            bail!(
                "the public key is one that anybody can sign for; make one with `waystation plugin keygen`"
            );
        }
        Ok(Self(key))
    }
}

impl FromStr for SecretKey {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let Some(key) = text.trim().strip_prefix(SECRET) else {
            bail!(
                "a secret key is written `{SECRET}…`; make one with `waystation plugin keygen FILE`"
            );
        };
        Ok(Self(SigningKey::from_bytes(&bytes(key).context("the secret key cannot be read")?)))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519 {} {}", self.key, BASE64_STANDARD.encode(self.bytes.to_bytes()))
    }
}

impl FromStr for Signature {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let ["ed25519", key, signature] = parts.as_slice() else {
            bail!(
                "a signature is one line `ed25519 <key id> <base64>`, as `waystation plugin sign` writes it"
            );
        };
        if key.len() != KEY_ID_DIGITS || !key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            bail!("the signature's key id must have {KEY_ID_DIGITS} hexadecimal digits");
        }
        let bytes = Bytes::from_bytes(&bytes(signature).context("the signature cannot be read")?);
        Ok(Self { key: (*key).to_owned(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first test vector of RFC 8032, section 7.1, as a key of ours.
    const VECTOR: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];

    fn key() -> SecretKey {
        SecretKey(SigningKey::from_bytes(&VECTOR))
    }

    #[test]
    fn keys_and_signatures_are_read_as_they_are_written() {
        let public = key().public();
        assert_eq!(public.to_string(), "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
        assert_eq!(public.id(), "21fe31dfa154a261");
        assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
        assert_eq!(key().text().parse::<SecretKey>().unwrap().public(), public);
        let signature = key().sign(&digest(b"component"));
        assert_eq!(format!("{signature}\n").parse::<Signature>().unwrap(), signature);
    }

    #[test]
    fn a_signature_is_for_one_component_by_one_key() {
        let signature = key().sign(&digest(b"component"));
        assert!(key().public().verifies(&signature, &digest(b"component")));
        assert!(!key().public().verifies(&signature, &digest(b"Component")));
        let other = SecretKey(SigningKey::from_bytes(&[7; 32])).public();
        assert!(!other.verifies(&signature, &digest(b"component")));
        let renamed = Signature { key: other.id(), ..signature };
        assert!(!other.verifies(&renamed, &digest(b"component")));
    }

    #[track_caller]
    fn check<T: FromStr<Err = anyhow::Error>>(text: &str, expected: &str) {
        let error = text.parse::<T>().err().map(|error| format!("{error:#}"));
        assert!(error.as_deref().unwrap_or("no error").contains(expected), "{text}: {error:?}");
    }

    #[test]
    fn what_is_no_key_and_no_signature_is_told_apart() {
        check::<PublicKey>("", "written `ed25519:…`");
        check::<PublicKey>("ed25519:!", "not base64");
        check::<PublicKey>("ed25519:AAAA", "3 bytes instead of 32");
        check::<PublicKey>(&key().text(), "secret key");
        // The neutral element, for which a signature of zeros holds for everything.
        check::<PublicKey>(
            "ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "anybody can sign",
        );
        check::<SecretKey>(&key().public().to_string(), "written `ed25519-secret:…`");
        check::<Signature>("", "one line");
        check::<Signature>("rsa 21fe31dfa154a261 AAAA", "one line");
        check::<Signature>("ed25519 21fe AAAA", "16 hexadecimal digits");
        check::<Signature>("ed25519 21fe31dfa154a261 AAAA", "3 bytes instead of 64");
    }
}
