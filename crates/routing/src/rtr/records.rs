//! What a cache has told, and what a transfer changes of it.

use std::io::Write as _;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{Asn, roa::Vrp};

/// VRPs, ASPAs and their providers together: several times what all the world signs. More is a fault.
pub(super) const MAX_ENTRIES: usize = 4_000_000;

/// VRPs and ASPAs as of the last whole transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    vrps: FxHashSet<Vrp>,
    // Providers ascending.
    aspas: FxHashMap<Asn, Vec<Asn>>,
    providers: usize,
}

impl Records {
    /// How many VRPs there are.
    #[must_use]
    pub fn vrps(&self) -> usize {
        self.vrps.len()
    }

    /// How many networks have an ASPA.
    #[must_use]
    pub fn aspas(&self) -> usize {
        self.aspas.len()
    }

    /// The VRPs as a relying party writes them, in order and without a date: the same VRPs, the same bytes.
    #[must_use]
    pub fn vrps_json(&self) -> Vec<u8> {
        let mut all: Vec<&Vrp> = self.vrps.iter().collect();
        all.sort_unstable();
        let mut text = Vec::with_capacity(64 * all.len() + 16);
        list(&mut text, "roas", &all, |text, vrp| {
            let Vrp {
                prefix,
                max_length,
                asn,
            } = vrp;
            // A vector grows, so writing into it cannot fail.
            let _ = write!(
                text,
                r#"{{"prefix":"{prefix}","maxLength":{max_length},"asn":{asn}}}"#
            );
        });
        text
    }

    /// The ASPAs as a relying party writes them, in order and without a date: the same ASPAs, the same bytes.
    #[must_use]
    pub fn aspas_json(&self) -> Vec<u8> {
        let mut all: Vec<_> = self.aspas.iter().collect();
        all.sort_unstable();
        let mut text = Vec::new();
        list(&mut text, "aspas", &all, |text, (customer, providers)| {
            let _ = write!(text, r#"{{"customer_asid":{customer},"providers":["#);
            for (at, provider) in providers.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(text, "{comma}{provider}");
            }
            text.extend(b"]}");
        });
        text
    }

    fn entries(&self) -> usize {
        self.vrps.len() + self.aspas.len() + self.providers
    }

    /// Makes the changes of a whole transfer; true = something is another than before.
    pub(super) fn apply(&mut self, changes: Changes) -> bool {
        if changes.from_nothing {
            let before = std::mem::take(self);
            self.make(changes);
            return *self != before;
        }
        self.make(changes)
    }

    fn make(&mut self, changes: Changes) -> bool {
        let mut changed = false;
        for (vrp, holds) in changes.vrps {
            changed |= if holds {
                self.vrps.insert(vrp)
            } else {
                self.vrps.remove(&vrp)
            };
        }
        for (customer, providers) in changes.aspas {
            let more = providers.as_ref().map_or(0, Vec::len);
            let before = match providers.clone() {
                Some(providers) => self.aspas.insert(customer, providers),
                None => self.aspas.remove(&customer),
            };
            changed |= before != providers;
            self.providers = self.providers + more - before.map_or(0, |before| before.len());
        }
        changed
    }
}

/// An array of entries under a key, each on a line of its own.
fn list<T>(text: &mut Vec<u8>, key: &str, all: &[T], entry: impl Fn(&mut Vec<u8>, &T)) {
    let _ = write!(text, r#"{{"{key}":["#);
    for (at, one) in all.iter().enumerate() {
        text.extend(if at == 0 { &b"\n"[..] } else { b",\n" });
        entry(text, one);
    }
    text.extend(b"\n]}\n");
}

/// What a transfer says, until its end.
#[derive(Debug)]
pub(super) struct Changes {
    /// It replaces all that was there.
    from_nothing: bool,
    /// True = it holds.
    vrps: FxHashMap<Vrp, bool>,
    /// `None` = it holds no more.
    aspas: FxHashMap<Asn, Option<Vec<Asn>>>,
    /// Taken so far, providers too.
    entries: usize,
}

/// What cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    Duplicate,
    Unknown,
    TooMany,
}

impl Changes {
    /// None yet; of everything, or of what is there.
    pub(super) fn new(from_nothing: bool) -> Self {
        Self {
            from_nothing,
            vrps: FxHashMap::default(),
            aspas: FxHashMap::default(),
            entries: 0,
        }
    }

    /// True when they replace all that was there.
    pub(super) fn is_full(&self) -> bool {
        self.from_nothing
    }

    pub(super) fn vrp(&mut self, vrp: Vrp, announce: bool, records: &Records) -> Result<(), Clash> {
        self.count(1, records)?;
        let held = match self.vrps.get(&vrp) {
            Some(holds) => *holds,
            None => !self.from_nothing && records.vrps.contains(&vrp),
        };
        match (announce, held) {
            (true, true) => return Err(Clash::Duplicate),
            (false, false) => return Err(Clash::Unknown),
            _ => {}
        }
        self.vrps.insert(vrp, announce);
        Ok(())
    }

    /// `None` = withdrawn. One that is there is replaced.
    pub(super) fn aspa(
        &mut self,
        customer: Asn,
        providers: Option<&[Asn]>,
        records: &Records,
    ) -> Result<(), Clash> {
        self.count(1 + providers.map_or(0, <[Asn]>::len), records)?;
        let held = match self.aspas.get(&customer) {
            Some(providers) => providers.is_some(),
            None => !self.from_nothing && records.aspas.contains_key(&customer),
        };
        if providers.is_none() && !held {
            return Err(Clash::Unknown);
        }
        self.aspas.insert(customer, providers.map(<[Asn]>::to_vec));
        Ok(())
    }

    fn count(&mut self, entries: usize, records: &Records) -> Result<(), Clash> {
        self.entries += entries;
        let before = if self.from_nothing {
            0
        } else {
            records.entries()
        };
        if before + self.entries > MAX_ENTRIES {
            return Err(Clash::TooMany);
        }
        Ok(())
    }
}
