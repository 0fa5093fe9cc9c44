//! Who answers for each partition of `bgp-updates`, by what detectors say of themselves in `service-status`.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use weir_events::{time::rfc3339, topics::BGP_UPDATES, v1};

/// Who has said nothing for so long is away: it says something every two seconds.
const SILENT: Duration = Duration::from_secs(10);

/// The process that has a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Name of its service and its own.
    name: String,
    /// `host:port` where it answers.
    pub(crate) address: String,
    /// When it said so, by its own clock.
    said_us: i64,
    /// The same, by ours.
    heard: Instant,
}

impl Owner {
    /// How it is called where an answer is missing.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The newest word for each partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    of: BTreeMap<u32, Owner>,
}

impl Owners {
    /// Takes note of a heartbeat: a partition belongs to who spoke last of it.
    pub(crate) fn note(&mut self, status: &v1::ServiceStatus, heard: Instant) {
        if status.lookup_address.is_empty() {
            return;
        }
        let owner = Owner {
            name: format!("{} {}", status.service, status.instance),
            address: status.lookup_address.clone(),
            said_us: status.at_us,
            heard,
        };
        let has = |partition: &u32| status.lookup_partitions.contains(partition);
        self.of
            .retain(|partition, known| known.name != owner.name || has(partition));
        for partition in (0..BGP_UPDATES.partitions).filter(has) {
            self.of.insert(partition, owner.clone());
        }
    }

    /// Who has a partition; else why nobody can be asked.
    pub(crate) fn of(&self, partition: u32, now: Instant) -> Result<Owner, String> {
        let Some(owner) = self.of.get(&partition) else {
            return Err(
                "no detector has said that it answers for this partition: wait some seconds, or see [lookups] where \
                 it runs"
                    .to_owned(),
            );
        };
        if now.saturating_duration_since(owner.heard) >= SILENT {
            let (name, since) = (&owner.name, rfc3339(owner.said_us));
            return Err(format!(
                "{name} should answer and has been silent since {since}"
            ));
        }
        Ok(owner.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(instance: &str, partitions: &[u32]) -> v1::ServiceStatus {
        v1::ServiceStatus {
            service: "conflict-detector".to_owned(),
            instance: instance.to_owned(),
            lookup_address: format!("{instance}:9102"),
            lookup_partitions: partitions.to_vec(),
            ..v1::ServiceStatus::default()
        }
    }

    #[test]
    fn a_partition_belongs_to_who_spoke_last_of_it() {
        let now = Instant::now();
        let mut owners = Owners::default();
        let address = |owners: &Owners, partition| owners.of(partition, now).map(|o| o.address);
        owners.note(&status("a", &[0, 1, 999]), now);
        owners.note(&status("b", &[1, 2]), now);
        assert_eq!(address(&owners, 0), Ok("a:9102".to_owned()));
        assert_eq!(address(&owners, 1), Ok("b:9102".to_owned()));
        assert!(address(&owners, 999).is_err());
        owners.note(&status("b", &[2]), now);
        assert!(address(&owners, 1).unwrap_err().contains("no detector"));
        assert_eq!(address(&owners, 2), Ok("b:9102".to_owned()));
        let elsewhere = v1::ServiceStatus::default();
        owners.note(&elsewhere, now);
        assert_eq!(address(&owners, 2), Ok("b:9102".to_owned()));
    }

    #[test]
    fn who_is_silent_is_away_and_named() {
        let now = Instant::now();
        let mut owners = Owners::default();
        owners.note(&status("a", &[0]), now);
        assert!(
            owners
                .of(0, now + SILENT - Duration::from_millis(1))
                .is_ok()
        );
        let why = owners.of(0, now + SILENT).unwrap_err();
        assert_eq!(
            why,
            "conflict-detector a should answer and has been silent since 1970-01-01T00:00:00.000000Z"
        );
    }
}
