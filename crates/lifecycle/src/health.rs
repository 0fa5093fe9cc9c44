//! Who is ready, and why not.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

/// The parts of a process and whether each is ready; cheap to clone, all clones are one.
#[derive(Clone, Default)]
pub struct Health {
    /// Name of the part -> why it is not ready.
    parts: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

impl Health {
    /// Without parts; such a process is ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new part, not ready because it is `starting`.
    #[must_use]
    pub fn register(&self, name: &str) -> HealthFlag {
        let flag = HealthFlag {
            health: self.clone(),
            name: name.to_owned(),
        };
        flag.not_ready("starting");
        flag
    }

    /// The parts that are not ready, and why.
    #[must_use]
    pub fn reasons(&self) -> BTreeMap<String, String> {
        self.parts
            .lock()
            .iter()
            .filter_map(|(name, reason)| Some((name.clone(), reason.clone()?)))
            .collect()
    }

    /// True when every part is.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.parts.lock().values().all(Option::is_none)
    }
}

/// One part's own switch.
#[derive(Clone)]
pub struct HealthFlag {
    health: Health,
    name: String,
}

impl HealthFlag {
    /// The part's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on it can do its work.
    pub fn ready(&self) {
        self.health.parts.lock().insert(self.name.clone(), None);
    }

    /// From now on it cannot, because of `reason`.
    pub fn not_ready(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let mut parts = self.health.parts.lock();
        parts.insert(self.name.clone(), Some(reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_parts_are() {
        let health = Health::new();
        assert!(health.is_ready());
        let (log, store) = (health.register("log"), health.register("store"));
        assert_eq!(health.reasons().len(), 2);
        log.ready();
        store.not_ready("disk full");
        assert!(!health.is_ready());
        assert_eq!(health.reasons()["store"], "disk full");
        store.ready();
        assert!(health.is_ready());
    }
}
