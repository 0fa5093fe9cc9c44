//! What others say of prefixes and networks. It enters in-band: a KnowledgeChanged names a content by its
//! hash, and from its position on every task judges by it, so that a replay stays equal
//! (docs/detector.md 9).
//!
//! Whoever runs the detector reads the content and gives it with [`crate::Detector::provide`] before the
//! record is applied; the detector itself looks nothing up.

use std::sync::Arc;

use weir_routing::{
    Asn, Origin, Prefix,
    roa::{RoaError, Validity, Vrps},
};

use crate::{record::Knowledge, thresholds::Thresholds};

/// Kind of knowledge: validated ROA payloads, as the JSON of a relying party.
pub const VRPS: &str = "vrps";

/// A content that was read.
#[derive(Clone, Debug)]
pub enum Content {
    /// Who may originate what.
    Vrps(Arc<Vrps>),
}

impl Content {
    /// Reads a content of this kind; `None` = this version knows no such kind, and does without.
    ///
    /// # Errors
    /// When the bytes are no such content.
    pub fn read(kind: &str, bytes: &[u8]) -> Result<Option<Self>, RoaError> {
        match kind {
            VRPS => Ok(Some(Self::Vrps(Arc::new(Vrps::from_json(bytes)?)))),
            _ => Ok(None),
        }
    }
}

/// True when this version knows what to do with knowledge of this kind.
#[must_use]
pub fn is_known(kind: &str) -> bool {
    kind == VRPS
}

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
    /// Rises with each change of content: what was remembered of an older one is worked out anew.
    pub(crate) edition: u32,
}

impl Known {
    /// Keeps a content until a record names it.
    pub(crate) fn provide(&mut self, hash: &[u8], content: Content) {
        self.ahead.retain(|(known, _)| known != hash);
        self.ahead.push((hash.to_vec(), content));
    }

    /// True when the content of this is at hand.
    pub(crate) fn has(&self, knowledge: &Knowledge) -> bool {
        let hash = &knowledge.content_hash;
        let held = self.vrps.as_ref().is_some_and(|held| held.hash == *hash);
        held || self.ahead.iter().any(|(known, _)| known == hash)
    }

    /// From here on this holds. Nothing is known of a kind whose content was not provided.
    pub(crate) fn switch(&mut self, knowledge: &Knowledge) {
        if knowledge.kind != VRPS {
            return;
        }
        if let Some(held) = &mut self.vrps
            && held.hash == knowledge.content_hash
        {
            held.as_of_us = knowledge.as_of_us;
            return;
        }
        let ahead = std::mem::take(&mut self.ahead).into_iter();
        let named = ahead.filter(|(hash, _)| *hash == knowledge.content_hash);
        self.vrps = named.last().map(|(hash, Content::Vrps(content))| Held {
            hash,
            as_of_us: knowledge.as_of_us,
            content,
        });
        self.edition = self.edition.wrapping_add(1);
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

    /// Who may originate the prefix or what it is a part of, ascending.
    pub(crate) fn authorized(&self, prefix: &Prefix) -> Vec<Asn> {
        let vrps = self.vrps.as_ref();
        vrps.map_or_else(Vec::new, |held| held.content.authorized(prefix))
    }
}

/// What was found of an origin under one edition of the knowledge; no part of the state, which it only
/// makes faster.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remembered {
    edition: u32,
    is_invalid: bool,
}

impl PartialEq for Remembered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Remembered {}

impl Remembered {
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
        if self.edition != known.edition {
            self.edition = known.edition;
            self.is_invalid = matches!(vrps.validate(prefix, origin), Validity::Invalid(_));
        }
        self.is_invalid
    }
}
