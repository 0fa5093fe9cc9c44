//! Real files, where `WEIR_DATA` names the folder that holds them.

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use weir_ingest::{Config, Source, config::Files};

use crate::support::{DEADLINE, Sandbox};

/// Elements, announcements and withdrawals of each file of `stats.tsv`.
fn expected(root: &std::path::Path) -> BTreeMap<PathBuf, [u64; 3]> {
    let text = std::fs::read_to_string(root.join("bgp/stats.tsv")).unwrap();
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let path = root
                .join("bgp")
                .join(columns.next()?.trim_start_matches("./"));
            let counts: Vec<_> = columns.take(3).map_while(|n| n.parse().ok()).collect();
            Some((path, counts.try_into().ok()?))
        })
        .collect()
}

#[test]
fn real_updates_are_counted_as_others_count_them() {
    let Some(root) = std::env::var_os("WEIR_DATA").map(PathBuf::from) else {
        eprintln!("skipped: WEIR_DATA does not name a folder with real files");
        return;
    };
    let expected = expected(&root);
    let folder = root.join("bgp/mrt_rrc12_20210101");
    let paths: Vec<_> = expected
        .keys()
        .filter(|p| p.starts_with(&folder))
        .take(2)
        .cloned()
        .collect();
    assert!(!paths.is_empty());
    let mut sums = [0; 3];
    for path in &paths {
        for (sum, count) in sums.iter_mut().zip(expected[path]) {
            *sum += count;
        }
    }
    let sandbox = Sandbox::start();
    let config = Config {
        source: Source::Files(Files {
            paths,
            ..Files::default()
        }),
        ..Config::default()
    };
    let begun = Instant::now();
    let running = weir_ingest::start(config, &sandbox.log, &sandbox.state()).unwrap();
    assert!(
        running.wait_finished(DEADLINE * 5),
        "{:?}",
        running.failure()
    );
    let (stats, took) = (running.stats(), begun.elapsed());
    running.stop(DEADLINE).unwrap();
    assert_eq!(
        [stats.elements, stats.announcements, stats.withdrawals],
        sums
    );
    assert_eq!(
        (stats.dead_letters, stats.elements_out),
        (0, stats.elements)
    );
    eprintln!("{} elements in {took:?}", stats.elements);
}
