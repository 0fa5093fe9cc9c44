//! Does Kafka answer, are our topics as they should be, who is behind, what was set aside?

use std::time::Duration;

use weir_eventlog::{
    EventLog, LogError,
    admin::{self, Step},
};
use weir_events::{
    time,
    topics::{self, Topic},
};

use super::{Finding, Site};
use crate::caught_up::order;

const REACH: &str = "see that the broker runs, and [kafka] bootstrap_servers, credentials and CA";
const MAKE: &str = "`weir topics apply`, or see that the broker runs";
/// Records behind which a stage is worth a look.
const MUCH: i64 = 100_000;
/// How long a broker may take to answer at all: less than a whole check, so that the reason is told.
const ANSWER: Duration = Duration::from_secs(4);

fn with_log(site: &Site, look: impl FnOnce(&EventLog) -> Result<Finding, LogError>) -> Finding {
    let Some(config) = site.settings.kafka() else {
        return Finding::skipped("embedded: [kafka] names no broker");
    };
    match EventLog::kafka(config.clone()) {
        Ok(log) => admin::brokers(&log, ANSWER)
            .and_then(|_| look(&log))
            .unwrap_or_else(|error| Finding::failed(error, REACH)),
        Err(error) => Finding::failed(error, REACH),
    }
}

pub(super) fn topics(site: &Site) -> Finding {
    with_log(site, |log| {
        let steps = admin::plan(log, &admin::table())?;
        let text: Vec<String> = steps.iter().map(Step::to_string).collect();
        let text = text.join("; ");
        let refused = |step: &Step| matches!(step, Step::Refused { .. });
        let missing = |step: &Step| matches!(step, Step::Create { .. });
        Ok(if steps.iter().any(refused) {
            Finding::fail(text, "`weir topics plan` says what helps")
        } else if steps.iter().any(missing) {
            Finding::fail(text, "`weir topics apply`")
        } else if steps.is_empty() {
            Finding::ok("answers; every topic is as it should be")
        } else {
            Finding::warn(text, "`weir topics plan`, or apply with your --overrides")
        })
    })
}

pub(super) fn lag(site: &Site) -> Finding {
    with_log(site, |log| {
        let mut behind = Vec::new();
        let mut all = 0;
        for (group, topic) in order(&site.settings).iter().flatten() {
            let ends = match admin::end_offsets(log, topic) {
                Ok(ends) => ends,
                Err(error) => return Ok(Finding::failed(error, MAKE)),
            };
            let committed = admin::committed(log, group, topic)?;
            let each = ends.iter().zip(&committed);
            let lag: i64 = each
                .map(|(end, next)| (end - next.unwrap_or(0)).max(0))
                .sum();
            all += lag;
            if lag >= MUCH {
                behind.push(format!("{group} {lag}"));
            }
        }
        Ok(if behind.is_empty() {
            Finding::ok(format!("{all} records behind, over every stage"))
        } else {
            Finding::warn(
                format!("records behind: {}", behind.join(", ")),
                "see that these services run and are ready; `weir pipelines list`",
            )
        })
    })
}

pub(super) fn dead_letters(site: &Site) -> Finding {
    with_log(site, |log| {
        let mut found = Vec::new();
        for topic in &topics::ALL {
            match admin::dead_letters(log, topic) {
                Ok(0) => {}
                Ok(count) => {
                    found.push(format!("{} {count}", topics::dead_letter_topic(topic.name)))
                }
                Err(error) => return Ok(Finding::failed(error, MAKE)),
            }
        }
        Ok(if found.is_empty() {
            Finding::ok("none")
        } else {
            Finding::warn(
                found.join(", "),
                "`weir topics consume TOPIC.dlq --from-beginning` shows them and why",
            )
        })
    })
}

