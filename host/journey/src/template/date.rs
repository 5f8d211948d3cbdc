//! The filter that writes a time as people read it.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use minijinja::{Error, ErrorKind};

/// `{{ coupon.valid_until | date("%Y-%m-%d %H:%M", "Asia/Shanghai") }}`: a time in Unix milliseconds, written by a
/// `strftime` format in an IANA time zone, which is UTC if none is given.
#[allow(clippy::needless_pass_by_value, reason = "minijinja hands over values")]
pub(super) fn date(milliseconds: i64, format: &str, zone: Option<&str>) -> Result<String, Error> {
    let zone = match zone {
        None => TimeZone::UTC,
        Some(zone) => TimeZone::get(zone).map_err(|_| {
            invalid(format!("`{zone}` is no time zone; write such as Asia/Shanghai"))
        })?,
    };
    let time = Timestamp::from_millisecond(milliseconds)
        .map_err(|_| invalid(format!("{milliseconds} is no time in Unix milliseconds")))?;
    strtime::format(format, &time.to_zoned(zone))
        .map_err(|_| invalid(format!("`{format}` is no format; write such as %Y-%m-%d %H:%M")))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
