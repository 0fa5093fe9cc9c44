//! Does Kafka answer, are our topics as they should be, who is behind, what was set aside?

use weir_eventlog::{
    EventLog, LogError,
    admin::{self, Step},
};
use weir_events::topics;

use super::{Finding, Site};
use crate::caught_up::order;

const REACH: &str = "see that the broker runs, and [kafka] bootstrap_servers, credentials and CA";
const MAKE: &str = "`weir topics apply`, or see that the broker runs";
/// Records behind which a stage is worth a look.
const MUCH: i64 = 100_000;

fn with_log(site: &Site, look: impl FnOnce(&EventLog) -> Result<Finding, LogError>) -> Finding {
    let Some(config) = site.settings.kafka() else {
        return Finding::skipped("embedded: [kafka] names no broker");
    };
    match EventLog::kafka(config.clone()) {
        Ok(log) => look(&log).unwrap_or_else(|error| Finding::failed(error, REACH)),
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
