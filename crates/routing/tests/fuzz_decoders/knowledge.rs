//! What others say of prefixes and networks: files, and what caches tell by RTR.

use weir_routing::{
    Asn, Bogons, Origin,
    aspa::Aspas,
    delegated::{Delegated, MAX_RECORDS},
    lists::{AsnList, PrefixList},
    organisations::Organisations,
    relations::Relations,
    roa::{Vrp, Vrps},
    rtr::{self, Frame, Pdu, Serial, Step},
};

use crate::fuzz;

#[test]
fn lists_of_vrps_never_panic() {
    let corpus = [
        r#"{"metadata":{"roas":1},"roas":[{"asn":"AS64496","prefix":"192.0.2.0/24","maxLength":26,"ta":"x"}]}"#,
        r#"[{"prefix":"2001:db8::/32","maxLength":48,"asn":0},{"prefix":"10.0.0.0/8","maxLength":8,"asn":"1.1"}]"#,
    ]
    .map(|text| text.as_bytes().to_vec());
    let asked = "192.0.2.0/25".parse().unwrap();
    fuzz(&corpus, |bytes| {
        if let Ok(vrps) = Vrps::from_json(bytes) {
            let _ = vrps.validate(&asked, &Origin::As(Asn(64_496)));
        }
    });
}

#[test]
fn lists_of_aspas_never_panic() {
    let corpus = [
        r#"{"aspas":[{"customer_asid":64496,"expires":9,"providers":[64497,0]}]}"#,
        r#"{"provider_authorizations":{"ipv4":[{"customer":"AS64498","providers":["AS64497"]}],"ipv6":[]}}"#,
    ]
    .map(|text| text.as_bytes().to_vec());
    let path = [64_496, 64_497, 64_498].map(Asn);
    fuzz(&corpus, |bytes| {
        if let Ok(aspas) = Aspas::from_json(bytes) {
            let _ = aspas.unauthorized(path);
        }
    });
}

/// What a cache says, in bytes.
fn cache(version: u8, pdus: &[Pdu]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for pdu in pdus {
        let pdu = pdu.clone();
        Frame { version, pdu }.encode(&mut bytes);
    }
    bytes
}

#[test]
fn what_a_cache_says_never_panics_and_always_ends() {
    let prefix = |prefix: &str, max_length, announce| Pdu::Prefix {
        announce,
        vrp: Vrp {
            prefix: prefix.parse().unwrap(),
            max_length,
            asn: Asn(64_496),
        },
    };
    let end = Pdu::EndOfData {
        session: 7,
        serial: Serial(1),
        timers: None,
    };
    let serial = Serial(u32::MAX);
    let all = [
        Pdu::SerialNotify { session: 7, serial },
        Pdu::CacheResponse { session: 7 },
        prefix("192.0.2.0/24", 26, true),
        prefix("2001:db8::/32", 48, true),
        prefix("192.0.2.0/24", 26, false),
        Pdu::Aspa {
            announce: true,
            customer: Asn(64_496),
            providers: vec![Asn(64_497), Asn(64_498)],
        },
        Pdu::RouterKey,
        end.clone(),
        Pdu::CacheReset,
        Pdu::ErrorReport {
            code: 4,
            about: vec![0; 8],
            text: "no".to_owned(),
        },
    ];
    let corpus = [
        cache(2, &all),
        cache(0, &[all[1].clone(), all[2].clone(), end.clone()]),
        cache(1, &[all[1].clone(), all[3].clone(), end]),
        cache(1, &all[9..]),
    ];
    fuzz(&corpus, |mut bytes| {
        let mut session = rtr::Session::default();
        session.connected();
        loop {
            let step = match Frame::decode(bytes) {
                Ok(Some((frame, length))) => {
                    bytes = &bytes[length..];
                    session.feed(&frame)
                }
                Ok(None) => break,
                Err(error) => session.malformed(error, bytes),
            };
            match step {
                Step::Wait | Step::Ask(_) => {}
                Step::Loaded { .. } => {
                    let vrps = Vrps::from_json(&session.records().vrps_json()).unwrap();
                    assert_eq!(vrps.len(), session.records().vrps());
                    let aspas = Aspas::from_json(&session.records().aspas_json()).unwrap();
                    assert_eq!(aspas.len(), session.records().aspas());
                    session.refresh();
                }
                Step::End { report, .. } => {
                    let mut told = Vec::new();
                    if let Some(report) = report {
                        report.encode(&mut told);
                    }
                    assert!(told.len() < rtr::MAX_PDU_BYTES);
                    break;
                }
            }
        }
    });
}

#[test]
fn lists_of_relations_and_organisations_never_panic() {
    let corpus = [
        "# x\n64496|64497|-1\n64497|64498|0|bgp\n1|2|3\n",
        "{\"asn\":\"1\",\"organizationId\":\"A\",\"type\":\"ASN\"}\n{\"type\":\"Organization\"}\n",
    ]
    .map(|text| text.as_bytes().to_vec());
    let path = [64_496, 64_497, 64_498].map(Asn);
    fuzz(&corpus, |bytes| {
        if let Ok(relations) = Relations::parse(bytes) {
            let _ = relations.leaker(path.into_iter(), |_, _| false);
        }
        if let Ok(organisations) = Organisations::parse(bytes) {
            let _ = organisations.are_siblings(path[0], path[1]);
        }
    });
}

#[test]
fn lists_of_prefixes_and_networks_never_panic() {
    let corpus = [
        "# x\n198.51.100.0/24 # y\n2001:db8::/32\n192.0.2.128/25\r\n",
        "AS64496\n64497 - 64499\n4294967295\n1.10\n",
    ]
    .map(|text| text.as_bytes().to_vec());
    fuzz(&corpus, |bytes| {
        if let Ok(list) = PrefixList::parse(bytes) {
            for prefix in list.prefixes() {
                assert_eq!(list.covering(prefix), Some(*prefix), "{bytes:?}");
            }
        }
        if let Ok(list) = AsnList::parse(bytes) {
            for range in list.ranges() {
                assert!(list.contains(Asn(*range.start())), "{bytes:?}");
                assert!(list.contains(Asn(*range.end())), "{bytes:?}");
            }
        }
    });
}

#[test]
fn statistics_of_registries_never_panic() {
    let corpus = [
        "# x\n2.3|r|1|3|0|20261120|+0\nr|*|ipv4|*|1|summary\nr|ZZ|ipv4|198.51.100.0|768||available|\n",
        "2|r|1|3|0|20261120|+0\nr||ipv6|2001:db8::|32||reserved\nr|ZZ|asn|64496|16|20200101|reserved|a-1|x\n",
        "2|r|1|1|0|20261120|+0\nr||ipv4|255.255.255.1|255||reserved\nr||asn|4294967295|1||available",
    ]
    .map(|text| text.as_bytes().to_vec());
    fuzz(&corpus, |bytes| {
        let Ok(file) = Delegated::parse(bytes) else {
            return;
        };
        // A count of addresses makes two prefixes per bit at most.
        assert!(file.prefixes.len() <= 64 * bytes.len().min(MAX_RECORDS));
        let list = Bogons::default().and_unallocated(std::slice::from_ref(&file));
        assert!(file.prefixes.iter().all(|prefix| list.contains(prefix)));
        assert_eq!(Bogons::parse(list.to_string()), Ok(list));
    });
}
