//! Tells a detector a story, record by record, and says back what it made of it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file takes what it needs, and a broken fixture may panic"
)]

use std::sync::Arc;

use weir_conflicts::{
    Applied, Detector, Incident, Record, Thresholds, Transition,
    incident::{Change, State},
    record::{Body, Control, Knowledge},
};
use weir_events::position::{TopicEpoch, WriterSeq};
use weir_routing::{
    Asn, Bogons, Community, PathAttributes, Peer, Update,
    knowledge::{Content, Kind},
    roa::Vrp,
    wire::Routes,
};

pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600_000_000;

/// 10/8 and the documentation ASNs are no bogons here; 192.168/16 and 65000-65534 are.
pub(crate) fn bogons() -> Bogons {
    Bogons::parse("192.168.0.0/16\n65000-65534").unwrap()
}

pub(crate) fn asns(numbers: &[u32]) -> Vec<Asn> {
    numbers.iter().copied().map(Asn).collect()
}

pub(crate) fn told(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// Peer `n` of rrc00: AS64500 + n % 100 at 198.18.(n / 100).(n % 100), so that 1 and 101 share an AS.
pub(crate) fn peer(n: u32) -> Peer {
    let address = format!("198.18.{}.{}", n / 100, n % 100);
    Peer::new(address.parse().unwrap(), Asn(64_500 + n % 100))
}

/// Sets of VRPs, which knowledge names by their index here.
pub(crate) const ROAS: [&[(&str, u8, u32)]; 3] = [
    &[("10.64.0.0/20", 20, 64_500), ("10.80.0.0/20", 24, 64_500)],
    &[("10.64.0.0/20", 24, 64_510), ("10.96.0.0/20", 20, 0)],
    &[],
];

/// Lists of ASPAs, named in the same way: 64501 and 64502 buy from nobody; in the second list, from 64509.
pub(crate) const ASPAS: [&str; 2] = [
    r#"{"aspas": [{"customer": 64501, "providers": [0]}, {"customer": 64502, "providers": [0]}]}"#,
    r#"{"aspas": [{"customer": 64501, "providers": [64509]}, {"customer": 64502, "providers": [64509]}]}"#,
];

/// Lists of relations, named in the same way: 64501 and 64502 are peers, 64509 buys from both; in the first list
/// 64510 buys from 64500; in the last, the route server 64599 stands as a peer between the two.
pub(crate) const RELATIONS: [&str; 3] = [
    "64501|64502|0\n64501|64509|-1\n64502|64509|-1\n64500|64510|-1\n",
    "64501|64502|-1\n64509|64501|-1\n64509|64502|-1\n",
    "64501|64599|0\n64502|64599|0\n64501|64509|-1\n64502|64509|-1\n",
];

/// Lists of organisations: in the first one 64500 and 64510 are siblings.
pub(crate) const ORGANISATIONS: [&str; 2] = [
    "{\"type\":\"ASN\",\"asn\":\"64500\",\"organizationId\":\"A\"}\n\
     {\"type\":\"ASN\",\"asn\":\"64510\",\"organizationId\":\"A\"}\n",
    "{\"type\":\"ASN\",\"asn\":\"64500\",\"organizationId\":\"A\"}\n",
];

/// Lists of anycast prefixes: 10.64.0.0/20 is on the first.
pub(crate) const ANYCAST: [&str; 2] = ["10.64.0.0/20\n", "10.112.0.0/20\n"];

/// Lists of DDoS protection services: 64510 and 64511 are on the first.
pub(crate) const DPS: [&str; 2] = ["64510-64511\n", "64508\n"];

/// Lists of route servers: 64599 is on the first.
pub(crate) const ROUTE_SERVERS: [&str; 2] = ["AS64599 # of an exchange point\n", "64598\n"];

/// Lists of links: on the first 64500 was seen behind 64511, 64512 behind 64511.
pub(crate) const LINKS: [&str; 2] = ["64500|64511\n64511|64512\n", "64500|64510\n"];

/// Lists of bogons: 10.64/16 and AS64507 are on the first, what is on our own is not.
pub(crate) const BOGONS: [&str; 2] = ["10.64.0.0/16\n64507\n", "192.168.0.0/16\n65000-65534\n"];

/// Says that the list of this index holds, of what is written above for the kind.
pub(crate) fn knowledge(kind: Kind, index: usize, as_of_us: i64) -> Knowledge {
    Knowledge {
        kind: kind.name().to_owned(),
        content_hash: format!("{}-{index}", kind.name()).into_bytes(),
        as_of_us,
    }
}

fn content(knowledge: &Knowledge) -> Content {
    let hash = std::str::from_utf8(&knowledge.content_hash).unwrap();
    let (kind, index) = hash.rsplit_once('-').unwrap();
    let index: usize = index.parse().unwrap();
    let kind = Kind::from_name(kind).unwrap();
    let text = match kind {
        Kind::Vrps => {
            let vrps = ROAS[index].iter().map(|(prefix, max_length, asn)| Vrp {
                prefix: prefix.parse().unwrap(),
                max_length: *max_length,
                asn: Asn(*asn),
            });
            return Content::Vrps(Arc::new(vrps.collect()));
        }
        Kind::Aspas => ASPAS[index],
        Kind::Relations => RELATIONS[index],
        Kind::Organisations => ORGANISATIONS[index],
        Kind::Anycast => ANYCAST[index],
        Kind::Dps => DPS[index],
        Kind::RouteServers => ROUTE_SERVERS[index],
        Kind::Bogons => BOGONS[index],
        Kind::Links => LINKS[index],
    };
    kind.read(text.as_bytes()).unwrap()
}

/// Gives what the detector lacks, as whoever runs it does after a restart.
pub(crate) fn provide(detector: &mut Detector) {
    for knowledge in detector.lacks() {
        detector.provide(&knowledge.content_hash, content(&knowledge));
    }
}

/// Applies a record, after giving the content that it names.
pub(crate) fn apply(
    detector: &mut Detector,
    record: &Record,
    next_offset: i64,
    out: &mut Vec<Transition>,
) -> Applied {
    if let Some(knowledge) = detector.needs(record) {
        detector.provide(&knowledge.content_hash, content(knowledge));
    }
    detector.apply(record, next_offset, out)
}

pub(crate) struct Story {
    pub(crate) detector: Detector,
    pub(crate) records: Vec<Record>,
    now: i64,
    /// How far the clocks of the sources are behind.
    late: i64,
    written: WriterSeq,
    offset: i64,
    context: bool,
    all: Vec<Transition>,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self::with(bogons())
    }

    pub(crate) fn with(bogons: Bogons) -> Self {
        let mut story = Self {
            detector: Detector::new(TopicEpoch(1), Thresholds::default(), bogons),
            records: Vec::new(),
            now: START,
            late: 0,
            written: WriterSeq {
                writer_epoch: 1,
                seq: 0,
            },
            offset: 0,
            context: false,
            all: Vec::new(),
        };
        story.control(Control::SourceStart);
        story.control(Control::Tick);
        story
    }

    pub(crate) fn context(&mut self, context: bool) -> &mut Self {
        self.context = context;
        self
    }

    pub(crate) fn announce(&mut self, n: u32, prefix: &str, path: &str) -> Vec<String> {
        self.update(n, prefix, Some((path, &[])), false)
    }

    pub(crate) fn blackhole(&mut self, n: u32, prefix: &str, path: &str) -> Vec<String> {
        self.update(n, prefix, Some((path, &[Community::BLACKHOLE])), false)
    }

    /// A route that `marked_by` gave to customers only (RFC 9234).
    pub(crate) fn only_to_customer(
        &mut self,
        n: u32,
        (prefix, path): (&str, &str),
        marked_by: u32,
    ) -> Vec<String> {
        let mut body = routes(n, prefix, Some((path, &[])), false, self.context);
        if let Body::Routes(routes) = &mut body
            && let Some(attributes) = &mut routes.update.attributes
        {
            Arc::make_mut(attributes).only_to_customer = Some(Asn(marked_by));
        }
        self.send(body)
    }

    pub(crate) fn rib(&mut self, n: u32, prefix: &str, path: &str) -> Vec<String> {
        self.update(n, prefix, Some((path, &[])), true)
    }

    /// A route in a dump that was taken so long ago.
    pub(crate) fn table(&mut self, n: u32, prefix: &str, path: &str, ago: i64) -> Vec<String> {
        self.written.seq += 1;
        let body = routes(n, prefix, Some((path, &[])), true, false);
        let mut record = self.record(body);
        record.event_time_us -= ago;
        self.apply(record).1
    }

    /// A dump that was taken so long ago holds no more of this peer.
    pub(crate) fn end_of_table(&mut self, n: u32, ago: i64) -> Vec<String> {
        self.control(Control::EndOfTable(peer(n), self.now - ago))
    }

    /// The collector has lost updates of everybody.
    pub(crate) fn gap(&mut self) -> Vec<String> {
        self.control(Control::Gap(None))
    }

    pub(crate) fn withdraw(&mut self, n: u32, prefix: &str) -> Vec<String> {
        self.update(n, prefix, None, false)
    }

    pub(crate) fn up(&mut self, n: u32) -> Vec<String> {
        self.control(Control::PeerUp(peer(n)))
    }

    pub(crate) fn down(&mut self, n: u32) -> Vec<String> {
        self.control(Control::PeerDown(peer(n)))
    }

    pub(crate) fn end_of_rib(&mut self, n: u32) -> Vec<String> {
        self.control(Control::EndOfRib(Some(peer(n))))
    }

    /// A set of [`ROAS`] holds, as of so long ago.
    pub(crate) fn learn(&mut self, index: usize, ago: i64) -> Vec<String> {
        self.learn_of(Kind::Vrps, index, ago)
    }

    /// Of this kind, the list of this index holds, as of so long ago.
    pub(crate) fn learn_of(&mut self, kind: Kind, index: usize, ago: i64) -> Vec<String> {
        let named = knowledge(kind, index, self.now - ago);
        self.control(Control::KnowledgeChanged(named))
    }

    /// Lets time pass in one Tick.
    pub(crate) fn pass(&mut self, span: i64) -> Vec<String> {
        self.now += span;
        self.control(Control::Tick)
    }

    /// From now on the clocks of the sources are so far behind.
    pub(crate) fn late_by(&mut self, late: i64) {
        self.late = late;
    }

    pub(crate) fn next_life(&mut self) {
        self.written = WriterSeq {
            writer_epoch: 2,
            seq: 0,
        };
    }

    pub(crate) fn send_again(&mut self) -> Applied {
        let record = self.records.last().unwrap().clone();
        self.apply(record).0
    }

    pub(crate) fn sent_in_an_earlier_life(&mut self, n: u32, prefix: &str, path: &str) -> Applied {
        let body = routes(n, prefix, Some((path, &[])), false, false);
        let record = self.record(body);
        self.apply(Record {
            written: WriterSeq {
                writer_epoch: 1,
                seq: 999,
            },
            ..record
        })
        .0
    }

    /// The state after the last transition.
    pub(crate) fn last(&self) -> &Incident {
        &self.all.last().expect("nothing was told").incident
    }

    /// The state after each transition.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Incident> {
        self.all.iter().map(|of| &of.incident)
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.all.iter().map(line).collect()
    }

    pub(crate) fn control(&mut self, control: Control) -> Vec<String> {
        self.send(Body::Control(control))
    }

    fn update(
        &mut self,
        n: u32,
        prefix: &str,
        announced: Option<(&str, &[Community])>,
        rib: bool,
    ) -> Vec<String> {
        let body = routes(n, prefix, announced, rib, self.context);
        self.send(body)
    }

    fn send(&mut self, body: Body) -> Vec<String> {
        self.written.seq += 1;
        let record = self.record(body);
        let (applied, told) = self.apply(record);
        assert_eq!(applied, Applied::New);
        told
    }

    fn record(&self, body: Body) -> Record {
        let late = match body {
            Body::Routes(_) => self.late,
            Body::Control(_) => 0,
        };
        Record {
            collector: "rrc00".into(),
            written: self.written,
            event_time_us: self.now - late,
            receive_time_us: self.now + 5,
            synthetic: false,
            body,
        }
    }

    fn apply(&mut self, record: Record) -> (Applied, Vec<String>) {
        let mut out = Vec::new();
        self.offset += 1;
        let applied = apply(&mut self.detector, &record, self.offset, &mut out);
        self.records.push(record);
        let lines = out.iter().map(line).collect();
        self.all.extend(out);
        (applied, lines)
    }
}

