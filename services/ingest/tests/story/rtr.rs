//! VRPs and ASPAs by RTR, from a cache that is played here, on their way into the log.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread::JoinHandle,
    time::Instant,
};

use weir_ingest::{
    Config, Running, Source, StartError,
    config::{Knowledge, Watch},
};
use weir_objects::{Objects, knowledge};
use weir_routing::{
    Asn,
    aspa::Aspas,
    roa::{Vrp, Vrps},
    rtr::{Code, Frame, Pdu, Serial, Timers},
};

use crate::support::{DEADLINE, Sandbox, until};

/// A sandbox whose folder of input is empty.
struct Story {
    sandbox: Sandbox,
}

impl Story {
    fn begin() -> Self {
        let sandbox = Sandbox::start();
        fs::create_dir_all(sandbox.path().join("rrc05")).unwrap();
        Self { sandbox }
    }

    fn store(&self) -> weir_objects::Config {
        weir_objects::Config::default().or_in(&self.sandbox.path().join("objects"))
    }

    fn objects(&self) -> Objects {
        let stream = Config::default().stream;
        Objects::prepare(&self.store()).unwrap().of_stream(&stream)
    }

    fn start(&self, rtr: &str) -> Running {
        self.try_start(Knowledge {
            rtr: Some(rtr.to_owned()),
            rtr_seconds: 0,
            ..Knowledge::default()
        })
        .unwrap()
    }

    fn try_start(&self, knowledge: Knowledge) -> Result<Running, StartError> {
        let source = Source::Watch(Watch {
            folder: self.sandbox.path().join("rrc05"),
            ..Watch::default()
        });
        let knowledge = Knowledge {
            store: self.store(),
            ..knowledge
        };
        let config = Config {
            source,
            knowledge,
            ..Config::default()
        };
        weir_ingest::start(config, &self.sandbox.log, &self.sandbox.state())
    }

    /// Waits for so many different contents of a kind.
    fn until_stored(&self, kind: &str, count: usize) {
        let (objects, folder) = (self.objects(), format!("knowledge/{kind}"));
        until(kind, || objects.list(&folder).unwrap().len() == count);
    }

    /// What was named of a kind, in order, each as often as it was named in a partition; never older than what was
    /// named before.
    fn named(&self, kind: &str) -> Vec<Vec<u8>> {
        let objects = self.objects();
        let mut named = self.sandbox.content().knowledge;
        named.sort_by_key(|(number, _)| *number);
        named.dedup();
        named.retain(|(_, changed)| changed.kind == kind);
        assert!(named.is_sorted_by_key(|(_, changed)| changed.as_of_us));
        let content = |hash: &[u8]| knowledge::get(&objects, kind, hash).unwrap().unwrap();
        let named = named.iter();
        named
            .map(|(_, changed)| content(&changed.content_hash))
            .collect()
    }

    /// Asks these caches until so many different contents of a kind are stored; then as [`Self::counts`].
    fn told<const N: usize>(
        &self,
        rtr: &str,
        played: [JoinHandle<()>; N],
        kind: &str,
        count: usize,
    ) -> (Vec<usize>, Vec<usize>) {
        let running = self.start(rtr);
        self.until_stored(kind, count);
        running.stop(DEADLINE).unwrap();
        for cache in played {
            cache.join().unwrap();
        }
        self.counts()
    }

    /// How many VRPs and ASPAs each named content has.
    fn counts(&self) -> (Vec<usize>, Vec<usize>) {
        let (vrps, aspas) = (self.named("vrps"), self.named("aspas"));
        let vrps = vrps.iter().map(|text| Vrps::from_json(text).unwrap().len());
        let aspas = aspas
            .iter()
            .map(|text| Aspas::from_json(text).unwrap().len());
        (vrps.collect(), aspas.collect())
    }
}

/// One connection of a cache that is played.
struct Line {
    stream: TcpStream,
    heard: Vec<u8>,
    version: u8,
}

