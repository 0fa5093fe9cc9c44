//! Talks to the first cache that answers, and again after it was lost.

use std::{convert::Infallible, future, io, sync::Arc, time::Duration};

use metrics::Counter;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{self, Instant},
};
use weir_events::time::now_us;
use weir_lifecycle::retry::Backoff;
use weir_routing::rtr::{Fault, Frame, Pdu, Session, Step};

use super::Load;

/// Bound of one attempt to connect.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// Bound of sending a query or a report.
const SENT_WITHIN: Duration = Duration::from_secs(10);

/// A cache that owes an answer and is silent for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);

/// First wait before connecting again; doubles with jitter, up to the cache's retry interval.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Longest wait, whatever a cache says: the greatest retry interval.
const LONGEST_WAIT: Duration = Duration::from_secs(7_200);

/// Read from the socket at once, in bytes.
const PIECE: usize = 64 << 10;

/// What it needs to talk.
pub(super) struct Conversation {
    servers: Vec<String>,
    /// Of which server the session is.
    of: usize,
    session: Session,
    /// When it was last whole.
    loaded: Instant,
    hand: Hand,
    router_keys: Counter,
}

/// What is to be handed on, and when.
struct Hand {
    every: Duration,
    loads: watch::Sender<Option<Arc<Load>>>,
    /// When the cache last said that this was all; microseconds since the Unix epoch.
    as_of_us: i64,
    /// Something was told since it was last handed on.
    owes: bool,
    /// When it may be handed on again.
    next: Instant,
    /// When what was told is too old, by the cache's word.
    expires: Option<Instant>,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("cannot connect within {} s", CONNECTED_WITHIN.as_secs())]
    NotConnected,
    #[error("cannot connect: {0}")]
    Refused(io::Error),
    #[error("lost: {0}")]
    Lost(#[from] io::Error),
    #[error("closed by the cache")]
    Closed,
    #[error("no answer for {} s", SILENCE.as_secs())]
    Silent,
    #[error("it does not read")]
    DoesNotRead,
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Conversation {
    pub(super) fn new(
        servers: Vec<String>,
        every: Duration,
        loads: watch::Sender<Option<Arc<Load>>>,
    ) -> Self {
        Self {
            servers,
            of: 0,
            session: Session::default(),
            loaded: Instant::now(),
            hand: Hand {
                every,
                loads,
                as_of_us: 0,
                owes: false,
                next: Instant::now(),
                expires: None,
            },
            router_keys: metrics::counter!("weir_rtr_router_keys_total"),
        }
    }

    /// For ever.
    pub(super) async fn hold(mut self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            for at in 0..self.servers.len() {
                let before = self.hand.as_of_us;
                let is_fault = self.call(at).await;
                if self.hand.as_of_us != before {
                    // One that loads and then says nonsense is asked again ever more seldom.
                    if !is_fault {
                        backoff.reset();
                    }
                    break;
                }
            }
            let retry = Duration::from_secs(self.session.timers().retry.into());
            self.rest(Instant::now() + backoff.wait().min(retry)).await;
        }
    }

    /// Waits, and does meanwhile what is due.
    async fn rest(&mut self, until: Instant) {
        while Instant::now() < until {
            tokio::select! {
                () = time::sleep_until(until) => return,
                () = self.hand.due() => self.hand.ring(&self.session),
            }
        }
    }

    /// Talks to one cache until the connection is over, in one version after the other if need be. True = what it
    /// said made no sense.
    async fn call(&mut self, at: usize) -> bool {
        loop {
            let Err(over) = self.connect(at).await;
            // A cache of another version is no fault, and one that hangs up may be of another version.
            let again = match &over {
                Over::Fault(fault) => matches!(fault, Fault::UnsupportedVersion { .. }),
                _ => self.of == at && self.session.lost(),
            };
            let server = self.servers.get(at).cloned().unwrap_or_default();
            let reason = over.to_string();
            tracing::warn!(server, reason, "a cache of VRPs is not connected");
            metrics::counter!("weir_rtr_connections_lost_total", "server" => server.clone())
                .increment(1);
            let is_fault = matches!(over, Over::Fault(_)) && !again;
            if is_fault {
                metrics::counter!("weir_rtr_faults_total", "server" => server).increment(1);
            }
            if !again {
                return is_fault;
            }
        }
    }

    async fn connect(&mut self, at: usize) -> Result<Infallible, Over> {
        let server = self.servers.get(at).map_or("", String::as_str);
        let attempt = time::timeout(CONNECTED_WITHIN, TcpStream::connect(server));
        let stream = attempt.await.map_err(|_| Over::NotConnected)?;
        let stream = stream.map_err(Over::Refused)?;
        if self.of != at {
            // Serials are each cache's own. What the other told is handed on before it is forgotten.
            self.hand.give(&self.session);
            self.of = at;
            self.session = Session::default();
        }
        tracing::info!(
            server,
            version = self.session.version(),
            "asking a cache of VRPs"
        );
        self.talk(stream).await
    }

    async fn talk(&mut self, mut stream: TcpStream) -> Result<Infallible, Over> {
        send(&mut stream, &self.session.connected()).await?;
        let mut heard = Vec::new();
        let mut last = Instant::now();
        loop {
            heard.reserve(PIECE);
            // Silence is only wrong of a cache that owes an answer.
            let is_asking = self.session.is_asking();
            let alarm = if is_asking {
                last + SILENCE
            } else {
                self.loaded + Duration::from_secs(self.session.timers().refresh.into())
            };
            tokio::select! {
                read = stream.read_buf(&mut heard) => {
                    if read? == 0 {
                        return Err(Over::Closed);
                    }
                    last = Instant::now();
                    self.hear(&mut stream, &mut heard).await?;
                }
                () = time::sleep_until(alarm) => {
                    if is_asking {
                        return Err(Over::Silent);
                    }
                    last = Instant::now();
                    if let Some(query) = self.session.refresh() {
                        send(&mut stream, &query).await?;
                    }
                }
                () = self.hand.due() => self.hand.ring(&self.session),
            }
        }
    }

    /// Takes what is whole of what was heard.
    async fn hear(&mut self, stream: &mut TcpStream, heard: &mut Vec<u8>) -> Result<(), Over> {
        let mut taken = 0;
        loop {
            let rest = heard.get(taken..).unwrap_or_default();
            let step = match Frame::decode(rest) {
                Ok(None) => break,
                Ok(Some((frame, length))) => {
                    taken += length;
                    if matches!(frame.pdu, Pdu::RouterKey) {
                        self.router_keys.increment(1);
                    }
                    self.session.feed(&frame)
                }
                Err(error) => self.session.malformed(error, rest),
            };
            match step {
                Step::Wait => {}
                Step::Ask(query) => send(stream, &query).await?,
                Step::Loaded { full, changed, ask } => {
                    self.loaded(full, changed);
                    if let Some(query) = ask {
                        send(stream, &query).await?;
                    }
                }
                Step::End { report, fault } => {
                    if let Some(report) = report {
                        send(stream, &report).await?;
                    }
                    return Err(fault.into());
                }
            }
        }
        heard.drain(..taken);
        Ok(())
    }

    fn loaded(&mut self, full: bool, changed: bool) {
        let server = self.servers.get(self.of).cloned().unwrap_or_default();
        let (records, version) = (self.session.records(), self.session.version());
        let (vrps, aspas) = (records.vrps(), records.aspas());
        if full {
            tracing::info!(
                server,
                version,
                vrps,
                aspas,
                "a cache has told all its VRPs"
            );
        } else {
            tracing::debug!(
                server,
                version,
                vrps,
                aspas,
                changed,
                "a cache has told changes"
            );
        }
        let how = if full { "full" } else { "changes" };
        metrics::counter!("weir_rtr_loads_total", "server" => server, "how" => how).increment(1);
        let expire = Duration::from_secs(self.session.timers().expire.into());
        self.loaded = Instant::now();
        self.hand.expires = Some(self.loaded + expire);
        self.hand.as_of_us = now_us();
        self.hand.owes = true;
        self.hand.ring(&self.session);
    }
}

