//! Classic consumer groups: join, sync, heartbeat, leave, static members (KIP-345).
//!
//! A group waits in `Joining` until every known member has asked to join or the rebalance time is
//! over, then in `Syncing` until the leader has sent the assignment. Timers are one clock task that
//! calls [`Groups::expire`] when it said, and when [`Groups::changed`] tells of something sooner.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::error_code as code;

mod join;
mod rebalance;

const GROUP_LIMIT: usize = 1_000;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Joining,
    Syncing,
    Stable,
}

impl State {
    /// The name that Kafka gives it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Joining => "PreparingRebalance",
            Self::Syncing => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A request to join.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) member: String,
    pub(crate) instance: Option<String>,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) session_ms: i32,
    pub(crate) rebalance_ms: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
    /// The client understands that it must come again with the id it is given (KIP-394).
    pub(crate) comes_twice: bool,
}

/// The answer to a join.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    pub(crate) error: i16,
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member: String,
    /// (member, instance, metadata), for the leader only.
    pub(crate) members: Vec<(String, Option<String>, Vec<u8>)>,
}

impl Joined {
    pub(crate) fn failed(error: i16, member: &str) -> Self {
        Self {
            error,
            generation: -1,
            member: member.to_owned(),
            ..Self::default()
        }
    }
}

/// The answer to a sync: an error code, and the member's assignment.
pub(crate) type Synced = (i16, Vec<u8>);

/// An answer that is ready, or that comes when the group has moved on.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<String>,
    pub(crate) client: String,
    pub(crate) host: String,
    pub(crate) assignment: Vec<u8>,
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
    session: Duration,
    rebalance: Duration,
    seen: Instant,
    joining: Option<oneshot::Sender<Joined>>,
    syncing: Option<oneshot::Sender<Synced>>,
}

impl Member {
    pub(crate) fn metadata(&self, protocol: &str) -> Vec<u8> {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }

    fn waits(&self) -> bool {
        self.joining.as_ref().is_some_and(|join| !join.is_closed())
    }
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: State,
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) members: BTreeMap<String, Member>,
    pending: HashMap<String, Instant>,
    /// While joining: not before, and not after.
    join_from: Instant,
    join_until: Instant,
}

impl Group {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
            pending: HashMap::new(),
            join_from: now,
            join_until: now,
        }
    }

    fn id_of_instance(&self, instance: &str) -> Option<String> {
        let holds = |(_, member): &(&String, &Member)| member.instance.as_deref() == Some(instance);
        self.members.iter().find(holds).map(|(id, _)| id.clone())
    }

    /// Checks who speaks: 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID.
    fn check(&self, member: &str, instance: Option<&str>) -> i16 {
        if let Some(instance) = instance {
            match self.id_of_instance(instance) {
                Some(holder) if holder != member => return code::FENCED_INSTANCE_ID,
                Some(_) => {}
                None => return code::UNKNOWN_MEMBER_ID,
            }
        }
        if self.members.contains_key(member) {
            code::NONE
        } else {
            code::UNKNOWN_MEMBER_ID
        }
    }

    fn joined(&self, id: &str) -> Joined {
        let members = if id == self.leader {
            let row = |(id, member): (&String, &Member)| {
                let metadata = member.metadata(&self.protocol);
                (id.clone(), member.instance.clone(), metadata)
            };
            self.members.iter().map(row).collect()
        } else {
            Vec::new()
        };
        Joined {
            error: code::NONE,
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: id.to_owned(),
            members,
        }
    }
}

/// All groups with members, now or before.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_id: Mutex<BTreeMap<String, Arc<Mutex<Group>>>>,
    changes: Notify,
}

