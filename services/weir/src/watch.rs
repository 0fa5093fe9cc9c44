//! `weir watch`: lists of one's own networks and prefixes: proposed, compared, imported, checked. Nothing is written
//! but to standard output.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand, ValueEnum};
use weir_conflicts::{
    Thresholds,
    watch::{
        MOST_BYTES, Remarks, WatchList,
        audit::Audit,
        difference::differences,
        import::{self, ImportError, Imported},
        proposal::{Proposal, Routes, SEEN_BY},
    },
};
use weir_routing::{AsPath, Asn, Body, Message, Prefix};

use crate::{
    files::{bytes, unusable, vrps},
    progress::{Failure, say},
};

#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  weir watch AS64500 --rib bview.gz --vrps vrps.json > watch.toml
  weir watch AS64500 --rib bview.gz --vrps vrps.json --against watch.toml
  weir watch import bgpalerter prefixes.yml > watch.toml
  weir watch check watch.toml
  weir watch check watch.toml --rib bview.gz
docs/watch.md has the format. `[serving_api] watch` names the list that incidents are marked by."
)]
pub(crate) struct WatchArguments {
    #[command(subcommand)]
    command: Option<WatchCommand>,
    #[command(flatten)]
    seen: SeenArguments,
}

#[derive(Debug, Clone, Subcommand)]
enum WatchCommand {
    /// Make a watch list of one that another program has. What cannot be translated stands in it as a comment.
    Import {
        /// Whose it is.
        #[arg(value_enum)]
        format: Format,
        /// The file.
        file: PathBuf,
    },
    /// Say whether a file is a watch list, and what is wrong with it; with RIB dumps, what they have otherwise than
    /// the list expects: own prefixes that nobody has, or too few; origins, parts and upstreams that are not expected;
    /// what is for neighbours only and went further. Exit code 0 = nothing, 1 = something, 2 = it could not be told.
    Check(CheckArguments),
}

#[derive(Debug, Clone, Args)]
struct CheckArguments {
    /// The file.
    file: PathBuf,
    /// RIB dumps (MRT), plain or compressed; folders with their subfolders.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    rib: Vec<PathBuf>,
    /// So many vantage points (ASNs of peers) must see what is not expected.
    #[arg(long, value_name = "N", default_value_t = SEEN_BY, requires = "rib")]
    seen_by: usize,
    /// Name of the collector, where file names do not tell.
    #[arg(long, value_name = "NAME", requires = "rib")]
    collector: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A `prefixes.yml`.
    Bgpalerter,
    /// A `config.yaml`.
    Artemis,
}

#[derive(Debug, Clone, Args)]
struct SeenArguments {
    /// Own networks, as AS64500 or 64500: what routes and ROAs say of them is proposed as a watch list.
    #[arg(required = true, value_name = "ASN")]
    networks: Vec<Asn>,
    /// RIB dumps (MRT), plain or compressed; folders with their subfolders.
    #[arg(long, required = true, value_name = "FILE", num_args = 1..)]
    rib: Vec<PathBuf>,
    /// VRPs (JSON of rpki-client, Routinator, StayRTR): their prefixes are own ones too, with their maximum length.
    #[arg(long, value_name = "FILE")]
    vrps: Option<PathBuf>,
    /// Say what a list has otherwise, as diff(1) does, in place of the proposal: exit code 0 = nothing, 1 = they
    /// differ, 2 = they could not be compared.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// So many vantage points (ASNs of peers) must see a prefix or a neighbour.
    #[arg(long, value_name = "N", default_value_t = SEEN_BY)]
    seen_by: usize,
    /// Name of the collector, where file names do not tell.
    #[arg(long, value_name = "NAME")]
    collector: Option<String>,
}

pub(crate) fn watch(arguments: &WatchArguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Some(WatchCommand::Import { format, file }) => import(*format, file),
        Some(WatchCommand::Check(arguments)) => check(arguments),
        None => seen(&arguments.seen),
    }
}

