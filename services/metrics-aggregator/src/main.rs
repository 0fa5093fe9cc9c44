//! `weir-metrics-aggregator`: the metrics aggregator as a process of its own.

use std::process::ExitCode;

use weir_lifecycle::program;
use weir_metrics_aggregator::process;

fn main() -> ExitCode {
    program::run::<process::Process>(&process::PROGRAM)
}
