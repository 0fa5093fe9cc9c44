//! Each service with state dies for good, with its disk, and others take over with empty folders, as on
//! new machines: they go on from the copies in object storage, and nothing is lost or doubled.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    kills, program,
    site::{Engines, Process, Site},
};

/// So slow that the load goes on while each service is replaced; then the rest comes at once.
const PACE: &str = "60/s";

/// Each 20 s of it at that pace. Replacing all has taken more than 60 s on a machine that had other things to do.
const BEATS: u32 = 6;

/// Copies that a process must have made before it dies: more than one round of a few partitions.
const COPIES: f64 = 8.0;

/// Services with state, how many of each, and what each says when it goes on from a copy.
const WITH_STATE: [(&str, usize, &str); 3] = [
    ("weir-conflict-detector", 2, "restored from its copy"),
    (
        "weir-feature-materializer",
        1,
        "state restored from its snapshot",
    ),
    (
        "weir-metrics-aggregator",
        2,
        "state restored from its snapshot",
    ),
];

/// Copies each second; the lines that tell of a restore are wanted.
const VARIABLES: [(&str, &str); 4] = [
    ("WEIR__CONFLICT_DETECTOR__CHECKPOINT_SECONDS", "1"),
    ("WEIR__FEATURE_MATERIALIZER__SNAPSHOT_SECONDS", "1"),
    ("WEIR__METRICS_AGGREGATOR__SNAPSHOT_SECONDS", "1"),
    ("RUST_LOG", "info"),
];

fn start(site: &Site, service: &str, numbers: std::ops::Range<usize>) -> Vec<Process> {
    numbers
        .map(|number| site.start_with(service, number, &VARIABLES))
        .collect()
}

fn wait_until_copied(process: &mut Process) {
    let until = Instant::now() + program::LIMIT;
    while process.metric("weir_checkpoint_copies_total") < COPIES {
        process.assert_runs();
        assert!(Instant::now() < until, "{} copies nothing", process.name);
        thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn machines_with_state_are_lost_and_empty_ones_go_on_from_the_copies() {
    let Some(engines) = Engines::shared() else {
        return;
    };
    let (load, expected) = kills::told_alone(BEATS);
    let site = Site::new("copies", &engines, engines.s3.url(), load.path(), PACE);
    site.prepare();
    let mut running: Vec<Vec<Process>> = WITH_STATE
        .iter()
        .map(|(service, number, _)| start(&site, service, 0..*number))
        .collect();
    for process in running.iter_mut().flatten() {
        process.wait_until_ready();
    }
    let mut ingest = site.start("weir-ingest", 0);
    for (processes, (service, number, _)) in running.iter_mut().zip(WITH_STATE) {
        for process in processes.iter_mut() {
            wait_until_copied(process);
        }
        ingest.assert_runs();
        let lost: Vec<String> = processes
            .drain(..)
            .map(|process| process.name.clone())
            .collect();
        for name in &lost {
            site.lose(name);
        }
        *processes = start(&site, service, number..2 * number);
        for process in processes {
            process.wait_until_ready();
        }
    }
    // What is left of the load, at once; then ingest is done.
    drop(ingest);
    let mut ingest = site.start_with("weir-ingest", 0, &[("WEIR__INGEST__SOURCE__SPEED", "max")]);
    assert!(ingest.wait(program::LIMIT).success());
    site.catch_up(500, running.iter().flatten());
    for (processes, (_, _, restored)) in running.iter().zip(WITH_STATE) {
        for process in processes {
            let told = process.has_said(restored);
            assert!(told, "{} did not begin from a copy", process.name);
        }
    }
    kills::assert_same(&site.export(), &expected, "the loss of each state");
}
