//! Files, once read, are in the log once, whatever stops the reading.

use std::{path::PathBuf, time::Duration};

use weir_events::{time::SECOND_US, v1::control::Kind};
use weir_ingest::{
    Config, Running, Source, Speed, StartError,
    config::{Files, Paced},
};

use crate::support::{self, DEADLINE, Sandbox, TIME, until};

fn config(paths: &[PathBuf], speed: Speed) -> Config {
    Config {
        source: Source::Files(Files {
            paths: paths.to_vec(),
            speed,
            ..Files::default()
        }),
        stream: "test".to_owned(),
        ..Config::default()
    }
}

fn start(sandbox: &Sandbox, config: Config) -> Running {
    weir_ingest::start(config, &sandbox.log, &sandbox.state()).unwrap()
}

#[test]
fn two_collectors_are_merged_with_their_controls_and_copies() {
    let sandbox = Sandbox::start();
    let input = support::two_collectors(sandbox.path(), 20);
    let running = start(&sandbox, config(&[input], Speed::Max));
    assert!(running.wait_finished(DEADLINE), "{:?}", running.failure());
    let stats = running.stats();
    assert_eq!(
        (stats.messages, stats.elements, stats.dead_letters),
        (120, 360, 0)
    );
    assert_eq!((stats.elements_out, stats.copies), (360, 120 * 7));
    assert_eq!((stats.peers, stats.prefixes), (2, 41));
    let progress = running.progress();
    assert_eq!(progress.bytes_read, progress.bytes_total);
    running.stop(DEADLINE).unwrap();

    let content = sandbox.content();
    // A spanning prefix goes to 7 partitions beside its home.
    assert_eq!(content.elements(), (360, 120 * 7));
    for collector in ["rrc00", "rrc01"] {
        let own: Vec<_> = content
            .controls()
            .into_iter()
            .filter(|c| c.0 == collector)
            .collect();
        assert!(matches!(own[0].3, Kind::SourceStart(_)));
        assert!(matches!(own.last().unwrap().3, Kind::EndOfInput(_)));
        let ticks: Vec<_> = own
            .iter()
            .filter(|c| matches!(c.3, Kind::Tick(_)))
            .map(|c| c.4)
            .collect();
        let expected: Vec<_> = (0..60).map(|s| i64::from(TIME + s) * SECOND_US).collect();
        assert_eq!(ticks, expected);
    }
    // Controls stand in all 12 partitions, a context copy in 7 of one topic, all else once.
    let counts = content.emissions();
    assert!(
        counts.values().all(|n| [1, 7, 12].contains(n)),
        "{counts:?}"
    );
}

#[test]
fn a_stop_at_any_point_and_a_restart_give_the_same_log_without_doubles() {
    let whole = Sandbox::start();
    let input = support::two_collectors(whole.path(), 40);
    let running = start(&whole, config(std::slice::from_ref(&input), Speed::Max));
    assert!(running.wait_finished(DEADLINE));
    let stats = running.stats();
    running.stop(DEADLINE).unwrap();
    let expected = whole.content();

    let cut = Sandbox::start();
    for stop_at in [1, 90, 91, 300, 500] {
        let running = start(
            &cut,
            config(std::slice::from_ref(&input), Speed::PerSecond(2000)),
        );
        until("elements read", || {
            running
                .status()
                .snapshot()
                .counters
                .get("elements_in")
                .is_some_and(|n| *n >= stop_at)
                || running.finished()
        });
        running.stop(DEADLINE).unwrap();
    }
    let running = start(&cut, config(std::slice::from_ref(&input), Speed::Max));
    assert!(running.wait_finished(DEADLINE));
    assert_eq!(running.stats(), stats);
    running.stop(DEADLINE).unwrap();
    assert_eq!(cut.content().emissions(), expected.emissions());
    assert_eq!(cut.content().elements(), expected.elements());

    // Once done, nothing is written again, and the counts are still there.
    let running = start(&cut, config(&[input], Speed::Max));
    assert!(running.wait_finished(DEADLINE));
    assert_eq!(running.stats(), stats);
    running.stop(DEADLINE).unwrap();
    assert_eq!(cut.content().emissions(), expected.emissions());
}

