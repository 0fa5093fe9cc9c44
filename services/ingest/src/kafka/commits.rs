//! When positions are committed: after the delivery reports of everything below them.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use weir_eventlog::{ForeignReader, LogConfig, Positions, Ticket};

use crate::run::{Context, RunError};

/// Commits are no more frequent than this, whatever is asked for.
const LEAST: Duration = Duration::from_millis(50);
/// How long partitions that go away wait for the log, and a stop for the group.
const LAST: Duration = Duration::from_secs(5);

pub(super) struct Commits {
    period: Duration,
    /// What was read is committed, whether it is in the log or not.
    as_read: bool,
    looked: Instant,
    /// To be committed once everything up to the ticket is in the log.
    due: Option<(Ticket, Positions)>,
    done: Positions,
    /// That a commit failed was said.
    told: bool,
}

impl Commits {
    pub(super) fn new(config: &LogConfig) -> Self {
        let period = Duration::from_millis(u64::from(config.auto_commit_interval_ms));
        Self {
            period: period.max(LEAST),
            as_read: config.enable_auto_commit,
            looked: Instant::now(),
            due: None,
            done: Positions::default(),
            told: false,
        }
    }

    /// Commits what is due, and notes where the reader stands once per period.
    pub(super) fn look(
        &mut self,
        context: &Context,
        reader: &ForeignReader,
    ) -> Result<(), RunError> {
        let is_in_log = |ticket| self.as_read || context.publisher.acknowledged() >= ticket;
        if let Some((_, positions)) = self.due.take_if(|(ticket, _)| is_in_log(*ticket)) {
            sync(context)?;
            self.commit(reader, positions, false);
        }
        if self.due.is_none() && self.looked.elapsed() >= self.period {
            self.looked = Instant::now();
            let positions = reader.positions();
            if self.are_due(reader, &positions) {
                self.due = Some((context.publisher.last(), positions));
            }
        }
        Ok(())
    }

    /// Commits all that was read, before the partitions go away. What the log does not take in time
    /// is read again by whoever gets them.
    pub(super) fn last(&mut self, context: &Context, reader: &ForeignReader) {
        if let Some(positions) = self.settle(context, reader) {
            self.commit(reader, positions, true);
        }
    }

    /// As [`Self::last`], and leaves the group. Its coordinator may be away, and whoever stops us does not wait for it:
    /// the reader then leaves on a thread of its own.
    pub(super) fn leave(mut self, context: &Context, reader: ForeignReader) {
        let positions = self.settle(context, &reader);
        let (tell, left) = mpsc::sync_channel(1);
        let leaving = move || {
            if let Some(positions) = positions {
                self.commit(&reader, positions, true);
            }
            drop(reader);
            let _ = tell.send(());
        };
        let spawned = thread::Builder::new()
            .name("kafka-leave".to_owned())
            .spawn(leaving);
        if spawned.is_err() || left.recv_timeout(LAST).is_err() {
            tracing::warn!("the group does not answer: what was read last may be read again");
        }
    }

    /// What is to be committed once all that was read is in the log, if anything.
    fn settle(&mut self, context: &Context, reader: &ForeignReader) -> Option<Positions> {
        self.due = None;
        let positions = reader.positions();
        if !self.are_due(reader, &positions) {
            return None;
        }
        let flushed = context.publisher.flush(LAST).map_err(RunError::from);
        match flushed.and_then(|()| sync(context)) {
            Ok(()) => Some(positions),
            Err(error) => {
                tracing::warn!(%error, "what was read last is not committed, it is read again");
                None
            }
        }
    }

    /// These are not committed, as far as is known.
    fn are_due(&self, reader: &ForeignReader, positions: &Positions) -> bool {
        *positions != self.done || reader.holds_commits()
    }

    fn commit(&mut self, reader: &ForeignReader, positions: Positions, wait: bool) {
        match reader.commit(&positions, wait) {
            Ok(()) => {
                self.done = positions;
                self.told = false;
            }
            Err(error) if !std::mem::replace(&mut self.told, true) => {
                tracing::warn!(%error, "positions are not committed, the next commit carries them");
            }
            Err(_) => {}
        }
    }
}

/// What was acknowledged survives this machine before a position rests on it.
fn sync(context: &Context) -> Result<(), RunError> {
    context.log.sync().map_err(|error| RunError::NotStored {
        reason: format!("the log cannot be synced: {error}"),
    })
}
