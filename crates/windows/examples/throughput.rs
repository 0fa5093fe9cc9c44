//! Measures the fold alone: `cargo run --release -p weir-windows --example throughput`.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Instant;

use weir_events::time::SECOND_US;
use weir_windows::{PEER_MESSAGES, TimeRules, Windows};

const RECORDS: u32 = 10_000_000;
const PEERS: u32 = 64;
/// As a busy collector: so many records between two Ticks.
const PER_SECOND: u32 = 2000;

fn main() {
    let mut windows: Windows<u32> = Windows::new(&PEER_MESSAGES, TimeRules::default());
    let mut rows = 0_u64;
    let started = Instant::now();
    for record in 0..RECORDS {
        let time = i64::from(record / PER_SECOND) * SECOND_US;
        windows.hear("rrc00", time);
        windows.add(
            record.wrapping_mul(2_654_435_761) % PEERS,
            time,
            &[1, 4, 1, 0],
            false,
        );
        if record % PER_SECOND == 0 {
            windows.tick("rrc00", time, |_| rows += 1);
            windows.take_changes(|_| {});
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{:.1} M records/s on one core, {rows} rows",
        f64::from(RECORDS) / seconds / 1e6
    );
}
