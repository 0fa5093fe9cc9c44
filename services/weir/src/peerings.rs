//! `weir peerings`: what is wrong with BGP sessions as they are configured. Nothing is written, nobody is asked.

mod table;

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use weir_conflicts::peerings::{
    Peering, Report, check,
    document::{self, MOST_BYTES},
};

use crate::{
    files::{bytes, unusable, vrps},
    progress::Failure,
};

/// A file that shows what may stand there.
const EXAMPLE: &str = r#"Examples:
  weir peerings check peerings.toml
  weir peerings check peerings.toml --vrps vrps.json
  weir peerings check peerings.json --format json | jq '.findings[].description'
peerings.toml has a table for each session:
  [[peerings]]
  name = "edge1-transit"       # or `id`; no two may have the same
  device = "edge1"
  local_asn = 64496
  peer_asn = 64497
  peer_ip = "192.0.2.1"
  status = "active"            # or pending, disabled: these are not judged
  # What follows may be left out, and so may `interface` and `vrf`.
  organisation = "Example Transit"
  hold_time = 90               # seconds
  keepalive = 30
  address_families = ["ipv4"]
  [peerings.routing_policy]
  import = { prefixes = ["198.51.100.0/24"], as_path = [64497, 64499] }   # nearest first
  export = { prefixes = ["203.0.113.0/24"] }
JSON has the same keys, in the list `peerings` or in a list alone.
Without `as_path` prefixes are taken to be originated by the neighbour (import), or by
`local_asn` (export, unless another neighbour hands them in).
examples/peerings.toml has mistakes to look at; docs/rules.md says what each rule finds."#;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum PeeringsCommand {
    /// Find collisions of ASNs, overlapping sessions, loops, RPKI-invalid prefixes and contradictions in a list of
    /// sessions. Exit code: 0 = nothing was found, 1 = something was, 2 = they could not be judged.
    #[command(after_help = EXAMPLE)]
    Check(CheckArguments),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArguments {
    /// The sessions: a file whose name ends in .toml or .json.
    file: PathBuf,
    /// VRPs (JSON of rpki-client, Routinator, StayRTR) that prefixes are judged by. Without them nothing is known of any
    /// prefix, and `rpki_invalid` finds nothing.
    #[arg(long, value_name = "FILE")]
    vrps: Option<PathBuf>,
    /// How findings are told.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A line for each finding, and what to do below it.
    Table,
    /// One object: `peerings` and `active` (how many), `rpki` (counts of originations; null = no VRPs), `findings`.
    Json,
}

pub(crate) fn peerings(command: &PeeringsCommand) -> Result<ExitCode, Failure> {
    let PeeringsCommand::Check(arguments) = command;
    let peerings = read_peerings(&arguments.file)?;
    let vrps = arguments.vrps.as_deref().map(vrps).transpose()?;
    let report = check(&peerings, vrps.as_ref());
    match show(arguments.format, &report) {
        // A reader that has gone, as `head` does, has seen enough. What nobody could read was not judged: 1 would say
        // that something was found.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::Unusable(format!("cannot write: {error}")));
        }
        _ => {}
    }
    Ok(ExitCode::from(u8::from(!report.findings.is_empty())))
}

fn show(format: Format, report: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => table::write(&mut out, report)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
        }
    }
    out.flush()
}

fn read_peerings(path: &Path) -> Result<Vec<Peering>, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let format = match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("toml") => document::Format::Toml,
        Some("json") => document::Format::Json,
        _ => {
            let place = path.display();
            return Err(Failure::Unusable(format!(
                "{place}: expected a file whose name ends in .toml or .json"
            )));
        }
    };
    let text = bytes(path, MOST_BYTES)?;
    document::read(&text, format).map_err(|error| unusable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_the_help_shows_is_one() {
        let (_, shown) = EXAMPLE.split_once("each session:\n").unwrap();
        let (shown, _) = shown.split_once("JSON has").unwrap();
        let peerings = document::read(shown.as_bytes(), document::Format::Toml).unwrap();
        assert_eq!(peerings.len(), 1);
        assert_eq!(peerings[0].import.as_path.to_string(), "64497 64499");
        assert_eq!(check(&peerings, None).findings, []);
    }
}
