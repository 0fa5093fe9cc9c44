//! The handle to one log that every service is given.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use weir_events::topics::Topic;

use crate::{
    admin::end_offsets,
    broker::Broker,
    config::{GroupProtocol, LogConfig, SecurityProtocol},
    error::{LogError, OpenError},
    kafka::{features::has_new_groups, group::Membership, lookup::Lookup},
    publisher::{Publisher, PublisherOptions},
    schema::{Framing, SchemaError},
};

/// One event log, on Kafka or embedded; cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
    unhurried: bool,
}

struct Inner {
    config: LogConfig,
    broker: Option<Broker>,
    /// What stands before each record that we write.
    framing: OnceLock<Framing>,
    /// For questions outside of any group.
    lookup: Mutex<Option<Arc<Lookup>>>,
    /// For questions about the positions of groups.
    groups: Mutex<HashMap<String, Arc<Lookup>>>,
    /// The numbers of static members that this handle has given out, by group.
    instances: Mutex<HashMap<String, BTreeSet<u32>>>,
    /// The brokers have the group protocol `consumer`, once that is known.
    new_protocol: Mutex<Option<bool>>,
    /// Shared by the reporters of all services of this process.
    status: Mutex<Option<Publisher>>,
}

impl EventLog {
    /// The log of a Kafka cluster. Connects when first used.
    ///
    /// # Errors
    /// When the configuration cannot work; see [`LogConfig::check`].
    pub fn kafka(config: LogConfig) -> Result<Self, LogError> {
        config.check()?;
        Ok(Self::new(config, None))
    }

    /// The log of a Kafka cluster for a service: framed as the registry of `schemas` wants, if one
    /// is named, with every one of `topics` there as the table has it.
    ///
    /// # Errors
    /// When a setting cannot work, the registry or a broker does not answer or refuses us, or a
    /// topic is not there.
    pub fn open(
        config: &LogConfig,
        schemas: &crate::schema::Config,
        topics: &[Topic],
    ) -> Result<Self, OpenError> {
        let log = Self::kafka(config.clone())?.with_schemas(schemas)?;
        for topic in topics {
            end_offsets(&log, topic)?;
        }
        Ok(log)
    }

    /// The log of the broker in this process.
    #[must_use]
    pub fn embedded(broker: Broker) -> Self {
        let config = LogConfig {
            bootstrap_servers: broker.address().to_string(),
            security_protocol: Some(SecurityProtocol::Plaintext),
            group_protocol: GroupProtocol::Classic,
            ..LogConfig::default()
        };
        Self::new(config, Some(broker))
    }

    fn new(config: LogConfig, broker: Option<Broker>) -> Self {
        Self {
            inner: Arc::new(Inner {
                config,
                broker,
                framing: OnceLock::new(),
                lookup: Mutex::default(),
                groups: Mutex::default(),
                instances: Mutex::default(),
                new_protocol: Mutex::default(),
                status: Mutex::default(),
            }),
            unhurried: false,
        }
    }

    /// The same log, for groups that need no record at once: brokers answer them when there is much to read, or a tenth
    /// of a second has passed. An answer for each record, to every group that reads it, is what a broker would mostly do
    /// otherwise, and who is in a hurry waits behind the others.
    #[must_use]
    pub fn unhurried(&self) -> Self {
        Self {
            unhurried: true,
            ..self.clone()
        }
    }

    pub(crate) fn is_unhurried(&self) -> bool {
        self.unhurried
    }

    /// Asks the schema registry of `config` for the frames of our topics, if it names one; every
    /// publisher that connects later writes them. Readers need nothing of it.
    ///
    /// # Errors
    /// See [`SchemaError`]: transient when the registry is away.
    pub fn with_schemas(self, config: &crate::schema::Config) -> Result<Self, SchemaError> {
        if let Some(registry) = crate::schema::Registry::open(config)? {
            // A handle is framed once.
            let _ = self.inner.framing.set(registry.framing()?);
        }
        Ok(self)
    }

    pub(crate) fn framing(&self) -> Framing {
        self.inner.framing.get().cloned().unwrap_or_default()
    }

