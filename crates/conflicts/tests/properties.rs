//! What must hold for every stream of records: restarts, duplicates and the order of peers leave
//! no trace in the incidents.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

mod story;

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use prost::Message;
use story::{DAY, MINUTE, START, apply, bogons, knowledge, peer, provide};
use uuid::Uuid;
use weir_conflicts::{
    Applied, Detector, Record, Thresholds, Transition,
    record::{Body, Control},
    wire,
};
use weir_events::position::{TopicEpoch, WriterSeq};
use weir_routing::{AsPath, Asn, PathAttributes, Prefix, Update, knowledge::Kind, wire::Routes};

const PREFIXES: [&str; 7] = [
    "10.64.0.0/20",
    "10.64.8.0/24",
    "10.80.0.0/20",
    "10.80.4.0/24",
    "10.96.0.0/20",
    "192.168.4.0/24",
    "10.0.0.0/8",
];
const TAILS: [&str; 9] = [
    "64500",
    "64501 64509 64502 64500",
    "64510",
    "64509 64510",
    "64500 64510",
    "65010 64500",
    "64507 64506 64507 64500",
    "64501 64509 64599 64502 64500",
    "3356 64599 1299 64500",
];
const SPANS: [i64; 6] = [1_000_000, MINUTE, 4 * MINUTE, 61 * MINUTE, DAY, 3 * DAY];

fn any_body() -> impl Strategy<Value = Body> {
    let update = (1..7_u32, 0..PREFIXES.len(), 0..TAILS.len(), 0..12_u32);
    prop_oneof![
        12 => update.prop_map(|(n, prefix, tail, how)| {
            let nlri = vec![PREFIXES[prefix].parse::<Prefix>().unwrap().into()];
            let mut update = Update { from_rib: how == 0, ..Update::default() };
            if how > 9 {
                update.withdrawn = nlri;
            } else {
                let path: AsPath = format!("{} {}", peer(n).asn, TAILS[tail]).parse().unwrap();
                let attributes = PathAttributes {
                    as_path: path,
                    only_to_customer: (how == 9).then_some(Asn(64_502)),
                    ..PathAttributes::default()
                };
                update.attributes = Some(Arc::new(attributes));
                update.announced = nlri;
            }
            Body::Routes(Routes { peer: peer(n), update, context: false })
        }),
        1 => (1..7_u32).prop_map(|n| Body::Control(Control::PeerUp(peer(n)))),
        1 => (1..7_u32).prop_map(|n| Body::Control(Control::PeerDown(peer(n)))),
        1 => (0..7_u32).prop_map(|n| Body::Control(Control::Gap((n > 0).then(|| peer(n))))),
        1 => (1..7_u32).prop_map(|n| Body::Control(Control::EndOfRib(Some(peer(n))))),
        1 => (1..7_u32, 0..SPANS.len()).prop_map(|(n, span)| {
            Body::Control(Control::EndOfTable(peer(n), START + SPANS[span]))
        }),
        1 => (0..Kind::ALL.len(), 0..2_usize).prop_map(|(kind, index)| {
            let named = knowledge(Kind::ALL[kind], index, START);
            Body::Control(Control::KnowledgeChanged(named))
        }),
    ]
}

/// All that can happen; or little more than that two prefixes come and go.
fn any_stream() -> impl Strategy<Value = Vec<Record>> {
    prop_oneof![3 => stream_of(any_body()), 2 => stream_of(any_loss())]
}

fn any_loss() -> impl Strategy<Value = Body> {
    let update = (1..7_u32, 0..2_usize, 0..5_u32);
    prop_oneof![
        20 => update.prop_map(|(n, prefix, how)| {
            let nlri = vec![PREFIXES[prefix].parse::<Prefix>().unwrap().into()];
            let mut update = Update::default();
            if how > 2 {
                update.withdrawn = nlri;
            } else {
                let path: AsPath = format!("{} 64500", peer(n).asn).parse().unwrap();
                update.attributes = Some(Arc::new(PathAttributes { as_path: path, ..PathAttributes::default() }));
                update.announced = nlri;
            }
            Body::Routes(Routes { peer: peer(n), update, context: false })
        }),
        1 => (1..7_u32).prop_map(|n| Body::Control(Control::PeerDown(peer(n)))),
        1 => (1..7_u32).prop_map(|n| Body::Control(Control::Gap(Some(peer(n))))),
    ]
}

