//! What a rule finds, over its life: suspected, confirmed, ended, perhaps re-opened.

mod evidence;

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;
use weir_events::position::Version;
use weir_routing::{Asn, Prefix};

pub use evidence::{Evidence, MAX_EVIDENCE};

/// Names of the rules, as they stand in incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A stranger originates a prefix beside its stable origin.
    Moas,
    /// A stranger originates a prefix whose stable origin is gone.
    OriginChange,
    /// A stranger originates a part of a known prefix.
    SubPrefix,
    /// A prefix that has no place in the global table.
    BogonPrefix,
    /// An ASN that has no place in the global table.
    BogonAsn,
    /// An ASN that comes back after another one.
    PathLoop,
    /// More hops or prepends than anyone needs.
    LongPath,
    /// A network that is no tier-1 passes routes from one to another.
    Tier1Sandwich,
    /// A default route, or a prefix that is too specific for the global table.
    DefaultOrTooSpecific,
    /// An origination that ROAs forbid.
    RpkiInvalid,
    /// A network passes on a route against its relations.
    RouteLeak,
    /// A network passes on a route that was for customers only.
    OtcLeak,
    /// A network passes on a route that nobody authorized it to.
    AspaInvalid,
    /// Routes to a prefix come and go, or change, again and again.
    Flap,
    /// A stranger originates a prefix that holds those of others.
    SuperPrefix,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Moas,
        Self::OriginChange,
        Self::SubPrefix,
        Self::BogonPrefix,
        Self::BogonAsn,
        Self::PathLoop,
        Self::LongPath,
        Self::Tier1Sandwich,
        Self::DefaultOrTooSpecific,
        Self::RpkiInvalid,
        Self::RouteLeak,
        Self::OtcLeak,
        Self::AspaInvalid,
        Self::Flap,
        Self::SuperPrefix,
    ];

    /// The name in messages, stores and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Moas => "moas",
            Self::OriginChange => "origin-change",
            Self::SubPrefix => "sub-prefix",
            Self::BogonPrefix => "bogon-prefix",
            Self::BogonAsn => "bogon-asn",
            Self::PathLoop => "path-loop",
            Self::LongPath => "long-path",
            Self::Tier1Sandwich => "tier1-sandwich",
            Self::DefaultOrTooSpecific => "default-or-too-specific",
            Self::RpkiInvalid => "rpki-invalid",
            Self::RouteLeak => "route-leak",
            Self::OtcLeak => "otc-leak",
            Self::AspaInvalid => "aspa-invalid",
            Self::Flap => "flap",
            Self::SuperPrefix => "super-prefix",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What the suspect is to the route.
    #[must_use]
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Moas | Self::OriginChange => Role::Origin,
            Self::SubPrefix => Role::PartOrigin,
            Self::BogonPrefix => Role::BogonOrigin,
            Self::BogonAsn => Role::BogonHop,
            Self::PathLoop => Role::LoopHop,
            Self::LongPath => Role::StretchingHop,
            Self::Tier1Sandwich => Role::SandwichedHop,
            Self::DefaultOrTooSpecific => Role::OddLengthOrigin,
            Self::RpkiInvalid => Role::InvalidOrigin,
            Self::RouteLeak => Role::LeakingHop,
            Self::OtcLeak => Role::MarkedLeakingHop,
            Self::AspaInvalid => Role::UnauthorizedHop,
            Self::Flap => Role::FlappingOrigin,
            Self::SuperPrefix => Role::WholeOrigin,
        }
    }
}

/// What an incident is filed under beside prefix and suspect. `moas` and `origin-change` share one,
/// because the type is fixed at opening: what began as one does not open the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Originates the prefix of another.
    Origin,
    /// Originates a part of a prefix of another.
    PartOrigin,
    /// Originates a prefix that holds those of others.
    WholeOrigin,
    /// Originates a bogon.
    BogonOrigin,
    /// Is a bogon on the path.
    BogonHop,
    /// Comes twice on the path.
    LoopHop,
    /// Makes the path too long.
    StretchingHop,
    /// Stands alone between two tier-1s.
    SandwichedHop,
    /// Originates a prefix of an odd length.
    OddLengthOrigin,
    /// Originates what ROAs give to others, or in other lengths.
    InvalidOrigin,
    /// Passes on what it must keep to itself.
    LeakingHop,
    /// Passes on what it was told to give to customers only.
    MarkedLeakingHop,
    /// Passes on what nobody asked it to.
    UnauthorizedHop,
    /// Originates a prefix whose routes come and go.
    FlappingOrigin,
}

