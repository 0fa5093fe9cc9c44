//! Kinds of knowledge: what others say of prefixes and networks, and how each is written.

use std::sync::Arc;

use crate::{
    aspa::{AspaError, Aspas},
    bogons::{Bogons, BogonsError},
    delegated::DelegatedError,
    lists::{self, AsnList, LinkList, ListError, PrefixList},
    organisations::{Organisations, OrganisationsError},
    relations::{Relations, RelationsError},
    relying_party,
    roa::{RoaError, Vrps},
};

/// A kind of knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Who may originate what: validated ROA payloads.
    Vrps,
    /// Whom a network buys transit from, by its own word: validated ASPA payloads.
    Aspas,
    /// Who buys transit from whom, as others infer it.
    Relations,
    /// Which networks belong together.
    Organisations,
    /// Prefixes that are announced from many places at once.
    Anycast,
    /// Networks that take in the traffic of others to scrub it (DDoS protection services), and originate their
    /// prefixes for that.
    Dps,
    /// ASNs of route servers of exchange points, which may stand in paths (RFC 7947, 2.2.2.1).
    RouteServers,
    /// Prefixes and ASNs that have no place in the global table.
    Bogons,
    /// Who was seen beside whom on paths, over a long time.
    Links,
}

/// A content that was read. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    /// As [`Kind::Vrps`].
    Vrps(Arc<Vrps>),
    /// As [`Kind::Aspas`].
    Aspas(Arc<Aspas>),
    /// As [`Kind::Relations`].
    Relations(Arc<Relations>),
    /// As [`Kind::Organisations`].
    Organisations(Arc<Organisations>),
    /// As [`Kind::Anycast`].
    Anycast(Arc<PrefixList>),
    /// As [`Kind::Dps`].
    Dps(Arc<AsnList>),
    /// As [`Kind::RouteServers`].
    RouteServers(Arc<AsnList>),
    /// As [`Kind::Bogons`].
    Bogons(Arc<Bogons>),
    /// As [`Kind::Links`].
    Links(Arc<LinkList>),
}

/// Bytes that are no content of their kind: what is wrong, and where.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// No VRPs.
    #[error(transparent)]
    Vrps(#[from] RoaError),
    /// No ASPAs.
    #[error(transparent)]
    Aspas(#[from] AspaError),
    /// No relations.
    #[error(transparent)]
    Relations(#[from] RelationsError),
    /// No organisations.
    #[error(transparent)]
    Organisations(#[from] OrganisationsError),
    /// No list.
    #[error(transparent)]
    List(#[from] ListError),
    /// No bogons.
    #[error(transparent)]
    Bogons(#[from] BogonsError),
    /// No statistics file of a registry, whose gaps are bogons.
    #[error(transparent)]
    Delegated(#[from] DelegatedError),
    /// Bogons without one entry: a list that was cut says that all is well.
    #[error("no entry in it: expected lines of a prefix, an AS number or a range of AS numbers")]
    NoBogons,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Vrps,
        Self::Aspas,
        Self::Relations,
        Self::Organisations,
        Self::Anycast,
        Self::Dps,
        Self::RouteServers,
        Self::Bogons,
        Self::Links,
    ];

    /// Its name in the log, among objects and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vrps => "vrps",
            Self::Aspas => "aspas",
            Self::Relations => "relations",
            Self::Organisations => "organisations",
            Self::Anycast => "anycast",
            Self::Dps => "dps",
            Self::RouteServers => "route-servers",
            Self::Bogons => "bogons",
            Self::Links => "links",
        }
    }

    /// The kind of this name; `None` = this version knows no such kind.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Reads a content.
    ///
    /// # Errors
    /// When the bytes are none: nothing is read of them then.
    pub fn read(self, content: &[u8]) -> Result<Content, ContentError> {
        Ok(match self {
            Self::Vrps => Content::Vrps(Arc::new(Vrps::from_json(content)?)),
            Self::Aspas => Content::Aspas(Arc::new(Aspas::from_json(content)?)),
            Self::Relations => Content::Relations(Arc::new(Relations::parse(content)?)),
            Self::Organisations => Content::Organisations(Arc::new(Organisations::parse(content)?)),
            Self::Anycast => Content::Anycast(Arc::new(PrefixList::parse(content)?)),
            Self::Dps => Content::Dps(Arc::new(AsnList::parse(content)?)),
            Self::RouteServers => Content::RouteServers(Arc::new(AsnList::parse(content)?)),
            Self::Bogons => {
                let bogons = Some(Bogons::parse(content)?).filter(|list| !list.is_empty());
                Content::Bogons(Arc::new(bogons.ok_or(ContentError::NoBogons)?))
            }
            Self::Links => Content::Links(Arc::new(LinkList::parse(content)?)),
        })
    }

    /// When the content was made, by its own words: microseconds since the Unix epoch; `None` when it does not
    /// say.
    #[must_use]
    pub fn made_at_us(self, content: &[u8]) -> Option<i64> {
        match self {
            Self::Vrps | Self::Aspas => relying_party::made_at_us(content),
            Self::Bogons | Self::Relations => lists::made_at_us(content),
            Self::Organisations | Self::Anycast | Self::Dps | Self::RouteServers | Self::Links => {
                None
            }
        }
    }
}

impl Content {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Vrps(_) => Kind::Vrps,
            Self::Aspas(_) => Kind::Aspas,
            Self::Relations(_) => Kind::Relations,
            Self::Organisations(_) => Kind::Organisations,
            Self::Anycast(_) => Kind::Anycast,
            Self::Dps(_) => Kind::Dps,
            Self::RouteServers(_) => Kind::RouteServers,
            Self::Bogons(_) => Kind::Bogons,
            Self::Links(_) => Kind::Links,
        }
    }

    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Vrps(of) => of.len(),
            Self::Aspas(of) => of.len(),
            Self::Relations(of) => of.len(),
            Self::Organisations(of) => of.len(),
            Self::Anycast(of) => of.prefixes().len(),
            Self::Dps(of) | Self::RouteServers(of) => of.ranges().len(),
            Self::Bogons(of) => of.len(),
            Self::Links(of) => of.len(),
        }
    }

    /// True when it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
