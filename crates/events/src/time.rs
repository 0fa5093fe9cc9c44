//! Event times: microseconds since the Unix epoch, UTC, and their RFC 3339 text.

use chrono::{DateTime, SecondsFormat};

/// One second in microseconds.
pub const SECOND_US: i64 = 1_000_000;
/// One minute in microseconds.
pub const MINUTE_US: i64 = 60 * SECOND_US;
/// One hour in microseconds.
pub const HOUR_US: i64 = 60 * MINUTE_US;
/// One day in microseconds.
pub const DAY_US: i64 = 24 * HOUR_US;

/// RFC 3339 with microseconds and `Z`. Times outside the years that chrono knows are clamped.
#[must_use]
pub fn rfc3339(micros: i64) -> String {
    let bounds = (DateTime::UNIX_EPOCH, DateTime::<chrono::Utc>::MAX_UTC);
    DateTime::from_timestamp_micros(micros)
        .unwrap_or(if micros < 0 { bounds.0 } else { bounds.1 })
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Reads RFC 3339 text, with any offset; `None` when it is not.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|time| time.timestamp_micros())
}

/// Wall clock now. Only adapters and services may ask; the domain takes time as an argument.
#[must_use]
pub fn now_us() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| {
            i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_microseconds_and_comes_back() {
        let text = rfc3339(1_203_878_820_000_001);
        assert_eq!(text, "2008-02-24T18:47:00.000001Z");
        assert_eq!(parse_rfc3339(&text), Some(1_203_878_820_000_001));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
