//! What others say of prefixes and networks. It enters in-band: a KnowledgeChanged names a content by its
//! hash, and from its position on every task judges by it, so that a replay stays equal
//! (docs/detector.md 9).
//!
//! Whoever runs the detector reads the content and gives it with [`crate::Detector::provide`] before the
//! record is applied; the detector itself looks nothing up.

use std::{borrow::Cow, collections::BTreeMap};

use smallvec::SmallVec;
use weir_routing::{
    AsPath, Asn, Bogons, Origin, Prefix, Segment,
    aspa::Aspas,
    knowledge::{Content, Kind},
    lists::{AsnList, LinkList, PrefixList},
    organisations::Organisations,
    relations::{Relation, Relations},
    roa::{Validity, Vrps},
};

use crate::{
    facts::{self, Mark},
    record::Knowledge,
    thresholds::Thresholds,
};

/// What the RPKI says of an origination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpki {
    /// There are no VRPs to ask.
    Unknown,
    /// They are too old to raise anything.
    Stale,
    /// As RFC 6811 has it.
    Judged(Validity),
}

impl Rpki {
    /// Some VRPs cover the prefix, and none of them allows it.
    #[must_use]
    pub fn is_invalid(self) -> bool {
        matches!(self, Self::Judged(Validity::Invalid(_)))
    }

    /// A VRP allows it.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self == Self::Judged(Validity::Valid)
    }
}

/// A content that holds now.
#[derive(Clone, Debug)]
struct Held {
    hash: Vec<u8>,
    as_of_us: i64,
    content: Content,
}

/// What holds now, and what was read ahead of the record that will name it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    ahead: Vec<(Vec<u8>, Content)>,
    held: BTreeMap<Kind, Held>,
    /// Rises with each change of content: what was remembered of an older one is worked out anew.
    edition: u32,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            ahead: Vec::new(),
            held: BTreeMap::new(),
            // What was never looked for is of edition 0.
            edition: 1,
        }
    }
}

impl Known {
    /// Keeps a content until a record names it.
    pub(crate) fn provide(&mut self, hash: &[u8], content: Content) {
        self.ahead.retain(|(known, _)| known != hash);
        self.ahead.push((hash.to_vec(), content));
    }

    /// True when the content of this is at hand, or this version could not use it.
    pub(crate) fn has(&self, knowledge: &Knowledge) -> bool {
        let Some(kind) = Kind::from_name(&knowledge.kind) else {
            return true;
        };
        let hash = &knowledge.content_hash;
        self.held.get(&kind).is_some_and(|held| held.hash == *hash)
            || self.ahead.iter().any(|(known, _)| known == hash)
    }

    /// From here on this holds. Nothing is known of a kind whose content was not provided.
    pub(crate) fn switch(&mut self, knowledge: &Knowledge) {
        let Some(kind) = Kind::from_name(&knowledge.kind) else {
            return;
        };
        if let Some(held) = self.held.get_mut(&kind)
            && held.hash == knowledge.content_hash
        {
            held.as_of_us = knowledge.as_of_us;
            return;
        }
        self.held.remove(&kind);
        // What was read ahead of this kind and is not named is of no use any more.
        for (hash, content) in self.ahead.extract_if(.., |(_, c)| c.kind() == kind) {
            if hash == knowledge.content_hash {
                let as_of_us = knowledge.as_of_us;
                let held = Held {
                    hash,
                    as_of_us,
                    content,
                };
                self.held.insert(kind, held);
            }
        }
        self.edition = self.edition.wrapping_add(1);
    }

    /// The content of a kind that holds, and as of when.
    fn held<'a, T>(
        &'a self,
        kind: Kind,
        of_kind: impl FnOnce(&'a Content) -> Option<&'a T>,
    ) -> Option<(&'a T, i64)> {
        let held = self.held.get(&kind)?;
        Some((of_kind(&held.content)?, held.as_of_us))
    }

    fn vrps(&self) -> Option<(&Vrps, i64)> {
        self.held(Kind::Vrps, |content| match content {
            Content::Vrps(vrps) => Some(&**vrps),
            _ => None,
        })
    }

