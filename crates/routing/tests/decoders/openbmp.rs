//! The header of OpenBMP: what it says, which headers are refused, and that no other is.

use std::net::IpAddr;

use proptest::prelude::*;
use rstest::rstest;
use weir_routing::decode::openbmp::{self, OpenBmpError};

use crate::bmp_bytes::{INITIATION, bmp, openbmp as record, tlv};

/// Places of fields in the records made here.
const FLAGS: usize = 12;
const TYPE: usize = 13;
const ADMIN_ID: usize = 40;

fn usual() -> Vec<u8> {
    let message = bmp(INITIATION, &tlv(2, b"edge1"));
    record("route-views.example", "192.0.2.250", 10, &message)
}

#[test]
fn a_record_is_known_by_its_first_octets_alone() {
    assert!(openbmp::is_frame(&usual()));
    let others: [&[u8]; 4] = [b"", b"OBM", br#"{"type":"UPDATE"}"#, &[3, 0, 0, 0, 6, 4]];
    for other in others {
        assert!(!openbmp::is_frame(other));
        assert_eq!(openbmp::decode(other), Err(OpenBmpError::Magic));
    }
}

#[test]
fn a_header_says_who_speaks_when_and_through_whom() {
    let bytes = usual();
    let frame = openbmp::decode(&bytes).unwrap();
    assert_eq!(
        (frame.admin_id, frame.router_group, frame.time_us),
        ("bmp1.example", "route-views.example", Some(10_250_000))
    );
    assert_eq!(frame.router, IpAddr::from([192, 0, 2, 250]));
    assert_eq!(frame.message, bmp(INITIATION, &tlv(2, b"edge1")));
}

#[test]
fn a_later_minor_version_may_add_fields_behind_those_that_are_known() {
    let mut bytes = usual();
    let behind = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
    bytes[5] = 8;
    bytes[7] += 3;
    bytes.splice(behind..behind, [7, 7, 7]);
    let frame = openbmp::decode(&bytes).unwrap();
    assert_eq!(frame.message, bmp(INITIATION, &tlv(2, b"edge1")));
}

#[test]
fn no_time_is_none() {
    let bytes = record("", "192.0.2.250", 0, &[]);
    assert_eq!(openbmp::decode(&bytes).unwrap().time_us, None);
}

#[rstest]
#[case::a_major_version(4, 2, "version 2.7 of OpenBMP's header; want 1.7, or a later 1")]
#[case::an_old_minor_one(5, 6, "version 1.6 of OpenBMP's header; want 1.7, or a later 1")]
#[case::of_the_collector(
    FLAGS,
    0,
    "type 12 and flags 0x00; want type 12 of a router (flag 0x80)"
)]
#[case::parsed(TYPE, 3, "type 3 and flags 0x80; want type 12")]
#[case::no_text(
    ADMIN_ID,
    0xff,
    "the collector admin ID of OpenBMP's header is no text"
)]
#[case::no_header(7, 5, "lengths at octet 0 wants 12 octets, 5 are left")]
#[case::a_short_header(7, 60, "router hash at octet 52 wants 16 octets, 8 are left")]
#[case::a_longer_message(11, 99, "15 octets stand behind OpenBMP's header, which claims 99")]
fn what_is_wrong_with_a_header_is_said(#[case] at: usize, #[case] octet: u8, #[case] said: &str) {
    let mut bytes = usual();
    bytes[at] = octet;
    let error = openbmp::decode(&bytes).unwrap_err().to_string();
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_record_is_one_message() {
    let mut bytes = record("", "192.0.2.250", 10, &[]);
    let last = bytes.len() - 1;
    bytes[last] = 2;
    assert_eq!(openbmp::decode(&bytes), Err(OpenBmpError::Rows { rows: 2 }));
}

proptest! {
    /// And whatever is cut off a record, it is none any more.
    #[test]
    fn what_is_written_is_read(
        group in "\\PC{0,80}",
        router in any::<IpAddr>(),
        second in any::<u32>(),
        message in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = record(&group, &router.to_string(), second, &message);
        let frame = openbmp::decode(&bytes).unwrap();
        prop_assert_eq!((frame.router_group, frame.router), (group.as_str(), router));
        let time_us = i64::from(second) * 1_000_000 + 250_000;
        prop_assert_eq!(frame.time_us, (second != 0).then_some(time_us));
        prop_assert_eq!(frame.message, &message);
        prop_assert!(openbmp::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }
}
