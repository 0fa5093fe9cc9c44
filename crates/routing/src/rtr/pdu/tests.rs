//! PDUs there and back, and what is none.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn vrp(prefix: &str, max_length: u8, asn: u32) -> Vrp {
    Vrp {
        prefix: prefix.parse().unwrap(),
        max_length,
        asn: Asn(asn),
    }
}

#[rstest]
#[case::reset_query(1, Pdu::ResetQuery, &[1, 2, 0, 0, 0, 0, 0, 8])]
#[case::serial_query(
    0,
    Pdu::SerialQuery { session: 0x0102, serial: Serial(5) },
    &[0, 1, 1, 2, 0, 0, 0, 12, 0, 0, 0, 5]
)]
#[case::prefix(
    1,
    Pdu::Prefix { announce: true, vrp: vrp("192.0.2.0/24", 26, 64_500) },
    &[1, 4, 0, 0, 0, 0, 0, 20, 1, 24, 26, 0, 192, 0, 2, 0, 0, 0, 0xfb, 0xf4]
)]
#[case::end_of_data_without_timers(
    0,
    Pdu::EndOfData { session: 9, serial: Serial(1), timers: None },
    &[0, 7, 0, 9, 0, 0, 0, 12, 0, 0, 0, 1]
)]
#[case::end_of_data(
    1,
    Pdu::EndOfData { session: 9, serial: Serial(1), timers: Some(Timers::default()) },
    &[1, 7, 0, 9, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0x0e, 0x10, 0, 0, 2, 0x58, 0, 0, 0x1c, 0x20]
)]
#[case::aspa(
    2,
    Pdu::Aspa { announce: true, customer: Asn(64_500), providers: vec![Asn(1), Asn(2)] },
    &[2, 11, 1, 0, 0, 0, 0, 20, 0, 0, 0xfb, 0xf4, 0, 0, 0, 1, 0, 0, 0, 2]
)]
#[case::aspa_withdrawn(
    2,
    Pdu::Aspa { announce: false, customer: Asn(64_500), providers: vec![] },
    &[2, 11, 0, 0, 0, 0, 0, 12, 0, 0, 0xfb, 0xf4]
)]
#[case::error_report(
    1,
    Pdu::ErrorReport { code: 2, about: vec![7], text: "no".to_owned() },
    &[1, 10, 0, 2, 0, 0, 0, 19, 0, 0, 0, 1, 7, 0, 0, 0, 2, b'n', b'o']
)]
fn a_pdu_is_written_as_the_rfcs_draw_it(
    #[case] version: u8,
    #[case] pdu: Pdu,
    #[case] bytes: &[u8],
) {
    let frame = Frame { version, pdu };
    let mut written = Vec::new();
    frame.encode(&mut written);
    assert_eq!(written, bytes);
    assert_eq!(Frame::decode(bytes), Ok(Some((frame, bytes.len()))));
}

#[rstest]
#[case::version(&[3, 2, 0, 0, 0, 0, 0, 8], "version 3 is above 2", Code::UnsupportedVersion)]
#[case::kind(&[1, 5, 0, 0, 0, 0, 0, 8], "version 1 has no PDU of type 5", Code::UnsupportedType)]
#[case::aspa_too_early(
    &[1, 11, 1, 0, 0, 0, 0, 16],
    "version 1 has no PDU of type 11",
    Code::UnsupportedType
)]
#[case::key_too_early(
    &[0, 9, 1, 0, 0, 0, 0, 32],
    "version 0 has no PDU of type 9",
    Code::UnsupportedType
)]
#[case::too_short(&[1, 4, 0, 0, 0, 0, 0, 19], "type 4 has 19 bytes, expected 20", Code::CorruptData)]
#[case::of_another_version(
    &[1, 7, 0, 0, 0, 0, 0, 12],
    "type 7 has 12 bytes, expected 24",
    Code::CorruptData
)]
#[case::endless(&[1, 9, 0, 0, 0xff, 0xff, 0xff, 0xff], "4294967295 bytes", Code::CorruptData)]
#[case::half_a_provider(&[2, 11, 1, 0, 0, 0, 0, 18], "expected 12 and 4", Code::CorruptData)]
#[case::no_providers(
    &[2, 11, 1, 0, 0, 0, 0, 12, 0, 0, 0xfb, 0xf4],
    "the ASPA of AS64500 names no provider",
    Code::AspaProviderList
)]
#[case::longer_than_an_address(
    &[1, 4, 0, 0, 0, 0, 0, 20, 1, 33, 33, 0, 192, 0, 2, 0, 0, 0, 0xfb, 0xf4],
    "192.0.2.0/33 up to 33 for AS64500",
    Code::CorruptData
)]
#[case::longest_below_the_length(
    &[1, 4, 0, 0, 0, 0, 0, 20, 1, 24, 23, 0, 192, 0, 2, 0, 0, 0, 0xfb, 0xf4],
    "192.0.2.0/24 up to 23",
    Code::CorruptData
)]
#[case::a_report_that_lies(
    &[1, 10, 0, 2, 0, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0],
    "16 bytes, expected 16 or more, as what is in it says",
    Code::CorruptData
)]
fn what_is_none_is_named(#[case] bytes: &[u8], #[case] why: &str, #[case] code: Code) {
    let error = Frame::decode(bytes).unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert_eq!(error.code(), code);
}

