//! Real files, when `WEIR_DATA` names a folder that holds `bgp/`: each decodes to as many
//! elements as an independent count says (`bgp/stats.tsv`, made with bgpkit-parser's element
//! iterator), or to another number for a stated reason.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test, also outside its test functions"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use weir_routing::{
    Asn, Body,
    aspa::Aspas,
    decode::{
        json,
        mrt::{MrtError, Records, Skipped},
        ris_live::{self, Frame},
    },
    organisations::Organisations,
    relations::{Relation, Relations},
    roa::{Vrp, Vrps},
    rtr::{self, Pdu, Serial, Session, Step},
};

/// Files of `mrt_small` that differ from `stats.tsv`: (announced, withdrawn) here, and why.
const DIFFERENT: &[(&str, (usize, usize), &str)] = &[(
    "updates.20070211.0141.gz",
    (51_236, 2_270),
    "93 announced and 58 withdrawn prefixes are IPv6 multicast (SAFI 2): no unicast routes",
)];

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("WEIR_DATA").map(|folder| PathBuf::from(folder).join("bgp"));
    if folder.is_none() {
        println!("skipped: WEIR_DATA names no folder with real data");
    }
    folder
}

fn open(path: &Path) -> Box<dyn Read> {
    let file = BufReader::new(File::open(path).unwrap());
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file))),
        Some("bz2") => Box::new(BufReader::new(bzip2::bufread::MultiBzDecoder::new(file))),
        _ => Box::new(file),
    }
}

#[derive(Debug, Default)]
struct Counts {
    announced: usize,
    withdrawn: usize,
    errors: Vec<MrtError>,
    skipped: Skipped,
    records: u64,
}

fn count(path: &Path) -> Counts {
    let mut counts = Counts::default();
    let mut records = Records::new(open(path));
    for item in &mut records {
        match item {
            Ok(decoded) => {
                if let Body::Update(update) = decoded.message.body {
                    counts.announced += update.announced.len();
                    counts.withdrawn += update.withdrawn.len();
                }
            }
            Err(error) => counts.errors.push(error),
        }
    }
    counts.skipped = records.skipped();
    counts.records = records.records();
    counts
}

/// (announced, withdrawn) by file.
fn expected(folder: &Path, part: &str) -> BTreeMap<String, (usize, usize)> {
    fs::read_to_string(folder.join("stats.tsv"))
        .unwrap()
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let file = fields.next()?.trim_start_matches("./");
            let file = file.strip_prefix(part)?.strip_prefix('/')?.to_owned();
            let mut number = || fields.next()?.parse().ok();
            let _elements: usize = number()?;
            Some((file, (number()?, number()?)))
        })
        .collect()
}

