//! Writes to the log: ordered, acknowledged by all replicas, and dead after the first failure.
//!
//! Each record gets a [`Ticket`]. [`Publisher::acknowledged`] tells the ticket up to which *every*
//! record is in the log, whatever the order of the delivery reports: a checkpoint may rest on it.
//! When too many records are under way, `publish` waits: that is the backpressure of the house.

mod sent;
mod window;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use weir_events::topics::Event;

use crate::{
    EventLog, LogError, Trouble,
    batch::TRACEPARENT,
    kafka::producer::{Deliveries, NotTaken, Producer},
    schema::Framing,
};
use sent::{Pressure, Sent};
use window::Window;

/// One published record: rises by one with each, over all topics and partitions of a publisher.
/// The default stands before the first record and is always acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Told the tag of each record when it is in the log, on the client's thread: return at once.
pub type OnDelivery = Arc<dyn Fn(i64) + Send + Sync>;

/// How a publisher behaves.
#[derive(Clone)]
pub struct PublisherOptions {
    /// Records under way before `publish` waits.
    pub max_in_flight: usize,
    /// For latencies; see [`OnDelivery`].
    pub on_delivery: Option<OnDelivery>,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            max_in_flight: 20_000,
            on_delivery: None,
        }
    }
}

/// A connection that writes; cheap to clone, all clones share tickets and failure.
///
/// Dropping the last clone abandons what is under way: [`Publisher::flush`] first.
#[derive(Clone)]
pub struct Publisher {
    inner: Arc<Inner>,
}

struct Inner {
    producer: Producer<Ledger>,
    ledger: Arc<Ledger>,
    /// Held from the ticket to the hand-over, so that tickets are in the order of the log.
    order: Mutex<HandOver>,
    framing: Framing,
    max_in_flight: usize,
}

/// What handing over needs.
#[derive(Default)]
struct HandOver {
    /// The last record that was framed.
    framed: Vec<u8>,
    sent: Sent,
}

/// What is known of the deliveries.
struct Ledger {
    state: Mutex<State>,
    changed: Condvar,
    on_delivery: Option<OnDelivery>,
}

#[derive(Default)]
struct State {
    window: Window,
    pressure: Pressure,
    failure: Option<LogError>,
}

impl Deliveries for Ledger {
    fn delivered(&self, ticket: u64) {
        let tag = {
            let mut state = self.state.lock();
            let tag = state.window.deliver(ticket);
            if state.window.in_flight() == 0 {
                state.pressure.over();
            }
            self.changed.notify_all();
            tag
        };
        if let (Some(on_delivery), Some(tag)) = (&self.on_delivery, tag) {
            on_delivery(tag);
        }
    }

    fn failed(&self, topic: &str, reason: String, trouble: Trouble) {
        let mut state = self.state.lock();
        if state.failure.is_none() {
            tracing::error!(topic, reason, "delivery failed, the publisher stops");
            state.failure = Some(LogError::Delivery {
                topic: topic.to_owned(),
                reason,
                trouble,
            });
        }
        self.changed.notify_all();
    }
}

impl Publisher {
    /// Opens a producing client. It connects in the background.
    ///
    /// # Errors
    /// When the client refuses its configuration.
    pub fn connect(log: &EventLog, options: PublisherOptions) -> Result<Self, LogError> {
        let ledger = Arc::new(Ledger {
            state: Mutex::default(),
            changed: Condvar::new(),
            on_delivery: options.on_delivery,
        });
        let max_in_flight = options.max_in_flight.max(1);
        let producer = Producer::connect(log.config(), max_in_flight, Arc::clone(&ledger))?;
        Ok(Self {
            inner: Arc::new(Inner {
                producer,
                ledger,
                order: Mutex::default(),
                framing: log.framing(),
                max_in_flight,
            }),
        })
    }

    /// Encodes `message` and hands it to the client for `partition` of its topic. Its tag is 0.
    /// Waits while `max_in_flight` records are under way.
    ///
    /// # Errors
    /// When the publisher has failed, or the record can never be written.
    pub fn publish<M: Event>(
        &self,
        partition: u32,
        key: &[u8],
        message: &M,
    ) -> Result<Ticket, LogError> {
        let payload = message.encode_to_vec();
        self.publish_encoded(M::TOPIC.name, partition, key, &payload, 0)
    }