impl Line {
    fn accept(listener: &TcpListener, version: u8) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self {
            stream,
            heard: Vec::new(),
            version,
        }
    }

    fn read(&mut self) -> Frame {
        loop {
            if let Some((frame, length)) = Frame::decode(&self.heard).unwrap() {
                self.heard.drain(..length);
                return frame;
            }
            let mut piece = [0; 512];
            let count = self.stream.read(&mut piece).unwrap();
            assert!(count > 0, "the router hung up");
            self.heard.extend(&piece[..count]);
        }
    }

    fn wants(&mut self, pdu: &Pdu) {
        assert_eq!(self.read().pdu, *pdu);
    }

    fn say(&mut self, pdus: impl IntoIterator<Item = Pdu>) {
        let mut bytes = Vec::new();
        for pdu in pdus {
            let version = self.version;
            Frame { version, pdu }.encode(&mut bytes);
        }
        self.stream.write_all(&bytes).unwrap();
    }

    /// Until the router hangs up.
    fn stay(mut self) {
        let mut rest = Vec::new();
        // It may well hang up on something unread.
        let _ = self.stream.read_to_end(&mut rest);
    }
}

/// Plays a cache; gives its address.
fn cache(play: impl FnOnce(TcpListener) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, std::thread::spawn(move || play(listener)))
}

fn prefix(announce: bool, third: u8) -> Pdu {
    let vrp = Vrp {
        prefix: format!("10.0.{third}.0/24").parse().unwrap(),
        max_length: 24,
        asn: Asn(64_500),
    };
    Pdu::Prefix { announce, vrp }
}

fn aspa(customer: u32) -> Pdu {
    Pdu::Aspa {
        announce: true,
        customer: Asn(customer),
        providers: vec![Asn(64_500)],
    }
}

fn response(session: u16) -> Pdu {
    Pdu::CacheResponse { session }
}

fn end(session: u16, serial: u32) -> Pdu {
    Pdu::EndOfData {
        session,
        serial: Serial(serial),
        timers: Some(Timers {
            retry: 1,
            ..Timers::default()
        }),
    }
}

fn query(session: u16, serial: u32) -> Pdu {
    let serial = Serial(serial);
    Pdu::SerialQuery { session, serial }
}

#[test]
fn everything_is_named_and_then_what_changes() {
    let story = Story::begin();
    let (sender, is_stored) = mpsc::channel();
    let (address, played) = cache(move |listener| {
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([
            response(7),
            prefix(true, 1),
            Pdu::RouterKey,
            aspa(64_510),
            end(7, 1),
        ]);
        is_stored.recv_timeout(DEADLINE).unwrap();
        let serial = Serial(2);
        line.say([Pdu::SerialNotify { session: 7, serial }]);
        line.wants(&query(7, 1));
        line.say([response(7), prefix(true, 2), prefix(true, 3), end(7, 2)]);
        line.stay();
    });
    let running = story.start(&address);
    story.until_stored("vrps", 1);
    sender.send(()).unwrap();
    story.until_stored("vrps", 2);
    running.stop(DEADLINE).unwrap();
    played.join().unwrap();
    let (vrps, aspas) = story.counts();
    assert_eq!(vrps, [1, 3]);
    // The same ASPAs, younger.
    assert_eq!(aspas.first(), Some(&1));
    assert!(aspas.iter().all(|count| *count == 1), "{aspas:?}");
    // Another life begins with everything.
    let (address, played) = cache(|listener| {
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([response(7), prefix(true, 4), end(7, 3)]);
        line.stay();
    });
    let (vrps, _) = story.told(&address, [played], "aspas", 2);
    assert_eq!(vrps, [1, 3, 1]);
}

#[test]
fn a_cache_of_an_older_version_is_asked_in_it_and_says_nothing_of_aspas() {
    for version in [0, 1] {
        let story = Story::begin();
        let (address, played) = cache(move |listener| {
            for tried in (version..2).rev() {
                let mut line = Line::accept(&listener, tried);
                assert_eq!(line.read().version, tried + 1);
                line.say([Pdu::ErrorReport {
                    code: Code::UnsupportedVersion as u16,
                    about: Vec::new(),
                    text: "older".to_owned(),
                }]);
            }
            let mut line = Line::accept(&listener, version);
            line.wants(&Pdu::ResetQuery);
            line.say([response(7), prefix(true, 1), end(7, 1)]);
            line.stay();
        });
        let counts = story.told(&address, [played], "vrps", 1);
        assert_eq!(counts, (vec![1], vec![]));
    }
}

