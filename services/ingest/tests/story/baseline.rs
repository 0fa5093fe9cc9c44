//! Tables of collectors from an archive that is played here: it lacks some, breaks off, gives too much, or nonsense.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, LazyLock, mpsc},
};

use parking_lot::Mutex;
use weir_events::{
    time::{HOUR_US, SECOND_US, parse_rfc3339},
    v1::{bgp_update::Body, control::Kind},
};
use weir_ingest::{Running, config::Baseline};
use weir_injection::{World, rib};
use weir_lifecycle::telemetry::{self, Telemetry};
use weir_routing::{AsPath, Message, PathAttributes, Peer, Prefix, Update};

use crate::{
    live::{self, Act},
    support::{DEADLINE, Sandbox, until},
};

static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(|| telemetry::metrics().unwrap());

const VALIDATOR: &str = "\"one\"";

/// What somebody asked for.
#[derive(Clone, Debug)]
struct Asked {
    /// The time in the name.
    slot_us: i64,
    path: String,
    range: Option<String>,
    if_range: Option<String>,
}

/// How the archive answers.
enum Answer {
    Missing,
    /// All of it; the connection ends after so many bytes.
    Whole {
        body: Vec<u8>,
        cut_at: Option<usize>,
    },
    /// What is left from here on.
    Rest {
        body: Vec<u8>,
        from: usize,
    },
    /// Without saying how long it is.
    Endless(Vec<u8>),
}

fn whole(body: Vec<u8>) -> Answer {
    Answer::Whole { body, cut_at: None }
}

struct Archive {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Archive {
    /// Answers one request per connection; `answer` is told how many came before.
    fn open(mut answer: impl FnMut(usize, &Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else {
                    continue;
                };
                let before = told.lock().len();
                told.lock().push(request.clone());
                let answer = answer(before, &request);
                // Who has heard enough closes.
                let _ = write(&mut stream, &answer);
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut asked = Asked {
        slot_us: slot_of(&path),
        path,
        range: None,
        if_range: None,
    };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.range = Some(value.to_owned()),
            "if-range" => asked.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(asked)
}

/// Of `/rrc21/2026.03/bview.20260307.0800.gz`.
fn slot_of(path: &str) -> i64 {
    let mut parts = path.rsplit('/').next().unwrap().split('.').skip(1);
    let (date, time) = (parts.next().unwrap(), parts.next().unwrap());
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute) = (&time[..2], &time[2..]);
    parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:00Z")).unwrap()
}

fn write(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let (head, body) = match answer {
        Answer::Missing => (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n".to_owned(),
            &[][..],
        ),
        Answer::Whole { body, cut_at } => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\netag: {VALIDATOR}\r\n");
            (head, &body[..cut_at.unwrap_or(length)])
        }
        Answer::Rest { body, from } => {
            let (length, last) = (body.len(), body.len() - 1);
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{last}/{length}\r\n",
                length - from
            );
            (head, &body[*from..])
        }
        Answer::Endless(body) => ("HTTP/1.1 200 OK\r\n".to_owned(), body.as_slice()),
    };
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    stream.write_all(body)
}

/// A dump of `rrc21` that is taken at this time: two peers, `prefixes` of 10/8 and the one that is live.
fn dump(slot_us: i64, prefixes: u8) -> Vec<u8> {
    let mut world = World::default();
    let at = slot_us + SECOND_US;
    for (peer, asn) in [("192.0.2.1:64496", 64_496), ("192.0.2.2:64497", 64_497)] {
        let peer: Peer = peer.parse().unwrap();
        let own = (0..prefixes).map(|third| format!("10.64.{third}.0/24"));
        for prefix in own.chain(["198.51.100.0/24".to_owned()]) {
            let path: AsPath = format!("{asn} 64500").parse().unwrap();
            let update = Update {
                announced: vec![prefix.parse::<Prefix>().unwrap().into()],
                attributes: Some(Arc::new(PathAttributes {
                    as_path: path,
                    ..PathAttributes::default()
                })),
                ..Update::default()
            };
            let message = Message {
                event_time_us: at,
                peer,
                body: weir_routing::Body::Update(update),
            };
            world.hear("rrc21", &message);
        }
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&rib::dumps(&world)["rrc21"]).unwrap();
    encoder.finish().unwrap()
}

/// RIS Live with one update of `rrc21`, beside this archive.
fn start(sandbox: &Sandbox, archive: &Archive, change: impl FnOnce(&mut Baseline)) -> Running {
    LazyLock::force(&TELEMETRY);
    let frames = vec![live::update("rrc21", "198.51.100.0/24")];
    let (address, _subscriptions) = live::serve(vec![Act::Stay(frames)]);
    live::start(sandbox, address, |config, _| {
        config.baseline = Baseline {
            ris_url: format!("http://{}/", archive.address),
            routes_per_second: 100_000,
            ..Baseline::default()
        };
        change(&mut config.baseline);
    })
}

fn is_warming(running: &Running) -> bool {
    running.status().snapshot().warming_percent.is_some()
}

/// How many tables have ended so, in all of this process.
fn counted(result: &str) -> u64 {
    let start = format!("weir_baseline_tables_total{{result=\"{result}\"}} ");
    let text = TELEMETRY.render();
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |count| count.parse().unwrap())
}

