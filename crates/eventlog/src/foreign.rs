//! Reads topics that others write, as a member of a group that remembers how far it came.
//!
//! Who reads commits what it has dealt with, so a restart repeats and loses nothing. All partitions
//! come to one reader or it reads none: what it makes of them is numbered by one hand, and half a
//! topic would be half the truth without anybody noticing.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use crate::{
    LogConfig, LogError, OffsetReset, RecordRef, Trouble,
    kafka::foreign::{Decision, ForeignMember, Polled},
};

/// After a question that was not answered, the next one.
const AGAIN: Duration = Duration::from_secs(1);

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.topic, self.partition)
    }
}

/// What a reader has to say.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A record, in the order of its partition.
    Record {
        /// Its topic.
        topic: &'a str,
        /// Its partition.
        partition: u32,
        /// What it holds.
        record: RecordRef<'a>,
    },
    /// What stood between is not read.
    Skipped(&'a Skipped),
    /// The partitions go away after this: the last moment to commit.
    Leaving,
    /// Nothing now.
    Nothing,
}

/// Records that are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where.
    pub place: Place,
    /// The offset that was due; `None` = the group had no position here.
    pub due: Option<i64>,
    /// The offset that is read next.
    pub next: i64,
}

impl Skipped {
    /// How many offsets are passed over; 0 = nobody knows.
    #[must_use]
    pub fn offsets(&self) -> u64 {
        let passed = self.due.map_or(0, |due| self.next.saturating_sub(due));
        u64::try_from(passed).unwrap_or(0)
    }
}

/// How far a reader has come in all its partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    assignment: u64,
    next: Vec<(Place, i64)>,
}

/// A reader of topics that others write. Dropping it leaves the group.
pub struct ForeignReader {
    member: ForeignMember,
    group: String,
    topics: Vec<String>,
    reset: OffsetReset,
    /// The next offset of each partition, while they are ours.
    next: BTreeMap<String, BTreeMap<u32, i64>>,
    /// Counts assignments: positions of an earlier one are not committed.
    assignment: u64,
    /// What the group decided and is not done yet, and when to try.
    decision: Option<(Decision, Instant)>,
    skipped: Vec<Skipped>,
    waiting: Option<String>,
}

impl ForeignReader {
    /// Joins `config.group_id` for [`LogConfig::foreign_topics`]. Connects in the background.
    ///
    /// # Errors
    /// When a setting cannot work; a topic of our own events is refused.
    pub fn join(config: &LogConfig) -> Result<Self, LogError> {
        config.check()?;
        let topics = config.foreign_topics();
        Ok(Self {
            member: ForeignMember::join(config, &topics)?,
            group: config.group_id.clone(),
            topics,
            reset: config.auto_offset_reset,
            next: BTreeMap::new(),
            assignment: 0,
            decision: None,
            skipped: Vec::new(),
            waiting: None,
        })
    }