fn import(format: Format, file: &Path) -> Result<ExitCode, Failure> {
    let read: fn(&str) -> Result<Imported, ImportError> = match format {
        Format::Bgpalerter => import::bgpalerter,
        Format::Artemis => import::artemis,
    };
    let read = read(&text(file)?);
    let imported = read.map_err(|error| unusable(file, error))?;
    print(&imported.list, &imported.remarks);
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let list = held(&arguments.file)?;
    if arguments.rib.is_empty() {
        is_list(&arguments.file, &list);
        return Ok(ExitCode::SUCCESS);
    }
    let mut audit = Audit::of(&list);
    let collector = arguments.collector.as_deref();
    weir_ingest::messages(&arguments.rib, collector, |_, message| {
        of_table(message, |prefix, path| {
            audit.hear(message.peer, prefix, path);
        });
    })
    .map_err(Failure::unusable)?;
    if audit.vantage_points() == 0 {
        return Err(Failure::Unusable(
            "there is no route of any vantage point in the RIB dumps: are they dumps?".to_owned(),
        ));
    }
    let found = audit.findings(arguments.seen_by, &Thresholds::default());
    for finding in &found {
        say(&finding.to_string());
    }
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}

fn is_list(file: &Path, list: &WatchList) {
    let (networks, prefixes) = (list.networks().len(), list.prefixes().len());
    say(&format!(
        "{}: {} and {}",
        file.display(),
        counted(networks, "network", "networks"),
        counted(prefixes, "prefix", "prefixes"),
    ));
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn seen(arguments: &SeenArguments) -> Result<ExitCode, Failure> {
    // What is wrong with the list is said before dumps are read for minutes.
    let against = arguments.against.as_deref().map(held).transpose()?;
    let now = proposed(arguments)?;
    let Some(against) = against else {
        print(&now.list, &now.remarks);
        return Ok(ExitCode::SUCCESS);
    };
    let differences = differences(&against, &now.list);
    for difference in &differences {
        say(&difference.to_string());
    }
    Ok(ExitCode::from(u8::from(!differences.is_empty())))
}

fn proposed(arguments: &SeenArguments) -> Result<Proposal, Failure> {
    let vrps = arguments.vrps.as_deref().map(vrps).transpose()?;
    let mut routes = Routes::of(arguments.networks.iter().copied());
    let collector = arguments.collector.as_deref();
    weir_ingest::messages(&arguments.rib, collector, |_, message| {
        of_table(message, |prefix, path| {
            routes.hear(message.peer.asn, prefix, path);
        });
    })
    .map_err(Failure::unusable)?;
    let points = counted(routes.vantage_points(), "vantage point", "vantage points");
    let named: Vec<String> = arguments
        .networks
        .iter()
        .map(|asn| format!("AS{asn}"))
        .collect();
    let named = named.join(", ");
    let proposal = routes
        .propose(vrps.as_ref(), arguments.seen_by)
        .map_err(Failure::unusable)?;
    let mut proposal = proposal.ok_or_else(|| {
        Failure::Unusable(format!(
            "no prefix of {named} is seen by {} of the {points} in the RIB dumps, or named by a ROA: \
             is it the right number, and are they dumps?",
            arguments.seen_by
        ))
    })?;
    let title = format!("What {points} see of {named}: to be reviewed.");
    proposal.remarks.head.insert(0, title);
    Ok(proposal)
}

/// Routes of a RIB dump; what peers said later is not asked for.
fn of_table(message: &Message, mut hear: impl FnMut(Prefix, &AsPath)) {
    let Body::Update(update) = &message.body else {
        return;
    };
    let Some(attributes) = update.attributes.as_ref().map(Arc::as_ref) else {
        return;
    };
    if update.from_rib {
        for nlri in &update.announced {
            hear(nlri.prefix, &attributes.as_path);
        }
    }
}

/// The list in a file.
fn held(file: &Path) -> Result<WatchList, Failure> {
    let read = WatchList::from_toml(&text(file)?);
    read.map_err(|error| unusable(file, error))
}

fn text(file: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(file, MOST_BYTES)?).map_err(|error| unusable(file, error))
}

fn print(list: &WatchList, remarks: &Remarks) {
    say(list.to_toml(remarks).trim());
}
