//! Why a member reads nothing although it has not failed: said once, kept until it is over.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
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

    /// A partition cannot be read.
    pub(super) fn partition(&self, topic: &str, partition: u32, error: &LogError) {
        let reason = error.to_string();
        let mut reasons = self.reasons.lock();
        self.any.store(true, Ordering::Relaxed);
        if reasons.partitions.get(&partition) != Some(&reason) {
            tracing::warn!(topic, partition, reason, "waiting for the log");
            reasons.partitions.insert(partition, reason);
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

    /// The partition is read, or no longer ours.
    pub(super) fn read(&self, partition: u32) {
        self.settle(|reasons| {
            reasons.partitions.remove(&partition);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> LogError {
        LogError::Request {
            what: "read t".to_owned(),
            reason: "refused".to_owned(),
            trouble: Trouble::Permission,
        }
    }

    #[test]
    fn each_reason_ends_with_what_shows_that_it_is_over() {
        let waiting = Waiting::default();
        assert_eq!(waiting.text(), None);
        waiting.member("g", Trouble::Away, "all down");
        waiting.partition("t", 3, &refused());
        assert_eq!(waiting.text().as_deref(), Some("all down"));
        waiting.answered(false);
        assert_eq!(waiting.text().as_deref(), Some("read t: refused"));
        waiting.read(2);
        assert!(waiting.text().is_some());
        waiting.read(3);
        assert_eq!(waiting.text(), None);

        waiting.member("g", Trouble::Permission, "no access");
        waiting.answered(false);
        assert!(waiting.text().is_some(), "an answer is not an access");
        waiting.joined();
        assert_eq!(waiting.text(), None);
    }
}
