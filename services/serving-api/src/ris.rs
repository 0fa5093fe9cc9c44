//! The stream of RIS Live, served: a websocket with subscriptions and a stream of lines with
//! everything, both from `bgp-messages`, from when a client comes on.
//!
//! Each instance reads the log for itself, outside of any group, and only while it has clients
//! (`follow`). A message is decoded once, compared with each client's filters as a value, and
//! encoded once for all who want it. Nobody waits for a client: its queue has an end (`queue`), and
//! who lets it fill up is told so and cut off.

mod client;
mod desk;
mod follow;
mod lines;
mod queue;
mod socket;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::ws::Utf8Bytes,
    http::StatusCode,
    routing::{MethodRouter, get},
};
use parking_lot::RwLock;
use prost::Message as _;
use tokio::sync::watch;
use weir_events::v1;
use weir_routing::{
    ris_live::{Filters, Record, Told, frame},
    wire,
};

use crate::{app::App, config, problem::Problem};

pub(crate) use follow::follow;

use client::Client;
use desk::{Desk, Reading};
use queue::Queue;

/// How long a client may take for one frame before it is cut.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client waits until the log is read; it would wait longer only for an engine that is
/// away.
const UNTIL_READ: Duration = Duration::from_secs(5);

/// Path, what it is, media type, handler.
pub(crate) fn routes() -> [(&'static str, &'static str, &'static str, MethodRouter<App>); 2] {
    [
        (
            "/v1/ws/",
            "The stream of RIS Live by websocket; `ris_subscribe` says what to send.",
            "application/json",
            get(socket::socket),
        ),
        (
            "/v1/stream/",
            "The whole stream of RIS Live, a JSON object per line.",
            lines::MEDIA_TYPE,
            get(lines::lines),
        ),
    ]
}

/// How long the stop waits for clients to leave.
const UNTIL_LEFT: Duration = Duration::from_secs(2);

/// What all clients share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Ris {
    inner: Arc<Inner>,
}

struct Inner {
    config: config::Ris,
    desk: watch::Sender<Desk>,
    room: RwLock<Room>,
    /// Collectors whose messages were seen.
    collectors: RwLock<BTreeSet<String>>,
    frames: metrics::Counter,
}

#[derive(Default)]
struct Room {
    clients: Vec<Arc<Client>>,
    closed: bool,
}

impl Ris {
    /// Nobody is here. Without a log nobody will be.
    pub(crate) fn new(config: config::Ris, has_log: bool) -> Self {
        let reading = if has_log {
            Reading::Not
        } else {
            Reading::Never
        };
        Self {
            inner: Arc::new(Inner {
                desk: watch::Sender::new(Desk::new(reading)),
                room: RwLock::default(),
                collectors: RwLock::default(),
                frames: metrics::counter!("weir_ris_frames_total"),
                config,
            }),
        }
    }

    /// A place for a client, once the log is read: what is written from now on, it can see.
    async fn enter(&self, address: IpAddr, transport: &'static str) -> Result<Seat, Problem> {
        let config = &self.inner.config;
        let mut answer = Err(desk::Refused::NoLog);
        self.inner.desk.send_if_modified(|desk| {
            answer = desk.enter(address, config);
            answer.is_ok()
        });
        answer.map_err(|refused| refused.problem(address))?;
        metrics::gauge!("weir_ris_clients", "transport" => transport).increment(1.0);
        let seat = Seat {
            ris: self.clone(),
            client: Arc::new(Client::new(
                Queue::new(config.queue_frames, config.queue_bytes),
                Filters::new(config.subscriptions),
            )),
            address,
            transport,
        };
        let mut desk = self.inner.desk.subscribe();
        let read = desk.wait_for(|desk| desk.reading == Reading::Now);
        if tokio::time::timeout(UNTIL_READ, read).await.is_err() {
            return Err(refusal("log", "the log cannot be read now; try again"));
        }
        let mut room = self.inner.room.write();
        if room.closed {
            return Err(refusal("stopping", "the server stops"));
        }
        room.clients.push(Arc::clone(&seat.client));
        Ok(seat)
    }

    /// Shows one record of `bgp-messages` to every client. What cannot be decoded is set aside by
    /// the feature materializer, not here.
    fn take(&self, payload: &[u8]) {
        let room = self.inner.room.read();
        if room.clients.is_empty() {
            return;
        }
        let Ok(mut record) = v1::BgpMessage::decode(payload) else {
            return;
        };
        let collector = std::mem::take(&mut record.collector);
        let (writer_epoch, seq, synthetic) = (record.writer_epoch, record.seq, record.synthetic);
        // Controls follow from messages, which are told themselves.
        let Ok(message) = wire::message(record) else {
            return;
        };
        self.saw(&collector);
        let told = Told::of(Record {
            collector: &collector,
            writer_epoch,
            seq,
            synthetic,
            message: &message,
        });
        let Some(told) = told else {
            return;
        };
        let mut line: Option<Utf8Bytes> = None;
        for client in room.clients.iter().filter(|client| client.wants(&told)) {
            let line = line.get_or_insert_with(|| frame::message(&told).into());
            if client.queue.push(line) {
                self.inner.frames.increment(1);
            }
        }
    }

    fn saw(&self, collector: &str) {
        if !self.inner.collectors.read().contains(collector) {
            let mut collectors = self.inner.collectors.write();
            collectors.insert(collector.to_owned());
        }
    }

    /// Ends every client with a last word, and takes no more.
    fn close(&self) {
        let mut room = self.inner.room.write();
        room.closed = true;
        for client in &room.clients {
            client.queue.end(&frame::error("the server stops"));
        }
    }

    /// Returns once nobody is here any more. Who does not read its last words is cut.
    pub(crate) async fn left(&self) {
        let mut desk = self.inner.desk.subscribe();
        let empty = desk.wait_for(Desk::is_empty);
        if tokio::time::timeout(UNTIL_LEFT, empty).await.is_err() {
            tracing::warn!("clients of the RIS stream do not leave and are cut");
        }
    }
}

fn refusal(reason: &'static str, detail: &str) -> Problem {
    metrics::counter!("weir_ris_refused_total", "reason" => reason).increment(1);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// A client's place, given back when it is dropped.
struct Seat {
    ris: Ris,
    client: Arc<Client>,
    address: IpAddr,
    transport: &'static str,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let inner = &self.ris.inner;
        let mut room = inner.room.write();
        room.clients
            .retain(|client| !Arc::ptr_eq(client, &self.client));
        drop(room);
        metrics::gauge!("weir_ris_clients", "transport" => self.transport).decrement(1.0);
        inner.desk.send_modify(|desk| desk.leave(self.address));
    }
}