    /// As [`Self::publish`], for bytes; `tag` is handed to `on_delivery`.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn publish_encoded(
        &self,
        topic: &str,
        partition: u32,
        key: &[u8],
        payload: &[u8],
        tag: i64,
    ) -> Result<Ticket, LogError> {
        self.publish_with_headers(topic, partition, key, payload, &[], tag)
    }

    /// As [`Self::publish_encoded`], with a W3C trace context in the header `traceparent`, for
    /// records of a sampled trace. `None` adds nothing.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn publish_traced(
        &self,
        topic: &str,
        partition: u32,
        key: &[u8],
        payload: &[u8],
        tag: i64,
        trace: Option<&str>,
    ) -> Result<Ticket, LogError> {
        let header = trace.map(|trace| (TRACEPARENT, trace.as_bytes()));
        self.publish_with_headers(topic, partition, key, payload, header.as_slice(), tag)
    }

    pub(crate) fn publish_with_headers(
        &self,
        topic: &str,
        partition: u32,
        key: &[u8],
        payload: &[u8],
        headers: &[(&str, &[u8])],
        tag: i64,
    ) -> Result<Ticket, LogError> {
        let inner = &*self.inner;
        let mut in_order = inner.order.lock();
        let HandOver { framed, sent } = &mut *in_order;
        let payload = match inner.framing.before(topic) {
            [] => payload,
            frame => {
                framed.clear();
                framed.extend_from_slice(frame);
                framed.extend_from_slice(payload);
                framed
            }
        };
        let ticket = {
            let mut state = inner.ledger.state.lock();
            let mut begun = None;
            loop {
                if let Some(failure) = &state.failure {
                    return Err(failure.clone());
                }
                if state.window.in_flight() < inner.max_in_flight {
                    if let Some(begun) = begun {
                        state.pressure.waited(topic, begun);
                    }
                    break state.window.issue(tag);
                }
                begun.get_or_insert_with(Instant::now);
                inner.ledger.changed.wait(&mut state);
            }
        };
        loop {
            match inner
                .producer
                .send(topic, partition, key, payload, headers, ticket)
            {
                Ok(()) => {
                    sent.count(topic);
                    return Ok(Ticket(ticket));
                }
                Err(NotTaken::Full) => {
                    // Its buffer is bounded in bytes too: any delivery makes room.
                    let mut state = inner.ledger.state.lock();
                    if let Some(failure) = &state.failure {
                        return Err(failure.clone());
                    }
                    let begun = Instant::now();
                    inner
                        .ledger
                        .changed
                        .wait_for(&mut state, Duration::from_millis(10));
                    state.pressure.waited(topic, begun);
                }
                Err(NotTaken::Refused(reason)) => {
                    // Its ticket was the last one issued: nobody else holds `order`.
                    let mut state = inner.ledger.state.lock();
                    state.window.take_back(ticket);
                    if let Some(fatal) = inner.producer.fatal() {
                        state.failure.get_or_insert(LogError::Delivery {
                            topic: topic.to_owned(),
                            reason: fatal,
                            trouble: Trouble::Other,
                        });
                        inner.ledger.changed.notify_all();
                    }
                    return Err(state.failure.clone().unwrap_or(LogError::Refused {
                        topic: topic.to_owned(),
                        partition,
                        bytes: payload.len(),
                        reason,
                    }));
                }
            }
        }
    }

    /// Every record with this ticket or a smaller one is in the log.
    #[must_use]
    pub fn acknowledged(&self) -> Ticket {
        Ticket(self.inner.ledger.state.lock().window.acknowledged())
    }

    /// The ticket of the last record that was handed over.
    #[must_use]
    pub fn last(&self) -> Ticket {
        Ticket(self.inner.ledger.state.lock().window.issued())
    }

    /// Waits until everything up to `ticket` is in the log.
    ///
    /// # Errors
    /// When the publisher has failed, or after `timeout`.
    pub fn wait_for(&self, ticket: Ticket, timeout: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + timeout;
        let ledger = &*self.inner.ledger;
        let mut state = ledger.state.lock();
        loop {
            if state.window.acknowledged() >= ticket.0 {
                return Ok(());
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if ledger.changed.wait_until(&mut state, deadline).timed_out()
                && state.window.acknowledged() < ticket.0
            {
                let what = format!("{} deliveries", state.window.in_flight());
                return Err(self.inner.producer.voice().timed_out(what, timeout));
            }
        }
    }

    /// Waits until everything that was published is in the log.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn flush(&self, timeout: Duration) -> Result<(), LogError> {
        self.wait_for(self.last(), timeout)
    }

    /// Why records that are under way do not arrive, as the client last complained; `None` when
    /// nothing is under way or nothing is known to be wrong. They arrive once it is over.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        if self.inner.ledger.state.lock().window.in_flight() == 0 {
            return None;
        }
        self.inner
            .producer
            .voice()
            .reason()
            .map(|(reason, _)| reason)
    }

    /// Why it has stopped, if it has.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.inner.ledger.state.lock().failure.clone()
    }

    /// Gives up: every waiting and later call errs with `reason`. For a stop whose deadline passed.
    pub fn abandon(&self, reason: &str) {
        self.inner
            .ledger
            .failed("the log", reason.to_owned(), Trouble::Other);
    }
}
