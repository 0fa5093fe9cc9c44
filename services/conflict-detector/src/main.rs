//! `weir-conflict-detector`: the conflict detector as a process of its own.

use std::process::ExitCode;

use weir_conflict_detector::process;
use weir_lifecycle::program;

fn main() -> ExitCode {
    program::run::<process::Process>(&process::PROGRAM)
}
