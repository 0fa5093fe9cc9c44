//! Kafka topics that others write: JSON (`weir_routing::decode::json` has its three shapes), and BMP messages behind the
//! header of OpenBMP, as RouteViews has them (`openbmp`). Each record shows by its first octets what it is.
//!
//! Delivery is at least once: positions are committed to the group only when everything that was
//! made of what stands below them is in the log. After a crash the rest is read again, by a writer
//! in a new life, and says again what its peers said: routes and incidents end as they were, while
//! messages count twice in windows and features, and an incident that had ended within the
//! repetition may open and end again. Nothing was missed, so there is no `Gap`, unless the group had
//! no position or retention was faster than we are.
//!
//! One thread polls, decodes and publishes: when the log is slow, the topics are not read on. After
//! `max_poll_interval_ms` of that the group takes the partitions away, and they come back from the
//! last commit.

mod collectors;
mod commits;
mod openbmp;

use std::time::Duration;

use weir_eventlog::{ForeignReader, LogConfig};
use weir_lifecycle::crash_point;

use crate::{
    config::Kafka,
    run::{Context, Outcome, RunError, StartError, Task},
};
use collectors::{Collectors, Was};
use commits::Commits;

/// How often the thread wakes in silence: Ticks are due each second.
const WAKE: Duration = Duration::from_millis(100);
/// Records that are read in one go, before the clock is looked at.
const BATCH: usize = 256;

/// Joins the group, and gives the task that publishes.
pub(crate) fn prepare(context: Context, source: &Kafka) -> Result<Task, StartError> {
    let config = source.connection(context.log.config());
    let reader = ForeignReader::join(&config)?;
    tracing::info!(
        servers = config.bootstrap_servers,
        topics = config.foreign_topics().join(","),
        group = config.group_id,
        "reading topics that others write"
    );
    let most = source.max_collectors;
    Ok(Box::new(move || publish(&context, &config, most, reader)))
}

/// The publishing thread, until the stop.
fn publish(
    context: &Context,
    config: &LogConfig,
    most_collectors: usize,
    mut reader: ForeignReader,
) -> Result<Outcome, RunError> {
    let mut collectors = Collectors::new(context, &config.group_id, most_collectors);
    let mut commits = Commits::new(config);
    let mut told = None;
    while !context.stop.is_set() {
        let mut wait = WAKE;
        for _ in 0..BATCH {
            match reader.next(wait, |heard| collectors.heard(&heard))?? {
                Was::Record => crash_point("ingest.published"),
                Was::Leaving => commits.last(context, &reader),
                Was::Other => break,
            }
            wait = Duration::ZERO;
        }
        collectors.tick(&reader)?;
        commits.look(context, &reader)?;
        tell(context, reader.waiting(), &mut told);
    }
    collectors.flush()?;
    commits.leave(context, reader);
    Ok(Outcome::Stopped)
}

/// Shows why nothing is read, and logs it once.
fn tell(context: &Context, waiting: Option<String>, told: &mut Option<String>) {
    if *told == waiting {
        return;
    }
    match &waiting {
        Some(reason) => tracing::warn!(reason, "the topics of others are not read"),
        None => tracing::info!("the topics of others are read"),
    }
    context.waiting.set(waiting.clone());
    *told = waiting;
}
