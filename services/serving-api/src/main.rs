//! `weir-serving-api`: the serving side as a process of its own.

use std::process::ExitCode;

use weir_lifecycle::program;
use weir_serving_api::process;

fn main() -> ExitCode {
    program::run::<process::Process>(&process::PROGRAM)
}
