//! Which prefixes each session holds: keys in redb, written as they change.
//!
//! A key is (slot, generation, prefix), so that the end of a session empties its set by raising
//! the generation; what is left behind is swept a little at each commit. Between commits changes
//! stand in an overlay, which stays as a bounded cache of what is stored.

use std::{net::IpAddr, sync::Arc};

use redb::{
    Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use weir_routing::{Nlri, Prefix};

use super::state::StateError;

/// (slot, generation, prefix) -> the path identifiers (RFC 7911) it is held under.
pub(super) const PREFIXES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("prefixes");
/// (slot, generation) of sets that nothing refers to any more.
pub(super) const LEFT: TableDefinition<'_, (u32, u32), ()> = TableDefinition::new("left");

/// Entries kept in memory over a commit.
const CACHED: usize = 1 << 16;
/// Keys swept in one commit.
const SWEPT: usize = 20_000;

/// Whose set: the slot and generation of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

type Paths = SmallVec<[u32; 2]>;

struct Entry {
    paths: Paths,
    dirty: bool,
}

pub(crate) struct PrefixSet {
    stored: ReadOnlyTable<&'static [u8], &'static [u8]>,
    overlay: FxHashMap<(Owner, Prefix), Entry>,
    left: Vec<Owner>,
}

impl PrefixSet {
    pub(crate) fn open(database: &Arc<Database>) -> Result<Self, StateError> {
        Ok(Self {
            stored: Self::view(database)?,
            overlay: FxHashMap::default(),
            left: Vec::new(),
        })
    }

    pub(crate) fn make_tables(transaction: &WriteTransaction) -> Result<(), StateError> {
        transaction.open_table(PREFIXES)?;
        transaction.open_table(LEFT)?;
        Ok(())
    }

    fn view(
        database: &Arc<Database>,
    ) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, StateError> {
        Ok(database.begin_read()?.open_table(PREFIXES)?)
    }

    /// Adds a path; true when the prefix was not held before. `size` is the number of prefixes
    /// that the owner holds: nothing is looked up in an empty set.
    pub(crate) fn announce(
        &mut self,
        owner: Owner,
        nlri: &Nlri,
        size: u64,
    ) -> Result<bool, StateError> {
        let entry = self.entry(owner, nlri.prefix, size)?;
        let new = entry.paths.is_empty();
        if !entry.paths.contains(&nlri.path_id) {
            entry.paths.push(nlri.path_id);
            entry.paths.sort_unstable();
            entry.dirty = true;
        }
        Ok(new)
    }

    /// Takes a path away; true when the prefix is not held any more, and was.
    pub(crate) fn withdraw(
        &mut self,
        owner: Owner,
        nlri: &Nlri,
        size: u64,
    ) -> Result<bool, StateError> {
        if size == 0 {
            return Ok(false);
        }
        let entry = self.entry(owner, nlri.prefix, size)?;
        let Some(place) = entry.paths.iter().position(|id| *id == nlri.path_id) else {
            return Ok(false);
        };
        entry.paths.remove(place);
        entry.dirty = true;
        Ok(entry.paths.is_empty())
    }

    /// The owner's set is not referred to any more.
    pub(crate) fn leave(&mut self, owner: Owner) {
        self.left.push(owner);
    }

    fn entry(&mut self, owner: Owner, prefix: Prefix, size: u64) -> Result<&mut Entry, StateError> {
        use std::collections::hash_map::Entry as Place;
        match self.overlay.entry((owner, prefix)) {
            Place::Occupied(occupied) => Ok(occupied.into_mut()),
            Place::Vacant(vacant) => {
                let paths = if size == 0 {
                    Paths::new()
                } else {
                    self.stored
                        .get(key(owner, prefix).as_slice())?
                        .map(|value| decode(value.value()))
                        .unwrap_or_default()
                };
                Ok(vacant.insert(Entry {
                    paths,
                    dirty: false,
                }))
            }
        }
    }

    /// Writes what changed, and sweeps some of what was left behind.
    pub(crate) fn write(&mut self, transaction: &WriteTransaction) -> Result<(), StateError> {
        let mut table = transaction.open_table(PREFIXES)?;
        let mut changed: Vec<_> = self
            .overlay
            .iter()
            .filter(|(_, entry)| entry.dirty)
            .map(|((owner, prefix), entry)| (key(*owner, *prefix), entry))
            .collect();
        // In the order of the tree: neighbours share pages.
        changed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (key, entry) in changed {
            if entry.paths.is_empty() {
                table.remove(key.as_slice())?;
            } else {
                table.insert(key.as_slice(), encode(&entry.paths).as_slice())?;
            }
        }
        let mut left = transaction.open_table(LEFT)?;
        for owner in self.left.drain(..) {
            left.insert((owner.slot, owner.generation), ())?;
        }
        let mut budget = SWEPT;
        while budget > 0 {
            let Some((slot, generation)) = left.first()?.map(|(owner, _)| owner.value()) else {
                break;
            };
            let from = [slot.to_be_bytes(), generation.to_be_bytes()].concat();
            let to = [slot.to_be_bytes(), (generation + 1).to_be_bytes()].concat();
            let keys = table
                .range(from.as_slice()..to.as_slice())?
                .take(budget)
                .map(|entry| entry.map(|(key, _)| key.value().to_vec()))
                .collect::<Result<Vec<_>, _>>()?;
            for key in &keys {
                table.remove(key.as_slice())?;
            }
            if keys.len() < budget {
                left.remove((slot, generation))?;
            }
            budget -= keys.len().max(1);
        }
        Ok(())
    }

    /// To be called once what was written is committed.
    pub(crate) fn written(&mut self, database: &Arc<Database>) -> Result<(), StateError> {
        if self.overlay.len() > CACHED {
            self.overlay = FxHashMap::default();
        }
        for entry in self.overlay.values_mut() {
            entry.dirty = false;
        }
        self.stored = Self::view(database)?;
        Ok(())
    }
}

type Key = SmallVec<[u8; 32]>;

fn key(owner: Owner, prefix: Prefix) -> Key {
    let mut key = Key::new();
    key.extend_from_slice(&owner.slot.to_be_bytes());
    key.extend_from_slice(&owner.generation.to_be_bytes());
    match prefix.address() {
        IpAddr::V4(address) => {
            key.push(4);
            key.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            key.push(6);
            key.extend_from_slice(&address.octets());
        }
    }
    key.push(prefix.length());
    key
}

fn encode(paths: &Paths) -> SmallVec<[u8; 8]> {
    paths.iter().flat_map(|id| id.to_be_bytes()).collect()
}

fn decode(bytes: &[u8]) -> Paths {
    let (ids, _) = bytes.as_chunks::<4>();
    ids.iter().map(|id| u32::from_be_bytes(*id)).collect()
}
