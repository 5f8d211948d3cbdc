//! A finished call on its way to becoming a recording.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit as _, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use super::{
    Blob, Exchange, Recording, json,
    pseudonym::Pseudonyms,
    redact::Found,
    replacer::{Needle, Replacer},
};
use crate::{connection::SecretValue, hex};

/// A finished call as it was, which must not be kept: [`Take::develop`] makes a recording of it.
pub struct Take {
    pub(super) connection: String,
    pub(super) key: [u8; 32],
    pub(super) secrets: Arc<BTreeMap<String, SecretValue>>,
    pub(super) call: Recording,
}

impl fmt::Debug for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Take")
            .field("connection", &self.connection)
            .field("function", &self.call.function)
            .finish_non_exhaustive()
    }
}

impl Take {
    /// Whose call it was.
    #[must_use]
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// Takes out what must not be kept: secrets, placeholders and what was made with them, and what tells of customers. It
    /// computes for some milliseconds, so it belongs beside the async threads.
    #[must_use]
    pub fn develop(self) -> Recording {
        let mut call = self.call;
        let mut replacer = Replacer::default();
        for (name, value) in self.secrets.iter() {
            replacer.add(Needle::marked(value.expose(), secret_marker(name)));
        }
        for exchange in &call.exchanges {
            if let Some((name, placeholder)) = placeholder(exchange) {
                replacer.add(Needle::marked(placeholder, secret_marker(name)));
            }
        }
        Found::of(&call.input, &call.exchanges, &call.output)
            .add_to(&mut replacer, &Pseudonyms(&self.key));
        for exchange in &mut call.exchanges {
            if exchange.function == HMAC {
                signed(exchange, &mut replacer);
            }
        }
        for exchange in &mut call.exchanges {
            if exchange.function != HMAC {
                replacer.apply(&mut exchange.request);
                replacer.apply(&mut exchange.answer);
            }
        }
        replacer.apply(&mut call.input);
        replacer.apply(&mut call.output);
        call
    }
}

pub(super) const HMAC: &str = "secrets.hmac";
pub(crate) const PLACEHOLDER: &str = "secrets.placeholder";

/// What stands for a secret, its placeholder, or what it was made into by an encoding.
pub(super) fn secret_marker(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

fn placeholder(exchange: &Exchange) -> Option<(&str, &str)> {
    if exchange.function != PLACEHOLDER {
        return None;
    }
    Some((exchange.request.as_str()?, exchange.answer.get("Ok")?.as_str()?))
}

/// What an HMAC was asked for.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Signing {
    pub(crate) key: Blob,
    pub(crate) algorithm: String,
    pub(crate) data: Blob,
}

pub(crate) const SHA1: &str = "sha1";
pub(crate) const SHA256: &str = "sha256";
pub(crate) const SHA512: &str = "sha512";

impl Signing {
    /// The code, if the algorithm is one of the contract's.
    pub(super) fn code(&self) -> Option<Vec<u8>> {
        fn tag(mut mac: impl Mac, data: &[u8]) -> Vec<u8> {
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }
        let (key, data) = (&self.key.0, &self.data.0);
        match self.algorithm.as_str() {
            SHA1 => Some(tag(Hmac::<Sha1>::new_from_slice(key).ok()?, data)),
            SHA256 => Some(tag(Hmac::<Sha256>::new_from_slice(key).ok()?, data)),
            SHA512 => Some(tag(Hmac::<Sha512>::new_from_slice(key).ok()?, data)),
            _ => None,
        }
    }
}

/// Takes the code out of an exchange, which cannot be had again without the secret, and makes the replacer find it.
pub(super) fn signed(exchange: &mut Exchange, replacer: &mut Replacer) {
    replacer.apply(&mut exchange.request);
    let code = exchange.answer.get("Ok").and_then(json::bytes);
    let Some(code) = code else { return };
    let name = code_name(&exchange.request);
    exchange.answer = serde_json::json!({ "Ok": code_marker(&name, "bytes") });
    for (written, text) in codes(&code) {
        replacer.add(Needle::marked(text, code_marker(&name, written)));
    }
}

/// Codes are told apart by what was signed with what.
fn code_name(request: &Value) -> String {
    hex::encode(&Sha256::digest(request.to_string())[..8])
}

pub(super) fn code_marker(name: &str, written: &str) -> String {
    format!("{{{{hmac:{name}:{written}}}}}")
}

/// The name in the marker that stands for an exchange's code.
pub(super) fn code_name_of(exchange: &Exchange) -> Option<&str> {
    let marker = exchange.answer.get("Ok")?.as_str()?;
    marker.strip_prefix("{{hmac:")?.split_once(':').map(|(name, _)| name)
}

/// The ways in which plugins write a code.
pub(super) fn codes(code: &[u8]) -> [(&'static str, Vec<u8>); 7] {
    [
        ("hex", hex::encode(code).into()),
        ("HEX", hex::encode(code).to_uppercase().into()),
        ("base64", BASE64_STANDARD.encode(code).into()),
        ("base64-unpadded", BASE64_STANDARD_NO_PAD.encode(code).into()),
        ("base64url", BASE64_URL_SAFE.encode(code).into()),
        ("base64url-unpadded", BASE64_URL_SAFE_NO_PAD.encode(code).into()),
        ("bytes", code.to_vec()),
    ]
}
