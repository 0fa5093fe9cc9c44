//! Paths that many routes share, kept once and counted.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::as_path::AsPath;

/// Number of a path in its table. Reused once nothing refers to it; never leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathRef(pub u32);

/// A path, what its owner wants to know of it, and how many routes hold it.
#[derive(Clone, Debug)]
struct Interned<M, F> {
    path: AsPath,
    mark: M,
    facts: F,
    count: u32,
}

/// Interned paths with facts of type `F`, which are worked out once per path.
///
/// Equal are paths with equal segments and an equal mark of type `M` (the caller's: what else makes two
/// routes differ).
#[derive(Clone, Debug)]
pub struct PathTable<M, F> {
    entries: Vec<Option<Interned<M, F>>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<M, F> Default for PathTable<M, F> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<M: Copy + Eq + Hash, F> PathTable<M, F> {
    /// The number of a path, with one count for the caller; see [`release`](Self::release).
    pub fn intern(&mut self, path: &AsPath, mark: M, facts: impl FnOnce(&AsPath) -> F) -> PathRef {
        let hash = self.hasher.hash_one((path, mark));
        let Self { entries, index, .. } = self;
        let found = index.find(hash, |at| {
            entry(entries, *at).is_some_and(|known| known.mark == mark && known.path == *path)
        });
        if let Some(at) = found.copied() {
            self.retain(PathRef(at), 1);
            return PathRef(at);
        }
        let new = Interned {
            facts: facts(path),
            path: path.clone(),
            mark,
            count: 1,
        };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.entries.push(None);
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.entries.get_mut(at as usize) {
            *place = Some(new);
        }
        let Self {
            entries,
            index,
            hasher,
            ..
        } = self;
        index.insert_unique(hash, at, |at| {
            entry(entries, *at).map_or(0, |known| hasher.hash_one((&known.path, known.mark)))
        });
        PathRef(at)
    }

    /// Adds to the count.
    pub fn retain(&mut self, at: PathRef, count: u32) {
        if let Some(Some(known)) = self.entries.get_mut(at.0 as usize) {
            known.count = known.count.saturating_add(count);
        }
    }

    /// Takes one from the count; the path goes with the last.
    pub fn release(&mut self, at: PathRef) {
        let Some(place) = self.entries.get_mut(at.0 as usize) else {
            return;
        };
        let Some(known) = place else { return };
        known.count -= 1;
        if known.count > 0 {
            return;
        }
        let hash = self.hasher.hash_one((&known.path, known.mark));
        if let Ok(found) = self.index.find_entry(hash, |other| *other == at.0) {
            found.remove();
        }
        *place = None;
        self.free.push(at.0);
    }

    /// The facts of a path.
    #[inline]
    #[must_use]
    pub fn facts(&self, at: PathRef) -> Option<&F> {
        entry(&self.entries, at.0).map(|known| &known.facts)
    }

    /// The path, its mark, and its facts, to be worked out further.
    pub fn with_facts_mut(&mut self, at: PathRef) -> Option<(&AsPath, M, &mut F)> {
        let known = self.entries.get_mut(at.0 as usize)?.as_mut()?;
        Some((&known.path, known.mark, &mut known.facts))
    }

    /// The path.
    #[must_use]
    pub fn path(&self, at: PathRef) -> Option<&AsPath> {
        entry(&self.entries, at.0).map(|known| &known.path)
    }

    /// The mark that it was interned with.
    #[must_use]
    pub fn mark(&self, at: PathRef) -> Option<M> {
        entry(&self.entries, at.0).map(|known| known.mark)
    }

    /// How many different paths are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True when no path is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}

#[inline]
fn entry<M, F>(entries: &[Option<Interned<M, F>>], at: u32) -> Option<&Interned<M, F>> {
    entries.get(at as usize)?.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_paths_share_a_number_until_the_last_is_released() {
        let mut table = PathTable::<bool, usize>::default();
        let path: AsPath = "64496 64497".parse().unwrap();
        let first = table.intern(&path, false, AsPath::length);
        let second = table.intern(&path, false, |_| unreachable!("known"));
        assert_eq!(first, second);
        assert_ne!(first, table.intern(&path, true, AsPath::length));
        table.release(first);
        assert_eq!(table.facts(first), Some(&2));
        table.release(first);
        assert_eq!(table.facts(first), None);
        assert_eq!(table.len(), 1);
        assert_eq!(table.intern(&path, false, AsPath::length), first);
    }
}