impl Hand {
    /// Returns when there is something to do.
    async fn due(&self) {
        let next = self.owes.then_some(self.next);
        match next.into_iter().chain(self.expires).min() {
            Some(at) => time::sleep_until(at).await,
            None => future::pending().await,
        }
    }

    /// Does what is due.
    fn ring(&mut self, session: &Session) {
        let now = Instant::now();
        if self.expires.is_some_and(|at| at <= now) {
            self.expires = None;
            metrics::counter!("weir_rtr_expired_total").increment(1);
            tracing::warn!(
                "no cache has answered for as long as VRPs last by its word; they are kept, and grow old"
            );
        }
        if self.next <= now {
            self.give(session);
        }
    }

    /// Hands on what was told, if anything.
    fn give(&mut self, session: &Session) {
        if !self.owes {
            return;
        }
        self.owes = false;
        self.next = Instant::now() + self.every;
        let load = Load::of(session, self.as_of_us);
        self.loads.send_replace(Some(Arc::new(load)));
    }
}

async fn send(stream: &mut TcpStream, frame: &Frame) -> Result<(), Over> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    match time::timeout(SENT_WITHIN, stream.write_all(&bytes)).await {
        Ok(sent) => Ok(sent?),
        Err(_) => Err(Over::DoesNotRead),
    }
}

#[cfg(test)]
mod tests {
    use weir_routing::{Asn, rtr::Serial};

    use super::*;

    #[test]
    fn what_is_told_is_handed_on_once_and_not_before_its_time() {
        let (loads, mut taken) = watch::channel(None);
        let now = Instant::now();
        let mut hand = Hand {
            every: Duration::from_secs(3_600),
            loads,
            as_of_us: 7,
            owes: true,
            next: now,
            expires: Some(now),
        };
        let session = Session::default();
        hand.ring(&session);
        assert_eq!(hand.expires, None);
        let load = taken.borrow_and_update().clone();
        assert_eq!(load.as_deref(), Some(&Load::of(&session, 7)));
        hand.ring(&session);
        hand.owes = true;
        hand.ring(&session);
        assert!(!taken.has_changed().unwrap());
        hand.next = now;
        hand.ring(&session);
        assert!(taken.has_changed().unwrap());
    }

    #[test]
    fn what_is_handed_on_after_a_fault_has_the_aspas_that_were_told() {
        let mut session = Session::default();
        session.connected();
        let serial = Serial(1);
        for pdu in [
            Pdu::CacheResponse { session: 7 },
            Pdu::Aspa {
                announce: true,
                customer: Asn(64_510),
                providers: vec![Asn(64_500)],
            },
            Pdu::EndOfData {
                session: 7,
                serial,
                timers: None,
            },
        ] {
            session.feed(&Frame { version: 2, pdu });
        }
        let before = Load::of(&session, 7);
        let pdu = Pdu::SerialNotify { session: 8, serial };
        let step = session.feed(&Frame { version: 2, pdu });
        assert!(matches!(step, Step::End { .. }), "{step:?}");
        let after = Load::of(&session, 7);
        assert!(after.aspas.is_some() && after == before);
    }
}
