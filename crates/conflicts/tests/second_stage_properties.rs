//! How signals of several partitions are mixed, sent twice, or cut by a restart leaves no trace.

#![allow(clippy::unwrap_used, reason = "a broken fixture may panic")]

mod story;
mod world;

use proptest::prelude::*;
use prost::Message;
use story::{DAY, MINUTE, peer};
use weir_conflicts::{Correlator, Thresholds, Transition, record::Control, wire};
use weir_events::{
    position::TopicEpoch,
    topics::{BGP_SIGNALS, BGP_UPDATES},
    v1,
};
use weir_routing::knowledge::Kind;
use world::{SECOND, World, many, path};

/// What any story may consist of.
#[derive(Clone, Debug)]
enum Step {
    Announce(u32, usize, usize, bool),
    Withdraw(u32, usize),
    Down(u32),
    Pass(i64),
}

const TAILS: [&str; 6] = [
    "64500",
    "64508 64500",
    "64510 64500",
    "64511 64508 64500",
    "64509 64502 64500",
    "64510",
];

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..6_u32, 0..12_usize, 0..TAILS.len(), prop::bool::weighted(0.2))
            .prop_map(|(n, prefix, tail, rib)| Step::Announce(n, prefix, tail, rib)),
        2 => (1..6_u32, 0..12_usize).prop_map(|(n, prefix)| Step::Withdraw(n, prefix)),
        1 => (1..6_u32).prop_map(Step::Down),
        4 => prop_oneof![Just(SECOND), Just(MINUTE), Just(DAY)].prop_map(Step::Pass),
    ]
}

fn tell(steps: &[Step]) -> World {
    let mut world = World::new();
    for prefix in &many() {
        world.rib(prefix, "64508 64500");
    }
    world.learn(Kind::Relations, 0);
    for step in steps {
        match *step {
            Step::Announce(n, prefix, tail, rib) => {
                world.update(n, &many()[prefix], Some(&path(n, TAILS[tail])), rib);
            }
            Step::Withdraw(n, prefix) => {
                world.withdraw(&[n], &many()[prefix]);
            }
            Step::Down(n) => world.everywhere(&Control::PeerDown(peer(n))),
            Step::Pass(span) => drop(world.pass(span)),
        }
    }
    world.pass(SECOND);
    world
}