impl Role {
    /// Originates what another may hold: explained by who may originate it, and by time.
    pub(crate) fn claims(self) -> bool {
        matches!(self, Self::Origin | Self::PartOrigin | Self::WholeOrigin)
    }
}

/// Where an incident is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) prefix: Prefix,
    pub(crate) role: Role,
    pub(crate) suspect: Asn,
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
    /// The origin has been there for 24 h.
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
    /// Vantage points that carry it now in routes that are not stale.
    pub visible_peers: u32,
    /// Vantage points that are up and have announced a prefix of its family to its partition.
    pub total_peers: u32,
    /// Distinct ASNs of the peers that have carried it, ascending, never cut.
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

/// Reasons, as they stand in incidents.
pub mod reason {
    /// No origin of the prefix was stable: nothing to compare with.
    pub const NO_BASELINE: &str = "no-baseline";
    /// The stable origin lost its last route while the incident was open.
    pub const STABLE_ORIGIN_GONE: &str = "stable-origin-gone";
    /// The victim stands on the path right before the suspect: a customer's part.
    pub const CUSTOMER: &str = "customer-sub-allocation";
    /// The victim stands on the path.
    pub const VICTIM_ON_PATH: &str = "victim-on-path";
    /// A host route with the community of RFC 7999.
    pub const BLACKHOLE: &str = "blackhole";
    /// A ROA allows the suspect to originate the prefix.
    pub const RPKI_VALID: &str = "rpki-valid";
    /// ROAs forbid the suspect to originate the prefix.
    pub const RPKI_INVALID: &str = "rpki-invalid";
    /// The VRPs are too old to say either.
    pub const VRPS_STALE: &str = "vrps-stale";
    /// ROAs name others.
    pub const RPKI_ASN: &str = "roa-names-others";
    /// A ROA names the origin, for shorter prefixes.
    pub const RPKI_LENGTH: &str = "roa-allows-shorter";
    /// A ROA of AS0: nobody may originate it.
    pub const RPKI_AS0: &str = "roa-of-as0";
    /// The origin has held the prefix for a day or more.
    pub const PREVIOUSLY_SEEN: &str = "previously-seen";
    /// The same origin announces the covering prefix, and may.
    pub const VALID_COVERING: &str = "valid-covering-prefix";
    /// One organisation holds the suspect and a victim.
    pub const SIBLING: &str = "sibling-of-victim";
    /// The suspect buys transit from a victim.
    pub const CUSTOMER_OF_VICTIM: &str = "customer-of-victim";
    /// The suspect sells transit to a victim.
    pub const PROVIDER_OF_VICTIM: &str = "provider-of-victim";
    /// The suspect stands right before the victim on paths to what it now originates, or to a part of that, which
    /// peers of K ASNs have had for a while.
    pub const TRANSIT_OF_VICTIM: &str = "transit-of-victim";
    /// The prefix is on the list of those that are announced from many places at once.
    pub const ANYCAST: &str = "anycast-prefix";
    /// The suspect is on the list of DDoS protection services, which originate what others hold to scrub its traffic.
    pub const DPS: &str = "ddos-protection";
    /// Every reason, for reading them back.
    pub const ALL: [&str; 19] = [
        NO_BASELINE,
        STABLE_ORIGIN_GONE,
        CUSTOMER,
        VICTIM_ON_PATH,
        BLACKHOLE,
        RPKI_VALID,
        RPKI_INVALID,
        VRPS_STALE,
        RPKI_ASN,
        RPKI_LENGTH,
        RPKI_AS0,
        PREVIOUSLY_SEEN,
        VALID_COVERING,
        SIBLING,
        CUSTOMER_OF_VICTIM,
        PROVIDER_OF_VICTIM,
        TRANSIT_OF_VICTIM,
        ANYCAST,
        DPS,
    ];
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

    /// Where it is filed in the shard of its prefix; nowhere without one.
    pub(crate) fn key(&self) -> Option<Key> {
        Some(Key {
            prefix: self.prefix?,
            role: self.kind.role(),
            suspect: self.suspect,
        })
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
        ];
        let is_listed = is(reason::ANYCAST) || is(reason::DPS);
        if low.into_iter().any(is) || (is_listed && !is(reason::RPKI_INVALID)) {
            return Severity::Low;
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