    fn aspas(&self) -> Option<(&Aspas, i64)> {
        self.held(Kind::Aspas, |content| match content {
            Content::Aspas(aspas) => Some(&**aspas),
            _ => None,
        })
    }

    fn relations(&self) -> Option<&Relations> {
        let held = self.held(Kind::Relations, |content| match content {
            Content::Relations(relations) => Some(&**relations),
            _ => None,
        });
        held.map(|(relations, _)| relations)
    }

    fn organisations(&self) -> Option<&Organisations> {
        let held = self.held(Kind::Organisations, |content| match content {
            Content::Organisations(organisations) => Some(&**organisations),
            _ => None,
        });
        held.map(|(organisations, _)| organisations)
    }

    fn anycast(&self) -> Option<&PrefixList> {
        let held = self.held(Kind::Anycast, |content| match content {
            Content::Anycast(list) => Some(&**list),
            _ => None,
        });
        held.map(|(list, _)| list)
    }

    fn dps(&self) -> Option<&AsnList> {
        let held = self.held(Kind::Dps, |content| match content {
            Content::Dps(list) => Some(&**list),
            _ => None,
        });
        held.map(|(list, _)| list)
    }

    fn route_servers(&self) -> Option<&AsnList> {
        let held = self.held(Kind::RouteServers, |content| match content {
            Content::RouteServers(list) => Some(&**list),
            _ => None,
        });
        held.map(|(list, _)| list)
    }

    /// Somebody says who is whose neighbour.
    pub(crate) fn has_relations(&self) -> bool {
        self.relations().is_some()
    }

    fn links(&self) -> Option<&LinkList> {
        let held = self.held(Kind::Links, |content| match content {
            Content::Links(list) => Some(&**list),
            _ => None,
        });
        held.map(|(list, _)| list)
    }

    /// Somebody says who was seen beside whom.
    pub(crate) fn has_links(&self) -> bool {
        self.links().is_some()
    }

    /// The two are said to be neighbours or to have been seen side by side, or one network, or one of them connects others at an exchange point.
    pub(crate) fn are_neighbours(&self, one: Asn, other: Asn) -> bool {
        let servers = self.route_servers();
        self.relation(one, other).is_some()
            || self.links().is_some_and(|list| list.contains(one, other))
            || self.are_siblings(one, other)
            || servers.is_some_and(|list| list.contains(one) || list.contains(other))
    }

    /// How many networks are said to buy transit from this one.
    pub(crate) fn customers(&self, asn: Asn) -> u32 {
        self.relations()
            .map_or(0, |relations| relations.customers(asn))
    }

    /// What has no place in the global table.
    pub(crate) fn bogons(&self) -> Option<&Bogons> {
        let held = self.held(Kind::Bogons, |content| match content {
            Content::Bogons(list) => Some(&**list),
            _ => None,
        });
        held.map(|(list, _)| list)
    }

    /// True when the prefix is known to be announced from many places at once.
    pub(crate) fn is_anycast(&self, prefix: &Prefix) -> bool {
        let listed = self.anycast();
        listed.is_some_and(|list| list.covering(prefix).is_some())
    }

    /// True when the network is known to originate prefixes of others to scrub their traffic.
    pub(crate) fn is_dps(&self, asn: Asn) -> bool {
        self.dps().is_some_and(|list| list.contains(asn))
    }

