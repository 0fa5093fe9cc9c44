//! What is counted, what is late, and that order within the bound does not matter.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_events::time::{MINUTE_US, SECOND_US};
use weir_windows::{Added, Change, ORIGIN_ANNOUNCEMENTS, Row, TimeRules, Windows};

const ONE: [u64; 4] = [1, 0, 0, 0];

fn windows() -> Windows<u32> {
    Windows::new(&ORIGIN_ANNOUNCEMENTS, TimeRules::default())
}

fn tick(windows: &mut Windows<u32>, seconds: i64) -> Vec<Row<u32>> {
    let mut rows = Vec::new();
    windows.tick("rrc00", seconds * SECOND_US, |row| rows.push(row));
    rows
}

/// (width in minutes, start in seconds, count, final).
fn shape(rows: &[Row<u32>]) -> Vec<(i64, i64, u64, bool)> {
    rows.iter()
        .map(|row| {
            let width = (row.end_us - row.start_us) / MINUTE_US;
            (width, row.start_us / SECOND_US, row.counts[0], row.is_final)
        })
        .collect()
}

#[test]
fn a_window_is_provisional_then_final_then_changed_by_a_late_record_then_sealed() {
    let mut windows = windows();
    windows.hear("rrc00", 0);
    assert_eq!(windows.add(64496, 5 * SECOND_US, &ONE, false), Added::Open);
    assert_eq!(
        shape(&tick(&mut windows, 10)),
        [(1, 0, 1, false), (5, 0, 1, false)]
    );
    assert_eq!(shape(&tick(&mut windows, 20)), [], "nothing has changed");
    assert_eq!(shape(&tick(&mut windows, 89)), [], "59 s after the bound");
    assert_eq!(shape(&tick(&mut windows, 90)), [(1, 0, 1, true)]);

    assert_eq!(windows.add(64496, 6 * SECOND_US, &ONE, false), Added::Late);
    assert_eq!(
        shape(&tick(&mut windows, 100)),
        [(1, 0, 2, true), (5, 0, 2, false)]
    );

    assert_eq!(shape(&tick(&mut windows, 330)), [(5, 0, 2, true)]);
    tick(&mut windows, 60 + 600 + 29);
    assert_eq!(windows.add(64496, 7 * SECOND_US, &ONE, false), Added::Late);
    let rows = tick(&mut windows, 60 + 600 + 30);
    assert_eq!(
        shape(&rows),
        [(1, 0, 3, true), (5, 0, 3, true)],
        "said before it is dropped"
    );
    assert_eq!(
        windows.add(64496, 8 * SECOND_US, &ONE, false),
        Added::TooLate
    );
    assert_eq!(windows.add(64496, 60 * SECOND_US, &ONE, false), Added::Late);
}

#[test]
fn the_end_of_input_says_what_has_changed_and_closes_nothing() {
    let mut windows = windows();
    windows.add(64496, 0, &ONE, true);
    let mut rows = Vec::new();
    windows.end_of_input("rrc00", 3600 * SECOND_US, |row| rows.push(row));
    assert_eq!(shape(&rows), [(1, 0, 1, false), (5, 0, 1, false)]);
    assert!(rows.iter().all(|row| row.synthetic));
}

/// Last row of each window of each key.
type Said = BTreeMap<(u32, i64, i64), (u64, bool)>;

fn note(said: &mut Said, row: Row<u32>) {
    let key = (row.key, row.end_us - row.start_us, row.start_us);
    said.insert(key, (row.counts[0], row.is_final));
}

/// Records may come up to 25 s late; a Tick follows each second of the clock.
fn play(arrivals: &[(i64, i64, u32)], restart_every: usize) -> Said {
    let mut said = Said::new();
    let mut windows = windows();
    let mut kept = BTreeMap::new();
    let mut arrivals: Vec<_> = arrivals.to_vec();
    arrivals.sort_by_key(|(event, delay, _)| event + delay);
    let mut now = 0;
    for (count, (event, delay, key)) in arrivals.into_iter().enumerate() {
        while now < event + delay {
            now += 1;
            windows.tick("rrc00", now * SECOND_US, |row| note(&mut said, row));
        }
        windows.hear("rrc00", event * SECOND_US);
        assert_ne!(
            windows.add(key, event * SECOND_US, &ONE, false),
            Added::TooLate
        );
        if restart_every > 0 && count % restart_every == 0 {
            windows.take_changes(|change| match change {
                Change::Put {
                    width_us,
                    start_us,
                    key,
                    cell,
                } => {
                    kept.insert((width_us, start_us, key), cell);
                }
                Change::Drop { width_us, start_us } => {
                    kept.retain(|(width, start, _), _| (*width, *start) != (width_us, start_us));
                }
            });
            let cells = kept
                .iter()
                .map(|((width, start, key), cell)| (*width, *start, *key, *cell));
            windows = Windows::restore(
                &ORIGIN_ANNOUNCEMENTS,
                TimeRules::default(),
                windows.clock().state().clone(),
                cells.collect::<Vec<_>>(),
            );
        }
    }
    windows.tick("rrc00", 10_000 * SECOND_US, |row| note(&mut said, row));
    said
}

proptest! {
    #[test]
    fn any_order_within_the_bound_gives_the_same_finals(
        records in prop::collection::vec((0_i64..1200, 0_i64..25, 0_i64..25, 64496_u32..64500), 1..150)
    ) {
        let one: Vec<_> = records.iter().map(|(event, delay, _, key)| (*event, *delay, *key)).collect();
        let two: Vec<_> = records.iter().map(|(event, _, delay, key)| (*event, *delay, *key)).collect();
        let finals = play(&one, 0);
        prop_assert!(finals.values().all(|(_, is_final)| *is_final));
        prop_assert_eq!(&finals, &play(&two, 0));
        let counted: u64 = finals.iter().filter(|((_, width, _), _)| *width == MINUTE_US).map(|(_, (n, _))| n).sum();
        prop_assert_eq!(counted, records.len() as u64);
    }

    #[test]
    fn windows_restored_from_their_changes_say_the_same(
        arrivals in prop::collection::vec((0_i64..1500, 0_i64..25, 64496_u32..64500), 1..120),
        every in 1_usize..7,
    ) {
        prop_assert_eq!(play(&arrivals, 0), play(&arrivals, every));
    }
}
