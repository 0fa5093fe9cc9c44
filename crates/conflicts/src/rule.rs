//! A rule: the sentence that a network engineer would say, as a judgement over facts.

use weir_routing::{AsPath, Asn, Bogons, Origin, Prefix};

use crate::{
    incident::{Kind, Severity, reason},
    knowledge::Rpki,
    thresholds::Thresholds,
};

/// What a rule may look at when a route was announced, once its whole record is applied.
#[derive(Debug)]
pub struct RouteView<'a> {
    /// The announced prefix.
    pub prefix: Prefix,
    /// Its path.
    pub path: &'a AsPath,
    /// Who originated it; none when the path is empty.
    pub origin: Option<&'a Origin>,
    /// A host that carries the community BLACKHOLE (RFC 7999).
    pub blackhole: bool,
    /// The bogon ASN on the path that is nearest to the origin, the peer's own left out.
    pub bogon_asn: Option<Asn>,
    /// The ASN that comes back after another one on the path.
    pub looping_asn: Option<Asn>,
    /// Of a path that is too long, the ASN that prepends too often, else the origin.
    pub stretching_asn: Option<Asn>,
    /// How long the path is (RFC 4271, 9.1.2.2), without route servers.
    pub length: usize,
    /// The ASN that stands alone between two tier-1s.
    pub sandwiched_asn: Option<Asn>,
    /// The origin is stable for this very prefix, or shares an ASN with one that is.
    pub is_stable: bool,
    /// Whose routes to it come and go at this vantage point.
    pub flapping_asn: Option<Asn>,
    /// The origin was found innocent as part of a larger prefix when it was new.
    pub is_cleared: bool,
    /// Origins to compare with: the stable ones, without any the ones that came before. Never
    /// overlapping with `origin`.
    pub expected: &'a [Asn],
    /// The origin stands right before an expected one on paths to the prefix that have stood: see
    /// `reason::TRANSIT_OF_VICTIM`.
    pub is_transit: bool,
    /// There is no stable origin to compare with.
    pub no_baseline: bool,
    /// The two on the path that were no neighbours until lately.
    pub new_link: Option<NewLink>,
    /// An expected origin has a route that is not stale.
    pub expected_is_visible: bool,
    /// The network that passed the route on against its relations.
    pub leaking_asn: Option<Asn>,
    /// The network that passed the route on though it was for customers only.
    pub marked_leaking_asn: Option<Asn>,
    /// The network that passed the route on without being asked to, by ASPAs.
    pub unauthorized_asn: Option<Asn>,
    /// What ROAs say of this origination.
    pub rpki: Rpki,
    /// Whom they allow it, when they forbid it.
    pub authorized: &'a [Asn],
    /// The origin announces the covering prefix too, and a ROA allows that.
    pub is_part_of_valid: bool,
    /// What others hold inside of the prefix, when it is new and the origin holds nothing there.
    pub within: Option<&'a Within>,
    /// The nearest announced less specific, not /0 to /7.
    pub covering: Option<&'a Covering>,
    /// The list of the stream.
    pub bogons: &'a Bogons,
    /// What is too long, too many, too young.
    pub thresholds: &'a Thresholds,
}

/// How near to the origin somebody stands on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearness {
    /// Right before it: has the route from the origin itself.
    Next,
    /// With others between them.
    Further,
}

impl RouteView<'_> {
    /// How near to the origin one of these stands on the path; `None` = none of them does, or the path loops: who
    /// puts the victim there to have it drop the route comes twice. Prepends count once.
    #[must_use]
    pub fn nearest_of(&self, asns: &[Asn]) -> Option<Nearness> {
        if self.looping_asn.is_some() {
            return None;
        }
        let origin = self.origin.map_or(&[][..], Origin::asns);
        let hops = || self.path.sequences().flatten().rev();
        // Private ASNs may stand behind the origin; members of a set stand nowhere.
        let behind = hops().position(|hop| origin.contains(hop));
        let from = hops().skip(behind.unwrap_or_default());
        let mut before = from.skip_while(|hop| origin.contains(hop));
        if before.next().is_some_and(|hop| asns.contains(hop)) {
            return Some(Nearness::Next);
        }
        before
            .any(|hop| asns.contains(hop))
            .then_some(Nearness::Further)
    }
}

