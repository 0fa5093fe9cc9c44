//! `weir pipelines` and `weir groups`: where every stage stands, a wait until all have caught up, and
//! a position set back the right way.

mod seek;

use std::{
    thread,
    time::{Duration, Instant},
};

use clap::Subcommand;
use weir_eventlog::{EventLog, LogError, admin};

use crate::{
    caught_up::{self, Stage},
    progress::{Failure, complain, say},
    site::{self, SiteArguments},
};

pub(crate) use seek::SeekArguments;

/// Between two looks at a cluster.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum PipelinesCommand {
    /// Every stage: its group, its topic, where it stands, what is left.
    List,
    /// Wait until every stage has caught up with what is in the log now, from the source of the log
    /// to its mouths. Ingest must have flushed.
    Wait {
        /// Give up after so many seconds, exit code 1. Absent = wait for ever.
        #[arg(long, value_name = "S")]
        timeout: Option<u64>,
    },
    /// Set a group back (or forward) in its topic, with the store that it writes. Every process that
    /// reads in it must be stopped.
    Seek(SeekArguments),
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum GroupsCommand {
    /// Every group of the cluster, and what it is doing.
    List,
    /// One group: members, and position, end and lag in every partition that it has read.
    Describe {
        /// Its name.
        group: String,
    },
}

pub(crate) fn pipelines(command: &PipelinesCommand, site: &SiteArguments) -> Result<(), Failure> {
    let settings = site.settings()?;
    let log = site::log(&settings)?;
    match command {
        PipelinesCommand::List => list(&log, &caught_up::order(&settings)),
        PipelinesCommand::Wait { timeout } => wait(
            &log,
            &caught_up::order(&settings),
            timeout.map(Duration::from_secs),
        ),
        PipelinesCommand::Seek(arguments) => seek::seek(&log, &settings, arguments),
    }
}

pub(crate) fn groups(command: &GroupsCommand, site: &SiteArguments) -> Result<(), Failure> {
    let log = site::log(&site.settings()?)?;
    match command {
        GroupsCommand::List => {
            for group in admin::groups(&log)? {
                say(&format!("{} {}", group.name, state(&group)));
            }
            Ok(())
        }
        GroupsCommand::Describe { group } => describe(&log, group),
    }
}

/// In the broker's words, where it has any.
fn state(group: &admin::Group) -> String {
    match group.state.as_str() {
        // So a broker answers this question for a group of the protocol `consumer`.
        "" | "Dead" => "protocol=consumer".to_owned(),
        state => format!("{state} members={}", group.members.len()),
    }
}

fn list(log: &EventLog, order: &[Vec<Stage>]) -> Result<(), Failure> {
    say(&row("GROUP", "TOPIC", "COMMITTED", "END", "LAG"));
    for (group, topic) in order.iter().flatten() {
        let ends = admin::end_offsets(log, topic)?;
        let committed = admin::committed(log, group, topic)?;
        let sum = |offsets: &mut dyn Iterator<Item = i64>| offsets.sum::<i64>().to_string();
        say(&row(
            group,
            topic.name,
            &sum(&mut committed.iter().map(|next| next.unwrap_or(0))),
            &sum(&mut ends.iter().copied()),
            &lag(&committed, &ends).to_string(),
        ));
    }
    Ok(())
}

fn row(group: &str, topic: &str, committed: &str, end: &str, lag: &str) -> String {
    format!("{group:28} {topic:16} {committed:>12} {end:>12} {lag:>10}")
}

/// Records that are not yet processed.
fn lag(committed: &[Option<i64>], ends: &[i64]) -> i64 {
    let each = ends.iter().zip(committed);
    each.map(|(end, next)| (end - next.unwrap_or(0)).max(0))
        .sum()
}

/// Why a wait ended before every stage had caught up.
enum Early {
    /// These are behind.
    Late(String),
    Log(LogError),
}

impl From<LogError> for Early {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

fn names(behind: &[Stage]) -> String {
    let each = behind.iter();
    let each = each.map(|(group, topic)| format!("{group} is behind in {}", topic.name));
    each.collect::<Vec<_>>().join(", ")
}

/// A log that is away for a while is waited for too.
fn wait(log: &EventLog, order: &[Vec<Stage>], timeout: Option<Duration>) -> Result<(), Failure> {
    let started = Instant::now();
    let is_late = || timeout.is_some_and(|timeout| started.elapsed() >= timeout);
    let mut is_away = false;
    loop {
        let caught_up = caught_up::wait(log, order, |behind| {
            if is_late() {
                return Err(Early::Late(names(behind)));
            }
            thread::sleep(LOOK);
            Ok(())
        });
        match caught_up {
            Ok(()) => break,
            Err(Early::Log(error)) if error.is_transient() && !is_late() => {
                if !is_away {
                    complain(&Failure::broken(error).of("waiting"));
                    is_away = true;
                }
                thread::sleep(LOOK);
            }
            Err(Early::Log(error)) => return Err(error.into()),
            Err(Early::Late(behind)) => {
                return Err(Failure::Broken(format!(
                    "not caught up in time: {behind}; `weir pipelines list` tells how far, `/readyz` and the log of \
                     the process what it waits for"
                )));
            }
        }
    }
    say("every stage has caught up");
    Ok(())
}

fn describe(log: &EventLog, name: &str) -> Result<(), Failure> {
    let group = admin::group(log, name)?;
    say(&format!(
        "group {name}: {}",
        group
            .as_ref()
            .map_or("not known to the broker".to_owned(), state)
    ));
    for member in group.iter().flat_map(|group| &group.members) {
        say(&format!(
            "  member {} {} {}",
            member.client, member.host, member.id
        ));
    }
    let mut read = 0;
    for topic in admin::list(log)? {
        let count = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
        let committed = admin::positions(log, name, &topic.name, count)?;
        for (partition, next) in (0_u32..).zip(committed) {
            let Some(next) = next else { continue };
            let (_, end) = admin::range(log, &topic.name, partition)?;
            let lag = (end - next).max(0);
            say(&format!(
                "  {}/{partition} position {next} end {end} lag {lag}",
                topic.name
            ));
            read += 1;
        }
    }
    if read == 0 && group.is_none() {
        return Err(Failure::Broken(format!(
            "there is no group {name}: `weir groups list` tells which there are"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::lag;

    #[test]
    fn lag_is_what_is_left_and_never_negative() {
        assert_eq!(lag(&[Some(3), None, Some(9)], &[5, 2, 8]), 4);
    }
}
