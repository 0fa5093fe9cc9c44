//! The JSON of relying parties.

use serde::Deserialize;

use super::Vrp;
use crate::{Asn, Prefix, relying_party};

/// Text that is no list of VRPs.
#[derive(Debug, thiserror::Error)]
pub enum RoaError {
    /// It is cut, or no such JSON; says where.
    #[error("no list of VRPs as rpki-client and Routinator write it")]
    Json(#[from] serde_json::Error),
    /// A greatest length that no part of the prefix can have.
    #[error(
        "maxLength {max_length} of {prefix} for AS{asn} is not between its length and the bits of an address"
    )]
    MaxLength {
        /// The prefix of the entry.
        prefix: Prefix,
        /// What was read.
        max_length: u8,
        /// The ASN of the entry.
        asn: Asn,
    },
}

/// Only what we need of it; relying parties add keys at will.
#[derive(Deserialize)]
struct Document {
    roas: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    prefix: Prefix,
    #[serde(rename = "maxLength")]
    max_length: u8,
    #[serde(deserialize_with = "relying_party::asn")]
    asn: Asn,
}

pub(super) fn read(text: &[u8]) -> Result<Vec<Vrp>, RoaError> {
    let is_list = text.trim_ascii_start().first() == Some(&b'[');
    let entries: Vec<Entry> = if is_list {
        serde_json::from_slice(text)?
    } else {
        serde_json::from_slice::<Document>(text)?.roas
    };
    entries.into_iter().map(checked).collect()
}

fn checked(entry: Entry) -> Result<Vrp, RoaError> {
    let Entry {
        prefix,
        max_length,
        asn,
    } = entry;
    let bits = if prefix.is_ipv4() { 32 } else { 128 };
    if !(prefix.length()..=bits).contains(&max_length) {
        return Err(RoaError::MaxLength {
            prefix,
            max_length,
            asn,
        });
    }
    Ok(Vrp {
        prefix,
        max_length,
        asn,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OURS: &str = r#"{"prefix": "192.0.2.0/24", "maxLength": 26, "asn": 64500}"#;

    #[rstest]
    #[case::rpki_client(format!(r#"{{"metadata": {{"roas": 1}}, "roas": [{OURS}], "aspas": []}}"#))]
    #[case::routinator(format!(r#"{{"roas": [{}]}}"#, OURS.replace("64500", r#""AS64500""#)))]
    #[case::a_bare_list(format!(" [{}]", OURS.replace("64500", r#""64500""#)))]
    fn each_way_of_writing_is_read(#[case] text: String) {
        let [vrp] = read(text.as_bytes()).unwrap().try_into().unwrap();
        assert_eq!(vrp.prefix, "192.0.2.0/24".parse().unwrap());
        assert_eq!((vrp.max_length, vrp.asn), (26, Asn(64_500)));
    }

    #[rstest]
    #[case::cut_in_half(r#"{"roas": [{"prefix": "192.0.2.0/24", "maxLe"#, "line 1 column")]
    #[case::no_list(r#"{"metadata": {}}"#, "missing field `roas`")]
    #[case::no_prefix(r#"[{"prefix": "192.0.2.0", "maxLength": 24, "asn": 1}]"#, "192.0.2.0")]
    #[case::no_asn(
        r#"[{"prefix": "192.0.2.0/24", "maxLength": 24, "asn": "ASx"}]"#,
        "not an AS number"
    )]
    #[case::too_short(
        r#"[{"prefix": "192.0.2.0/24", "maxLength": 23, "asn": 1}]"#,
        "maxLength 23 of 192.0.2.0/24"
    )]
    #[case::too_long(
        r#"[{"prefix": "192.0.2.0/24", "maxLength": 33, "asn": 1}]"#,
        "maxLength 33"
    )]
    #[case::nothing("", "EOF")]
    fn what_is_no_list_is_refused_whole_and_named(#[case] text: &str, #[case] why: &str) {
        let error = read(text.as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(why), "{told}");
    }
}