    /// Where it is.
    #[must_use]
    pub fn config(&self) -> &LogConfig {
        &self.inner.config
    }

    /// Makes everything that was acknowledged durable on this machine: before a manifest that
    /// rests on it. Kafka replicates instead, so there it does nothing.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn sync(&self) -> io::Result<()> {
        self.inner.broker.as_ref().map_or(Ok(()), Broker::sync)
    }

    /// Closes the clients that this handle keeps for questions and status, so that they do not
    /// complain when the broker goes. They are made anew when asked again.
    pub fn disconnect(&self) {
        self.inner.lookup.lock().take();
        self.inner.groups.lock().clear();
        self.inner.status.lock().take();
    }

    pub(crate) fn lookup(&self) -> Result<Arc<Lookup>, LogError> {
        let mut slot = self.inner.lookup.lock();
        if let Some(lookup) = &*slot {
            return Ok(Arc::clone(lookup));
        }
        let lookup = Arc::new(Lookup::connect(self, "weir-lookup")?);
        *slot = Some(Arc::clone(&lookup));
        Ok(lookup)
    }

    pub(crate) fn group_lookup(&self, group: &str) -> Result<Arc<Lookup>, LogError> {
        let mut groups = self.inner.groups.lock();
        if let Some(lookup) = groups.get(group) {
            return Ok(Arc::clone(lookup));
        }
        let lookup = Arc::new(Lookup::connect(self, group)?);
        groups.insert(group.to_owned(), Arc::clone(&lookup));
        Ok(lookup)
    }

    /// How the next member of a group takes part. Asks the brokers the first time, for seconds.
    pub(crate) fn membership(&self, instance: Option<&Instance>) -> Result<Membership, LogError> {
        Ok(Membership {
            new_protocol: self.speaks_new_protocol()?,
            instance: instance.map(|instance| instance.name.clone()),
        })
    }

    fn speaks_new_protocol(&self) -> Result<bool, LogError> {
        let wanted = self.inner.config.group_protocol;
        if wanted == GroupProtocol::Classic {
            return Ok(false);
        }
        let mut known = self.inner.new_protocol.lock();
        let new = match *known {
            Some(new) => new,
            None => *known.insert(has_new_groups(self)?),
        };
        if !new && wanted == GroupProtocol::Consumer {
            return Err(LogError::Config {
                key: "group_protocol".to_owned(),
                what: "is consumer, which needs Kafka 4.0 or newer and is not refused there; \
                       write auto"
                    .to_owned(),
            });
        }
        Ok(new)
    }

    /// The brokers list the protocol `consumer` and refuse it.
    pub(crate) fn fall_back(&self) {
        *self.inner.new_protocol.lock() = Some(false);
    }

    /// The name of a static member of `group`, if members are to be static: the lowest number that
    /// is free, so that a member that is started again gets the name that it had.
    pub(crate) fn instance(&self, group: &str) -> Option<Instance> {
        let id = self.inner.config.group_instance_id.as_ref()?;
        let mut groups = self.inner.instances.lock();
        let taken = groups.entry(group.to_owned()).or_default();
        let number = (0..).find(|number| !taken.contains(number))?;
        taken.insert(number);
        Some(Instance {
            name: format!("{id}-{group}-{number}"),
            group: group.to_owned(),
            number,
            log: self.clone(),
        })
    }

    /// The one publisher for small things such as status; made anew when it has died.
    pub(crate) fn status_publisher(&self) -> Result<Publisher, LogError> {
        let mut slot = self.inner.status.lock();
        match &*slot {
            Some(publisher) if publisher.failure().is_none() => Ok(publisher.clone()),
            _ => {
                let publisher = Publisher::connect(self, PublisherOptions::default())?;
                *slot = Some(publisher.clone());
                Ok(publisher)
            }
        }
    }
}

/// The name of a static member; free again when dropped.
pub(crate) struct Instance {
    name: String,
    group: String,
    number: u32,
    log: EventLog,
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(taken) = self.log.inner.instances.lock().get_mut(&self.group) {
            taken.remove(&self.number);
        }
    }
}