    /// The path as if route servers had left themselves out of it, as they should (RFC 7947, 2.2.2.1), but for
    /// `kept`: those whom they connect are neighbours.
    pub(crate) fn without_route_servers<'a>(
        &self,
        path: &'a AsPath,
        kept: Option<Asn>,
    ) -> Cow<'a, AsPath> {
        let Some(servers) = self.route_servers() else {
            return Cow::Borrowed(path);
        };
        let out = |asn: Asn| Some(asn) != kept && servers.contains(asn);
        if path.asns().any(out) {
            Cow::Owned(path.without(out))
        } else {
            Cow::Borrowed(path)
        }
    }

    /// Who stands alone between two tier-1s.
    pub(crate) fn sandwiched(&self, path: &AsPath, t: &Thresholds) -> Option<Asn> {
        facts::sandwiched(&self.without_route_servers(path, None), t)
    }

    /// Who makes the path too long.
    pub(crate) fn stretching(
        &self,
        path: &AsPath,
        origin: Option<Asn>,
        t: &Thresholds,
    ) -> Option<Asn> {
        facts::stretching(&self.without_route_servers(path, None), origin, t)
    }

    /// VRPs that may raise something at `now`.
    fn fresh_vrps(&self, now: i64, t: &Thresholds) -> Option<&Vrps> {
        let (vrps, as_of_us) = self.vrps()?;
        (!is_stale(as_of_us, now, t)).then_some(vrps)
    }

    /// What the RPKI says at `now` of this origination.
    pub(crate) fn rpki(&self, prefix: &Prefix, origin: &Origin, now: i64, t: &Thresholds) -> Rpki {
        match self.fresh_vrps(now, t) {
            Some(vrps) => Rpki::Judged(vrps.validate(prefix, origin)),
            None if self.vrps().is_some() => Rpki::Stale,
            None => Rpki::Unknown,
        }
    }

    /// Relations that may raise something at `now`.
    fn has_fresh_relations(&self, now: i64, t: &Thresholds) -> bool {
        let held = self.held.get(&Kind::Relations);
        held.is_some_and(|held| now.saturating_sub(held.as_of_us) <= t.relations_stale_after_us())
    }

    /// True when VRPs, however old, allow this origination: a set is none, though its lowest member may.
    pub(crate) fn allows(&self, prefix: &Prefix, origin: &Origin) -> bool {
        let vrps = self.vrps();
        vrps.is_some_and(|(vrps, _)| vrps.validate(prefix, origin) == Validity::Valid)
    }

    /// Who passed the route on against the relations. Of a path with an AS_SET only what stands before it has an
    /// order.
    pub(crate) fn leaker(&self, path: &AsPath) -> Option<Asn> {
        let relations = self.relations()?;
        let path = self.without_route_servers(path, None);
        let hops: SmallVec<[Asn; 16]> = in_order(&path).collect();
        relations.leaker(hops.into_iter(), |one, other| self.share_owner(one, other))
    }

    /// Who passed on a route that is marked as for customers only.
    pub(crate) fn marked_leaker(&self, path: &AsPath, mark: Mark) -> Option<Asn> {
        let (relations, marked_by) = (self.relations()?, mark.only_to_customer?);
        // A route server marks what it gives to its clients, too.
        let path = self.without_route_servers(path, Some(marked_by));
        let hops: SmallVec<[Asn; 16]> = in_order(&path).collect();
        relations.leaker_of_marked(hops.into_iter(), marked_by, |one, other| {
            self.share_owner(one, other)
        })
    }

    /// Who passed the route on unasked, by ASPAs, however old. A path with an AS_SET cannot be verified, and names
    /// nobody.
    pub(crate) fn unauthorized(&self, path: &AsPath) -> Option<Asn> {
        let (aspas, _) = self.aspas()?;
        let is_set = |segment: &Segment| matches!(segment, Segment::Set(_));
        if path.segments().iter().any(is_set) {
            return None;
        }
        aspas.unauthorized(in_order(path))
    }

    /// True when both are known to belong to one organisation.
    pub(crate) fn are_siblings(&self, one: Asn, other: Asn) -> bool {
        self.share_owner(one, other) || self.relation(one, other) == Some(Relation::Sibling)
    }

    fn share_owner(&self, one: Asn, other: Asn) -> bool {
        let organisations = self.organisations();
        organisations.is_some_and(|listed| listed.are_siblings(one, other))
    }

    /// What `neighbour` is to `asn`.
    pub(crate) fn relation(&self, asn: Asn, neighbour: Asn) -> Option<Relation> {
        self.relations()?.of(asn, neighbour)
    }

    /// Who may originate the prefix or what it is a part of, ascending.
    pub(crate) fn authorized(&self, prefix: &Prefix) -> Vec<Asn> {
        let vrps = self.vrps();
        vrps.map_or_else(Vec::new, |(vrps, _)| vrps.authorized(prefix))
    }
}

