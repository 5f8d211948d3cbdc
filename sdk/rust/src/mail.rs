//! Handing mail to the SMTP relay that the operator chose.

use crate::bindings::host::waystation::plugin::mail;
use crate::channel::{RefusalReason, SendError};
use crate::values::SOON;

pub use crate::bindings::host::waystation::plugin::mail::{Envelope, Error};

/// Submits messages concurrently: one answer for each, in order. Success is the relay's reply line.
///
/// # Panics
/// The host ends the call if there are more than 1,000.
#[must_use]
pub fn submit(envelopes: &[Envelope]) -> Vec<Result<String, Error>> {
    mail::submit(envelopes)
}

/// Denied: the account refuses. Refused: for the reason that the relay's status names. Deferred: deferred for a minute.
/// Interrupted: unknown.
impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(rule) => SendError::refused(
                RefusalReason::Account,
                format!("the host does not allow the mail: {rule}"),
            ),
            Error::Refused(reply) => {
                SendError::refused(reason(&reply), format!("the relay refused: {reply}"))
            }
            Error::Deferred(detail) => {
                SendError::deferred(SOON, format!("the relay did not take it: {detail}"))
            }
            Error::Interrupted(detail) => {
                SendError::unknown(format!("the relay's answer was lost: {detail}"))
            }
        }
    }
}

/// What a relay's reply blames, by its enhanced status code (RFC 3463) or, without one, its reply code (RFC 5321, 4.2.3).
fn reason(reply: &str) -> RefusalReason {
    let words = || reply.split(|c: char| c.is_whitespace() || "-,;:()".contains(c));
    let enhanced = words().find_map(|word| word.strip_prefix("5.")?.split_once('.'));
    match enhanced {
        // The sender's own address is malformed or unknown.
        Some(("1", "7" | "8")) => RefusalReason::Account,
        Some(("1", _)) | Some(("2", "1")) => RefusalReason::Address,
        Some(("2", "3")) | Some(("3", "4")) | Some(("6", _)) => RefusalReason::Content,
        Some(("7", "8" | "9" | "11")) => RefusalReason::Account,
        Some(("7", _)) => RefusalReason::Blocked,
        Some(_) => RefusalReason::Other,
        None => match words()
            .find(|word| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit()))
        {
            Some("550" | "551" | "553") => RefusalReason::Address,
            Some("552") => RefusalReason::Content,
            Some("530" | "535" | "538") => RefusalReason::Account,
            _ => RefusalReason::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_names_what_is_at_fault() {
        let cases = [
            ("550 5.1.1 <nobody@example.com>: no such user", RefusalReason::Address),
            ("550-5.1.1 The account does not exist", RefusalReason::Address),
            ("550 no such user", RefusalReason::Address),
            ("permanent error (550): 5.1.1 no such user", RefusalReason::Address),
            ("permanent error (552): too big", RefusalReason::Content),
            ("553 5.1.8 sender's domain does not exist", RefusalReason::Account),
            ("535 5.7.8 authentication failed", RefusalReason::Account),
            ("530 authentication required", RefusalReason::Account),
            ("554 5.7.1 blocked by policy", RefusalReason::Blocked),
            ("552 5.3.4 message too big", RefusalReason::Content),
            ("552 too big", RefusalReason::Content),
            ("554 5.6.0 malformed", RefusalReason::Content),
            ("552 5.2.2 mailbox full", RefusalReason::Other),
            ("554 transaction failed", RefusalReason::Other),
            ("", RefusalReason::Other),
        ];
        for (reply, expected) in cases {
            assert_eq!(reason(reply), expected, "{reply}");
        }
    }

    #[test]
    fn errors_tell_the_truth() {
        assert!(matches!(SendError::from(Error::Denied("x".into())), SendError::Refused(_)));
        assert!(matches!(SendError::from(Error::Refused("x".into())), SendError::Refused(_)));
        assert!(matches!(SendError::from(Error::Deferred("x".into())), SendError::Deferred(_)));
        assert!(matches!(SendError::from(Error::Interrupted("x".into())), SendError::Unknown(_)));
    }
}
