//! Types of incidents, and what the suspect of each is to a route.

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
    /// A part of a prefix appears with its own origin, behind a neighbour that this has never had.
    OwnSubPrefix,
    /// A prefix appears with its own origin, behind a neighbour that this has never had.
    FakeFirstHop,
    /// Two networks stand side by side on a path that have never done so.
    FakeLink,
    /// An origin loses most of its prefixes at once.
    MassWithdrawal,
    /// A vantage point is silent, says everything again, or has a clock that is off.
    PeerHealth,
    /// Fewer than half of those that carried a prefix still do.
    VisibilityLoss,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
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
        Self::OwnSubPrefix,
        Self::FakeFirstHop,
        Self::FakeLink,
        Self::MassWithdrawal,
        Self::PeerHealth,
        Self::VisibilityLoss,
    ];

    /// Only who sees all partitions can believe it: the second stage does.
    #[must_use]
    pub fn is_candidate(self) -> bool {
        self.role().is_link()
    }

    /// Many at once of one suspect are one event.
    #[must_use]
    pub fn is_grouped(self) -> bool {
        matches!(self, Self::RouteLeak | Self::Moas | Self::OriginChange)
    }

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
            Self::OwnSubPrefix => "own-sub-prefix",
            Self::FakeFirstHop => "fake-first-hop",
            Self::FakeLink => "fake-link",
            Self::MassWithdrawal => "mass-withdrawal",
            Self::PeerHealth => "peer-health",
            Self::VisibilityLoss => "visibility-loss",
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
            Self::OwnSubPrefix => Role::PartNeighbour,
            Self::FakeFirstHop => Role::Neighbour,
            Self::FakeLink => Role::LinkHop,
            Self::MassWithdrawal => Role::LosingOrigin,
            Self::PeerHealth => Role::VantagePoint,
            Self::VisibilityLoss => Role::LostOrigin,
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
    /// Claims a part of a prefix from its origin.
    PartNeighbour,
    /// Claims a prefix from its origin.
    Neighbour,
    /// Claims a route from somebody on the way.
    LinkHop,
    /// Loses prefixes: no role on a route.
    LosingOrigin,
    /// Tells of routes: no role on one.
    VantagePoint,
    /// Originates, or did, a prefix that few carry any more.
    LostOrigin,
}

impl Role {
    /// Originates what another may hold: explained by who may originate it, and by time.
    pub(crate) fn claims(self) -> bool {
        matches!(self, Self::Origin | Self::PartOrigin | Self::WholeOrigin)
    }

    /// Originates what it should not, and others may answer: several such are told as one case.
    pub(crate) fn has_cases(self) -> bool {
        self.claims() || matches!(self, Self::InvalidOrigin | Self::OddLengthOrigin)
    }

    /// Claims to have a route from a neighbour that it has not been seen beside.
    pub(crate) fn is_link(self) -> bool {
        matches!(self, Self::PartNeighbour | Self::Neighbour | Self::LinkHop)
    }
}