#[test]
fn what_dies_half_way_is_not_named_and_is_asked_for_again() {
    let story = Story::begin();
    let (address, played) = cache(|listener| {
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([response(7), prefix(true, 1), end(7, 1)]);
        let serial = Serial(2);
        line.say([Pdu::SerialNotify { session: 7, serial }]);
        line.wants(&query(7, 1));
        line.say([response(7), prefix(false, 1)]);
        drop(line);
        let mut line = Line::accept(&listener, 2);
        line.wants(&query(7, 1));
        line.say([response(7), prefix(true, 2), prefix(true, 3), end(7, 2)]);
        line.stay();
    });
    assert_eq!(story.told(&address, [played], "vrps", 2).0, [1, 3]);
}

#[test]
fn a_cache_that_begins_anew_or_talks_nonsense_is_told_so_and_asked_for_everything() {
    let story = Story::begin();
    let (address, played) = cache(|listener| {
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([response(7), prefix(true, 1), end(7, 1)]);
        let serial = Serial(2);
        line.say([Pdu::SerialNotify { session: 8, serial }]);
        let Pdu::ErrorReport { code: 0, text, .. } = line.read().pdu else {
            panic!("no report")
        };
        assert!(text.contains("session 8, expected 7"), "{text}");
        drop(line);
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let Pdu::ErrorReport { code: 4, .. } = line.read().pdu else {
            panic!("no report")
        };
        drop(line);
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([response(8), prefix(true, 2), prefix(true, 3), end(8, 2)]);
        line.stay();
    });
    assert_eq!(story.told(&address, [played], "vrps", 2).0, [1, 2]);
}

#[test]
fn of_several_caches_the_first_that_answers_is_asked() {
    let story = Story::begin();
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = gone.local_addr().unwrap();
    drop(gone);
    let (empty, refusing) = cache(|listener| {
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([Pdu::ErrorReport {
            code: Code::NoDataAvailable as u16,
            about: Vec::new(),
            text: "not yet".to_owned(),
        }]);
        line.stay();
    });
    let (full, answering) = cache(|listener| {
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([response(9), prefix(true, 1), end(9, 1)]);
        line.stay();
    });
    let caches = format!("{nobody}, {empty}, {full}");
    let (vrps, _) = story.told(&caches, [refusing, answering], "vrps", 1);
    assert_eq!(vrps, [1]);
}

#[test]
fn what_is_told_within_the_interval_is_brought_together() {
    let story = Story::begin();
    let (address, played) = cache(|listener| {
        let mut line = Line::accept(&listener, 2);
        line.wants(&Pdu::ResetQuery);
        line.say([response(7), prefix(true, 1), end(7, 1)]);
        for serial in 2..20 {
            let third = u8::try_from(serial).unwrap();
            let told = Serial(serial);
            line.say([Pdu::SerialNotify {
                session: 7,
                serial: told,
            }]);
            line.wants(&query(7, serial - 1));
            line.say([response(7), prefix(true, third), end(7, serial)]);
        }
        line.stay();
    });
    let began = Instant::now();
    let running = story
        .try_start(Knowledge {
            rtr: Some(address),
            rtr_seconds: 2,
            ..Knowledge::default()
        })
        .unwrap();
    let last = || story.counts().0.last().copied();
    until("all of them", || last() == Some(19));
    running.stop(DEADLINE).unwrap();
    played.join().unwrap();
    let (vrps, _) = story.counts();
    // The first at once, then at most one in two seconds.
    let most = 1 + began.elapsed().as_secs() / 2;
    assert!(vrps.len() as u64 <= most, "{vrps:?}, expected {most}");
}

#[test]
fn a_file_beside_a_cache_is_refused_and_names_both() {
    let story = Story::begin();
    let refused = story.try_start(Knowledge {
        rtr: Some("localhost:323".to_owned()),
        vrps: Some("vrps.json".into()),
        ..Knowledge::default()
    });
    let refused = refused.err().unwrap().to_string();
    assert!(
        refused.contains("both rtr and the file vrps.json for vrps"),
        "{refused}"
    );
}
