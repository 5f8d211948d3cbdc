//! Links by which a customer withdraws consent. A link needs no stored row: it names the customer, the purpose and the
//! kind of address, and carries an HMAC over them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use waystation_journey::Purpose;

/// Bytes of the HMAC kept in a link: 128 bits.
const MAC_BYTES: usize = 16;

/// Makes and reads unsubscribe links.
#[derive(Clone)]
pub struct UnsubscribeLinks {
    base: String,
    key: Vec<u8>,
}

/// What a link withdraws consent from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// The customer's identifier.
    pub customer: String,
    /// The purpose that the message had.
    pub purpose: String,
    /// The kind of address.
    pub address: String,
}

impl UnsubscribeLinks {
    /// Links below this public address of the server, such as `https://m.example.com`, under a key of at least 32 bytes.
    #[must_use]
    pub fn new(public_url: &str, key: Vec<u8>) -> Self {
        Self { base: format!("{}/u/", public_url.trim_end_matches('/')), key }
    }

    /// The link for a customer; the same every time.
    #[must_use]
    pub fn link(&self, customer: &str, purpose: Purpose, address: &str) -> String {
        let subject = format!("{}\n{}\n{}", purpose.as_str(), address, customer);
        let mac = self.mac(subject.as_bytes());
        format!(
            "{}{}.{}",
            self.base,
            BASE64_URL_SAFE_NO_PAD.encode(&subject),
            BASE64_URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..MAC_BYTES])
        )
    }

    /// What the last part of a link stands for; `None` if it is not one of ours.
    #[must_use]
    pub fn read(&self, token: &str) -> Option<Withdrawal> {
        let (subject, mac) = token.split_once('.')?;
        let subject = BASE64_URL_SAFE_NO_PAD.decode(subject).ok()?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok().filter(|mac| mac.len() == MAC_BYTES)?;
        self.mac(&subject).verify_truncated_left(&mac).ok()?;
        let subject = String::from_utf8(subject).ok()?;
        let mut parts = subject.splitn(3, '\n');
        Some(Withdrawal {
            purpose: parts.next()?.to_owned(),
            address: parts.next()?.to_owned(),
            customer: parts.next()?.to_owned(),
        })
    }

    fn mac(&self, subject: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        #[allow(clippy::expect_used, reason = "cannot fail")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(subject);
        mac
    }
}
