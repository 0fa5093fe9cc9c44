//! Becoming a member of a group: by which protocol, under which name.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use weir_events::topics::Topic;

use super::Shared;
use crate::{EventLog, LogError, kafka::group::Member, log::Instance};

/// Before the brokers are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a member is made of, as often as it takes.
pub(super) struct Joining {
    pub(super) log: EventLog,
    pub(super) group: String,
    pub(super) topic: Topic,
    /// Under which name, where members are static.
    pub(super) instance: Option<Instance>,
    pub(super) shared: Arc<Shared>,
}

impl Joining {
    /// Joins as soon as the brokers have told what they can do. `None` = the subscriber was
    /// stopped before, or has failed.
    pub(super) fn join(&self) -> Option<Member> {
        while !self.shared.is_stopping() {
            match self.try_join() {
                Ok(member) => return Some(member),
                Err(error) if error.can_heal() => {
                    let (waiting, reason) = (&self.shared.waiting, error.to_string());
                    waiting.member(&self.group, error.trouble(), &reason);
                    self.shared.has_left(Instant::now() + ASK_AGAIN);
                }
                Err(error) => {
                    self.shared.fail(&format!("group {}: {error}", self.group));
                    return None;
                }
            }
        }
        None
    }

    pub(super) fn try_join(&self) -> Result<Member, LogError> {
        let membership = self.log.membership(self.instance.as_ref())?;
        Member::join(&self.log, &self.group, self.topic, &membership)
    }
}