/// Two networks side by side that nobody has seen so for long, and that nobody says are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// Who claims to have the route from the other.
    pub near: Asn,
    /// The other one.
    pub far: Asn,
    /// The other one originates the route.
    pub at_origin: bool,
    /// The first sells transit to more networks than the other: an upstream like many.
    pub is_seller: bool,
    /// Nobody says who sells transit to whom.
    pub no_relations: bool,
}

/// A prefix that holds the announced one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covering {
    /// The prefix.
    pub prefix: Prefix,
    /// Its stable origins, ascending; without any, all that it has now.
    pub origins: Vec<Asn>,
    /// None of its origins is stable.
    pub no_baseline: bool,
    /// It has been known for long enough.
    pub settled: bool,
}

impl Covering {
    /// True when one of its origins is one of `origin`'s.
    #[must_use]
    pub fn is_held_by(&self, origin: &Origin) -> bool {
        origin.asns().iter().any(|asn| self.origins.contains(asn))
    }
}

/// Parts of a new prefix that were there before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Their stable origins, ascending.
    pub holders: Vec<Asn>,
    /// The new origin stands right before the holder of the first part on paths to it.
    pub is_transit: bool,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub kind: Kind,
    /// How bad this route is.
    pub severity: Severity,
    /// Who may be at fault.
    pub suspect: Asn,
    /// Members when the suspect is an AS_SET.
    pub suspect_set: Vec<Asn>,
    /// Expected origins, who are the victims.
    pub expected: Vec<Asn>,
    /// The known prefix that this is a part of.
    pub covering: Option<Prefix>,
    /// Short facts.
    pub reasons: Vec<&'static str>,
}

impl Finding {
    /// A finding about the origin of a route.
    #[must_use]
    pub fn of_origin(kind: Kind, severity: Severity, origin: &Origin) -> Self {
        let set = match origin {
            Origin::Set(members) => members.clone(),
            Origin::As(_) => Vec::new(),
        };
        Self {
            suspect_set: set,
            ..Self::of_hop(kind, severity, origin.suspect())
        }
    }

    /// Whom the suspect claims to have the route from, where that is what is in doubt; else AS 0.
    pub(crate) fn from(&self) -> Asn {
        let from = self.expected.first().filter(|_| self.kind.is_candidate());
        from.copied().unwrap_or(Asn(0))
    }

    /// A network claims to have the route from another one.
    #[must_use]
    pub fn of_link(kind: Kind, severity: Severity, link: NewLink) -> Self {
        let mut finding = Self {
            expected: vec![link.far],
            ..Self::of_hop(kind, severity, link.near)
        };
        if link.no_relations {
            finding.severity = finding.severity.min(Severity::Low);
            finding.reasons.push(reason::NO_RELATIONS);
        }
        finding
    }

    /// A finding about an ASN on the path.
    #[must_use]
    pub fn of_hop(kind: Kind, severity: Severity, suspect: Asn) -> Self {
        Self {
            kind,
            severity,
            suspect,
            suspect_set: Vec::new(),
            expected: Vec::new(),
            covering: None,
            reasons: Vec::new(),
        }
    }
}

/// Judges one announced route. Keeps no state; early returns are the innocent explanations.
pub trait Rule: Send + Sync {
    /// The kind of its findings, which names it.
    fn kind(&self) -> Kind;

    /// How bad its findings are where nothing makes them milder or worse: the first word on severity in its row
    /// of `docs/rules.md`.
    fn severity(&self) -> Severity;

    /// Pushes at most one finding.
    fn judge(&self, view: &RouteView<'_>, findings: &mut Vec<Finding>);
}
