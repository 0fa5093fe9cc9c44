//! A server that is killed, stopped or replaced while a sink writes: afterwards the store holds
//! what the log says, nothing else, and no more was done than to wait and to take up again.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    time::{Duration, Instant},
};

use weir_engines::Engine;
use weir_events::position::StoreFence;
use weir_features::FeatureRow;
use weir_online_store::{
    Config, OnlineStore, OnlineStoreError, Progress,
    conformance::{model, row},
};

use crate::engine::{Reached, reach_own, tell};

/// Rows in a batch.
const BATCH: i64 = 40;
/// Batches before a fault, and after the last.
const BETWEEN: usize = 15;

/// The log: every entity is written many times, some rows come late.
fn log(offsets: std::ops::Range<i64>) -> Vec<FeatureRow> {
    offsets
        .map(|offset| {
            let late = if offset % 7 == 0 { 500 } else { 0 };
            let entity = format!("{:03}", offset % 350);
            row("fault", &entity, offset - late, offset + 1)
        })
        .collect()
}

/// How a sink lives: it waits while the server is away, and takes the partition anew, from the
/// stored position, when the server has lost something. It ends some batches after `stop`.
struct Sink<'a> {
    store: &'a OnlineStore,
    stop: &'a AtomicBool,
    done: mpsc::Sender<()>,
    rewound: usize,
    longest: Duration,
}

impl Sink<'_> {
    fn run(mut self) -> usize {
        let mut left = BETWEEN;
        while left > 0 {
            let fence = waiting(|| self.store.raise_fence(0)).unwrap();
            let mut place = waiting(|| self.store.position(0)).unwrap().unwrap_or(0);
            while left > 0 && self.put(fence, place) {
                place += BATCH;
                left -= usize::from(self.stop.load(Relaxed));
            }
        }
        let longest = self.longest.as_millis();
        eprintln!(
            "the longest batch took {longest} ms, rewound {}",
            self.rewound
        );
        self.rewound
    }

    /// False when the server has lost something.
    fn put(&mut self, fence: StoreFence, place: i64) -> bool {
        let progress = Progress {
            partition: 0,
            next_offset: place + BATCH,
            fence,
        };
        let rows = log(place..place + BATCH);
        let begun = Instant::now();
        let outcome = waiting(|| self.store.put_many(&rows, progress));
        self.longest = self.longest.max(begun.elapsed());
        match outcome {
            Err(OnlineStoreError::Rewound { .. }) => {
                self.rewound += 1;
                return false;
            }
            other => drop(other.unwrap()),
        }
        self.done.send(()).unwrap();
        true
    }
}

fn waiting<T>(
    mut call: impl FnMut() -> Result<T, OnlineStoreError>,
) -> Result<T, OnlineStoreError> {
    loop {
        match call() {
            Err(error) if error.is_transient() => {}
            other => return other,
        }
    }
}

/// Runs a sink; `fault` strikes `times` while it writes. Gives how often it took up again.
fn strike(server: &Reached, times: usize, fault: impl Fn(&Engine)) -> usize {
    let config = Config {
        command_timeout_ms: 1_000,
        ..server.config.clone()
    };
    let store = OnlineStore::connect(&config).unwrap();
    let (done, progress) = mpsc::channel();
    let stop = AtomicBool::new(false);
    let rewound = std::thread::scope(|scope| {
        let sink = Sink {
            store: &store,
            stop: &stop,
            done,
            rewound: 0,
            longest: Duration::ZERO,
        };
        let sink = scope.spawn(|| sink.run());
        for _ in 0..times {
            // What was done before and during the last fault does not count.
            progress.try_iter().for_each(drop);
            for () in progress.iter().take(BETWEEN) {}
            fault(&server.engine);
        }
        stop.store(true, Relaxed);
        sink.join().unwrap()
    });
    let end = store.position(0).unwrap().unwrap();
    assert_eq!(store.rows("fault", None, 999).unwrap(), model(&log(0..end)));
    rewound
}

#[test]
fn nothing_is_lost_or_doubled_when_a_server_is_killed_while_it_writes() {
    let Some(server) = reach_own("redis") else {
        return;
    };
    let rewound = strike(&server, 4, |engine| {
        engine.kill();
        engine.start();
    });
    assert_eq!(rewound, 0, "what was acknowledged was on disk");
}

#[test]
fn nothing_is_lost_or_doubled_when_a_node_of_a_cluster_is_killed() {
    let Some(server) = reach_own("redis-cluster") else {
        return;
    };
    strike(&server, 2, |engine| {
        engine.kill_node(2);
        engine.start_node(2);
    });
}

#[test]
fn a_server_that_stands_still_for_a_while_is_waited_for() {
    let Some(server) = reach_own("valkey") else {
        return;
    };
    let config = Config {
        command_timeout_ms: 300,
        ..server.config.clone()
    };
    let store = OnlineStore::connect(&config).unwrap();
    server.engine.pause();
    let error = store.position(0).unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.engine.resume();
    assert_eq!(waiting(|| store.position(0)).unwrap(), None);
}

#[test]
fn a_sink_goes_on_after_a_failover_and_fills_what_the_replica_lacked() {
    let Some(server) = reach_own("redis-sentinel") else {
        return;
    };
    strike(&server, 1, |engine| engine.kill_node(1));
}

#[test]
fn a_login_that_is_taken_away_is_named_and_given_back_is_used() {
    let Some(server) = reach_own("redis") else {
        return;
    };
    let config = Config {
        command_timeout_ms: 500,
        ..server.config.clone()
    };
    let store = OnlineStore::connect(&config).unwrap();
    let admin = server
        .config
        .url
        .replacen("://", "://admin:admin-secret@", 1);
    let url = &server.config.url;
    tell(
        url,
        "ACL",
        &[
            "SETUSER",
            "admin",
            "on",
            ">admin-secret",
            "~*",
            "&*",
            "+@all",
        ],
    );
    tell(&admin, "ACL", &["SETUSER", "default", "off"]);
    tell(&admin, "CLIENT", &["KILL", "TYPE", "normal"]);
    let refused = std::iter::repeat_with(|| store.position(0).err())
        .flatten()
        .find(|error| !error.is_transient())
        .unwrap();
    let message = refused.to_string();
    assert!(
        message.contains("NOAUTH") && message.contains("ACL"),
        "{message}"
    );
    tell(&admin, "ACL", &["SETUSER", "default", "on"]);
    let answered = std::iter::repeat_with(|| store.position(0))
        .find_map(Result::ok)
        .unwrap();
    assert_eq!(answered, None);
}
