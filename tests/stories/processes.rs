//! Every service as a process of its own on real engines: what they find together equals what the
//! one process of `weir replay` finds, whatever their number; told to stop, they drain.

use std::process::Command;

use crate::{
    kills, program,
    site::{Engines, Process, SERVICES, Site},
};

/// The load through `number` detectors and aggregators, and one of each other service.
fn tell(name: &str, number: usize) {
    let Some(engines) = Engines::shared() else {
        return;
    };
    let load = kills::uninterrupted().0.path();
    let site = Site::new(name, &engines, engines.s3.url(), load, "max");
    site.prepare();
    let mut running = Vec::new();
    for service in &SERVICES[1..] {
        let many = ["weir-conflict-detector", "weir-metrics-aggregator"].contains(service);
        for index in 0..if many { number } else { 1 } {
            running.push(site.start(service, index));
        }
    }
    for process in &mut running {
        process.wait_until_ready();
    }
    // A source with an end ends its process.
    let mut ingest = site.start("weir-ingest", 0);
    assert!(ingest.wait(program::LIMIT).success());
    site.catch_up(500, &running);
    kills::assert_equal(&site.export(), &format!("{number} processes of each"));

    for process in &running {
        process.terminate();
    }
    for process in &mut running {
        process.assert_drained();
    }
}

/// One deployment after the other: several at once are too much for two cores.
#[test]
fn one_two_and_four_detectors_and_aggregators_find_what_the_all_in_one_finds() {
    for number in [1, 2, 4] {
        tell(&format!("processes-{number}"), number);
    }
}

#[test]
fn without_kafka_a_service_is_idle_and_healthy_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    for service in SERVICES {
        let binary = program::binary().with_file_name(service);
        let mut command = Command::new(binary);
        command
            .env("KAFKA_ENABLED", "false")
            .current_dir(folder.path());
        let mut process = Process::start(command, service, folder.path());
        process.wait_until_ready();
        process.terminate();
        process.assert_drained();
    }
}
