//! What the JSON files of relying parties (rpki-client, Routinator, StayRTR) have in common, whatever they list.

use serde::{Deserialize, Deserializer, de};
use weir_events::time::{SECOND_US, parse_rfc3339};

use crate::Asn;

/// When a relying party made the file, as it says itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    /// rpki-client.
    buildtime: Option<String>,
    /// Routinator.
    #[serde(rename = "generatedTime")]
    generated_time: Option<String>,
    /// Routinator and StayRTR: seconds since the Unix epoch.
    generated: Option<i64>,
}

/// When the file was made, by its own words: microseconds since the Unix epoch; `None` when it does not say.
pub(crate) fn made_at_us(text: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Document {
        metadata: Metadata,
    }
    let Metadata {
        buildtime,
        generated_time,
        generated,
    } = serde_json::from_slice::<Document>(text).ok()?.metadata;
    let seconds = generated.and_then(|seconds| seconds.checked_mul(SECOND_US));
    let written = buildtime.or(generated_time);
    written.and_then(|at| parse_rfc3339(&at)).or(seconds)
}

/// An ASN that is written as a number, or as a text with or without `AS`.
#[derive(Clone, Copy)]
pub(crate) struct Written(pub(crate) Asn);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        asn(from).map(Self)
    }
}

/// As [`Written`].
pub(crate) fn asn<'de, D: Deserializer<'de>>(from: D) -> Result<Asn, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u32),
        Text(String),
    }
    match Written::deserialize(from)? {
        Written::Number(number) => Ok(Asn(number)),
        Written::Text(text) => text.parse().map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::rpki_client(r#""buildtime": "2021-01-01T00:00:00Z""#, Some(1_609_459_200_000_000))]
    #[case::routinator(
        r#""generated": 1, "generatedTime": "2021-01-01T00:00:00Z""#,
        Some(1_609_459_200_000_000)
    )]
    #[case::stayrtr(r#""generated": 1609459200, "valid": 9"#, Some(1_609_459_200_000_000))]
    #[case::unsaid(r#""counts": 4"#, None)]
    #[case::nonsense(r#""buildtime": "today""#, None)]
    fn when_it_was_made_is_read_where_it_is_said(#[case] metadata: &str, #[case] at: Option<i64>) {
        let text = format!(r#"{{"metadata": {{{metadata}}}, "roas": []}}"#);
        assert_eq!(made_at_us(text.as_bytes()), at);
    }
}
