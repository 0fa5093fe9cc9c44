//! `weir-feature-materializer`: the feature materializer as a process of its own.

use std::process::ExitCode;

use weir_feature_materializer::process;
use weir_lifecycle::program;

fn main() -> ExitCode {
    program::run::<process::Process>(&process::PROGRAM)
}
