//! What a rule finds, over its life: suspected, confirmed, ended, perhaps re-opened.

mod evidence;
mod kind;
pub mod reason;

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;
use weir_events::position::Version;
use weir_routing::{Asn, Prefix};

pub use evidence::{Evidence, MAX_EVIDENCE};
pub use kind::Kind;
pub(crate) use kind::Role;

use crate::links::Link;

/// Where an incident is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) prefix: Prefix,
    pub(crate) role: Role,
    pub(crate) suspect: Asn,
    /// Whom it claims to have the route from; AS 0 where it is of no matter.
    pub(crate) from: Asn,
}

impl Key {
    /// The two that stand side by side.
    pub(crate) fn link(&self) -> Link {
        Link::new(self.suspect, self.from)
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Seen by fewer than K peer ASNs so far.
    Suspected,
    /// Seen by K peer ASNs at one time.
    Confirmed,
    /// Over.
    Ended,
}

/// How bad, if true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Recorded, nobody is told.
    Info,
    /// Untidy.
    Low,
    /// To be looked at.
    Medium,
    /// Traffic may go astray.
    High,
    /// Traffic goes astray.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The name in documents and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// Why an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// The last route was withdrawn.
    Withdrawn,
    /// The last route was replaced by another origin's or path's.
    Replaced,
    /// The origin has been there for 24 h, or gone for as long.
    BecameStable,
    /// Suspected, never confirmed, an hour without change.
    Faded,
    /// The vantage points went stale and expired.
    Unknown,
    /// New knowledge says that there is nothing wrong.
    Explained,
    /// It has been quiet for long enough.
    Calmed,
    /// What was lost came back.
    Recovered,
}

/// What happened to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It is new.
    Opened,
    /// K peer ASNs see it.
    Confirmed,
    /// Evidence, severity or reasons changed.
    Updated,
    /// It is over.
    Ended,
    /// It came back within ten minutes.
    Reopened,
}

/// One part of a group. Members are ordered by prefix, then by id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its prefix; none where the incident is about none.
    pub prefix: Option<Prefix>,
    /// The incident that is told of it, where there is one.
    pub incident: Option<Uuid>,
}

/// The whole state of one incident. Times are event times in microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// UUIDv5 of (type, prefix or what else it is about, suspect, event time of the first record).
    pub id: Uuid,
    /// The id of the first incident of the attack that this is part of; its own where it stands alone.
    pub case: Uuid,
    /// Which rule opened it.
    pub kind: Kind,
    /// The announced prefix; none where it is about a network, a vantage point or a group.
    pub prefix: Option<Prefix>,
    /// Who may be at fault; of an AS_SET the lowest.
    pub suspect: Asn,
    /// Members of the AS_SET, ascending; empty for a plain suspect.
    pub suspect_set: Vec<Asn>,
    /// Origins now seen for the prefix in routes that are not stale, ascending.
    pub origins: Vec<Asn>,
    /// Origins that were expected when it opened, ascending.
    pub expected_origins: Vec<Asn>,
    /// Who is hurt, ascending.
    pub victims: Vec<Asn>,
    /// The known prefix that this is a part of.
    pub covering: Option<Prefix>,
    /// Where it stands.
    pub state: State,
    /// The worst that its routes were, unless others explain them (`docs/rules.md`).
    pub severity: Severity,
    /// First record of this id.
    pub first_seen_us: i64,
    /// When it was last opened.
    pub suspected_at_us: i64,
    /// When it was first confirmed.
    pub confirmed_at_us: Option<i64>,
    /// When it ended.
    pub ended_at_us: Option<i64>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Last record that changed it or showed its route.
    pub last_seen_us: i64,
    /// How often it came back.
    pub reopened: u32,
    /// Vantage points that carry it now in routes that are not stale; of a visibility loss those of the full feed.
    pub visible_peers: u32,
    /// Vantage points that are up and have announced a prefix of its family to its partition; of a loss, who had it.
    pub total_peers: u32,
    /// Distinct ASNs of the peers that have carried it (of a visibility loss: lost it), ascending, never cut.
    pub peer_asns: Vec<Asn>,
    /// The last route of each peer that has carried it, ordered by (ASN, address, collector); the
    /// first [`MAX_EVIDENCE`] in that order.
    pub evidence: Vec<Evidence>,
    /// Short facts, sorted.
    pub reasons: Vec<&'static str>,
    /// Any of its records was made up.
    pub synthetic: bool,
    /// What a group consists of; the first [`MAX_MEMBERS`] in their order.
    pub members: Vec<Member>,
    /// All that it consists of.
    pub member_count: u32,
    /// What changed last.
    pub change: Change,
    /// Event time of the record that changed it.
    pub changed_at_us: i64,
    /// Version of this state.
    pub version: Version,
}

/// Members that an incident shows. The count beside them is of all.
pub const MAX_MEMBERS: usize = 256;

