//! Which incident is somebody's own, and why.

use std::fmt;

use weir_routing::{Asn, Prefix};

use super::WatchList;
use crate::incident::Kind;

/// What of an incident says whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    /// Its rule; `None` = one that this version does not know.
    pub kind: Option<Kind>,
    /// Its prefix; none where it is about no single one.
    pub prefix: Option<Prefix>,
    /// Prefixes of what it consists of.
    pub members: &'a [Prefix],
    /// Who may be at fault: an AS, or the members of a set.
    pub suspects: &'a [u32],
    /// Who is hurt.
    pub victims: &'a [u32],
    /// Who should originate it.
    pub expected: &'a [u32],
}

/// Why an incident is somebody's own. Shown as a sentence without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mine {
    /// It is about an own prefix, or that is one of many.
    Prefix(Prefix),
    /// It is about a part of this own prefix, alone or among many.
    Part(Prefix),
    /// Somebody claims a prefix that holds this own one.
    Holds(Prefix),
    /// This own network is hurt.
    Victim(Asn),
    /// This own network should originate it.
    Expected(Asn),
    /// This own network may be at fault.
    Suspect(Asn),
}

impl fmt::Display for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(own) => write!(f, "{own} is an own prefix"),
            Self::Part(own) => write!(f, "part of the own prefix {own}"),
            Self::Holds(own) => write!(f, "holds the own prefix {own}"),
            Self::Victim(own) => write!(f, "the own AS{own} is a victim"),
            Self::Expected(own) => write!(f, "the own AS{own} is an expected origin"),
            Self::Suspect(own) => write!(f, "the own AS{own} is the suspect"),
        }
    }
}

impl WatchList {
    /// Why an incident is somebody's own; `None` = it is not. The first reason of [`Mine`] that holds.
    #[must_use]
    pub fn mine(&self, of: &Outline<'_>) -> Option<Mine> {
        let own = |asns: &[u32]| {
            let mut asns = asns.iter().copied().map(Asn);
            asns.find(|asn| self.network(*asn).is_some())
        };
        self.by_prefix(of)
            .or_else(|| own(of.victims).map(Mine::Victim))
            .or_else(|| own(of.expected).map(Mine::Expected))
            .or_else(|| own(of.suspects).map(Mine::Suspect))
    }

    fn by_prefix(&self, of: &Outline<'_>) -> Option<Mine> {
        let about = of.prefix.iter().chain(of.members);
        if let Some(mine) = about.copied().find_map(|prefix| self.by_holder(prefix)) {
            return Some(mine);
        }
        let prefix = of.prefix?;
        // Only who claims the whole claims its parts: a default route, or a path that is odd, says nothing of them.
        let claims = of.kind.is_some_and(|kind| kind.role().claims());
        if !claims || prefix.is_default() {
            return None;
        }
        let mut inside = self.inside(&prefix);
        let own = inside.find(|entry| !entry.ignore)?;
        Some(Mine::Holds(own.prefix))
    }

    fn by_holder(&self, prefix: Prefix) -> Option<Mine> {
        let entry = self.holding(&prefix)?;
        if entry.prefix == prefix {
            return (!entry.ignore).then_some(Mine::Prefix(prefix));
        }
        (!entry.ignore_more_specifics).then_some(Mine::Part(entry.prefix))
    }
}