fn states(found: &[Transition]) -> Vec<v1::Incident> {
    found
        .iter()
        .map(|found| wire::state(&found.incident))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Signals of each source keep their order, those of several mix in any way, some come again later.
    #[test]
    fn how_signals_of_several_partitions_are_mixed_does_not_matter(
        steps in prop::collection::vec(any_step(), 1..60),
        mix in prop::collection::vec(0..BGP_UPDATES.partitions, 64),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let world = tell(&steps);
        for to in 0..BGP_SIGNALS.partitions {
            let theirs = |of: u32| world.signals.iter()
                .filter(move |(at, signal)| *at == to && signal.source_partition == of)
                .map(|(_, signal)| signal.clone());
            let mut left: Vec<_> = (0..BGP_UPDATES.partitions).map(|of| theirs(of).peekable()).collect();
            let mut mixed = Vec::new();
            let mut turns = mix.iter().cycle();
            while left.iter_mut().any(|of| of.peek().is_some()) {
                let turn = *turns.next().unwrap() as usize;
                // Whose turn it is may have nothing left: then it is the next one's.
                left.rotate_left(turn);
                let next = left.iter_mut().find_map(Iterator::next);
                left.rotate_right(turn);
                mixed.extend(next);
            }
            for at in &again {
                if !mixed.is_empty() {
                    let at = at.index(mixed.len());
                    mixed.push(mixed[at].clone());
                }
            }
            let mut correlator = Correlator::new(TopicEpoch(1), Thresholds::default());
            let mut found = Vec::new();
            for signal in mixed {
                correlator.apply(wire::signal_back(signal).unwrap().unwrap(), &mut found);
            }
            let mut plain = Correlator::new(TopicEpoch(1), Thresholds::default());
            let mut expected = Vec::new();
            for (_, signal) in world.signals.iter().filter(|(at, _)| *at == to) {
                plain.apply(wire::signal_back(signal.clone()).unwrap().unwrap(), &mut expected);
            }
            prop_assert_eq!(states(&found), states(&expected));
        }
    }

    /// Pages are kept now and then; after a restart the log is read from where they stand.
    #[test]
    fn a_restart_of_the_second_stage_leaves_no_trace(
        steps in prop::collection::vec(any_step(), 1..60),
        kept in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let world = tell(&steps);
        for to in 0..BGP_SIGNALS.partitions {
            let log: Vec<_> = world.signals.iter().filter(|(at, _)| *at == to).collect();
            let mut at: Vec<usize> = kept.iter().map(|at| at.index(log.len())).collect();
            at.sort_unstable();
            let (mut whole, mut expected) = (Correlator::new(TopicEpoch(1), Thresholds::default()), Vec::new());
            let mut pages = std::collections::BTreeMap::new();
            let (mut position, mut told_before) = (0, 0);
            for (offset, (_, signal)) in log.iter().enumerate() {
                if at.contains(&offset) {
                    pages.extend(whole.changed_pages());
                    (position, told_before) = (offset, expected.len());
                }
                whole.apply(wire::signal_back(signal.clone()).unwrap().unwrap(), &mut expected);
            }
            let mut restored = Correlator::new(TopicEpoch(1), Thresholds::default());
            for (number, bytes) in &pages {
                restored.restore_page(*number, bytes).unwrap();
            }
            let mut found = Vec::new();
            for (_, signal) in &log[position..] {
                restored.apply(wire::signal_back(signal.clone()).unwrap().unwrap(), &mut found);
            }
            prop_assert_eq!(states(&found), states(&expected[told_before..]));
            prop_assert_eq!(restored.counts(), whole.counts());
            prop_assert_eq!(&restored.changed_pages()[0], &whole.changed_pages()[0]);
        }
    }

    #[test]
    fn at_most_one_transition_per_incident_and_second(steps in prop::collection::vec(any_step(), 1..60)) {
        let world = tell(&steps);
        let mut of: Vec<_> = world.found.iter()
            .map(|found| (found.incident.id, found.incident.version))
            .collect();
        let all = of.len();
        of.sort_unstable();
        of.dedup();
        prop_assert_eq!(of.len(), all);
    }

    #[test]
    fn a_page_that_was_cut_is_refused(
        steps in prop::collection::vec(any_step(), 1..30),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut world = tell(&steps);
        for correlator in &mut world.correlators {
            for (number, bytes) in correlator.changed_pages() {
                let cut = cut.index(bytes.len());
                let mut empty = Correlator::new(TopicEpoch(1), Thresholds::default());
                prop_assert!(empty.restore_page(number, &bytes[..cut]).is_err());
            }
        }
    }

    /// A record that somebody else wrote is refused, or judged as what it says.
    #[test]
    fn damaged_signals_end_no_task(
        steps in prop::collection::vec(any_step(), 1..30),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 0..20),
        numbers in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8, any_number()), 0..20),
    ) {
        let world = tell(&steps);
        let mut log: Vec<v1::Signal> = world.signals.into_iter().map(|(_, signal)| signal).collect();
        for (record, field, number) in numbers {
            let record = record.index(log.len());
            damage(&mut log[record], field, number);
        }
        let mut log: Vec<Vec<u8>> = log.iter().map(Message::encode_to_vec).collect();
        for (record, at, byte) in bytes {
            let record = record.index(log.len());
            let at = at.index(log[record].len());
            log[record][at] = byte;
        }
        let mut correlator = Correlator::new(TopicEpoch(1), Thresholds::default());
        let mut found = Vec::new();
        for signal in log.iter().filter_map(|bytes| wire::decode_signal(bytes).ok()?) {
            correlator.apply(signal, &mut found);
        }
        correlator.changed_pages();
    }
}

/// The ends of what a number can be, or any.
fn any_number() -> impl Strategy<Value = i64> {
    let ends = [i64::MIN, -1, 0, u32::MAX.into(), i64::MAX];
    prop_oneof![prop::sample::select(ends.to_vec()), any::<i64>()]
}

fn damage(signal: &mut v1::Signal, field: u8, number: i64) {
    use v1::told::What;
    match field {
        0 => signal.interval_s = number,
        1 => signal.open_s = number,
        2 => signal.event_time_us = number,
        _ => {}
    }
    let small = u32::try_from(number).unwrap_or(u32::MAX);
    for told in &mut signal.told {
        match told.what.as_mut() {
            Some(What::Link(link)) if field == 3 => link.first_us = Some(number),
            Some(What::Holding(of)) if field == 4 => (of.gained, of.replaced) = (small, !small),
            Some(What::Holding(of)) if field == 5 => of.withdrawn = small,
            Some(What::Hearing(of)) if field == 6 => {
                (of.announced, of.repeated, of.skew_us) = (small, small, number);
            }
            Some(What::Candidate(incident)) if field == 7 => {
                (incident.first_seen_us, incident.last_seen_us) = (number, number);
            }
            _ => {}
        }
    }
}