#[rstest]
#[case::as_they_are((10, 20, 900), (10, 20, 900))]
#[case::too_small((0, 0, 0), (1, 1, 600))]
#[case::too_great((u32::MAX, u32::MAX, u32::MAX), (86_400, 7_200, 172_800))]
#[case::expires_before_it_is_asked_again((7_200, 600, 3_600), (7_200, 600, 7_201))]
fn timers_are_held_within_the_bounds(#[case] said: (u32, u32, u32), #[case] held: (u32, u32, u32)) {
    let timers = |(refresh, retry, expire)| Timers {
        refresh,
        retry,
        expire,
    };
    assert_eq!(timers(said).within_bounds(), timers(held));
}

pub(crate) fn any_vrp() -> impl Strategy<Value = Vrp> {
    let v4 = (any::<u32>(), 0..=32_u8, 0..=32_u8)
        .prop_map(|(bits, a, b)| (IpAddr::from(bits.to_be_bytes()), a.min(b), a.max(b)));
    let v6 = (any::<u128>(), 0..=128_u8, 0..=128_u8)
        .prop_map(|(bits, a, b)| (IpAddr::from(bits.to_be_bytes()), a.min(b), a.max(b)));
    (prop_oneof![v4, v6], any::<u32>()).prop_map(|((address, length, max_length), asn)| Vrp {
        prefix: Prefix::new(address, length).unwrap(),
        max_length,
        asn: Asn(asn),
    })
}

fn any_pdu() -> impl Strategy<Value = Pdu> {
    let place = || (any::<u16>(), any::<u32>().prop_map(Serial));
    let timers = any::<[u32; 3]>().prop_map(|[refresh, retry, expire]| Timers {
        refresh,
        retry,
        expire,
    });
    let aspa = (
        any::<u32>(),
        prop::collection::btree_set(any::<u32>(), 1..9),
    );
    prop_oneof![
        place().prop_map(|(session, serial)| Pdu::SerialNotify { session, serial }),
        place().prop_map(|(session, serial)| Pdu::SerialQuery { session, serial }),
        Just(Pdu::ResetQuery),
        any::<u16>().prop_map(|session| Pdu::CacheResponse { session }),
        (any::<bool>(), any_vrp()).prop_map(|(announce, vrp)| Pdu::Prefix { announce, vrp }),
        (place(), timers).prop_map(|((session, serial), timers)| Pdu::EndOfData {
            session,
            serial,
            timers: Some(timers),
        }),
        Just(Pdu::CacheReset),
        Just(Pdu::RouterKey),
        (any::<u16>(), any::<Vec<u8>>(), "[a-z ]{0,20}")
            .prop_map(|(code, about, text)| Pdu::ErrorReport { code, about, text }),
        (aspa, any::<bool>()).prop_map(|((customer, providers), announce)| Pdu::Aspa {
            announce,
            customer: Asn(customer),
            providers: if announce {
                providers.into_iter().map(Asn).collect()
            } else {
                Vec::new()
            },
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_not_before_it_is_whole(pdu in any_pdu()) {
        let frame = Frame { version: 2, pdu };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        for whole in 0..bytes.len() {
            prop_assert_eq!(Frame::decode(&bytes[..whole]), Ok(None));
        }
        let length = bytes.len();
        bytes.extend([9; 3]);
        prop_assert_eq!(Frame::decode(&bytes), Ok(Some((frame, length))));
    }
}
