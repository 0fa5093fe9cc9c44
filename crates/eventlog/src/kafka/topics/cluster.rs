//! Topics and their settings, asked of and changed in the cluster.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigSource, NewTopic,
        ResourceSpecifier, TopicReplication,
    },
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{Metadata, MetadataTopic},
};

use crate::{
    EventLog, LogError,
    admin::{Desired, Found, Partition, Topic},
    kafka::{REQUEST, Voice, client_config, failed, refused, signed},
};

/// Between two looks at a topic that was just made.
const LOOK: Duration = Duration::from_millis(20);

/// The settings of one topic: their values, and whether each was set on the topic itself.
type Settings = BTreeMap<String, (String, bool)>;

/// A client that asks for topics and changes them.
pub(crate) struct Cluster {
    admin: AdminClient<Voice>,
    options: AdminOptions,
}

impl Cluster {
    pub(crate) fn connect(log: &EventLog) -> Result<Self, LogError> {
        let admin = client_config(log.config())
            .create_with_context(Voice::new("admin"))
            .map_err(|error| refused(&error))?;
        let options = AdminOptions::new()
            .request_timeout(Some(REQUEST))
            .operation_timeout(Some(REQUEST));
        Ok(Self { admin, options })
    }

    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, LogError> {
        let client = self.admin.inner();
        client
            .fetch_metadata(topic, REQUEST)
            .map_err(|error| self.failed("ask for topics", &error))
    }

    fn failed(&self, what: impl Into<String>, error: &KafkaError) -> LogError {
        self.admin.inner().context().failed(what, error)
    }

    /// Every topic, without its settings and offsets, by name.
    pub(crate) fn topics(&self) -> Result<Vec<Topic>, LogError> {
        let metadata = self.metadata(None)?;
        let mut topics: Vec<Topic> = metadata.topics().iter().map(topic_of).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Which of `names` there are, and how they are.
    pub(crate) fn found(&self, names: &[&str]) -> Result<BTreeMap<String, Found>, LogError> {
        let mut found = BTreeMap::new();
        for topic in self.topics()? {
            if names.contains(&topic.name.as_str()) {
                let copies = topic.partitions.iter().map(|each| each.replicas.len());
                let one = Found {
                    partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
                    replication: copies
                        .min()
                        .map_or(0, |n| u16::try_from(n).unwrap_or(u16::MAX)),
                    configs: BTreeMap::new(),
                };
                found.insert(topic.name, one);
            }
        }
        let present: Vec<&str> = found.keys().map(String::as_str).collect();
        let mut configs = self.configs(&present)?;
        for (name, found) in &mut found {
            found.configs = configs.remove(name).unwrap_or_default();
        }
        Ok(found)
    }

    /// The settings of topics as they apply, and whether each was set on the topic itself.
    pub(crate) fn configs(&self, topics: &[&str]) -> Result<BTreeMap<String, Settings>, LogError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let asked: Vec<_> = topics
            .iter()
            .map(|name| ResourceSpecifier::Topic(name))
            .collect();
        let what = "ask for the settings of topics";
        let answers = wait(self.admin.describe_configs(&asked, &self.options))
            .map_err(|error| self.failed(what, &error))?;
        let mut all = BTreeMap::new();
        // Answers come in the order of the questions.
        for (name, answer) in topics.iter().zip(answers) {
            let resource = answer.map_err(|code| self.failed(what, &KafkaError::AdminOp(code)))?;
            let rows = resource.entries.into_iter().filter_map(setting).collect();
            all.insert((*name).to_owned(), rows);
        }
        Ok(all)
    }

    /// How many copies of a record the brokers make where a topic does not say; `None` = they do
    /// not tell.
    pub(crate) fn default_replication(&self) -> Option<u16> {
        let metadata = self.metadata(None).ok()?;
        let broker = [ResourceSpecifier::Broker(metadata.brokers().first()?.id())];
        let answers = wait(self.admin.describe_configs(&broker, &self.options)).ok()?;
        let resource = answers.into_iter().next()?.ok()?;
        let setting = resource.get("default.replication.factor")?;
        setting.value.as_ref()?.parse().ok()
    }

