//! Why a member reads nothing although it has not failed: said once, kept until it is over.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{LogError, Trouble};

/// What a member waits for.
#[derive(Default)]
pub(crate) struct Waiting {
    reasons: Mutex<Reasons>,
    /// There is one; so that who reads need not take the lock.
    any: AtomicBool,
}

#[derive(Default)]
struct Reasons {
    /// Of the member as a whole.
    member: Option<(Trouble, String)>,
    partitions: BTreeMap<u32, String>,
}

impl Waiting {
    /// The member cannot go on.
    pub(super) fn member(&self, group: &str, trouble: Trouble, reason: &str) {
        let mut reasons = self.reasons.lock();
        self.any.store(true, Ordering::Relaxed);
        if reasons.member.as_ref().is_none_or(|(_, had)| had != reason) {
            tracing::warn!(group, reason, "waiting for the log");
            reasons.member = Some((trouble, reason.to_owned()));
        }
    }

    /// The group has given us partitions.
    pub(super) fn joined(&self) {
        self.settle(|reasons| reasons.member = None);
    }

    /// The brokers have answered what only members of the group may ask: they are not away, and
    /// know us. A member without a partition is not sure to be let in again.
    pub(super) fn answered(&self, has_partitions: bool) {
        self.settle(|reasons| {
            let over = [Trouble::Away, Trouble::Credentials];
            reasons
                .member
                .take_if(|(trouble, _)| has_partitions || over.contains(trouble));
        });
    }

    pub(super) fn text(&self) -> Option<String> {
        let reasons = self.reasons.lock();
        let member = reasons.member.as_ref().map(|(_, reason)| reason.clone());
        member.or_else(|| reasons.partitions.values().next().cloned())
    }

    fn settle(&self, settle: impl FnOnce(&mut Reasons)) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let mut reasons = self.reasons.lock();
        settle(&mut reasons);
        if reasons.member.is_none() && reasons.partitions.is_empty() {
            self.any.store(false, Ordering::Relaxed);
            tracing::info!("the log is back");
        }
    }
}

/// What the task of one partition waits for; ends with the task, however late that finds its partition
/// gone.
pub(super) struct OfPartition {
    pub(super) waiting: Arc<Waiting>,
    pub(super) topic: &'static str,
    pub(super) partition: u32,
}

impl OfPartition {
    /// The partition cannot be read.
    pub(super) fn begins(&self, error: &LogError) {
        let (topic, partition, reason) = (self.topic, self.partition, error.to_string());
        let mut reasons = self.waiting.reasons.lock();
        self.waiting.any.store(true, Ordering::Relaxed);
        if reasons.partitions.get(&partition) != Some(&reason) {
            tracing::warn!(topic, partition, reason, "waiting for the log");
            reasons.partitions.insert(partition, reason);
        }
    }

    /// It is read.
    pub(super) fn is_over(&self) {
        self.waiting.settle(|reasons| {
            reasons.partitions.remove(&self.partition);
        });
    }
}

impl Drop for OfPartition {
    fn drop(&mut self) {
        self.is_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(waiting: &Arc<Waiting>, partition: u32) -> OfPartition {
        OfPartition {
            waiting: Arc::clone(waiting),
            topic: "t",
            partition,
        }
    }

    fn refused() -> LogError {
        LogError::Request {
            what: "read t".to_owned(),
            reason: "refused".to_owned(),
            trouble: Trouble::Permission,
        }
    }

    #[test]
    fn each_reason_ends_with_what_shows_that_it_is_over() {
        let waiting = Arc::new(Waiting::default());
        assert_eq!(waiting.text(), None);
        waiting.member("g", Trouble::Away, "all down");
        of(&waiting, 2).is_over();
        let third = of(&waiting, 3);
        third.begins(&refused());
        assert_eq!(waiting.text().as_deref(), Some("all down"));
        waiting.answered(false);
        assert_eq!(waiting.text().as_deref(), Some("read t: refused"));
        of(&waiting, 2).is_over();
        assert!(waiting.text().is_some());
        third.is_over();
        assert_eq!(waiting.text(), None);

        waiting.member("g", Trouble::Permission, "no access");
        waiting.answered(false);
        assert!(waiting.text().is_some(), "an answer is not an access");
        waiting.joined();
        assert_eq!(waiting.text(), None);
    }

    #[test]
    fn a_task_that_finds_its_partition_gone_leaves_no_reason_behind() {
        let waiting = Arc::new(Waiting::default());
        let task = of(&waiting, 3);
        // The partition was lost while the broker was asked; only then the answer fails.
        task.begins(&refused());
        drop(task);
        assert_eq!(waiting.text(), None);
    }
}
