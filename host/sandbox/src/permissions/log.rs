//! The plugin's lines in the host's log. Always granted, within bounds.

use std::fmt::Write as _;

use crate::{
    bindings::waystation::plugin::log::{self, Level},
    connection::SECRET_BYTES_MAX,
    guest::{Context, Guest},
};

/// Bytes that are kept of a line, fields included.
const LINE_BYTES: usize = 4 << 10;
const FIELDS: usize = 32;
/// Bytes in which secrets are looked for: a secret that begins within the line ends within them.
const RAW_BYTES: usize = LINE_BYTES + SECRET_BYTES_MAX;
/// What stands in a line where a secret stood.
const MASK: &str = "[secret]";

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// For whoever wants to follow it.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// The name that the contract gives it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line that a plugin wrote, as it stands in the host's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// Name of the connection.
    pub connection: &'a str,
    /// `name@version` of the plugin.
    pub release: &'a str,
    /// How much it matters.
    pub level: LogLevel,
    /// At most 4 KiB without control characters and without the connection's secrets.
    pub text: &'a str,
}

/// Where plugins' lines go besides the host's log.
pub trait LogSink: Send + Sync {
    /// Takes a line. It is called while the plugin waits, so it must not.
    fn write(&self, line: LogLine<'_>);
}

/// How many lines one call has written.
#[derive(Debug, Default)]
pub(crate) struct LogBudget {
    written: u32,
    dropped: u64,
}

impl log::Host for Guest {
    fn write(
        &mut self,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        if self.log.written >= self.context.limits.log_lines {
            self.log.dropped += 1;
            return Ok(());
        }
        self.log.written += 1;
        let line = line(&self.context, &message, &fields);
        emit(&self.context, level, &line);
        Ok(())
    }
}

/// Tells how many lines the call lost.
pub(crate) fn close(guest: &Guest) {
    // Where no line is wanted, none is missed.
    if guest.log.dropped > 0 && guest.context.limits.log_lines > 0 {
        tracing::warn!(
            target: "waystation::plugin",
            connection = guest.context.connection,
            plugin.release = &*guest.context.release,
            dropped = guest.log.dropped,
            "The plugin wrote more log lines in one call than are kept"
        );
        let text = format!("{} more lines of this call are not kept", guest.log.dropped);
        hand_on(&guest.context, LogLevel::Warn, &text);
    }
}

/// One line of text: the message, its fields, no control characters, no secret, bounded.
fn line(context: &Context, message: &str, fields: &[(String, String)]) -> String {
    let mut text = String::with_capacity(message.len().min(LINE_BYTES));
    text.push_str(cut_at(message, RAW_BYTES));
    for (name, value) in fields.iter().take(FIELDS) {
        if text.len() >= RAW_BYTES {
            break;
        }
        // Writing to a string does not fail.
        let _ = write!(text, " {}={}", cut_at(name, RAW_BYTES), cut_at(value, RAW_BYTES));
    }
    let whole = text.len() <= RAW_BYTES;
    text.truncate(text.floor_char_boundary(RAW_BYTES));
    for secret in
        context.secrets.values().map(|value| value.expose()).filter(|secret| !secret.is_empty())
    {
        if text.contains(secret) {
            text = text.replace(secret, MASK);
        }
    }
    // Where the text was cut, half a secret may stand at its end.
    let safe = if whole { text.len() } else { text.len().saturating_sub(SECRET_BYTES_MAX) };
    cut_at(&text, safe.min(LINE_BYTES))
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// The longest prefix of at most so many bytes.
fn cut_at(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// tracing wants a level that is known when compiling.
fn emit(context: &Context, level: Level, line: &str) {
    macro_rules! emit {
        ($level:ident) => {
            tracing::$level!(
                target: "waystation::plugin",
                connection = context.connection,
                plugin.release = &*context.release,
                "{line}"
            )
        };
    }
    let level = match level {
        Level::Debug => {
            emit!(debug);
            LogLevel::Debug
        }
        Level::Info => {
            emit!(info);
            LogLevel::Info
        }
        Level::Warn => {
            emit!(warn);
            LogLevel::Warn
        }
        Level::Error => {
            emit!(error);
            LogLevel::Error
        }
    };
    hand_on(context, level, line);
}

fn hand_on(context: &Context, level: LogLevel, text: &str) {
    if let Some(sink) = &context.log {
        sink.write(LogLine {
            connection: &context.connection,
            release: &context.release,
            level,
            text,
        });
    }
}
