//! `weir`: the whole system in one process, and its command line.

mod caught_up;
mod cli;
mod compose;
mod export;
mod progress;
mod replay;
mod run;
mod settings;
mod stream;
mod summary;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use weir_lifecycle::telemetry::{self, LogFormat};

use crate::{
    cli::{Cli, Command},
    progress::Failure,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = telemetry::start(LogFormat::default(), "warn")
        .map_err(Failure::unusable)
        .and_then(|telemetry| match cli.command {
            Some(Command::Run(arguments)) => run::run(&arguments, &telemetry),
            Some(Command::Replay(arguments)) => replay::replay(arguments, telemetry),
            None => run::run(&cli.run, &telemetry),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
