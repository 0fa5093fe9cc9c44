//! What others say of prefixes and networks. It enters in-band: a KnowledgeChanged names a content by its
//! hash, and from its position on every task judges by it, so that a replay stays equal
//! (docs/detector.md 9).
//!
//! Whoever runs the detector reads the content and gives it with [`crate::Detector::provide`] before the
//! record is applied; the detector itself looks nothing up.

use std::sync::Arc;

use smallvec::SmallVec;
use weir_routing::{
    AsPath, Asn, Origin, Prefix, Segment,
    knowledge::{Content, Kind},
    organisations::Organisations,
    relations::{Relation, Relations},
    roa::{Validity, Vrps},
};

use crate::{record::Knowledge, thresholds::Thresholds};

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
struct Held<T> {
    hash: Vec<u8>,
    as_of_us: i64,
    content: Arc<T>,
}

/// What holds now, and what was read ahead of the record that will name it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    ahead: Vec<(Vec<u8>, Content)>,
    vrps: Option<Held<Vrps>>,
    relations: Option<Held<Relations>>,
    organisations: Option<Held<Organisations>>,
    /// Rises with each change of content: what was remembered of an older one is worked out anew.
    edition: u32,
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
        let held = match kind {
            Kind::Vrps => self.vrps.as_ref().map(|held| &held.hash),
            Kind::Relations => self.relations.as_ref().map(|held| &held.hash),
            Kind::Organisations => self.organisations.as_ref().map(|held| &held.hash),
        };
        held == Some(hash) || self.ahead.iter().any(|(known, _)| known == hash)
    }

    /// From here on this holds. Nothing is known of a kind whose content was not provided.
    pub(crate) fn switch(&mut self, knowledge: &Knowledge) {
        let Some(kind) = Kind::from_name(&knowledge.kind) else {
            return;
        };
        let ahead = self.ahead.iter();
        let at = ahead
            .clone()
            .position(|(hash, content)| *hash == knowledge.content_hash && content.kind() == kind);
        let given = at.map(|at| self.ahead.swap_remove(at).1);
        // What was read ahead and never named is of no use any more.
        self.ahead.retain(|(_, content)| content.kind() != kind);
        let changed = match kind {
            Kind::Vrps => hold(&mut self.vrps, knowledge, given, |content| match content {
                Content::Vrps(of) => Some(of),
                _ => None,
            }),
            Kind::Relations => hold(
                &mut self.relations,
                knowledge,
                given,
                |content| match content {
                    Content::Relations(of) => Some(of),
                    _ => None,
                },
            ),
            Kind::Organisations => {
                hold(
                    &mut self.organisations,
                    knowledge,
                    given,
                    |content| match content {
                        Content::Organisations(of) => Some(of),
                        _ => None,
                    },
                )
            }
        };
        if changed {
            self.edition = self.edition.wrapping_add(1);
        }
    }

    /// VRPs that may raise something at `now`.
    fn fresh_vrps(&self, now: i64, t: &Thresholds) -> Option<&Vrps> {
        let held = self.vrps.as_ref()?;
        let is_stale = now.saturating_sub(held.as_of_us) > t.vrps_stale_after_us();
        (!is_stale).then_some(&*held.content)
    }

    /// What the RPKI says at `now` of this origination.
    pub(crate) fn rpki(&self, prefix: &Prefix, origin: &Origin, now: i64, t: &Thresholds) -> Rpki {
        match self.fresh_vrps(now, t) {
            Some(vrps) => Rpki::Judged(vrps.validate(prefix, origin)),
            None if self.vrps.is_some() => Rpki::Stale,
            None => Rpki::Unknown,
        }
    }

    /// True when VRPs, however old, allow this origination: a set is none, though its lowest member may.
    pub(crate) fn allows(&self, prefix: &Prefix, origin: &Origin) -> bool {
        let vrps = self.vrps.as_ref();
        vrps.is_some_and(|held| held.content.validate(prefix, origin) == Validity::Valid)
    }

    /// Who passed the route on against the relations. Of a path with an AS_SET only what stands before it has an
    /// order.
    pub(crate) fn leaker(&self, path: &AsPath) -> Option<Asn> {
        let relations = self.relations.as_ref()?;
        let in_order = path.segments().iter().map_while(|segment| match segment {
            Segment::Sequence(asns) => Some(asns.as_slice()),
            Segment::ConfedSequence(_) | Segment::ConfedSet(_) => Some(&[]),
            Segment::Set(_) => None,
        });
        let hops: SmallVec<[Asn; 16]> = in_order.flatten().copied().collect();
        let listed = |one, other| {
            let listed = self.organisations.as_ref();
            listed.is_some_and(|held| held.content.are_siblings(one, other))
        };
        relations.content.leaker(hops.into_iter(), listed)
    }

    /// True when both are known to belong to one organisation.
    pub(crate) fn are_siblings(&self, one: Asn, other: Asn) -> bool {
        let listed = self.organisations.as_ref();
        listed.is_some_and(|held| held.content.are_siblings(one, other))
            || self.relation(one, other) == Some(Relation::Sibling)
    }

    /// What `neighbour` is to `asn`.
    pub(crate) fn relation(&self, asn: Asn, neighbour: Asn) -> Option<Relation> {
        let relations = self.relations.as_ref()?;
        relations.content.of(asn, neighbour)
    }

    /// Who may originate the prefix or what it is a part of, ascending.
    pub(crate) fn authorized(&self, prefix: &Prefix) -> Vec<Asn> {
        let vrps = self.vrps.as_ref();
        vrps.map_or_else(Vec::new, |held| held.content.authorized(prefix))
    }
}

/// Puts what is named in place of what was held; true when that is another content.
fn hold<T>(
    held: &mut Option<Held<T>>,
    knowledge: &Knowledge,
    given: Option<Content>,
    of_kind: impl FnOnce(Content) -> Option<Arc<T>>,
) -> bool {
    if let Some(same) = held
        && same.hash == knowledge.content_hash
    {
        same.as_of_us = knowledge.as_of_us;
        return false;
    }
    *held = given.and_then(of_kind).map(|content| Held {
        hash: knowledge.content_hash.clone(),
        as_of_us: knowledge.as_of_us,
        content,
    });
    true
}

/// What was found of an origin or of a path under one edition of the knowledge; no part of the state, which it
/// only makes faster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered<T> {
    edition: u32,
    found: T,
}

impl<T: Default> Default for Remembered<T> {
    fn default() -> Self {
        Self {
            edition: 0,
            found: T::default(),
        }
    }
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
}

impl Remembered<Option<Asn>> {
    /// Who leaks this path.
    pub(crate) fn leaker(&mut self, known: &Known, path: &AsPath) -> Option<Asn> {
        self.or_find(known, || known.leaker(path))
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
