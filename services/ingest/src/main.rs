//! `weir-ingest`: ingest as a process of its own.

use std::process::ExitCode;

use weir_ingest::process;
use weir_lifecycle::program;

fn main() -> ExitCode {
    program::run::<process::Process>(&process::PROGRAM)
}
