//! Which networks belong to one organisation (CAIDA's AS-organizations dataset).
//!
//! Text form: JSON lines; of `{"type": "ASN", "asn": "64496", "organizationId": "X"}` these three are read, lines of
//! other types are passed over.

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use serde::Deserialize;

use crate::Asn;

/// Text that is no list of organisations.
#[derive(Debug, thiserror::Error)]
pub enum OrganisationsError {
    /// A line with something else in it.
    #[error("line {line} is no entry of an AS-to-organisation list")]
    Line {
        /// From 1 on.
        line: usize,
        /// What was expected.
        source: serde_json::Error,
    },
    /// Not one network in it.
    #[error("no line of the type ASN in it")]
    Empty,
}

/// Organisations by network. Immutable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organisations {
    // Numbers stand for their names.
    of: FxHashMap<Asn, u32>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    asn: Option<Cow<'a, str>>,
    #[serde(rename = "organizationId", borrow)]
    organisation: Option<Cow<'a, str>>,
}

impl Organisations {
    /// Reads a list.
    ///
    /// # Errors
    /// When a line is none: nothing is read then.
    pub fn parse(text: &[u8]) -> Result<Self, OrganisationsError> {
        let mut names: FxHashMap<String, u32> = FxHashMap::default();
        let mut of = FxHashMap::default();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let refused = |source| OrganisationsError::Line {
                line: number,
                source,
            };
            let line: Line<'_> = serde_json::from_slice(line).map_err(refused)?;
            if line.kind != "ASN" {
                continue;
            }
            let missing = || refused(serde::de::Error::missing_field("asn or organizationId"));
            let (asn, name) = line.asn.zip(line.organisation).ok_or_else(missing)?;
            let asn: u32 = asn
                .parse()
                .map_err(|error| refused(serde::de::Error::custom(error)))?;
            let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
            let organisation = *names.entry(name.into_owned()).or_insert(next);
            of.insert(Asn(asn), organisation);
        }
        if of.is_empty() {
            return Err(OrganisationsError::Empty);
        }
        Ok(Self { of })
    }

    /// How many networks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// True when both are known to belong to one organisation.
    #[must_use]
    pub fn are_siblings(&self, one: Asn, other: Asn) -> bool {
        let known = self.of.get(&one);
        known.is_some() && known == self.of.get(&other)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LIST: &str = r#"{"organizationId":"A","name":"A \"and\" sons","type":"Organization"}
{"asn":"64500","organizationId":"A","name":"ONE","type":"ASN"}
{"asn":"64501","organizationId":"A","type":"ASN","name":"TWO"}

{"asn":"64502","organizationId":"B","type":"ASN"}
"#;

    #[rstest]
    #[case(64_500, 64_501, true)]
    #[case(64_500, 64_502, false)]
    #[case(64_500, 64_509, false)]
    #[case(64_508, 64_509, false)]
    fn siblings_share_an_organisation(#[case] one: u32, #[case] other: u32, #[case] are: bool) {
        let list = Organisations::parse(LIST.as_bytes()).unwrap();
        assert_eq!(list.len(), 3);
        assert_eq!(list.are_siblings(Asn(one), Asn(other)), are);
    }

    #[rstest]
    #[case::cut(&LIST[..LIST.len() - 30], "line 5")]
    #[case::no_organisation(r#"{"asn":"1","type":"ASN"}"#, "line 1")]
    #[case::no_number(r#"{"asn":"AS1","organizationId":"A","type":"ASN"}"#, "line 1")]
    #[case::nothing("", "no line of the type ASN")]
    fn what_is_no_list_is_refused_and_named(#[case] text: &str, #[case] why: &str) {
        let error = Organisations::parse(text.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}