/// A task goes on where its checkpoint stands, so the log must hold everything from there on.
pub(super) fn retention(site: &Site) -> Finding {
    with_log(site, |log| {
        let (mut lost, mut failing, mut old) = (Vec::new(), Vec::new(), Vec::new());
        let [tasks, correlators, _] = order(&site.settings);
        for (group, topic) in tasks.into_iter().chain(correlators) {
            let keeps = Keeps::of(log, &topic)?;
            let committed = admin::committed(log, group, &topic)?;
            for (partition, next) in (0..).zip(committed) {
                let Some(next) = next else { continue };
                let (first, end) = admin::range(log, topic.name, partition)?;
                let place = format!("{group} at {}/{partition} offset {next}", topic.name);
                match keeps.judge(partition, next, (first, end)) {
                    Kept::Long => {}
                    Kept::PastHalf => old.push(place),
                    Kept::Due => failing.push(place),
                    Kept::Lost => lost.push(format!("{place}, kept from {first}")),
                }
            }
        }
        Ok(if !lost.is_empty() {
            Finding::fail(
                format!(
                    "the log no longer holds what a checkpoint needs: {}",
                    lost.join("; ")
                ),
                "move that service's state away (and its copies in [checkpoint_store]): it reads what is still kept; \
                 then lengthen retention.ms: `weir topics apply --overrides`",
            )
        } else if !failing.is_empty() {
            Finding::fail(
                format!(
                    "older than retention.ms, may be deleted at any time: {}",
                    failing.join("; ")
                ),
                "lengthen retention.ms now (`weir topics apply --overrides`), then start what is behind",
            )
        } else if !old.is_empty() {
            Finding::warn(
                format!("past half of retention.ms: {}", old.join("; ")),
                "start what is behind (`weir pipelines list`), or lengthen retention.ms",
            )
        } else {
            Finding::ok("the log holds everything behind every checkpoint")
        })
    })
}

/// How long a topic keeps records, as offsets; by partition, `None` = every record is older.
struct Keeps {
    /// What is below was produced longer ago than the retention.
    due: Option<Vec<Option<i64>>>,
    /// As `due`, for half of it.
    old: Option<Vec<Option<i64>>>,
}

impl Keeps {
    fn of(log: &EventLog, topic: &Topic) -> Result<Self, LogError> {
        let configs = admin::describe(log, topic.name)?.map(|topic| topic.configs);
        let kept_ms = configs
            .as_ref()
            .and_then(|configs| configs.get("retention.ms")?.0.parse::<i64>().ok())
            // -1 = for ever.
            .filter(|ms| *ms >= 0);
        let before = |age_ms: i64| {
            let time_ms = (time::now_us() / 1_000 - age_ms).max(0);
            admin::offsets_at(log, topic.name, topic.partitions, time_ms)
        };
        Ok(Self {
            due: kept_ms.map(before).transpose()?,
            old: kept_ms.map(|ms| before(ms / 2)).transpose()?,
        })
    }

    /// Of what a group needs next, in a partition that holds `first` to `end`.
    fn judge(&self, partition: u32, next: i64, (first, end): (i64, i64)) -> Kept {
        let below = |bounds: &Option<Vec<_>>| is_below(bounds.as_deref(), partition, next);
        if next < first {
            Kept::Lost
        } else if next >= end {
            // Whatever is deleted, it was read.
            Kept::Long
        } else if below(&self.due) {
            Kept::Due
        } else if below(&self.old) {
            Kept::PastHalf
        } else {
            Kept::Long
        }
    }
}

/// How safe a record is from the retention of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Long,
    /// Older than half of it.
    PastHalf,
    /// Older than it.
    Due,
    /// Gone.
    Lost,
}

fn is_below(bounds: Option<&[Option<i64>]>, partition: u32, next: i64) -> bool {
    bounds
        .and_then(|bounds| bounds.get(partition as usize))
        .is_some_and(|bound| bound.is_none_or(|bound| next < bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_lost_due_past_half_or_safe_by_its_offset() {
        let keeps = Keeps {
            due: Some(vec![Some(20), None]),
            old: Some(vec![Some(30), None]),
        };
        for (partition, next, wanted) in [
            (0, 9, Kept::Lost),
            (0, 10, Kept::Due),
            (0, 19, Kept::Due),
            (0, 20, Kept::PastHalf),
            (0, 30, Kept::Long),
            // Every record of it is older.
            (1, 39, Kept::Due),
            (1, 40, Kept::Long),
        ] {
            let found = keeps.judge(partition, next, (10, 40));
            assert_eq!(found, wanted, "{partition} at {next}");
        }
        let for_ever = Keeps {
            due: None,
            old: None,
        };
        assert_eq!(for_ever.judge(0, 10, (10, 40)), Kept::Long);
        assert_eq!(for_ever.judge(0, 9, (10, 40)), Kept::Lost);
    }
}