    /// Makes a topic and waits until it can be used; false when it was there.
    pub(crate) fn create(&self, topic: &Desired) -> Result<bool, LogError> {
        // -1: as many copies as the broker makes by default.
        let copies = topic.replication.map_or(-1, i32::from);
        let new = topic.configs.iter().fold(
            NewTopic::new(
                &topic.name,
                signed(topic.partitions),
                TopicReplication::Fixed(copies),
            ),
            |new, (key, value)| new.set(key, value),
        );
        let what = || format!("create topic {}", topic.name);
        let made = wait(self.admin.create_topics([&new], &self.options))
            .map_err(|error| self.failed(what(), &error))?;
        let created = match made.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => false,
            Some(Err((_, code))) => return Err(failed(what(), &KafkaError::AdminOp(code))),
            Some(Ok(_)) | None => true,
        };
        self.wait_for(topic)?;
        Ok(created)
    }

    /// Until every partition has a leader.
    fn wait_for(&self, topic: &Desired) -> Result<(), LogError> {
        let deadline = Instant::now() + REQUEST;
        loop {
            let metadata = self.metadata(Some(&topic.name))?;
            let led = metadata.topics().first().map_or(0, |found| {
                let partitions = found.partitions().iter();
                partitions.filter(|one| one.leader() >= 0).count()
            });
            if led >= topic.partitions as usize {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let what = format!("a leader for every partition of {}", topic.name);
                return Err(self.admin.inner().context().timed_out(what, REQUEST));
            }
            thread::sleep(LOOK);
        }
    }

    /// Sets `changes` of `topic`; what else was set on it stays.
    pub(crate) fn alter(&self, topic: &str, changes: &[(&str, &str)]) -> Result<(), LogError> {
        let what = || format!("alter topic {topic}");
        // The request replaces everything that was set on the topic.
        let mut set: BTreeMap<String, String> = self
            .configs(&[topic])?
            .remove(topic)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(key, (value, on_topic))| on_topic.then_some((key, value)))
            .collect();
        for (key, value) in changes {
            set.insert((*key).to_owned(), (*value).to_owned());
        }
        let alter = set.iter().fold(
            AlterConfig::new(ResourceSpecifier::Topic(topic)),
            |alter, (key, value)| alter.set(key, value),
        );
        let answers = wait(self.admin.alter_configs([&alter], &self.options))
            .map_err(|error| self.failed(what(), &error))?;
        match answers.into_iter().next() {
            Some(Err((_, code))) => Err(failed(what(), &KafkaError::AdminOp(code))),
            _ => Ok(()),
        }
    }

    /// Removes a topic with everything in it.
    pub(crate) fn delete(&self, topic: &str) -> Result<(), LogError> {
        let what = || format!("delete topic {topic}");
        let answers = wait(self.admin.delete_topics(&[topic], &self.options))
            .map_err(|error| self.failed(what(), &error))?;
        match answers.into_iter().next() {
            Some(Err((_, code))) => Err(failed(what(), &KafkaError::AdminOp(code))),
            _ => Ok(()),
        }
    }
}

fn topic_of(found: &MetadataTopic) -> Topic {
    let partitions = found.partitions().iter().map(|one| Partition {
        id: u32::try_from(one.id()).unwrap_or_default(),
        leader: one.leader(),
        replicas: one.replicas().to_vec(),
        in_sync: one.isr().to_vec(),
        range: None,
    });
    let mut partitions: Vec<Partition> = partitions.collect();
    partitions.sort_by_key(|one| one.id);
    Topic {
        name: found.name().to_owned(),
        partitions,
        configs: BTreeMap::new(),
    }
}

fn setting(entry: ConfigEntry) -> Option<(String, (String, bool))> {
    let on_topic = entry.source == ConfigSource::DynamicTopic;
    Some((entry.name, (entry.value?, on_topic)))
}

/// Runs one future to its end on this thread. The client's own thread completes it, so that no
/// runtime is needed, and callers inside of one are safe.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