#[test]
fn the_newest_table_seeds_under_the_numbers_of_the_live_writer_whatever_happens_on_its_way() {
    let sandbox = Sandbox::start();
    let (let_go, held) = mpsc::channel::<()>();
    let archive = Archive::open(move |before, asked| {
        let body = dump(asked.slot_us, 200);
        let half = body.len() / 2;
        match before {
            // The newest is late.
            0 => {
                held.recv().unwrap();
                Answer::Missing
            }
            1 => Answer::Whole {
                body,
                cut_at: Some(half),
            },
            _ => Answer::Rest { body, from: half },
        }
    });
    let running = start(&sandbox, &archive, |_| {});
    until("the first table is awaited", || is_warming(&running));
    until("updates flow meanwhile", || running.stats().messages == 1);
    let_go.send(()).unwrap();
    // 2 x 201 routes, two ends, and what was live.
    until("all of it is written", || running.stats().messages == 405);
    until("nothing warms any more", || !is_warming(&running));
    running.stop(DEADLINE).unwrap();

    let asked = archive.asked();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].slot_us - asked[1].slot_us, 8 * HOUR_US);
    assert!(asked[0].path.starts_with("/rrc21/"), "{}", asked[0].path);
    let half = dump(asked[1].slot_us, 200).len() / 2;
    assert_eq!(asked[2].range, Some(format!("bytes={half}-")));
    assert_eq!(asked[2].if_range.as_deref(), Some(VALIDATOR));

    let content = sandbox.content();
    let of = |from_rib: bool| {
        let updates = content.updates.iter();
        updates
            .filter(|update| {
                matches!(&update.body, Some(Body::Routes(routes)) if routes.from_rib == from_rib)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!((of(true).len(), of(false).len()), (402, 1));
    assert!(of(true).iter().all(|update| update.writer_epoch == 1));
    let ends: Vec<_> = content
        .controls()
        .into_iter()
        .filter_map(|control| match control.3 {
            Kind::EndOfRib(end) => Some((end.peer.is_some(), end.table_us)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(true, asked[1].slot_us); 2]);
    // Each number once: a control or a message in one emission, copies of it apart.
    let routes = of(true).into_iter().chain(of(false));
    let mut numbers: Vec<_> = routes.map(|update| update.seq).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 403);
    let left = std::fs::read_dir(sandbox.state().join("baseline")).unwrap();
    assert_eq!(left.count(), 0, "the dump does not stay");
}

#[test]
fn a_table_is_read_once_and_after_a_restart_only_a_later_one_tells_more() {
    let sandbox = Sandbox::start();
    let archive = Archive::open(|_, asked| whole(dump(asked.slot_us, 3)));
    let running = start(&sandbox, &archive, |_| {});
    until("the table", || running.stats().messages == 11);
    until("nothing warms any more", || !is_warming(&running));
    running.stop(DEADLINE).unwrap();
    let running = start(&sandbox, &archive, |_| {});
    until("an update", || running.stats().messages == 1);
    let end = sandbox.written();
    until("two ticks more", || sandbox.written() >= end + 2 * 12);
    assert!(!is_warming(&running));
    running.stop(DEADLINE).unwrap();
    assert_eq!(archive.asked().len(), 1, "the next slot is not there yet");
}

#[test]
fn a_table_that_does_not_come_is_named_and_counted_and_updates_go_on() {
    type Play = fn(&Asked) -> Answer;
    let cases: [(&str, Play); 7] = [
        ("missing", |_| Answer::Missing),
        ("too-large", |asked| whole(dump(asked.slot_us, 200))),
        ("too-large", |asked| {
            Answer::Endless(dump(asked.slot_us, 200))
        }),
        ("unreachable", |asked| Answer::Whole {
            body: dump(asked.slot_us, 3),
            cut_at: Some(0),
        }),
        ("no-table", |_| {
            whole(b"<html>no dump at all, but a page</html>".to_vec())
        }),
        ("no-table", |asked| {
            whole(dump(asked.slot_us - 24 * HOUR_US, 3))
        }),
        ("damaged", |asked| {
            let mut body = dump(asked.slot_us, 200);
            body.truncate(body.len() - 30);
            whole(body)
        }),
    ];
    for (result, play) in cases {
        let sandbox = Sandbox::start();
        let archive = Archive::open(move |_, asked| play(asked));
        let before = counted(result);
        let running = start(&sandbox, &archive, |baseline| {
            baseline.retries = 1;
            baseline.max_bytes = if result == "too-large" { 300 } else { 1 << 20 };
        });
        until(result, || counted(result) > before);
        until("the update", || running.stats().messages >= 1);
        assert_eq!(running.failure(), None, "{result}");
        let end = sandbox.written();
        until("two ticks more", || sandbox.written() >= end + 2 * 12);
        running.stop(DEADLINE).unwrap();
        let ends = |kind: &Kind| matches!(kind, Kind::EndOfRib(_));
        let content = sandbox.content();
        assert!(!content.controls().iter().any(|c| ends(&c.3)), "{result}");
    }
}

#[test]
fn nothing_is_asked_for_when_tables_are_off() {
    let sandbox = Sandbox::start();
    let archive = Archive::open(|_, _| Answer::Missing);
    let running = start(&sandbox, &archive, |baseline| baseline.enabled = false);
    until("an update", || running.stats().messages == 1);
    let end = sandbox.written();
    until("two ticks more", || sandbox.written() >= end + 2 * 12);
    running.stop(DEADLINE).unwrap();
    assert!(archive.asked().is_empty());
}
