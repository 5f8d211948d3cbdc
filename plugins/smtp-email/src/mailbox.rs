//! Addresses, with and without a name.

/// Most bytes of an address: what fits between the angle brackets of an SMTP path (RFC 5321, 4.5.3.1.3).
const MOST_BYTES: usize = 254;

/// `name <address>`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mailbox {
    pub(crate) name: Option<String>,
    pub(crate) address: String,
}

impl Mailbox {
    /// Reads `address` or `name <address>`. The name may be in quotes.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (unquoted(name.trim()), address.trim()),
            None => (String::new(), text),
        };
        match address_fault(address) {
            None => Ok(Mailbox {
                name: (!name.is_empty()).then_some(name),
                address: address.to_owned(),
            }),
            Some(fault) => Err(fault),
        }
    }

    pub(crate) fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(name) => name.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => name.to_owned(),
    }
}

/// What is wrong with an address, if anything. It takes the form that mailboxes have in practice: a dot-atom, `@` and a
/// domain name (RFC 5321, 4.1.2), all of it ASCII, as relays without SMTPUTF8 are still common.
pub(crate) fn address_fault(address: &str) -> Option<String> {
    let fault = |what: &str| Some(format!("the address {what}"));
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
    domain_fault(domain)
}

/// What is wrong with a domain name, if anything.
pub(crate) fn domain_fault(domain: &str) -> Option<String> {
    if !domain.is_ascii() {
        return Some(
            "the domain is not ASCII; give it in its encoded form, which begins with xn--"
                .to_owned(),
        );
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let right = domain.len() <= 253 && domain.split('.').all(is_label);
    (!right).then(|| "the domain after the @ is malformed".to_owned())
}

fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}