/// Records with a Tick wherever time moves.
fn stream_of(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Vec<Record>> {
    let step = (body, prop::option::weighted(0.3, 0..SPANS.len()));
    prop::collection::vec(step, 1..120).prop_map(|steps| {
        let (mut now, mut seq) = (START, 0);
        let mut records = Vec::new();
        let mut push = |now, body| {
            seq += 1;
            records.push(Record {
                collector: "rrc00".into(),
                written: WriterSeq {
                    writer_epoch: 1,
                    seq,
                },
                event_time_us: now,
                receive_time_us: now,
                synthetic: false,
                body,
            });
        };
        push(now, Body::Control(Control::Tick));
        for (body, span) in steps {
            if let Some(span) = span {
                now += SPANS[span];
                push(now, Body::Control(Control::Tick));
            }
            push(now, body);
        }
        records
    })
}

fn new() -> Detector {
    // Flaps and losses too, within so few records and of so few peers.
    let thresholds = Thresholds {
        flap_begins_at: 1_000,
        visibility_least_peers: 2,
        ..Thresholds::default()
    };
    Detector::new(TopicEpoch(1), thresholds, bogons())
}

/// Applies records from an offset on and gives the bytes of every transition in order.
fn run(detector: &mut Detector, records: &[Record], from: usize) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (offset, record) in records.iter().enumerate().skip(from) {
        apply(
            detector,
            record,
            i64::try_from(offset).unwrap() + 1,
            &mut out,
        );
    }
    out.iter().map(bytes).collect()
}

fn bytes(transition: &Transition) -> Vec<u8> {
    wire::state(&transition.incident).encode_to_vec()
}

