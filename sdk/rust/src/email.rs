//! What every channel that sends email has to look at: addresses, headers that a template sets, and the unsubscribe headers.
//! Faults are in words for whoever has to mend them.

use crate::channel::{Message, Purpose};
use crate::extra;

/// Most bytes of an address: what fits between the angle brackets of an SMTP path (RFC 5321, 4.5.3.1.3).
const MOST_BYTES: usize = 254;

/// Takes the form that mailboxes have in practice: a dot-atom, `@` and a domain name (RFC 5321, 4.1.2), all of it ASCII, as
/// relays without SMTPUTF8 are still common.
///
/// ```
/// use waystation_sdk::email::check_address;
///
/// assert_eq!(check_address("li.wang@mail.example"), Ok(()));
/// assert_eq!(check_address("li.wang"), Err("the address has no @".to_owned()));
/// ```
///
/// # Errors
/// What is wrong with the address, as a sentence without its full stop.
pub fn check_address(address: &str) -> Result<(), String> {
    let fault = |what: &str| Err(format!("the address {what}"));
    let Some((local, domain)) = address.rsplit_once('@') else { return fault("has no @") };
    if address.len() > MOST_BYTES || local.len() > 64 {
        return fault("is too long");
    }
    if !local.is_ascii() {
        return fault(
            "has letters before the @ that are not ASCII, which needs SMTPUTF8; this channel does not offer it",
        );
    }
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_byte);
    if !local.split('.').all(is_atom) {
        return fault("is malformed before the @");
    }
    check_domain(domain)
}

/// Takes a domain name in its ASCII form.
///
/// # Errors
/// What is wrong with the domain name, as a sentence without its full stop.
pub fn check_domain(domain: &str) -> Result<(), String> {
    if !domain.is_ascii() {
        return Err("the domain is not ASCII; give it in its encoded form, which begins with xn--"
            .to_owned());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() <= 253 && domain.split('.').all(is_label) {
        Ok(())
    } else {
        Err("the domain after the @ is malformed".to_owned())
    }
}

/// Headers that a template may not set, because the message would contradict itself; in lower case.
const RESERVED: [&str; 12] = [
    "bcc",
    "cc",
    "date",
    "from",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "message-id",
    "mime-version",
    "reply-to",
    "sender",
    "subject",
    "to",
];

/// Most characters of a header's name.
const NAME_CHARACTERS: usize = 64;

/// Most bytes of an unsubscribe link: RFC 5322 allows a line 998, and a link is not broken.
const LINK_BYTES: usize = 900;

/// Takes a header that a template sets beside those of the channel.
///
/// # Errors
/// The name is none or is the channel's to set, or the value has a line break.
pub fn check_own_header(name: &str, value: &str) -> Result<(), String> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if !is_name || name.is_empty() || name.len() > NAME_CHARACTERS {
        return Err(format!("`{}` is no name of a header", name.escape_default()));
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("content-") {
        return Err(format!(
            "the header {name} is set by the channel; take it out of the template"
        ));
    }
    check_line(name, value)
}

/// Takes text that goes into a header: a subject, a name. With a line break it could add header fields, or a body.
///
/// # Errors
/// The value has a line break or another control character.
pub fn check_line(header: &str, value: &str) -> Result<(), String> {
    if value.chars().any(char::is_control) {
        return Err(format!("the header {header} has a line break or control character"));
    }
    Ok(())
}

/// The headers for which mail programs show an unsubscribe button of their own (RFC 2369, RFC 8058): the message's link and,
/// in marketing mail, an address. Transactional mail, such as a receipt, is not subscribed to. None if there is neither.
///
/// # Errors
/// The message's link is no web address of at most 900 ASCII characters.
pub fn unsubscribe_headers(
    message: &Message,
    mailto: Option<&str>,
) -> Result<Vec<(&'static str, String)>, String> {
    let url = extra(&message.extras, "unsubscribe-url");
    if url.is_some_and(|url| !is_link(url)) {
        return Err("the header List-Unsubscribe takes a web address only".to_owned());
    }
    let mailto = mailto.filter(|_| message.purpose == Purpose::Marketing);
    let url_place = url.map(|url| format!("<{url}>"));
    let places = url_place.into_iter().chain(mailto.map(|address| format!("<mailto:{address}>")));
    let places = places.collect::<Vec<_>>().join(", ");
    let mut headers = Vec::new();
    if !places.is_empty() {
        headers.push(("List-Unsubscribe", places));
    }
    if url.is_some_and(|url| url.starts_with("https://")) {
        headers.push(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    Ok(headers)
}

/// Whether a link can stand between angle brackets.
fn is_link(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() <= LINK_BYTES
        && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte))
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_are_told_why() {
        let long = format!("{}@mail.example", "a".repeat(65));
        let cases = [
            ("", "no @"),
            ("li", "no @"),
            ("li@", "domain"),
            ("@mail.example", "before the @"),
            ("li..wang@mail.example", "before the @"),
            ("li wang@mail.example", "before the @"),
            ("li@mail..example", "domain"),
            ("li@-mail.example", "domain"),
            ("li@邮件.example", "xn--"),
            ("李@mail.example", "SMTPUTF8"),
            ("li@mail.example\r\nRCPT TO:<victim@example.com>", "before the @"),
            (&long, "too long"),
        ];
        for (address, fault) in cases {
            let told = check_address(address).unwrap_err();
            assert!(told.contains(fault), "{address}: {told}");
        }
        for address in ["a@b", "li.wang+shop@mail.example", "o'neil@xn--fiq228c.example"] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn templates_set_headers_of_their_own_only() {
        assert_eq!(check_own_header("X-Campaign", "春季"), Ok(()));
        for (name, value) in [
            ("", "a"),
            ("X A", "a"),
            ("X-A: b\r\nBcc", "victim@example.com"),
            ("bcc", "victim@example.com"),
            ("Content-Type", "text/html"),
            ("X-A", "b\nc"),
        ] {
            assert!(check_own_header(name, value).unwrap_err().contains("header"), "{name:?}");
        }
    }

    #[test]
    fn a_link_is_a_web_address_on_one_line() {
        assert!(is_link("https://way.example/u/abc") && is_link("http://localhost:8080/u"));
        let long = format!("https://way.example/{}", "a".repeat(900));
        for url in ["", "mailto:a@b", "https://a>\r\nBcc: b", "https://a b", "https://驿站", &long]
        {
            assert!(!is_link(url), "{url}");
        }
    }
}
