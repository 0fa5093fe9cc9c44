//! Numbers, times and names as people read them.

use maud::{Markup, html};
use weir_events::time::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, rfc3339};

/// `2008-02-24 18:47:00 UTC`, and how long ago in the time of the stream.
pub(crate) fn time(at_us: i64, now_us: i64) -> Markup {
    let full = rfc3339(at_us);
    let short: String = full.chars().take(19).collect::<String>().replace('T', " ");
    html! {
        time datetime=(full) title=(full) { (short) " UTC" }
        " " span.ago { (ago(now_us - at_us)) }
    }
}

/// As `time`, but without the age when the stream is not of these days.
pub(crate) fn update(at_us: i64, wall_us: i64) -> Markup {
    if wall_us - at_us < 2 * DAY_US {
        return time(at_us, wall_us);
    }
    let full = rfc3339(at_us);
    let short: String = full.chars().take(19).collect::<String>().replace('T', " ");
    html! { time datetime=(full) { (short) " UTC" } }
}

/// `18:47:00`, with the date as its title.
pub(crate) fn clock(at_us: i64) -> Markup {
    let full = rfc3339(at_us);
    let short: String = full.chars().skip(11).take(8).collect();
    html! { time datetime=(full) title=(full) { (short) } }
}

pub(crate) fn ago(span_us: i64) -> String {
    if span_us < 2 * SECOND_US {
        "just now".to_owned()
    } else {
        format!("{} ago", span(span_us))
    }
}

/// A length of time in its greatest unit that leaves at least two.
pub(crate) fn span(span_us: i64) -> String {
    let (unit, name) = match span_us {
        i64::MIN..=119_999_999 => (SECOND_US, "second"),
        120_000_000..=7_199_999_999 => (MINUTE_US, "minute"),
        7_200_000_000..=172_799_999_999 => (HOUR_US, "hour"),
        _ => (DAY_US, "day"),
    };
    let count = span_us / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// `1,234,567`.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `AS64496`, `AS64496 and AS64497`, `AS1, AS2 and AS3`.
pub(crate) fn ases(asns: &[u32]) -> String {
    let names: Vec<_> = asns.iter().map(|asn| format!("AS{asn}")).collect();
    match names.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(-12), "-12");
        assert_eq!(span(90 * SECOND_US), "90 seconds");
        assert_eq!(span(3 * HOUR_US), "3 hours");
        assert_eq!(ago(-5), "just now");
        assert_eq!(ases(&[1, 2, 3]), "AS1, AS2 and AS3");
    }
}