/// What a store holds that ignores versions which are not greater.
fn upsert(store: &mut BTreeMap<Uuid, (u64, Vec<u8>)>, transitions: &[Transition]) {
    for transition in transitions {
        let version = transition.incident.version.0;
        let row = store.entry(transition.incident.id).or_default();
        if version > row.0 {
            *row = (version, bytes(transition));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The control shard at P0, each block at a Pb of its own, everything replayed from P0.
    #[test]
    fn a_restart_anywhere_leaves_no_trace(
        records in any_stream(),
        p0 in any::<prop::sample::Index>(),
        lag in prop::collection::vec(0_usize..40, 8),
    ) {
        let p0 = p0.index(records.len() + 1);
        let (mut whole, mut transitions, mut files) = (new(), Vec::new(), Vec::new());
        let mut tellings = Vec::new();
        let mut control = None;
        let mut due: BTreeMap<_, usize> = BTreeMap::new();
        for offset in 0..=records.len() {
            if offset == p0 {
                control = Some(whole.control_snapshot().encode());
                for page in whole.links_snapshots() {
                    files.push((page.block(), page.encode(), i64::try_from(p0).unwrap()));
                }
                for (index, block) in whole.dirty_blocks().into_iter().enumerate() {
                    due.insert(block, (p0 + lag[index % lag.len()]).min(records.len()));
                }
            }
            for (block, _) in due.iter().filter(|(_, pb)| **pb == offset) {
                let pb = i64::try_from(offset).unwrap();
                files.push((*block, whole.block_snapshot(*block).encode(), pb));
            }
            if let Some(record) = records.get(offset) {
                apply(&mut whole, record, i64::try_from(offset).unwrap() + 1, &mut transitions);
                tellings.push(whole.tellings());
            }
        }
        let mut restored = new();
        restored.restore_control(&control.unwrap()).unwrap();
        for (block, file, pb) in &files {
            restored.restore_block(*block, file, *pb).unwrap();
        }
        provide(&mut restored);
        let mut again = Vec::new();
        for (offset, record) in records.iter().enumerate().skip(p0) {
            let next_offset = i64::try_from(offset).unwrap() + 1;
            apply(&mut restored, record, next_offset, &mut again);
            // Before, blocks that are further tell nothing again: it was acknowledged.
            let told = restored.tellings();
            if files.iter().all(|(.., pb)| next_offset > *pb) {
                prop_assert_eq!(&told, &tellings[offset]);
            }
        }

        // Every re-emitted transition is one that was emitted before, byte for byte, and none that
        // a block had not yet emitted at its Pb is missing.
        let pb_of = |t: &Transition| files.iter()
            .find(|(block, ..)| Some(*block) == t.incident.prefix.map(|of| of.block()))
            .map_or(i64::try_from(p0).unwrap(), |(.., pb)| *pb);
        let expected: Vec<_> = transitions.iter()
            .filter(|t| t.incident.version.next_offset() > pb_of(t))
            .map(bytes).collect();
        prop_assert_eq!(again.iter().map(bytes).collect::<Vec<_>>(), expected);
        prop_assert_eq!(restored.counts(), whole.counts());
        prop_assert_eq!(restored.control_snapshot().encode(), whole.control_snapshot().encode());
        prop_assert_eq!(restored.links(), whole.links());
        for prefix in PREFIXES {
            let prefix = prefix.parse().unwrap();
            prop_assert_eq!(restored.look_up_prefix(prefix), whole.look_up_prefix(prefix));
        }
        let blocks: Vec<_> = PREFIXES.iter().map(|p| p.parse::<Prefix>().unwrap().block()).collect();
        for block in blocks {
            prop_assert_eq!(
                restored.block_snapshot(block).encode(),
                whole.block_snapshot(block).encode()
            );
        }
        let (mut once, mut twice) = (BTreeMap::new(), BTreeMap::new());
        upsert(&mut once, &transitions);
        upsert(&mut twice, &transitions);
        upsert(&mut twice, &again);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn a_record_that_comes_again_has_no_effect(
        records in any_stream(),
        again in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let mut once = new();
        let mut expected = Vec::new();
        for record in &records {
            apply(&mut once, record, 1, &mut expected);
        }
        let mut twice = new();
        let mut out = Vec::new();
        for (at, record) in records.iter().enumerate() {
            apply(&mut twice, record, 1, &mut out);
            for earlier in again.iter().map(|i| i.index(records.len())).filter(|i| *i <= at) {
                prop_assert_eq!(apply(&mut twice, &records[earlier], 1, &mut out), Applied::Duplicate);
            }
        }
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn at_most_one_transition_per_incident_and_record(records in any_stream()) {
        let mut detector = new();
        for (offset, record) in records.iter().enumerate() {
            let mut out = Vec::new();
            apply(&mut detector, record, i64::try_from(offset).unwrap() + 1, &mut out);
            let mut ids: Vec<_> = out.iter().map(|t| t.incident.id).collect();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), out.len());
        }
    }

    #[test]
    fn an_incident_comes_back_from_its_message(records in any_stream()) {
        let (mut detector, mut out) = (new(), Vec::new());
        for record in &records {
            apply(&mut detector, record, 1, &mut out);
        }
        for Transition { incident } in out {
            prop_assert_eq!(wire::state_back(wire::state(&incident)).unwrap(), incident);
        }
    }

    /// Peers 2 to 6 see the hijack in any order, all within one second of stream time.
    #[test]
    fn the_order_of_the_peers_does_not_matter(order in Just(vec![2_u32, 3, 4, 5, 6]).prop_shuffle()) {
        let ended = |order: &[u32]| {
            let mut story = story::Story::new();
            story.rib(1, "10.64.0.0/20", "64501 64500");
            story.pass(MINUTE);
            for n in order {
                story.announce(*n, "10.64.0.0/20", &format!("{} 64510", peer(*n).asn));
            }
            let mut incident = story.last().clone();
            incident.version.0 = 0;
            incident
        };
        prop_assert_eq!(ended(&order), ended(&[2, 3, 4, 5, 6]));
    }

    #[test]
    fn a_network_originates_what_its_prefixes_say(records in any_stream()) {
        let mut detector = new();
        for (record, next_offset) in records.iter().zip(1..) {
            apply(&mut detector, record, next_offset, &mut Vec::new());
        }
        let mut by_prefix: BTreeMap<Asn, Vec<Prefix>> = BTreeMap::new();
        for prefix in PREFIXES {
            let prefix = prefix.parse().unwrap();
            for origin in detector.look_up_prefix(prefix).origins.shown {
                for asn in origin.origin.asns() {
                    by_prefix.entry(*asn).or_default().push(prefix);
                }
            }
        }
        for asn in (64_500..64_512).map(Asn) {
            let told = detector.look_up_asn(asn).ipv4.shown;
            let told: Vec<_> = told.iter().map(|one| one.prefix).collect();
            let mut expected = by_prefix.remove(&asn).unwrap_or_default();
            expected.sort_unstable();
            prop_assert_eq!(told, expected, "{}", asn);
        }
    }

    #[test]
    fn bytes_of_a_snapshot_that_were_cut_are_refused(records in any_stream(), cut in any::<prop::sample::Index>()) {
        let mut detector = new();
        run(&mut detector, &records, 0);
        let whole = detector.control_snapshot().encode();
        let cut = cut.index(whole.len());
        prop_assert!(new().restore_control(&whole[..cut]).is_err());
        for block in detector.dirty_blocks() {
            let whole = detector.block_snapshot(block).encode();
            prop_assert!(new().restore_block(block, &whole[..cut % whole.len()], 0).is_err());
        }
    }
}
