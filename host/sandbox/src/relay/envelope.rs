//! What may be handed to a relay at all.

use lettre::Address;

use crate::bindings::waystation::plugin::mail::Envelope;

const RECIPIENTS_MAX: usize = 100;
const MESSAGE_BYTES_MAX: usize = 25 << 20;
/// RFC 5321, 4.5.3.1.3: a path is at most 256 octets, brackets included.
const ADDRESS_BYTES_MAX: usize = 254;

/// A message with an envelope that is known to be good.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(super) sender: Address,
    pub(super) recipients: Vec<Address>,
    pub(super) message: Vec<u8>,
}

impl Letter {
    /// Checks an envelope against what SMTP and the contract allow. Senders are checked against the permission by the
    /// caller.
    pub(crate) fn new(envelope: Envelope) -> Result<Self, String> {
        if envelope.recipients.is_empty() || envelope.recipients.len() > RECIPIENTS_MAX {
            return Err(format!(
                "{} recipients; there must be 1 to {RECIPIENTS_MAX}",
                envelope.recipients.len()
            ));
        }
        if envelope.message.is_empty() || envelope.message.len() > MESSAGE_BYTES_MAX {
            return Err(format!(
                "the message has {} bytes; it must have 1 to {MESSAGE_BYTES_MAX}",
                envelope.message.len()
            ));
        }
        check_lines(&envelope.message)?;
        let sender = address("sender", &envelope.sender)?;
        let recipients = envelope
            .recipients
            .iter()
            .map(|text| address("recipient", text))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { sender, recipients, message: envelope.message })
    }
}

/// Bare line breaks let one message pass for two at servers that take them for the end of a line, and NUL ends the message
/// at others.
fn check_lines(message: &[u8]) -> Result<(), String> {
    let mut rest = message.iter().enumerate();
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'\r' if message.get(at + 1) == Some(&b'\n') => {
                rest.next();
            }
            b'\r' | b'\n' => {
                return Err(format!(
                    "the message has a bare line break at byte {at}; lines end in CR LF"
                ));
            }
            0 => return Err(format!("the message has a NUL at byte {at}")),
            _ => {}
        }
    }
    Ok(())
}

fn address(role: &str, text: &str) -> Result<Address, String> {
    if text.len() > ADDRESS_BYTES_MAX
        || text.chars().any(|letter| letter.is_control() || letter.is_whitespace())
    {
        return Err(format!("the {role} is too long or has spaces or control characters"));
    }
    text.parse().map_err(|error| format!("the {role} is not an address: {error}"))
}

/// Whether a permission's patterns allow a sender. Domains are compared without regard to case.
pub(crate) fn allows(patterns: &[String], sender: &str) -> bool {
    let Some((user, domain)) = sender.rsplit_once('@') else { return false };
    patterns.iter().any(|pattern| match pattern.rsplit_once('@') {
        None => pattern == "*",
        Some((pattern_user, pattern_domain)) => {
            (pattern_user == "*" || pattern_user == user)
                && pattern_domain.eq_ignore_ascii_case(domain)
        }
    })
}
