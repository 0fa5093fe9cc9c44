//! A prefix with a range operator (RFC 2622, 2): `^-`, `^+`, `^n`, `^n-m`.

use weir_routing::Prefix;

use super::super::ImportError;

/// A prefix and how long its parts may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) prefix: Prefix,
    /// `None` = none but the prefix itself.
    pub(super) max_length: Option<u8>,
    /// What a watch list cannot say.
    pub(super) remarks: Vec<String>,
}

impl Range {
    pub(super) fn read(line: usize, text: &str) -> Result<Self, ImportError> {
        let (prefix, operator) = match text.split_once('^') {
            Some((prefix, operator)) => (prefix, Some(operator)),
            None => (text, None),
        };
        let (prefix, remark) = super::super::prefix(line, prefix)?;
        let mut remarks = Vec::from_iter(remark);
        let Some(operator) = operator else {
            return Ok(Self {
                prefix,
                max_length: None,
                remarks,
            });
        };
        let all = if prefix.is_ipv4() { 32 } else { 128 };
        let lengths = match operator {
            "+" => Some((prefix.length(), all)),
            "-" => Some((prefix.length() + 1, all)),
            _ => match operator.split_once('-') {
                Some((least, most)) => least.parse().ok().zip(most.parse().ok()),
                None => operator.parse().ok().map(|length| (length, length)),
            },
        };
        let Some((least, most)) = lengths
            .filter(|(least, most)| prefix.length() <= *least && least <= most && *most <= all)
        else {
            return Err(ImportError::Value {
                line,
                key: text.to_owned(),
                found: format!("^{operator}"),
                expected: "a range of lengths from the prefix's own on: ^+, ^-, ^n or ^n-m",
            });
        };
        if least > prefix.length() {
            remarks.push(format!(
                "{text}: what is shorter than /{least} was not meant, and is expected here"
            ));
        }
        Ok(Self {
            prefix,
            max_length: Some(most),
            remarks,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.1.0.0/16", None, false)]
    #[case("10.1.0.0/16^+", Some(32), false)]
    #[case("10.1.0.0/16^-", Some(32), true)]
    #[case("10.1.0.0/16^24", Some(24), true)]
    #[case("10.1.0.0/16^16-24", Some(24), false)]
    #[case("10.1.0.0/16^20-24", Some(24), true)]
    #[case("2001:db8::/32^+", Some(128), false)]
    fn a_range_is_its_longest_part_and_says_what_it_leaves_out(
        #[case] text: &str,
        #[case] max_length: Option<u8>,
        #[case] is_remarked: bool,
    ) {
        let range = Range::read(1, text).unwrap();
        assert_eq!(range.max_length, max_length);
        assert_eq!(!range.remarks.is_empty(), is_remarked);
    }

    #[rstest]
    #[case("10.1.0.0/16^8")]
    #[case("10.1.0.0/16^24-20")]
    #[case("10.1.0.0/16^33")]
    #[case("10.1.0.0/32^-")]
    #[case("10.1.0.0/16^")]
    #[case("10.1.0.0/16^a-b")]
    #[case("10.1.0.0^24")]
    fn a_range_that_is_none_is_refused(#[case] text: &str) {
        assert!(
            Range::read(7, text)
                .unwrap_err()
                .to_string()
                .starts_with("line 7")
        );
    }
}