/// One change of one incident: its whole state afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state.
    pub incident: Incident,
}

/// Namespace of incident ids; never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_9f0a_52c4_4b7e_9c1d_77e1_5ee3_0b41);

impl Incident {
    /// The id of an incident that opens now, `about` a prefix, or a text of the rule's own: empty where the suspect
    /// says it all.
    #[must_use]
    pub fn id_of(kind: Kind, about: impl fmt::Display, suspect: Asn, event_time_us: i64) -> Uuid {
        let name = format!("{}|{about}|{suspect}|{event_time_us}", kind.name());
        Uuid::new_v5(&NAMESPACE, name.as_bytes())
    }

    /// One that begins now, at an event time.
    pub(crate) fn beginning(
        (kind, severity): (Kind, Severity),
        prefix: Option<Prefix>,
        about: impl fmt::Display,
        suspect: Asn,
        at: i64,
    ) -> Self {
        let id = Self::id_of(kind, about, suspect, at);
        Self {
            id,
            case: id,
            kind,
            prefix,
            suspect,
            suspect_set: Vec::new(),
            origins: Vec::new(),
            expected_origins: Vec::new(),
            victims: Vec::new(),
            covering: None,
            state: State::Suspected,
            severity,
            first_seen_us: at,
            suspected_at_us: at,
            confirmed_at_us: None,
            ended_at_us: None,
            end_reason: None,
            last_seen_us: at,
            reopened: 0,
            visible_peers: 0,
            total_peers: 0,
            peer_asns: Vec::new(),
            evidence: Vec::new(),
            reasons: Vec::new(),
            synthetic: false,
            members: Vec::new(),
            member_count: 0,
            change: Change::Opened,
            changed_at_us: at,
            version: Version(0),
        }
    }

    /// Over, for this reason.
    pub(crate) fn end(&mut self, why: EndReason, at: i64) {
        self.state = State::Ended;
        self.ended_at_us = Some(at);
        self.end_reason = Some(why);
        self.change = Change::Ended;
        self.changed_at_us = at;
    }

    /// What had ended has begun again, at an event time.
    pub(crate) fn reopen(&mut self, at: i64) {
        self.state = State::Suspected;
        self.suspected_at_us = at;
        self.ended_at_us = None;
        self.end_reason = None;
        self.reopened += 1;
    }

    /// What it consists of, in any order.
    pub(crate) fn consists_of(&mut self, mut members: Vec<Member>, count: usize) {
        members.sort_unstable();
        members.truncate(MAX_MEMBERS);
        self.members = members;
        self.member_count = u32::try_from(count).unwrap_or(u32::MAX);
    }

    /// Where it is filed in the shard of its prefix; nowhere without one.
    pub(crate) fn key(&self) -> Option<Key> {
        Some(Key {
            prefix: self.prefix?,
            role: self.kind.role(),
            suspect: self.suspect,
            from: self.from(),
        })
    }

    fn from(&self) -> Asn {
        let is_link = self.kind.role().is_link();
        let first = self.victims.first().filter(|_| is_link);
        first.copied().unwrap_or(Asn(0))
    }

    /// The two that stand side by side; of other types the suspect beside nobody.
    pub(crate) fn link(&self) -> Link {
        Link::new(self.suspect, self.from())
    }

    /// How bad it can be at most, whatever its routes: by what is said of the suspect, and of the prefix.
    pub(crate) fn at_most(&self) -> Severity {
        let is = |why| self.reasons.contains(&why);
        let info = [reason::NO_BASELINE, reason::RPKI_VALID, reason::SIBLING];
        if info.into_iter().any(is) {
            return Severity::Info;
        }
        let low = [
            reason::CUSTOMER_OF_VICTIM,
            reason::PROVIDER_OF_VICTIM,
            reason::TRANSIT_OF_VICTIM,
            reason::WITHDRAWN_EVERYWHERE,
            reason::FLAPPING,
            reason::INSIDE_WHAT_STAYS,
        ];
        let is_listed = is(reason::ANYCAST) || is(reason::DPS);
        if low.into_iter().any(is) || (is_listed && !is(reason::RPKI_INVALID)) {
            return Severity::Low;
        }
        // Nobody contests it any more: most likely a transfer, as `origin-change` is.
        let is_taken_over = is(reason::STABLE_ORIGIN_GONE) && !is(reason::RPKI_INVALID);
        if is_taken_over || is(reason::BRIEF) {
            return Severity::Medium;
        }
        Severity::Critical
    }
}

/// True when it was not there.
pub(crate) fn insert_sorted<T: Ord>(list: &mut Vec<T>, value: T) -> bool {
    match list.binary_search(&value) {
        Ok(_) => false,
        Err(at) => {
            list.insert(at, value);
            true
        }
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(prefix) = self.prefix {
            write!(f, " {prefix}")?;
        }
        write!(f, " by AS{} ({:?})", self.suspect, self.state)
    }
}
