//! What RIS Live says only in the octets of a message, and not in its keys: large communities (RFC 8092) and who
//! marked a route as for customers only (RFC 9234).

use crate::{
    asn::Asn,
    communities::LargeCommunity,
    decode::{
        bgp::update::{attribute, message, sections},
        octets::Octets,
    },
    update::PathAttributes,
};

const LARGE_COMMUNITIES: u8 = 32;
const ONLY_TO_CUSTOMER: u8 = 35;

/// Adds what the octets, as hexadecimal digits, say of the attributes. On an error they are as they were.
pub(super) fn add(digits: &str, attributes: &mut PathAttributes) -> Result<(), String> {
    let octets = octets(digits)?;
    let (_, whole) = message(&mut Octets::new(&octets))?;
    let mut rest = Octets::new(sections(whole)?.attributes);
    let (mut large, mut marked_by) = (Vec::new(), None);
    while !rest.is_empty() {
        match attribute(&mut rest)? {
            (LARGE_COMMUNITIES, value) => large = communities(value)?,
            (ONLY_TO_CUSTOMER, value) => {
                let value = <[u8; 4]>::try_from(value)
                    .map_err(|_| format!("OTC has {} octets: want 4", value.len()))?;
                marked_by = Some(Asn(u32::from_be_bytes(value)));
            }
            _ => {}
        }
    }
    attributes.large_communities = large;
    attributes.only_to_customer = marked_by;
    Ok(())
}

fn octets(digits: &str) -> Result<Vec<u8>, String> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let octets: Option<Vec<u8>> = pairs.collect();
    octets.ok_or_else(|| "it is not pairs of hexadecimal digits".to_owned())
}

fn communities(value: &[u8]) -> Result<Vec<LargeCommunity>, String> {
    if !value.len().is_multiple_of(12) {
        let length = value.len();
        return Err(format!(
            "LARGE_COMMUNITY has {length} octets: want a multiple of 12"
        ));
    }
    let mut octets = Octets::new(value);
    let mut list = Vec::with_capacity(value.len() / 12);
    while !octets.is_empty() {
        list.push(LargeCommunity {
            global: octets.u32("global administrator")?,
            local_1: octets.u32("local data")?,
            local_2: octets.u32("local data")?,
        });
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// An UPDATE with these path attributes and nothing else, as digits.
    fn update(attributes: &str) -> String {
        let length = attributes.len() / 2;
        format!(
            "{}{:04x}020000{length:04x}{attributes}",
            "ff".repeat(16),
            23 + length
        )
    }

    const OTC: &str = "c02304 0000fbf6";
    const LARGE: &str = "c02018 0000fbf4 00000001 00000002 0000fbf5 00000003 00000004";

    #[rstest]
    #[case::both(&[LARGE, OTC], 2, Some(64_502))]
    #[case::in_any_order(&["40010100", OTC, LARGE], 2, Some(64_502))]
    #[case::neither(&["40010100"], 0, None)]
    #[case::with_a_long_length(&["d023 0004 0000fbf6"], 0, Some(64_502))]
    fn what_has_no_key_is_taken_from_the_octets(
        #[case] attributes: &[&str],
        #[case] large: usize,
        #[case] marked_by: Option<u32>,
    ) {
        let digits = attributes.concat().replace(' ', "");
        let mut found = PathAttributes::default();
        add(&update(&digits).to_uppercase(), &mut found).unwrap();
        assert_eq!(found.large_communities.len(), large);
        assert_eq!(found.only_to_customer, marked_by.map(Asn));
        if let Some(last) = found.large_communities.last() {
            assert_eq!((last.global, last.local_1, last.local_2), (64_501, 3, 4));
        }
    }

    #[rstest]
    #[case::no_digits("zz", "hexadecimal")]
    #[case::half_a_pair("fff", "hexadecimal")]
    #[case::beyond_ascii("é", "hexadecimal")]
    #[case::cut_short(&update("c02304")[..40], "wants")]
    #[case::short_otc(&update("c02303000001"), "OTC has 3 octets")]
    #[case::odd_list(&update("c0200400000001"), "multiple of 12")]
    fn octets_that_cannot_be_read_change_nothing(#[case] digits: &str, #[case] why: &str) {
        let mut found = PathAttributes::default();
        let error = add(digits, &mut found).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(found, PathAttributes::default());
    }
}
