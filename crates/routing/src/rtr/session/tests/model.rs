//! A cache that is made up: whatever happens to it and to the connection, the router ends with what it has.

use proptest::prelude::*;

use super::*;

/// A cache: what it holds, and how it came there.
struct Cache {
    session: u16,
    serial: Serial,
    now: Records,
    /// As of each serial that it still knows.
    known: Vec<(Serial, Records)>,
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// The cache has these VRPs and ASPAs now.
    Becomes(Vec<u8>, Vec<(u8, u8)>),
    /// The router asks; the connection is lost after so many PDUs of the answer.
    Asks(Option<usize>),
    /// The cache forgets what was.
    Forgets,
    /// It begins anew.
    Restarts,
}

fn any_event() -> impl Strategy<Value = Event> {
    let becomes = (
        prop::collection::vec(0..12_u8, 0..8),
        prop::collection::vec((0..4_u8, 0..3_u8), 0..4),
    );
    prop_oneof![
        4 => becomes.prop_map(|(vrps, aspas)| Event::Becomes(vrps, aspas)),
        // Lost before the first word, it would be offered a lower version.
        4 => prop::option::of(1..8_usize).prop_map(Event::Asks),
        1 => Just(Event::Forgets),
        1 => Just(Event::Restarts),
    ]
}

impl Cache {
    fn becomes(&mut self, vrps: &[u8], aspas: &[(u8, u8)]) {
        let mut changes = Changes::new(true);
        let nothing = Records::default();
        for third in vrps {
            // Twice is once.
            let _ = changes.vrp(vrp(*third), true, &nothing);
        }
        for (customer, provider) in aspas {
            let providers = [Asn(u32::from(*provider))];
            let _ = changes.aspa(Asn(u32::from(*customer)), Some(&providers), &nothing);
        }
        self.now.apply(changes);
        self.serial = self.serial.next();
        self.known.push((self.serial, self.now.clone()));
    }

    fn answer(&self, query: &Pdu) -> Vec<Pdu> {
        let before = match query {
            Pdu::SerialQuery { session, serial } => {
                let known = self.known.iter().find(|(of, _)| of == serial);
                match known {
                    Some((_, records)) if *session == self.session => records.clone(),
                    _ => return vec![Pdu::CacheReset],
                }
            }
            _ => Records::default(),
        };
        let mut answer = vec![response(self.session)];
        answer.extend(between(&before, &self.now));
        answer.push(end(self.session, self.serial.0));
        answer
    }
}

/// The changes from one to the other, by way of their JSON, as anybody would read it.
fn between(before: &Records, now: &Records) -> Vec<Pdu> {
    let vrps = |records: &Records| -> std::collections::BTreeSet<u8> {
        (0..12)
            .filter(|third| {
                let text = String::from_utf8(records.vrps_json()).unwrap();
                text.contains(&format!("\"10.0.{third}.0/24\""))
            })
            .collect()
    };
    let aspas = |records: &Records| -> std::collections::BTreeMap<u64, u64> {
        let text: serde_json::Value = serde_json::from_slice(&records.aspas_json()).unwrap();
        let entries = text["aspas"].as_array().unwrap().iter();
        let pair = |entry: &serde_json::Value| {
            let customer = entry["customer_asid"].as_u64().unwrap();
            (customer, entry["providers"][0].as_u64().unwrap())
        };
        entries.map(pair).collect()
    };
    let (old, new) = (vrps(before), vrps(now));
    let mut changes: Vec<Pdu> = old.difference(&new).map(|v| prefix(false, *v)).collect();
    changes.extend(new.difference(&old).map(|v| prefix(true, *v)));
    let (old, new) = (aspas(before), aspas(now));
    let number = |asn: &u64| u32::try_from(*asn).unwrap();
    let gone = old.keys().filter(|customer| !new.contains_key(customer));
    changes.extend(gone.map(|customer| aspa(number(customer), &[])));
    let others = new
        .iter()
        .filter(|(customer, provider)| old.get(customer) != Some(provider));
    changes.extend(others.map(|(customer, provider)| aspa(number(customer), &[number(provider)])));
    changes
}

/// Asks and answers until nothing is left to say, or the connection is lost. True = whole.
fn converse(cache: &Cache, session: &mut Session, dies_after: Option<usize>) -> bool {
    let mut query = Some(session.connected());
    let mut left = dies_after.unwrap_or(usize::MAX);
    while let Some(frame) = query.take() {
        for pdu in cache.answer(&frame.pdu) {
            if left == 0 {
                session.lost();
                return false;
            }
            left -= 1;
            match session.feed(&Frame { version: 2, pdu }) {
                Step::Wait => {}
                Step::Ask(frame) => query = Some(frame),
                Step::Loaded { ask, .. } => query = ask,
                Step::End { fault, .. } => panic!("{fault}"),
            }
        }
    }
    session.lost();
    true
}

proptest! {
    #[test]
    fn the_router_ends_with_what_the_cache_has_whatever_dies_on_the_way(
        first in prop_oneof![Just(u32::MAX - 3), any::<u32>()],
        events in prop::collection::vec(any_event(), 0..30),
    ) {
        let now = Records::default();
        let known = vec![(Serial(first), now.clone())];
        let mut cache = Cache { session: 1, serial: Serial(first), now, known };
        let mut session = Session::default();
        for event in events {
            match event {
                Event::Becomes(vrps, aspas) => cache.becomes(&vrps, &aspas),
                Event::Asks(dies_after) => {
                    let before = session.records().clone();
                    if converse(&cache, &mut session, dies_after) {
                        prop_assert_eq!(session.records(), &cache.now);
                    } else {
                        prop_assert_eq!(session.records(), &before);
                    }
                }
                Event::Forgets => cache.known.clear(),
                Event::Restarts => {
                    cache.session = cache.session.wrapping_add(1);
                    cache.known = vec![(cache.serial, cache.now.clone())];
                }
            }
        }
        // The last transfer may have died; the next does not.
        prop_assert!(converse(&cache, &mut session, None));
        prop_assert_eq!(session.records(), &cache.now);
    }
}
