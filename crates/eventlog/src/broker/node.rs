//! What all connections share: the configuration, the catalogue, groups and their offsets.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::BrokerConfig;
use super::groups::Groups;
use super::offsets::Offsets;
use super::topics::Catalogue;

/// The only node of the cluster.
pub(crate) const NODE_ID: i32 = 1;
pub(crate) const CLUSTER_ID: &str = "weir-embedded";
/// `retention.ms` of a topic that does not say.
pub(crate) const DEFAULT_RETENTION_MS: i64 = 86_400_000;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: BrokerConfig,
    pub(crate) address: SocketAddr,
    pub(crate) catalogue: Catalogue,
    pub(crate) offsets: Offsets,
    pub(crate) groups: Groups,
    rounds: Rounds,
}

/// Work that is done together by who wants it at the same time: whoever waited for another's round is served by one that
/// begins after that, whoever of those who wait does it.
#[derive(Debug, Default)]
struct Rounds {
    begun: AtomicU64,
    /// The last that went well.
    ended: Mutex<u64>,
}

impl Rounds {
    /// Ends when `work` was done, from its beginning, after the call.
    fn together(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let seen = self.begun.load(Ordering::SeqCst);
        let mut ended = self.ended.lock();
        if *ended > seen {
            return Ok(());
        }
        let round = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        work()?;
        *ended = round;
        Ok(())
    }
}

impl Node {
    pub(crate) fn open(config: BrokerConfig, address: SocketAddr) -> io::Result<Self> {
        let catalogue = Catalogue::open(&config.dir, config.segment_bytes)?;
        let offsets = Offsets::open(&config.dir.join("offsets.journal"))?;
        Ok(Self {
            config,
            address,
            catalogue,
            offsets,
            groups: Groups::default(),
            rounds: Rounds::default(),
        })
    }

    /// Writes everything through to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.rounds.together(|| {
            let logs = self.catalogue.sync();
            self.offsets.sync().and(logs)
        })
    }

    /// Applies retention: by time per topic, then by size over all, never beyond what a registered
    /// group still has to read.
    pub(crate) fn retain(&self, now_ms: i64) -> io::Result<()> {
        self.expire_groups(now_ms)?;
        for topic in self.catalogue.all() {
            let kept = topic.number("retention.ms", DEFAULT_RETENTION_MS);
            if kept < 0 {
                continue;
            }
            for (index, partition) in topic.partitions.read().clone().iter().enumerate() {
                let floor = self.floor(&topic, index);
                let (start, until) = {
                    let mut log = partition.log.lock();
                    (
                        log.start(),
                        log.expired(now_ms.saturating_sub(kept), floor)?,
                    )
                };
                if until > start {
                    self.catalogue.delete_before(&topic, index, until)?;
                }
            }
        }
        self.retain_size()?;
        self.catalogue.tidy()
    }

    /// Deletes the oldest segments until all fits, or until only protected ones are left.
    fn retain_size(&self) -> io::Result<()> {
        let mut total = 0;
        let mut segments = Vec::new();
        for topic in self.catalogue.all() {
            for (index, partition) in topic.partitions.read().clone().into_iter().enumerate() {
                total += partition.log.lock().size();
                segments.push((Arc::clone(&topic), index, partition));
            }
        }
        while total > self.config.retention_bytes {
            let oldest = segments
                .iter()
                .filter_map(|(topic, index, partition)| {
                    let (time, end, size) = partition.log.lock().oldest()?;
                    (end <= self.floor(topic, *index)).then_some((time, topic, *index, end, size))
                })
                .min_by_key(|(time, ..)| *time);
            let Some((_, topic, index, end, size)) = oldest else {
                tracing::warn!(
                    bytes = total,
                    limit = self.config.retention_bytes,
                    "the log is larger than its limit: consumer groups still have to read it"
                );
                break;
            };
            self.catalogue.delete_before(topic, index, end)?;
            total = total.saturating_sub(size);
        }
        Ok(())
    }

    fn floor(&self, topic: &super::topics::Topic, index: usize) -> i64 {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        self.offsets.floor(topic.id, index).unwrap_or(i64::MAX)
    }

    fn expire_groups(&self, now_ms: i64) -> io::Result<()> {
        let kept = i64::try_from(self.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        for (group, newest) in self.offsets.groups() {
            let active = self
                .groups
                .get(&group)
                .is_some_and(|group| !group.lock().members.is_empty());
            if !active && newest < now_ms.saturating_sub(kept) {
                tracing::info!(group, "forgot the offsets of a group that is long gone");
                self.offsets.delete_group(&group)?;
            }
        }
        Ok(())
    }
}

/// Wall clock, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_round_is_served_by_one_that_began_after_it_asked() {
        let (rounds, written, covered) = (Rounds::default(), AtomicU64::new(0), AtomicU64::new(0));
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let mine = written.fetch_add(1, Ordering::SeqCst) + 1;
                        let work = || {
                            let all = written.load(Ordering::SeqCst);
                            std::thread::yield_now();
                            covered.fetch_max(all, Ordering::SeqCst);
                            done.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        };
                        rounds.together(work).unwrap();
                        assert!(covered.load(Ordering::SeqCst) >= mine);
                    }
                });
            }
        });
        let (asked, done) = (written.into_inner(), done.into_inner());
        assert!(done < asked, "{done} rounds for {asked}: nobody shared one");
    }

    #[test]
    fn a_round_that_failed_serves_nobody() {
        let rounds = Rounds::default();
        rounds
            .together(|| Err(io::ErrorKind::StorageFull.into()))
            .unwrap_err();
        let mut done = false;
        rounds
            .together(|| {
                done = true;
                Ok(())
            })
            .unwrap();
        assert!(done);
    }
}
