//! Who comes into a group, and as whom: new members, known ones, static ones that come back.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{Answer, Group, Join, Joined, Member, State, code};

const MEMBER_LIMIT: usize = 1_000;
const SESSION_MS: (i32, i32) = (100, 1_800_000);

impl Group {
    pub(super) fn join(&mut self, join: Join) -> Answer<Joined> {
        let refuse = |error| Answer::Now(Joined::failed(error, &join.member));
        if !(SESSION_MS.0..=SESSION_MS.1).contains(&join.session_ms) {
            return refuse(code::INVALID_SESSION_TIMEOUT);
        }
        let speaks = |name: &str, member: &Member| member.protocols.iter().any(|(p, _)| p == name);
        let shared = |(name, _): &(String, Vec<u8>)| {
            self.members.values().all(|member| speaks(name, member))
        };
        let alone = self.members.is_empty();
        let mismatch = !alone && self.protocol_type != join.protocol_type;
        if join.protocols.is_empty() || mismatch || !join.protocols.iter().any(shared) {
            return refuse(code::INCONSISTENT_GROUP_PROTOCOL);
        }
        if self.members.len() + self.pending.len() >= MEMBER_LIMIT {
            return refuse(code::GROUP_MAX_SIZE_REACHED);
        }
        let static_holder = join
            .instance
            .as_deref()
            .and_then(|instance| self.id_of_instance(instance));
        let id = if join.member.is_empty() {
            let id = format!("{}-{}", join.client, Uuid::from_bytes(rand::random()));
            match &static_holder {
                Some(old) => return self.replace_static(old, id, join),
                None if join.instance.is_none() && join.comes_twice => {
                    self.pending.insert(id.clone(), Instant::now());
                    return Answer::Now(Joined::failed(code::MEMBER_ID_REQUIRED, &id));
                }
                None => id,
            }
        } else if let Some(holder) = static_holder {
            if holder != join.member {
                return refuse(code::FENCED_INSTANCE_ID);
            }
            join.member.clone()
        } else if self.pending.remove(&join.member).is_some()
            || self.members.contains_key(&join.member)
        {
            join.member.clone()
        } else {
            return refuse(code::UNKNOWN_MEMBER_ID);
        };
        let unchanged = self
            .members
            .get(&id)
            .is_some_and(|member| member.protocols == join.protocols);
        // A member that asks again without news, and is not the leader, learns where things stand.
        if self.state == State::Stable && unchanged && id != self.leader {
            if let Some(member) = self.members.get_mut(&id) {
                member.seen = Instant::now();
            }
            return Answer::Now(self.joined(&id));
        }
        if self.state == State::Syncing && unchanged {
            return Answer::Now(self.joined(&id));
        }
        let receiver = self.enter(id, join);
        self.prepare();
        self.try_complete(Instant::now());
        Answer::Later(receiver)
    }

    fn enter(&mut self, id: String, join: Join) -> oneshot::Receiver<Joined> {
        let (sender, receiver) = oneshot::channel();
        if self.members.is_empty() {
            self.protocol_type = join.protocol_type;
        }
        let ms = |value: i32| Duration::from_millis(u64::try_from(value).unwrap_or(0));
        let old = self.members.remove(&id);
        let member = Member {
            instance: join.instance,
            client: join.client,
            host: join.host,
            assignment: old.map(|old| old.assignment).unwrap_or_default(),
            protocols: join.protocols,
            session: ms(join.session_ms),
            rebalance: ms(join.rebalance_ms).min(Duration::from_secs(1_800)),
            seen: Instant::now(),
            joining: Some(sender),
            syncing: None,
        };
        self.members.insert(id, member);
        receiver
    }

    /// A static member came back under a new id: the old one is fenced; when it still speaks the
    /// same, the assignment stays and nobody else notices.
    fn replace_static(&mut self, old: &str, id: String, join: Join) -> Answer<Joined> {
        let Some(mut member) = self.members.remove(old) else {
            return Answer::Now(Joined::failed(code::UNKNOWN_MEMBER_ID, old));
        };
        if let Some(waiting) = member.joining.take() {
            let _ = waiting.send(Joined::failed(code::FENCED_INSTANCE_ID, old));
        }
        if let Some(waiting) = member.syncing.take() {
            let _ = waiting.send((code::FENCED_INSTANCE_ID, Vec::new()));
        }
        let same = member.metadata(&self.protocol)
            == join
                .protocols
                .iter()
                .find(|(name, _)| *name == self.protocol)
                .map(|(_, bytes)| bytes.clone())
                .unwrap_or_default();
        let led = self.leader == old;
        if self.state == State::Stable && same {
            member.protocols = join.protocols;
            member.seen = Instant::now();
            self.members.insert(id.clone(), member);
            let mut joined = self.joined(&id);
            if led {
                // It is told the old leader's name, so that it takes the assignment that stands.
                self.leader.clone_from(&id);
                joined.members.clear();
            }
            return Answer::Now(joined);
        }
        if led {
            self.leader.clone_from(&id);
        }
        self.members.insert(id.clone(), member);
        let receiver = self.enter(id, join);
        self.prepare();
        self.try_complete(Instant::now());
        Answer::Later(receiver)
    }
}
