//! A server that is killed, stopped or replaced while a sink writes: afterwards the store holds
//! what the log says, nothing else, and no more was done than to wait and to take up again.

use std::sync::mpsc;

use weir_engines::Engine;
use weir_features::FeatureRow;
use weir_online_store::{
    Config, OnlineStore, OnlineStoreError, Progress,
    conformance::{model, row},
};

use crate::engine::{Reached, reach_own};

const BATCH: usize = 40;
const BATCHES: usize = 150;

/// Every entity is written many times; some rows come late.
fn log() -> Vec<FeatureRow> {
    (0..BATCH * BATCHES)
        .map(|offset| {
            let offset = i64::try_from(offset).unwrap();
            let late = if offset % 7 == 0 { 500 } else { 0 };
            row(
                "fault",
                &format!("{:03}", offset % 350),
                offset - late,
                offset + 1,
            )
        })
        .collect()
}

/// How a sink lives: it waits while the server is away, and takes the partition anew, from the
/// stored position, when the server has lost something. Gives how often that was.
fn sink(store: &OnlineStore, log: &[FeatureRow], done: &mpsc::Sender<usize>) -> usize {
    let mut rewound = 0;
    'assigned: loop {
        let fence = waiting(|| store.raise_fence(0)).unwrap();
        let start = waiting(|| store.position(0)).unwrap().unwrap_or(0);
        let start = usize::try_from(start).unwrap();
        for (rows, number) in log[start..].chunks(BATCH).zip(start / BATCH + 1..) {
            let progress = Progress {
                partition: 0,
                next_offset: i64::try_from(number * BATCH).unwrap(),
                fence,
            };
            match waiting(|| store.put_many(rows, progress)) {
                Ok(_) => done.send(number).unwrap(),
                Err(OnlineStoreError::Rewound { .. }) => {
                    rewound += 1;
                    continue 'assigned;
                }
                Err(error) => panic!("{error}"),
            }
        }
        return rewound;
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

/// Runs a sink over the log; `fault` strikes when it has done each of `at` batches.
fn strike(server: &Reached, at: &[usize], fault: impl Fn(&Engine)) -> usize {
    let config = Config {
        command_timeout_ms: 1_000,
        ..server.config.clone()
    };
    let (store, log) = (OnlineStore::connect(&config).unwrap(), log());
    let (done, progress) = mpsc::channel();
    let rewound = std::thread::scope(|scope| {
        let sink = scope.spawn(|| {
            let done = done;
            sink(&store, &log, &done)
        });
        let mut left = at.iter();
        let mut next = left.next();
        for number in progress {
            if next == Some(&number) {
                fault(&server.engine);
                next = left.next();
            }
        }
        assert_eq!(next, None, "every fault struck");
        sink.join().unwrap()
    });
    let end = i64::try_from(log.len()).unwrap();
    assert_eq!(store.position(0).unwrap(), Some(end));
    assert_eq!(store.rows("fault", None, 999).unwrap(), model(&log));
    rewound
}

#[test]
fn nothing_is_lost_or_doubled_when_a_server_is_killed_while_it_writes() {
    let Some(server) = reach_own("redis") else {
        return;
    };
    let rewound = strike(&server, &[20, 60, 61, 100], |engine| {
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
    strike(&server, &[20, 70], |engine| {
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
    strike(&server, &[50], |engine| engine.kill_node(1));
}