    /// Waits at most `wait` for what comes next and shows it to `take`. Must be called at least
    /// every `max_poll_interval_ms`, else the group takes the partitions away and gives them back
    /// from the last commit.
    ///
    /// # Errors
    /// When the client can do nothing more, or no position is an error by `auto_offset_reset`.
    /// What time heals is no error: [`Self::waiting`] tells it.
    pub fn next<T>(
        &mut self,
        wait: Duration,
        take: impl FnOnce(Heard<'_>) -> T,
    ) -> Result<T, LogError> {
        if let Some(error) = self.member.ending() {
            return Err(error);
        }
        if self.decide()? {
            return Ok(take(Heard::Leaving));
        }
        if let Some(skipped) = self.skipped.pop() {
            return Ok(take(Heard::Skipped(&skipped)));
        }
        let next = &mut self.next;
        let mut take = Some(take);
        let polled = self.member.poll(wait, |heard| {
            let Heard::Record {
                topic,
                partition,
                record,
            } = &heard
            else {
                return None;
            };
            let place = next.get_mut(*topic)?.get_mut(partition)?;
            let after = record.offset + 1;
            let taken = take.take()?(heard);
            *place = after;
            Some(taken)
        });
        match polled {
            Polled::Record(Some(taken)) => return Ok(taken),
            // A leftover of an assignment that is over.
            Polled::Record(None) | Polled::Nothing => {}
            Polled::Gone => self.overtaken()?,
            Polled::Failed(error) => {
                if error.trouble() == Trouble::Missing {
                    self.waiting = Some(self.missing());
                }
                tracing::debug!(%error, "the topics of others");
            }
        }
        match take {
            Some(take) => Ok(take(Heard::Nothing)),
            None => Err(LogError::Client {
                reason: "a record was shown and not taken".to_owned(),
            }),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn positions(&self) -> Positions {
        let topics = self.next.iter();
        let next = topics.flat_map(|(topic, partitions)| {
            partitions.iter().map(|(partition, next)| {
                let place = Place {
                    topic: topic.clone(),
                    partition: *partition,
                };
                (place, *next)
            })
        });
        Positions {
            assignment: self.assignment,
            next: next.collect(),
        }
    }

    /// Commits `positions`, if the partitions have been ours since; `wait` = until the broker has
    /// answered. A restart goes on from there.
    ///
    /// # Errors
    /// When the broker refuses, or does not answer who waits. The next commit carries it again. Who does not wait is
    /// told of a refusal by [`Self::holds_commits`].
    pub fn commit(&self, positions: &Positions, wait: bool) -> Result<(), LogError> {
        if positions.assignment != self.assignment {
            return Ok(());
        }
        self.member.commit(&positions.next, wait)
    }

    /// A commit was refused, or held back after one that was: what was said to be committed may not be. Committing it
    /// again is due until this is false.
    #[must_use]
    pub fn holds_commits(&self) -> bool {
        self.member.holds_commits()
    }

    /// Records between where it stands and the end, as of about a second ago, by partition.
    pub fn lags(&self) -> impl Iterator<Item = (&str, u32, u64)> {
        self.next.iter().flat_map(|(topic, partitions)| {
            partitions.iter().filter_map(|(partition, next)| {
                let end = self.member.end(topic, *partition)?;
                let lag = u64::try_from(end.saturating_sub(*next)).unwrap_or(0);
                Some((topic.as_str(), *partition, lag))
            })
        })
    }

    /// Why nothing is read, and what to do about it; it goes on by itself once that is done.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        self.waiting.clone().or_else(|| self.member.complaint())
    }

    /// Carries out what the group decided; true when it is to be told first that they go away.
    fn decide(&mut self) -> Result<bool, LogError> {
        if self.decision.is_none() {
            let decision = self.member.decision();
            let Some(decision) = decision else {
                return Ok(false);
            };
            let last_moment = matches!(decision, Decision::Revoked { lost: false });
            metrics::counter!("rebalance_total", "group" => self.group.clone()).increment(1);
            self.decision = Some((decision, Instant::now()));
            if last_moment && !self.next.is_empty() {
                return Ok(true);
            }
        }
        let now = Instant::now();
        let Some((decision, _)) = self.decision.take_if(|(_, due)| *due <= now) else {
            return Ok(false);
        };
        match decision {
            Decision::Revoked { .. } => {
                self.next.clear();
                self.assignment += 1;
                self.member.release()?;
            }
            Decision::Overtaken => self.overtaken()?,
            Decision::Assigned(places) => match self.begin(&places) {
                Ok(()) => {}
                Err(error) if error.can_heal() || error.trouble() == Trouble::Missing => {
                    self.waiting = Some(match error.trouble() {
                        Trouble::Missing => self.missing(),
                        _ => error.to_string(),
                    });
                    self.decision = Some((Decision::Assigned(places), now + AGAIN));
                }
                Err(error) => return Err(error),
            },
        }
        Ok(false)
    }

    /// Begins where the group stands, if all partitions are ours.
    fn begin(&mut self, places: &[Place]) -> Result<(), LogError> {
        let mut all = 0;
        for topic in &self.topics {
            all += self.member.partitions(topic)?;
        }
        self.next.clear();
        self.assignment += 1;
        if places.len() < all {
            self.waiting = Some(format!(
                "{} of {all} partitions of {} are ours, another member of the group {} has the rest: \
                 one reader takes them all; stop the other, or give this one its own KAFKA_GROUP_ID",
                places.len(),
                self.topics.join(", "),
                self.group
            ));
            return self.member.assign(&[]);
        }
        let committed = self.member.committed(places)?;
        let mut positions = Vec::with_capacity(places.len());
        let mut skipped = Vec::new();
        for (place, committed) in places.iter().zip(committed) {
            let range = self.member.range(place)?;
            let (next, is_skip) = start(self.reset, committed, range)
                .ok_or_else(|| no_position(place, &self.group))?;
            if is_skip {
                skipped.push(Skipped {
                    place: place.clone(),
                    due: committed,
                    next,
                });
            }
            positions.push((place.clone(), next));
        }
        self.member.assign(&positions)?;
        for (place, next) in positions {
            let topic = self.next.entry(place.topic).or_default();
            topic.insert(place.partition, next);
        }
        self.skipped = skipped;
        self.waiting = None;
        Ok(())
    }

    /// Retention has removed what was due, somewhere: goes on at the first record that is kept. The
    /// client has left the partition that it complains of, so all are assigned anew.
    fn overtaken(&mut self) -> Result<(), LogError> {
        match self.catch_up() {
            // Asked again like a decision of the group.
            Err(error) if error.can_heal() => {
                self.waiting = Some(error.to_string());
                let due = Instant::now() + AGAIN;
                self.decision = Some((Decision::Overtaken, due));
                Ok(())
            }
            result => result,
        }
    }

    fn catch_up(&mut self) -> Result<(), LogError> {
        let mut positions = self.positions().next;
        let mut skipped = Vec::new();
        for (place, next) in &mut positions {
            let (first, end) = self.member.range(place)?;
            if !(first..=end).contains(next) {
                let (place, due) = (place.clone(), Some(std::mem::replace(next, first)));
                skipped.push(Skipped {
                    place,
                    due,
                    next: first,
                });
            }
        }
        self.member.assign(&positions)?;
        for (place, next) in positions {
            let topic = self.next.entry(place.topic).or_default();
            topic.insert(place.partition, next);
        }
        self.skipped.extend(skipped);
        self.waiting = None;
        Ok(())
    }

    fn missing(&self) -> String {
        format!(
            "one of the topics {} is not there: who writes it makes it; else correct KAFKA_TOPICS",
            self.topics.join(", ")
        )
    }
}

fn no_position(place: &Place, group: &str) -> LogError {
    LogError::Config {
        key: "auto_offset_reset".to_owned(),
        what: format!(
            "is error, and the group {group} has no position in {place}; write latest or earliest, \
             or give it one (`weir pipelines seek`)"
        ),
    }
}

/// Where to begin in a partition that holds `first..end`, and whether that passes something over.
/// What is due and not kept any more is no reason to jump to the end.
fn start(
    reset: OffsetReset,
    committed: Option<i64>,
    (first, end): (i64, i64),
) -> Option<(i64, bool)> {
    match (committed, reset) {
        (Some(next), _) if (first..=end).contains(&next) => Some((next, false)),
        (Some(_), _) => Some((first, true)),
        (None, OffsetReset::Earliest) => Some((first, false)),
        (None, OffsetReset::Latest) => Some((end, true)),
        (None, OffsetReset::Error) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_begins_where_its_group_stands_or_at_the_nearest_that_is_kept() {
        use OffsetReset::{Earliest, Error, Latest};
        let cases = [
            (Latest, Some(5), Some((5, false))),
            (Latest, Some(3), Some((3, false))),
            (Error, Some(9), Some((9, false))),
            // Removed by retention, and a topic that was made anew.
            (Latest, Some(2), Some((3, true))),
            (Latest, Some(10), Some((3, true))),
            (Latest, None, Some((9, true))),
            (Earliest, None, Some((3, false))),
            (Error, None, None),
        ];
        for (reset, committed, expected) in cases {
            assert_eq!(start(reset, committed, (3, 9)), expected, "{committed:?}");
        }
    }

    #[test]
    fn offsets_that_are_passed_over_are_counted_when_they_are_known() {
        let place = Place {
            topic: "t".to_owned(),
            partition: 1,
        };
        for (due, next, expected) in [(Some(2), 5, 3), (Some(9), 0, 0), (None, 7, 0)] {
            let place = place.clone();
            assert_eq!(Skipped { place, due, next }.offsets(), expected);
        }
        assert_eq!(place.to_string(), "t/1");
    }
}
