//! `weir incidents`: what two replays, exports or stores say differently. Nothing is written.

mod table;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use weir_record_store::{
    BlockingRecordStore, Config,
    diff::{Comparison, Difference, Report, Sketch, Sketcher},
};

use crate::{progress::Failure, site::SiteArguments};

/// The longest line of an incident file, bytes. One incident is some kilobytes.
const LONGEST_LINE: u64 = 16 << 20;
/// Differences in the table, unless `--limit` says otherwise.
const IN_TABLE: usize = 50;

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum IncidentsCommand {
    /// Say what B has otherwise than A, as diff(1) does: exit code 0 = equal, 1 = they differ, 2 = they could not be
    /// compared.
    ///
    /// What an incident may be: raised (in B only), missed (in A only), of other type, begun or ended otherwise, of
    /// other severity or suspicion, confirmed in one only.
    ///
    /// The same incident has the same id on both sides. What has none is paired by type, prefix and suspect where both
    /// overlap in time, then by prefix and suspect alone; what is about no single prefix, by type and suspect only. When
    /// it was confirmed, who carried it, the reasons, the members and the case are not compared.
    #[command(after_help = "Examples:
  weir incidents diff found.ndjson tried.ndjson
  weir incidents diff sqlite://weir-data/streams/live/incidents.db tried.ndjson
  weir incidents diff postgres://weir@127.0.0.1/weir tried.ndjson --limit 0
  weir incidents diff found.ndjson tried.ndjson --json | jq 'select(.difference == \"missed\")'
`weir replay --incidents` and `weir export --incidents` write such files.")]
    Diff(DiffArguments),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DiffArguments {
    /// As it was found: an incident file, or a record store (sqlite:///path/incidents.db,
    /// postgres://user@host/db). The password of a store is taken from the settings where they name the same URL.
    a: String,
    /// As it would have been: the same.
    b: String,
    /// One JSON object per difference instead of the table: `difference` (raised, missed, changed), `changed` (in
    /// what), `a` and `b` (how either side has it).
    #[arg(long)]
    json: bool,
    /// List so many differences at most, the most severe first; 0 = all. Absent = 50 in the table, all as JSON.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

pub(crate) fn incidents(
    command: &IncidentsCommand,
    site: &SiteArguments,
) -> Result<ExitCode, Failure> {
    let IncidentsCommand::Diff(arguments) = command;
    // Whatever went wrong: they were not compared, which is not the answer "they differ".
    diff(arguments, site).map_err(|failure| match failure {
        Failure::Broken(text) | Failure::Unusable(text) => Failure::Unusable(text),
    })
}

fn diff(arguments: &DiffArguments, site: &SiteArguments) -> Result<ExitCode, Failure> {
    let (a, b) = (Side::of(&arguments.a, site)?, Side::of(&arguments.b, site)?);
    let mut sketcher = Sketcher::default();
    let mut of_a = Vec::new();
    a.read(&mut sketcher, |sketch| {
        of_a.push(sketch);
        Ok(())
    })?;
    let mut comparison = Comparison::with(of_a).map_err(Failure::unusable)?;
    b.read(&mut sketcher, |sketch| {
        comparison.add(sketch).map_err(Failure::unusable)
    })?;
    let report = comparison.finish().map_err(Failure::unusable)?;
    match show(arguments, &report) {
        // A reader that has gone, as `head` does, has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::Broken(format!("cannot write: {error}")));
        }
        _ => {}
    }
    Ok(ExitCode::from(u8::from(!report.differences.is_empty())))
}

fn show(arguments: &DiffArguments, report: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let limit = arguments
        .limit
        .unwrap_or(if arguments.json { 0 } else { IN_TABLE });
    let limit = if limit == 0 { usize::MAX } else { limit };
    if arguments.json {
        for difference in report.differences.iter().take(limit) {
            line(&mut out, difference)?;
        }
    } else {
        table::write(&mut out, (&arguments.a, &arguments.b), report, limit)?;
    }
    out.flush()
}

fn line(out: &mut impl Write, difference: &Difference) -> io::Result<()> {
    serde_json::to_writer(&mut *out, difference)?;
    out.write_all(b"\n")
}

/// Where one side is read.
enum Side {
    File(PathBuf),
    Store(Box<Config>),
}

impl Side {
    fn of(place: &str, site: &SiteArguments) -> Result<Self, Failure> {
        if !place.contains("://") {
            return Ok(Self::File(place.into()));
        }
        let of_site = site.settings()?.record_store;
        let config = match of_site.url == place {
            true => of_site,
            false => Config::at(place),
        };
        Ok(Self::Store(Box::new(config)))
    }

    /// Hands over one incident after the other.
    fn read(
        &self,
        sketcher: &mut Sketcher,
        visit: impl FnMut(Sketch) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::File(path) => lines(path, sketcher, visit),
            Self::Store(config) => rows(config, sketcher, visit),
        }
    }
}

fn rows(
    config: &Config,
    sketcher: &mut Sketcher,
    mut visit: impl FnMut(Sketch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let store = BlockingRecordStore::connect_to_read(config)?;
    let read = store.export_all(|row| {
        let sketch = sketcher.row(row);
        visit(sketch.map_err(|error| Failure::broken(error).of(&row.id))?)
    });
    store.close();
    read
}

fn lines(
    path: &Path,
    sketcher: &mut Sketcher,
    mut visit: impl FnMut(Sketch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let place = path.display();
    let unreadable = |error| Failure::Unusable(format!("cannot read {place}: {error}"));
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let mut rest = file.by_ref().take(LONGEST_LINE);
        if rest.read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        let here = format!("{place} line {number}");
        if rest.limit() == 0 {
            return Err(Failure::Unusable(format!(
                "{here} is longer than {LONGEST_LINE} bytes: no incident is"
            )));
        }
        let sketch = sketcher.line(&line);
        visit(sketch.map_err(|error| Failure::unusable(error).of(&here))?)?;
    }
    Ok(())
}
