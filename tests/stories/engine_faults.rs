//! Engines and services die, freeze and come back while the load goes through: in the end the stores hold
//! what the undisturbed one process holds, byte for byte, and after each fault every stage catches up.
//!
//! One of each by default; `WEIR_FAULTS=n` makes up to n of each, as many as the table says at most
//! (`WEIR_FAULTS=100` is all); `WEIR_FAULT=text,..` makes only those with one of the
//! texts in their name. Recovery times are printed.

use std::{
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use rustix::process::Signal;

use crate::{
    door::Door,
    kills,
    program::{self, Exported},
    site::{Engines, Process, Site},
};

/// Elements per second while faults strike; then the rest comes at once.
const PACE: u32 = 20;

/// The load lasts so many times as long as the faults are thought to take, and two minutes: machines are
/// slow at times, and ingest ends with its files.
const SPARE: u32 = 5;
const SPARE_SECONDS: u32 = 120;

/// Seconds for all stages to catch up once a fault is over, on a machine that has other things to do: a
/// bound, not a measure.
const RECOVERED_WITHIN: u64 = 400;

/// Longer than a member of a group may be silent (10 s on the brokers of the tests): its partitions are
/// somebody else's when it wakes.
const FROZEN: Duration = Duration::from_secs(15);
/// As the long form has it.
const FROZEN_LONG: Duration = Duration::from_secs(60);

/// What happens, how often at most, and about how many seconds one takes with its recovery.
struct Fault {
    name: &'static str,
    times: u32,
    seconds: u32,
    strike: fn(&mut Telling),
}

const fn fault(name: &'static str, times: u32, seconds: u32, strike: fn(&mut Telling)) -> Fault {
    Fault {
        name,
        times,
        seconds,
        strike,
    }
}

static ONE_BROKER: [Fault; 13] = [
    fault("broker killed", 30, 20, |telling| {
        telling.engines.kafka.kill();
        telling.hold(1, 4);
        telling.engines.kafka.start();
    }),
    fault("PostgreSQL killed", 20, 10, |telling| {
        telling.engines.postgres.kill();
        telling.hold(1, 4);
        telling.engines.postgres.start();
    }),
    fault("Redis killed", 20, 8, |telling| {
        telling.engines.redis.kill();
        telling.hold(1, 4);
        telling.engines.redis.start();
    }),
    fault("CQL node killed", 20, 40, |telling| {
        telling.engines.cql.kill();
        telling.hold(1, 4);
        telling.engines.cql.start();
    }),
    fault("S3 answers 503", 10, 15, |telling| {
        let before = telling.door.refused();
        telling.door.shut();
        telling.until("S3 is asked", |telling| telling.door.refused() > before);
        telling.hold(4, 8);
        telling.door.open();
    }),
    fault("S3 killed", 10, 15, |telling| {
        telling.engines.s3.kill();
        telling.hold(4, 8);
        telling.engines.s3.start();
    }),
    fault("ingest killed", 10, 8, |telling| {
        telling.replace("weir-ingest")
    }),
    fault("detector killed", 10, 10, |telling| {
        telling.replace("weir-conflict-detector");
    }),
    fault("materializer killed", 10, 10, |telling| {
        telling.replace("weir-feature-materializer");
    }),
    fault("aggregator killed", 10, 10, |telling| {
        telling.replace("weir-metrics-aggregator");
    }),
    fault("serving-api killed", 10, 5, |telling| {
        telling.replace("weir-serving-api");
    }),
    fault("detector and aggregator frozen", 10, 30, |telling| {
        let frozen = ["weir-conflict-detector", "weir-metrics-aggregator"];
        for service in frozen {
            telling.running(service).signal(Signal::STOP);
        }
        let long = if telling.is_long { FROZEN_LONG } else { FROZEN };
        thread::park_timeout(long);
        for service in frozen {
            telling.running(service).signal(Signal::CONT);
        }
    }),
    fault(
        "a third of each group joins and leaves",
        100,
        10,
        |telling| {
            let guests = ["weir-conflict-detector", "weir-metrics-aggregator"];
            let mut guests = guests.map(|service| telling.site.start(service, 9));
            for guest in &mut guests {
                guest.wait_until_ready();
            }
            telling.hold(1, 3);
            for guest in &guests {
                guest.terminate();
            }
            for guest in &mut guests {
                guest.assert_drained();
            }
        },
    ),
];

static THREE_BROKERS: [Fault; 1] = [fault("one of three brokers lost", 30, 25, |telling| {
    let node = telling.dice.random_range(1..=3);
    telling.engines.kafka.kill_node(node);
    telling.hold(4, 8);
    telling.engines.kafka.start_node(node);
})];

/// A deployment under load.
struct Telling {
    // Before the engines: processes end first.
    processes: Vec<Process>,
    site: Site,
    door: Door,
    engines: Engines,
    dice: StdRng,
    is_long: bool,
}

impl Telling {
    /// Lets the fault last between so many seconds.
    fn hold(&mut self, least: u64, most: u64) {
        let millis = self.dice.random_range(least * 1_000..most * 1_000);
        thread::park_timeout(Duration::from_millis(millis));
    }

    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + program::LIMIT;
        while !holds(self) {
            assert!(Instant::now() < until, "waited in vain until {what}");
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// A process of the service; of two, one.
    fn running(&mut self, service: &str) -> &mut Process {
        let is_of = |process: &&mut Process| process.name.starts_with(service);
        self.processes.iter_mut().find(is_of).unwrap()
    }

    /// Kills a process of the service at any moment, and starts it again where it stood.
    fn replace(&mut self, service: &str) {
        self.hold(0, 2);
        self.replace_with(service, &[]);
    }

    fn replace_with(&mut self, service: &str, variables: &[(&str, &str)]) {
        let name = format!("{service}-0");
        // Dropped = killed; the folder is free again once it is gone.
        self.processes.retain(|process| process.name != name);
        let again = self.site.start_with(service, 0, variables);
        self.processes.insert(0, again);
    }

    /// Strikes; then the seconds until all that is in the log is in the stores. Nobody may have died.
    fn strike(&mut self, fault: &Fault) -> f64 {
        (fault.strike)(self);
        let over = Instant::now();
        self.site.catch_up(RECOVERED_WITHIN, &self.processes);
        for process in &mut self.processes {
            process.assert_runs();
            process.wait_until_ready();
        }
        over.elapsed().as_secs_f64()
    }
}

/// Engines of its own, the load, and what an undisturbed run makes of it: before any service runs.
struct Prepared {
    engines: Engines,
    load: tempfile::TempDir,
    expected: Exported,
    most: u32,
    faults: Vec<&'static Fault>,
}

/// `None` where none of the faults is wanted, or no such engine starts.
fn prepared(kafka: &str, faults: &'static [Fault]) -> Option<Prepared> {
    let most = std::env::var("WEIR_FAULTS").map_or(1, |text| text.parse().unwrap());
    let faults: Vec<_> = faults.iter().filter(is_wanted).collect();
    if faults.is_empty() {
        return None;
    }
    let engines = Engines::own(kafka)?;
    let planned: u32 = faults.iter().map(|f| f.times.min(most) * f.seconds).sum();
    let seconds = planned * SPARE + SPARE_SECONDS;
    let (load, expected) = kills::told_alone(1 + seconds * PACE / 1_200);
    Some(Prepared {
        engines,
        load,
        expected,
        most,
        faults,
    })
}

/// The load through two of each service that works in groups, while the faults strike. Replays of other stories wait:
/// where a hundred threads want two cores, brokers and members of groups are taken for dead.
fn tell(name: &str, prepared: Prepared) {
    let Prepared {
        engines,
        load,
        expected,
        most,
        faults,
    } = prepared;
    let _alone = program::alone();
    let door = Door::before(engines.s3.url().trim_start_matches("http://"));
    let s3_url = format!("http://{}", door.address());
    let pace = format!("{PACE}/s");
    let site = Site::new(name, &engines, &s3_url, load.path(), &pace);
    site.prepare();
    let mut telling = Telling {
        processes: Vec::new(),
        site,
        door,
        engines,
        dice: StdRng::seed_from_u64(4),
        is_long: most > 1,
    };
    for (service, number) in [
        ("weir-conflict-detector", 2),
        ("weir-feature-materializer", 2),
        ("weir-metrics-aggregator", 2),
        ("weir-serving-api", 1),
        ("weir-ingest", 1),
    ] {
        for index in 0..number {
            let process = telling.site.start(service, index);
            telling.processes.push(process);
        }
    }
    for process in &mut telling.processes {
        process.wait_until_ready();
    }
    for fault in faults {
        let mut times: Vec<f64> = (0..fault.times.min(most))
            .map(|_| telling.strike(fault))
            .collect();
        times.sort_by(f64::total_cmp);
        say(&format!(
            "{:<40} {:>3} x  all caught up after {:5.1} s (half of them), {:5.1} s (the slowest)",
            fault.name,
            times.len(),
            times[times.len() / 2],
            times[times.len() - 1],
        ));
    }
    // What is left of the load, at once; then ingest is done.
    telling.replace_with("weir-ingest", &[("WEIR__INGEST__SOURCE__SPEED", "max")]);
    let ended = telling.running("weir-ingest").wait(program::LIMIT);
    assert!(ended.success(), "ingest ended with {ended}");
    telling.site.catch_up(RECOVERED_WITHIN, &telling.processes);
    kills::assert_same(&telling.site.export(), &expected, "all the faults");
}

fn is_wanted(fault: &&Fault) -> bool {
    let only = std::env::var("WEIR_FAULT").unwrap_or_default();
    only.split(',').any(|text| fault.name.contains(text))
}

/// Past the test harness, which hides what a passing test prints.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// One after the other: two deployments at once are too much for two cores. The engines of the second start
/// meanwhile.
#[test]
fn engines_and_services_die_and_freeze_and_nothing_is_lost_or_doubled() {
    let mut all = THREE_BROKERS.iter().chain(&ONE_BROKER);
    assert!(all.any(|fault| is_wanted(&fault)), "WEIR_FAULT names none");
    thread::scope(|scope| {
        let second = scope.spawn(|| prepared("kafka", &ONE_BROKER));
        if let Some(first) = prepared("kafka-three", &THREE_BROKERS) {
            tell("faults-three", first);
        }
        if let Some(second) = second.join().unwrap() {
            tell("faults", second);
        }
    });
}