/// What relying parties made so long ago raises nothing.
fn is_stale(as_of_us: i64, now: i64, t: &Thresholds) -> bool {
    now.saturating_sub(as_of_us) > t.rpki_stale_after_us()
}

/// The hops of a path, from the nearest to the origin, until the first set, whose members have no order.
fn in_order(path: &AsPath) -> impl Iterator<Item = Asn> + '_ {
    let in_order = path.segments().iter().map_while(|segment| match segment {
        Segment::Sequence(asns) => Some(asns.as_slice()),
        Segment::ConfedSequence(_) | Segment::ConfedSet(_) => Some(&[]),
        Segment::Set(_) => None,
    });
    in_order.flatten().copied()
}

/// What was found of an origin or of a path under one edition of the knowledge; no part of the state, which it
/// only makes faster.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remembered<T> {
    edition: u32,
    found: T,
}

impl<T> PartialEq for Remembered<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Remembered<T> {}

impl<T: Copy> Remembered<T> {
    /// What was found under this knowledge, or `find` finds now.
    fn or_find(&mut self, known: &Known, find: impl FnOnce() -> T) -> T {
        if self.edition != known.edition {
            self.edition = known.edition;
            self.found = find();
        }
        self.found
    }

    /// The same, without remembering what was found.
    pub(crate) fn or_look(&self, known: &Known, find: impl FnOnce() -> T) -> T {
        if self.edition == known.edition {
            self.found
        } else {
            find()
        }
    }
}

impl Remembered<Option<Asn>> {
    /// The bogon nearest to the origin on this path.
    pub(crate) fn bogon(&mut self, known: &Known, path: &AsPath, bogons: &Bogons) -> Option<Asn> {
        self.or_find(known, || facts::bogon(path, bogons))
    }

    /// Who leaks a path that is marked as for customers only, by fresh relations.
    pub(crate) fn marked_leaker(
        &mut self,
        known: &Known,
        (path, mark): (&AsPath, Mark),
        now: i64,
        t: &Thresholds,
    ) -> Option<Asn> {
        mark.only_to_customer?;
        let found = self.or_find(known, || known.marked_leaker(path, mark));
        found.filter(|_| known.has_fresh_relations(now, t))
    }

    /// Who leaks this path, by fresh relations.
    pub(crate) fn leaker(
        &mut self,
        known: &Known,
        path: &AsPath,
        now: i64,
        t: &Thresholds,
    ) -> Option<Asn> {
        let found = self.or_find(known, || known.leaker(path));
        found.filter(|_| known.has_fresh_relations(now, t))
    }

    /// Who stands alone between two tier-1s on this path.
    pub(crate) fn sandwiched(
        &mut self,
        known: &Known,
        path: &AsPath,
        t: &Thresholds,
    ) -> Option<Asn> {
        self.or_find(known, || known.sandwiched(path, t))
    }

    /// Who makes this path of `origin` too long.
    pub(crate) fn stretching(
        &mut self,
        known: &Known,
        path: &AsPath,
        origin: Option<Asn>,
        t: &Thresholds,
    ) -> Option<Asn> {
        self.or_find(known, || known.stretching(path, origin, t))
    }

    /// Whom fresh ASPAs name.
    pub(crate) fn unauthorized(
        &mut self,
        known: &Known,
        path: &AsPath,
        now: i64,
        t: &Thresholds,
    ) -> Option<Asn> {
        let (_, as_of_us) = known.aspas()?;
        if is_stale(as_of_us, now, t) {
            return None;
        }
        self.or_find(known, || known.unauthorized(path))
    }
}

impl Remembered<bool> {
    /// True when fresh VRPs forbid this origination.
    pub(crate) fn is_invalid(
        &mut self,
        known: &Known,
        prefix: &Prefix,
        origin: &Origin,
        now: i64,
        t: &Thresholds,
    ) -> bool {
        let Some(vrps) = known.fresh_vrps(now, t) else {
            return false;
        };
        self.or_find(known, || {
            matches!(vrps.validate(prefix, origin), Validity::Invalid(_))
        })
    }
}
