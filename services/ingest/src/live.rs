//! What the writers of live sources share: how one begins, what it says of a loss, and the clock.

use std::time::Duration;

use weir_events::{
    time::{SECOND_US, now_us, rfc3339},
    v1::{self, control::Kind},
};
use weir_routing::Peer;

use crate::{
    run::{Context, RunError},
    writer::{Outlet, Writer},
};

/// A dead letter holds no more of what came through a socket.
pub(crate) const MOST_PAYLOAD: usize = 64 << 10;

/// The longest name of a collector, in characters.
pub(crate) const LONGEST_NAME: usize = 64;

/// True of a character that a collector may have in its name.
pub(crate) fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

/// True of a name that a collector may have: those that begin with `_` are ours.
pub(crate) fn is_collector(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && !name.starts_with('_')
        && name.chars().all(is_of_names)
}

/// A writer of this collector in a new life. Its epoch is durable before it writes; if there was
/// an earlier life, something was missed in between.
pub(crate) fn begin(
    context: &Context,
    outlet: &mut Outlet,
    collector: &str,
) -> Result<Writer, RunError> {
    let mut writer = renew(context, outlet, collector)?;
    if !writer.is_in_its_first_life() {
        gap(&mut writer, outlet, 0, "connected again")?;
    }
    Ok(writer)
}

/// As [`begin`], where nothing was missed.
pub(crate) fn renew(
    context: &Context,
    outlet: &mut Outlet,
    collector: &str,
) -> Result<Writer, RunError> {
    let epoch = context.store.next_writer_epoch(collector)?;
    let mut writer = Writer::new(collector, epoch, context.config.synthetic);
    let now = now_us();
    let start = Kind::SourceStart(v1::SourceStart {});
    writer.control(outlet, start, now, now)?;
    context.status.collector(collector);
    Ok(writer)
}

/// Says that `lost` updates of every peer of the collector were lost; 0 = nobody knows how many.
pub(crate) fn gap(
    writer: &mut Writer,
    outlet: &mut Outlet,
    lost: u64,
    reason: &str,
) -> Result<(), RunError> {
    say_gap(writer, outlet, (None, lost), reason)
}

/// Says that nobody knows how many updates of one peer were lost.
pub(crate) fn gap_of(
    writer: &mut Writer,
    outlet: &mut Outlet,
    peer: Peer,
    reason: &str,
) -> Result<(), RunError> {
    say_gap(writer, outlet, (Some(peer), 0), reason)
}

fn say_gap(
    writer: &mut Writer,
    outlet: &mut Outlet,
    (peer, lost): (Option<Peer>, u64),
    reason: &str,
) -> Result<(), RunError> {
    let now = now_us();
    let gap = Kind::Gap(v1::Gap {
        peer: peer.map(Into::into),
        lost,
        reason: reason.to_owned(),
    });
    writer.control(outlet, gap, now, now)?;
    outlet.stats.gaps += 1;
    Ok(())
}

/// Why a message is not believed that [`crate::clamp::live_admits`] does not admit.
pub(crate) fn from_the_future(event_time_us: i64, received_us: i64) -> String {
    format!(
        "event time {} is after its receipt at {}",
        rfc3339(event_time_us),
        rfc3339(received_us)
    )
}

/// The first `most` bytes, for a dead letter.
pub(crate) fn kept(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// The clock of the writers: a Tick each second, in silence too (docs/detector.md 4).
#[derive(Default)]
pub(crate) struct Clock {
    told_us: i64,
    shown_us: i64,
}

impl Clock {
    /// Tells the second to every writer, once, and shows where the run stands.
    pub(crate) fn tick<'a>(
        &mut self,
        context: &Context,
        outlet: &mut Outlet,
        writers: impl Iterator<Item = &'a mut Writer>,
    ) -> Result<(), RunError> {
        let now = now_us();
        let second = now.div_euclid(SECOND_US) * SECOND_US;
        if second > self.told_us {
            self.told_us = second;
            for writer in writers {
                writer.control(outlet, Kind::Tick(v1::Tick {}), second, now)?;
            }
        }
        if now - self.shown_us >= SECOND_US / 4 {
            self.shown_us = now;
            context.show(&mut outlet.stats);
        }
        Ok(())
    }
}

/// Waits until everything is in the log.
pub(crate) fn flush(context: &Context, outlet: &mut Outlet) -> Result<(), RunError> {
    context.show(&mut outlet.stats);
    // Whoever stops us has a deadline and abandons the publisher when it passes.
    context.publisher.flush(Duration::from_secs(3600))?;
    Ok(())
}
