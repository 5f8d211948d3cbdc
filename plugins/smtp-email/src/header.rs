//! The header: names, values, and lines of at most 76 characters where they can be broken.

use std::fmt::Write;

use email_encoding::headers::writer::EmailWriter;
use email_encoding::headers::{quoted_string, rfc2047};
use waystation_sdk::timestamp;

use crate::mailbox::Mailbox;

/// What a template may not set, because the message would contradict itself; in lower case.
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

/// Longest line that RFC 5322 allows, without its end.
const MOST_BYTES: usize = 998;

/// Header fields, one after the other. No value brings a line break of its own in.
#[derive(Default)]
pub(crate) struct Headers {
    text: String,
}

impl Headers {
    /// `name <address>`, the name encoded as it needs.
    pub(crate) fn mailbox(&mut self, field: &str, mailbox: &Mailbox) -> Result<(), String> {
        let Some(name) = mailbox.name.as_deref().map(str::trim).filter(|name| !name.is_empty())
        else {
            return self.verbatim(field, &mailbox.address);
        };
        require_one_line(field, name)?;
        self.field(field, |writer| {
            quoted_string::encode(name, writer)?;
            writer.space();
            // An address is not broken, but a new line may begin before it.
            write!(writer.folding(), "<{}>", mailbox.address)
        })
    }

    /// Text for people, encoded (RFC 2047) where it is not plain ASCII.
    pub(crate) fn text(&mut self, field: &str, value: &str) -> Result<(), String> {
        require_one_line(field, value)?;
        // What looks encoded would be decoded, and a very long word could not be broken.
        let plain = value.is_ascii()
            && !value.contains("=?")
            && value.split(' ').all(|word| word.len() < 70);
        if plain {
            self.field(field, |writer| writer.folding().write_str(value))
        } else {
            self.field(field, |writer| rfc2047::encode(value, writer))
        }
    }

    /// Text for programs: ASCII, broken at its spaces only.
    pub(crate) fn verbatim(&mut self, field: &str, value: &str) -> Result<(), String> {
        if !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(format!("the header {field} has characters that do not belong there"));
        }
        if value.split(' ').any(|word| word.len() + field.len() + 2 > MOST_BYTES) {
            return Err(format!("the header {field} is too long"));
        }
        self.field(field, |writer| writer.folding().write_str(value))
    }

    /// A field that the template sets.
    pub(crate) fn own(&mut self, field: &str, value: &str) -> Result<(), String> {
        let is_name =
            !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        if !is_name || field.len() > 64 {
            return Err(format!("`{}` is no name of a header", field.escape_default()));
        }
        let lower = field.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || lower.starts_with("content-") {
            return Err(format!(
                "the header {field} is set by the channel; take it out of the template"
            ));
        }
        self.text(field, value)
    }

    /// When the message was written (RFC 5322, 3.3), from milliseconds since 1970.
    pub(crate) fn date(&mut self, now: u64) -> Result<(), String> {
        self.verbatim("Date", &timestamp::to_rfc5322(now))
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn field(
        &mut self,
        field: &str,
        value: impl FnOnce(&mut EmailWriter<'_>) -> std::fmt::Result,
    ) -> Result<(), String> {
        self.text.push_str(field);
        self.text.push_str(": ");
        let written = value(&mut EmailWriter::new(&mut self.text, field.len() + 2, 0, false));
        self.text.push_str("\r\n");
        written.map_err(|_| format!("the header {field} cannot be written"))
    }
}

/// A line break would let a customer's name add header fields, or a body.
fn require_one_line(field: &str, value: &str) -> Result<(), String> {
    if value.chars().any(char::is_control) {
        Err(format!("the header {field} has a line break or control character"))
    } else {
        Ok(())
    }
}
