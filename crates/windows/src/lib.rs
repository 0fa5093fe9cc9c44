//! Event-time windows: what is counted per key and minute, when a window is complete, and what is
//! late.
//!
//! [`Windows`] folds the records of one task (one partition of a topic). Windows are tumbling,
//! aligned to the Unix epoch, `[start, end)`. Everything that it says, and when, is a function of
//! the records so far: stream time and the watermark come from Ticks in the log ([`Clock`]), never
//! from a wall clock, so that a replay says the same again. Times are microseconds since the Unix
//! epoch.

mod aggregate;
mod clock;
mod fold;
pub mod wire;

pub use aggregate::{
    Aggregate, Counts, MAX_MEASURES, ORIGIN_ANNOUNCEMENTS, PEER_MESSAGES, by_name,
};
pub use clock::{Advance, Clock, ClockState, CollectorState, TimeRules};
pub use fold::{Added, Cell, Change, Key, Row, Windows};