#[test]
fn small_files_decode_to_the_known_counts() {
    let Some(folder) = data() else { return };
    let expected = expected(&folder, "mrt_small");
    let different: BTreeMap<_, _> = DIFFERENT.iter().map(|(f, c, _)| (*f, *c)).collect();
    let mut wrong = Vec::new();
    for (file, known) in &expected {
        let counts = count(&folder.join("mrt_small").join(file));
        let wanted = different.get(file.as_str()).unwrap_or(known);
        if (counts.announced, counts.withdrawn) != *wanted {
            wrong.push(format!("{file}: wanted {wanted:?}, got {counts:?}"));
        } else if !counts.errors.is_empty() {
            println!(
                "{file}: {:?}",
                counts
                    .errors
                    .iter()
                    .map(ToString::to_string)
                    .take(3)
                    .collect::<Vec<_>>()
            );
        }
    }
    assert!(expected.len() > 30);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn collector_files_decode_to_exactly_the_known_counts() {
    let Some(folder) = data() else { return };
    for part in ["mrt_rrc12_20210101", "mrt_rrc04_20210101"] {
        for (file, known) in expected(&folder, part) {
            let counts = count(&folder.join(part).join(&file));
            assert_eq!((counts.announced, counts.withdrawn), known, "{file}");
            assert!(counts.errors.is_empty(), "{file}: {:?}", counts.errors);
        }
    }
}

#[test]
fn real_ris_live_messages_of_every_kind_are_read() {
    let Some(folder) = data() else { return };
    let text = fs::read_to_string(folder.join("rislive/real_samples_all_types.json")).unwrap();
    let kinds: Vec<String> = text
        .lines()
        .map(|line| match ris_live::decode(line.as_bytes()) {
            Ok(Frame::Message(ris)) => {
                assert_eq!(ris.messages.len(), 1);
                let body = format!("{:?}", ris.messages[0].body);
                body.split(['(', ' ']).next().unwrap().to_owned()
            }
            Ok(frame) => format!("{frame:?}"),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "Update",
            "StateChange",
            "Error(\"this is a test error message\")",
            "Open",
            "Notification",
            "Keepalive",
            // The sample is cut off on purpose.
            "frame is not a RIS Live frame: EOF while parsing an object at line 1 column 238",
        ]
    );
}

#[test]
fn the_flat_fixtures_of_the_seed_are_read() {
    let Some(folder) = data() else { return };
    let text = fs::read(folder.join("orchestrator_fixtures/bgp_updates.json")).unwrap();
    let updates: Vec<_> = json::decode(&text)
        .unwrap()
        .into_iter()
        .map(|update| update.unwrap().message)
        .collect();
    let elements: Vec<_> = updates.iter().map(|m| m.body.elements()).collect();
    assert_eq!(elements, [1, 1, 1]);
    assert_eq!(updates[0].event_time_us, 1_704_067_200_000_000);
}

#[test]
fn real_lists_of_relations_and_organisations_are_read() {
    let Some(folder) = data() else { return };
    let read = |name: &str| {
        let mut text = Vec::new();
        open(&folder.join(name)).read_to_end(&mut text).unwrap();
        text
    };
    for name in ["full", "whole"] {
        let text = read(&format!("asrel/thunderwolf_{name}-internet-rel.txt.gz"));
        let relations = Relations::parse(&text).unwrap();
        // Level 3 sells to MIT.
        assert_eq!(
            relations.of(Asn(3), Asn(3_356)),
            Some(Relation::Provider),
            "{name}"
        );
    }
    for (name, one, other) in [("20080402", 1_785, 15_270), ("20211001", 3_356, 3_549)] {
        let text = read(&format!("as2org/{name}.as-org2info.jsonl.gz"));
        let organisations = Organisations::parse(&text).unwrap();
        let asns: BTreeSet<String> = text
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
            .filter_map(|line| line["asn"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(organisations.len(), asns.len(), "{name}");
        assert!(organisations.are_siblings(Asn(one), Asn(other)), "{name}");
    }
}

#[test]
fn lists_of_real_relying_parties_are_read_to_the_last_entry() {
    let Some(folder) = data() else { return };
    for name in [
        "rpki-client_20230504_ripe-prepdev.json.gz",
        "rpki-validator_test_vrps.json.gz",
        "stayrtr_test.rpki.json",
    ] {
        let mut text = Vec::new();
        let path = folder.join("rpki").join(name);
        open(&path).read_to_end(&mut text).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let list = document.get("roas").unwrap_or(&document);
        let distinct: BTreeSet<String> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                format!(
                    "{} {} {}",
                    entry["prefix"], entry["maxLength"], entry["asn"]
                )
            })
            .collect();
        assert_eq!(
            Vrps::from_json(&text).unwrap().len(),
            distinct.len(),
            "{name}"
        );
        let half = &text[..text.len() / 2];
        assert!(Vrps::from_json(half).is_err(), "{name} cut in half");
    }
}

/// The VRPs of a list, each once.
fn vrps_of(text: &[u8]) -> BTreeSet<Vrp> {
    let document: serde_json::Value = serde_json::from_slice(text).unwrap();
    let list = document.get("roas").unwrap_or(&document);
    let vrp = |entry: &serde_json::Value| Vrp {
        prefix: entry["prefix"].as_str().unwrap().parse().unwrap(),
        max_length: u8::try_from(entry["maxLength"].as_u64().unwrap()).unwrap(),
        asn: match &entry["asn"] {
            serde_json::Value::String(text) => text.parse().unwrap(),
            number => Asn(u32::try_from(number.as_u64().unwrap()).unwrap()),
        },
    };
    list.as_array().unwrap().iter().map(vrp).collect()
}

#[test]
fn real_vrps_that_a_cache_tells_are_those_of_its_file() {
    let Some(folder) = data() else { return };
    let mut text = Vec::new();
    let path = folder.join("rpki/rpki-client_20230504_ripe-prepdev.json.gz");
    open(&path).read_to_end(&mut text).unwrap();
    let vrps = vrps_of(&text);
    let mut pdus = vec![Pdu::CacheResponse { session: 1 }];
    pdus.extend(vrps.iter().map(|vrp| Pdu::Prefix {
        announce: true,
        vrp: *vrp,
    }));
    pdus.push(Pdu::EndOfData {
        session: 1,
        serial: Serial(1),
        timers: None,
    });
    let mut bytes = Vec::new();
    for pdu in pdus {
        rtr::Frame { version: 1, pdu }.encode(&mut bytes);
    }
    let mut session = Session::default();
    session.connected();
    let (mut rest, mut last) = (&bytes[..], Step::Wait);
    while let Some((frame, length)) = rtr::Frame::decode(rest).unwrap() {
        last = session.feed(&frame);
        rest = &rest[length..];
    }
    let Step::Loaded { full: true, .. } = last else {
        unreachable!("{last:?}")
    };
    let told = session.records().vrps_json();
    println!(
        "{} VRPs: {} bytes, {} as JSON",
        vrps.len(),
        bytes.len(),
        told.len()
    );
    assert_eq!(vrps_of(&told), vrps);
    assert_eq!(Vrps::from_json(&told).unwrap().len(), vrps.len());
}

#[test]
fn a_list_of_real_aspas_is_read_to_the_last_entry() {
    let Some(folder) = data() else { return };
    let mut text = Vec::new();
    let path = folder.join("rpki/rpki-client_20230504_ripe-prepdev.json.gz");
    open(&path).read_to_end(&mut text).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let families = ["ipv4", "ipv6"].map(|family| &document["provider_authorizations"][family]);
    let customers: BTreeSet<u64> = families
        .iter()
        .flat_map(|entries| entries.as_array().unwrap())
        .map(|entry| entry["customer_asid"].as_u64().unwrap())
        .collect();
    assert_eq!(Aspas::from_json(&text).unwrap().len(), customers.len());
}
