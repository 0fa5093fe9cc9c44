//! How a group comes to an assignment: joining, syncing, stable; and what the clock ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Answer, Group, Member, State, Synced, code};

/// Waits for members that start at the same moment.
const FIRST_JOIN: Duration = Duration::from_millis(50);
/// A member that was given its id must come again within this time.
const COMES_AGAIN: Duration = Duration::from_secs(30);

impl Group {
    /// Starts a rebalance, unless one is under way.
    pub(super) fn prepare(&mut self) {
        if self.state == State::Joining {
            return;
        }
        for member in self.members.values_mut() {
            if let Some(waiting) = member.syncing.take() {
                let _ = waiting.send((code::REBALANCE_IN_PROGRESS, Vec::new()));
            }
        }
        let now = Instant::now();
        let longest = self.members.values().map(|member| member.rebalance).max();
        self.join_from = match self.state {
            State::Empty => now + FIRST_JOIN,
            _ => now,
        };
        self.join_until = now + longest.unwrap_or_default();
        self.state = State::Joining;
    }

    /// Ends the joining when all are here or the time is over.
    pub(super) fn try_complete(&mut self, now: Instant) {
        if self.state != State::Joining || now < self.join_from {
            return;
        }
        let all = self.members.values().all(Member::waits);
        if !all && now < self.join_until {
            return;
        }
        self.members
            .retain(|_, member| member.waits() || member.instance.is_some());
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.become_empty();
            return;
        }
        self.protocol = self.choose_protocol();
        if !self.members.contains_key(&self.leader) {
            let waiting = self.members.iter().find(|(_, member)| member.waits());
            let leader = waiting.or(self.members.iter().next());
            self.leader = leader.map(|(id, _)| id.clone()).unwrap_or_default();
        }
        self.state = State::Syncing;
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.seen = now;
                member.assignment.clear();
                if let Some(waiting) = member.joining.take() {
                    let _ = waiting.send(joined);
                }
            }
        }
    }

    /// The first that the most members put first, of those that all speak.
    fn choose_protocol(&self) -> String {
        let common = |name: &String| {
            let speaks = |member: &Member| member.protocols.iter().any(|(each, _)| each == name);
            self.members.values().all(speaks)
        };
        let mut votes: BTreeMap<&String, usize> = BTreeMap::new();
        for member in self.members.values() {
            let choice = member
                .protocols
                .iter()
                .map(|(name, _)| name)
                .find(|name| common(name));
            if let Some(choice) = choice {
                *votes.entry(choice).or_default() += 1;
            }
        }
        let winner = votes.into_iter().max_by_key(|(_, count)| *count);
        winner.map(|(name, _)| name.clone()).unwrap_or_default()
    }

    fn become_empty(&mut self) {
        self.state = State::Empty;
        self.protocol.clear();
        self.leader.clear();
    }

    pub(super) fn sync(
        &mut self,
        member: &str,
        assignments: Vec<(String, Vec<u8>)>,
    ) -> Answer<Synced> {
        let is_leader = self.leader == member;
        match self.state {
            State::Stable => {}
            State::Syncing if is_leader => {
                for (id, assignment) in assignments {
                    if let Some(member) = self.members.get_mut(&id) {
                        member.assignment = assignment;
                    }
                }
                self.state = State::Stable;
                let now = Instant::now();
                for member in self.members.values_mut() {
                    member.seen = now;
                    if let Some(waiting) = member.syncing.take() {
                        let _ = waiting.send((code::NONE, member.assignment.clone()));
                    }
                }
            }
            State::Syncing => {
                let (sender, receiver) = oneshot::channel();
                if let Some(member) = self.members.get_mut(member) {
                    member.seen = Instant::now();
                    member.syncing = Some(sender);
                }
                return Answer::Later(receiver);
            }
            State::Joining => return Answer::Now((code::REBALANCE_IN_PROGRESS, Vec::new())),
            State::Empty => return Answer::Now((code::UNKNOWN_MEMBER_ID, Vec::new())),
        }
        let assignment = self.members.get(member).map(|each| each.assignment.clone());
        Answer::Now((code::NONE, assignment.unwrap_or_default()))
    }

    pub(super) fn remove(&mut self, member: &str) {
        self.members.remove(member);
        if self.members.is_empty() && self.state != State::Joining {
            self.generation = self.generation.wrapping_add(1).max(1);
            self.become_empty();
            return;
        }
        self.prepare();
        self.try_complete(Instant::now());
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.pending
            .retain(|_, since| now.duration_since(*since) < COMES_AGAIN);
        let late: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| {
                !member.waits() && now.duration_since(member.seen) >= member.session
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            tracing::info!(member = %id, "a group member is silent for longer than its session timeout");
            self.remove(&id);
        }
        self.try_complete(now);
    }

    /// When [`Group::expire`] has something to do next, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let forgotten = self.pending.values().map(|since| *since + COMES_AGAIN);
        let silent = self.members.values().filter(|member| !member.waits());
        let silent = silent.map(|member| member.seen + member.session);
        let joined = (self.state == State::Joining).then(|| {
            let all = self.members.values().all(Member::waits);
            if all {
                self.join_from
            } else {
                self.join_until.max(self.join_from)
            }
        });
        forgotten.chain(silent).chain(joined).min()
    }
}