#[test]
fn sessions_that_end_and_begin_are_told_to_every_partition() {
    let sandbox = Sandbox::start();
    let file = sandbox.path().join("rrc07.mrt");
    let bytes = [
        support::state_change(TIME, 1, 3, 6),
        support::state_change(TIME + 1, 1, 6, 1),
        support::state_change(TIME + 2, 1, 1, 3),
    ];
    std::fs::write(&file, bytes.concat()).unwrap();
    let running = start(&sandbox, config(&[file], Speed::Max));
    assert!(running.wait_finished(DEADLINE));
    running.stop(DEADLINE).unwrap();
    let content = sandbox.content();
    let controls = content.controls();
    assert_eq!(
        controls
            .iter()
            .filter(|c| matches!(c.3, Kind::PeerUp(_)))
            .count(),
        1
    );
    assert_eq!(
        controls
            .iter()
            .filter(|c| matches!(c.3, Kind::PeerDown(_)))
            .count(),
        1
    );
    let down = controls
        .iter()
        .find(|c| matches!(c.3, Kind::PeerDown(_)))
        .unwrap();
    let copies = content.emissions()[&(down.0.clone(), down.1, down.2)];
    assert_eq!(copies, 12);
}

#[test]
fn bad_records_are_dead_letters_and_the_rest_is_in_the_log() {
    let sandbox = Sandbox::start();
    let file = sandbox.path().join("rrc08.mrt");
    let good = ([198, 51, 100, 0], 24);
    let bytes = [
        support::withdrawal(TIME, 1, &[good]),
        support::withdrawal(TIME, 1, &[([1, 2, 3, 4], 200)]),
        support::withdrawal(TIME + 400_000_000, 1, &[good]),
        support::withdrawal(TIME + 1, 1, &[good]),
    ];
    std::fs::write(&file, bytes.concat()).unwrap();
    let running = start(&sandbox, config(&[file], Speed::Max));
    assert!(running.wait_finished(DEADLINE));
    let stats = running.stats();
    assert_eq!(
        (stats.elements, stats.dead_letters, stats.future),
        (2, 2, 1)
    );
    running.stop(DEADLINE).unwrap();
    let content = sandbox.content();
    let ticks = content
        .controls()
        .into_iter()
        .filter(|c| matches!(c.3, Kind::Tick(_)));
    assert_eq!(ticks.count(), 2, "a clock ahead must not move stream time");
}

#[test]
fn other_input_and_a_log_made_anew_are_refused_with_the_next_step() {
    let sandbox = Sandbox::start();
    let input = support::two_collectors(sandbox.path(), 2);
    let running = start(&sandbox, config(std::slice::from_ref(&input), Speed::Max));
    assert!(running.wait_finished(DEADLINE));
    running.stop(DEADLINE).unwrap();

    let anew = Sandbox::start();
    let refused = weir_ingest::start(
        config(std::slice::from_ref(&input), Speed::Max),
        &anew.log,
        &sandbox.state(),
    );
    let error = refused.err().unwrap();
    assert!(matches!(error, StartError::Progress(_)));
    assert!(
        error.to_string().contains("remove this stream's folder"),
        "{error}"
    );

    let other = config(&[input.join("rrc00")], Speed::Max);
    let error = weir_ingest::start(other, &sandbox.log, &sandbox.state())
        .err()
        .unwrap();
    assert!(error.to_string().contains("the input differs"), "{error}");
}

#[test]
fn unusable_input_is_an_error_before_anything_is_written() {
    let sandbox = Sandbox::start();
    let noise = sandbox.path().join("noise.gz");
    std::fs::write(&noise, [0x8f, 0x12, 0x99].repeat(500)).unwrap();
    let refused = weir_ingest::start(config(&[noise], Speed::Max), &sandbox.log, &sandbox.state());
    let error = refused.err().unwrap().to_string();
    assert!(
        error.contains("noise.gz is not a BGP file: want MRT or JSON"),
        "{error}"
    );
    assert!(sandbox.content().emissions().is_empty());
}

#[test]
fn the_scenario_is_synthetic_and_its_tables_end_before_its_first_second() {
    let sandbox = Sandbox::start();
    let config = Config {
        source: Source::Scenario(Paced { speed: Speed::Max }),
        ..Config::default()
    };
    let running = start(&sandbox, config);
    assert!(
        running.wait_finished(Duration::from_secs(120)),
        "{:?}",
        running.failure()
    );
    running.stop(DEADLINE).unwrap();
    let content = sandbox.content();
    let own = content.updates.iter().filter(|u| !u.collector.is_empty());
    assert!(own.clone().count() > 1000 && own.clone().all(|u| u.synthetic));
    let controls = content.controls();
    let end_of_rib = controls
        .iter()
        .position(|c| matches!(c.3, Kind::EndOfRib(_)))
        .unwrap();
    let first_tick = controls
        .iter()
        .position(|c| matches!(c.3, Kind::Tick(_)))
        .unwrap();
    assert!(end_of_rib < first_tick);
}