/// Tells the clock when it is dropped: a client that waited for its group has its answer or left.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a Notify);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Groups {
    pub(crate) fn get(&self, group: &str) -> Option<Arc<Mutex<Group>>> {
        self.by_id.lock().get(group).cloned()
    }

    pub(crate) fn all(&self) -> Vec<(String, Arc<Mutex<Group>>)> {
        let groups = self.by_id.lock();
        let row = |(id, group): (&String, &Arc<Mutex<Group>>)| (id.clone(), Arc::clone(group));
        groups.iter().map(row).collect()
    }

    pub(crate) fn join(&self, group: &str, join: Join) -> Answer<Joined> {
        let known = {
            let mut groups = self.by_id.lock();
            if !groups.contains_key(group) && groups.len() >= GROUP_LIMIT {
                return Answer::Now(Joined::failed(code::GROUP_MAX_SIZE_REACHED, &join.member));
            }
            let known = groups
                .entry(group.to_owned())
                .or_insert_with(|| Arc::new(Mutex::new(Group::new())));
            Arc::clone(known)
        };
        let answer = known.lock().join(join);
        self.changes.notify_one();
        answer
    }

    pub(crate) fn sync(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
        assignments: Vec<(String, Vec<u8>)>,
    ) -> Answer<Synced> {
        let Some(group) = self.get(group) else {
            return Answer::Now((code::UNKNOWN_MEMBER_ID, Vec::new()));
        };
        let mut group = group.lock();
        let error = match group.check(member, instance) {
            code::NONE if generation != group.generation => code::ILLEGAL_GENERATION,
            error => error,
        };
        if error != code::NONE {
            return Answer::Now((error, Vec::new()));
        }
        let answer = group.sync(member, assignments);
        self.changes.notify_one();
        answer
    }

    pub(crate) fn heartbeat(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> i16 {
        let Some(group) = self.get(group) else {
            return code::UNKNOWN_MEMBER_ID;
        };
        let mut group = group.lock();
        let error = group.check(member, instance);
        if error != code::NONE {
            return error;
        }
        if generation != group.generation {
            return code::ILLEGAL_GENERATION;
        }
        if let Some(member) = group.members.get_mut(member) {
            member.seen = Instant::now();
        }
        match group.state {
            State::Joining => code::REBALANCE_IN_PROGRESS,
            _ => code::NONE,
        }
    }

    pub(crate) fn leave(&self, group: &str, member: &str, instance: Option<&str>) -> i16 {
        let Some(group) = self.get(group) else {
            return code::UNKNOWN_MEMBER_ID;
        };
        let mut group = group.lock();
        let member = match instance {
            // An administrator may name the instance alone.
            Some(instance) if member.is_empty() => group.id_of_instance(instance),
            _ => Some(member.to_owned()),
        };
        let Some(member) = member else {
            return code::UNKNOWN_MEMBER_ID;
        };
        if group.pending.remove(&member).is_some() {
            return code::NONE;
        }
        let error = group.check(&member, instance);
        if error == code::NONE {
            group.remove(&member);
            self.changes.notify_one();
        }
        error
    }

    /// May this member commit? A generation below 0 is a client outside of the group protocol.
    pub(crate) fn may_commit(
        &self,
        group: &str,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> i16 {
        let Some(group) = self.get(group) else {
            return if generation < 0 {
                code::NONE
            } else {
                code::ILLEGAL_GENERATION
            };
        };
        let mut group = group.lock();
        if generation < 0 && group.state == State::Empty {
            return code::NONE;
        }
        let error = group.check(member, instance);
        if error != code::NONE {
            return error;
        }
        if generation != group.generation {
            return code::ILLEGAL_GENERATION;
        }
        if let Some(member) = group.members.get_mut(member) {
            member.seen = Instant::now();
        }
        match group.state {
            State::Syncing => code::REBALANCE_IN_PROGRESS,
            _ => code::NONE,
        }
    }

    /// Forgets a group without members; `None` when it is not known here.
    pub(crate) fn delete(&self, group: &str) -> Option<i16> {
        let mut groups = self.by_id.lock();
        let state = groups.get(group)?.lock().state;
        if state != State::Empty {
            return Some(code::NON_EMPTY_GROUP);
        }
        groups.remove(group);
        Some(code::NONE)
    }

    /// Ends joins that are complete and drops members that are silent; when to come again.
    pub(crate) fn expire(&self, now: Instant) -> Option<Instant> {
        let next = |(_, group): (_, Arc<Mutex<Group>>)| {
            let mut group = group.lock();
            group.expire(now);
            group.deadline()
        };
        self.all().into_iter().filter_map(next).min()
    }

    /// To be held, and dropped last, by who waits for an answer.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        Waiting(&self.changes)
    }

    /// Ends when something may have come due sooner than [`Groups::expire`] said.
    pub(crate) async fn changed(&self) {
        self.changes.notified().await;
    }
}
