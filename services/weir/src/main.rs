//! `weir`: the whole system in one process, and its command line.

mod caught_up;
mod cli;
mod columns;
mod compose;
mod config_show;
mod doctor;
mod export;
mod files;
mod incidents;
mod inject;
mod links;
mod migrate;
mod peerings;
mod pipelines;
mod progress;
mod replay;
mod rules;
mod run;
mod settings;
mod site;
mod stream;
mod summary;
mod topics;
mod usage;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use weir_lifecycle::telemetry::{self, LogFormat, Telemetry};

use crate::{
    cli::{Cli, Command},
    progress::Failure,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = telemetry::start(LogFormat::default(), "warn")
        .map_err(Failure::unusable)
        .and_then(|telemetry| obey(cli, telemetry));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            progress::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn obey(cli: Cli, telemetry: Telemetry) -> Result<ExitCode, Failure> {
    match cli.command {
        Some(Command::Run(arguments)) => run::run(&arguments, &telemetry),
        Some(Command::Replay(arguments)) => replay::replay(*arguments, telemetry),
        Some(Command::Topics { site, command }) => topics::topics(&command, &site),
        Some(Command::Groups { site, command }) => pipelines::groups(&command, &site),
        Some(Command::Pipelines { site, command }) => pipelines::pipelines(&command, &site),
        Some(Command::Export(arguments)) => export::export(&arguments),
        // As diff(1): its exit code is its answer.
        Some(Command::Incidents { site, command }) => return incidents::incidents(&command, &site),
        Some(Command::Peerings { command }) => return peerings::peerings(&command),
        Some(Command::Watch(arguments)) => return watch::watch(&arguments),
        Some(Command::Inject { command }) => inject::inject(&command),
        Some(Command::Links(arguments)) => links::links(&arguments),
        Some(Command::Migrate { site }) => migrate::migrate(&site),
        Some(Command::Doctor(arguments)) => doctor::doctor(&arguments),
        Some(Command::Config { site, command }) => config_show::config(&command, &site),
        None => run::run(&cli.run, &telemetry),
    }
    .map(|()| ExitCode::SUCCESS)
}