fn routes(
    n: u32,
    prefix: &str,
    announced: Option<(&str, &[Community])>,
    from_rib: bool,
    context: bool,
) -> Body {
    let nlri = vec![prefix.parse::<weir_routing::Prefix>().unwrap().into()];
    let mut update = Update {
        from_rib,
        ..Update::default()
    };
    match announced {
        None => update.withdrawn = nlri,
        Some((path, communities)) => {
            update.announced = nlri;
            update.attributes = Some(Arc::new(PathAttributes {
                as_path: path.parse().unwrap(),
                communities: communities.to_vec(),
                ..PathAttributes::default()
            }));
        }
    }
    Body::Routes(Routes {
        peer: peer(n),
        update,
        context,
    })
}

/// "change type severity state [end reason] [reasons]", in lower case.
pub(crate) fn line(transition: &Transition) -> String {
    let of = &transition.incident;
    let mut words = vec![
        match of.change {
            Change::Opened => "opened",
            Change::Confirmed => "confirmed",
            Change::Updated => "updated",
            Change::Ended => "ended",
            Change::Reopened => "reopened",
        }
        .to_owned(),
        of.kind.name().to_owned(),
        of.severity.name().to_owned(),
        format!("{:?}", of.state).to_lowercase(),
    ];
    if of.state == State::Ended {
        let why = format!("{:?}", of.end_reason.unwrap());
        words.push(if why == "BecameStable" {
            "became-stable".into()
        } else {
            why.to_lowercase()
        });
    }
    words.extend(of.reasons.iter().map(|reason| (*reason).to_owned()));
    words.join(" ")
}
