//! Connections of routers: who may come in, and messages cut out of what they send.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc::UnboundedSender},
    time::{self, Instant},
};
use weir_events::time::now_us;
use weir_routing::decode::bmp;

use super::names::Names;
use crate::config::Bmp;

/// Bytes of all messages that wait for the publisher.
const ROOM: usize = 32 << 20;
/// The least that a message takes of it.
const LEAST: usize = 256;
/// Octets that are asked for at a time.
const READ: usize = 16 << 10;
/// A message that has begun is whole within this; so is the first of a connection.
const WHOLE_WITHIN: Duration = Duration::from_secs(60);
/// After so long in silence TCP asks whether the router is there, each time so long apart.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Connections at a time, and silence, whatever the settings say.
const MOST_SEATS: usize = 65_536;
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// When the system gives no more sockets.
const BREATH: Duration = Duration::from_secs(1);

/// What the publisher is told, in the order in which it happened on each connection.
pub(super) enum Word {
    /// A router has connected.
    Connected {
        connection: u64,
        address: IpAddr,
        /// Notify it to close the connection.
        close: Arc<Notify>,
    },
    /// It says something.
    Message {
        connection: u64,
        received_us: i64,
        bytes: Bytes,
        /// Gives way to others once it is published.
        _room: OwnedSemaphorePermit,
    },
    /// The connection is over.
    Lost {
        connection: u64,
        reason: String,
        /// What came was no BMP.
        garbage: bool,
        /// Is free for another router once this is read: no more words than seats wait beside the messages.
        _seat: OwnedSemaphorePermit,
    },
}

/// Why a connection is over.
struct End {
    reason: String,
    garbage: bool,
}

impl End {
    fn lost(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            garbage: false,
        }
    }
}

/// Where routers come in.
pub(super) struct Door {
    config: Bmp,
    tell: UnboundedSender<Word>,
    room: Arc<Semaphore>,
    seats: Arc<Semaphore>,
    /// A stranger, and one too many, were named in the log.
    named: [AtomicBool; 2],
}

impl Door {
    pub(super) fn new(config: &Bmp, tell: UnboundedSender<Word>) -> Self {
        Self {
            tell,
            room: Arc::new(Semaphore::new(ROOM)),
            seats: Arc::new(Semaphore::new(config.max_connections.min(MOST_SEATS))),
            named: Default::default(),
            config: config.clone(),
        }
    }

    /// Lets routers in for ever.
    pub(super) async fn open(self: Arc<Self>, listener: TcpListener) {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "no router can connect"),
        };
        let mut connections = 0;
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    if let Some(seat) = self.admit(from) {
                        connections += 1;
                        self.seat(stream, from, connections, seat);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a router could not connect");
                    time::sleep(BREATH).await;
                }
            }
        }
    }

    /// A seat, if the router may have one and one is free.
    fn admit(&self, from: SocketAddr) -> Option<OwnedSemaphorePermit> {
        let address = from.ip().to_canonical();
        if !Names::admits(&self.config, address) {
            metrics::counter!("weir_bmp_refused_total", "reason" => "stranger").increment(1);
            if !self.named[0].swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    %address,
                    "refused: not among the routers of [ingest.source]; further ones are only counted"
                );
            }
            return None;
        }
        let seat = Arc::clone(&self.seats).try_acquire_owned().ok();
        if seat.is_none() {
            metrics::counter!("weir_bmp_refused_total", "reason" => "full").increment(1);
            if !self.named[1].swap(true, Ordering::Relaxed) {
                let most = self.config.max_connections;
                tracing::warn!(
                    %address,
                    most,
                    "refused: as many routers as max_connections of [ingest.source]; further ones are only counted"
                );
            }
        }
        seat
    }

    fn seat(
        self: &Arc<Self>,
        stream: TcpStream,
        from: SocketAddr,
        connection: u64,
        seat: OwnedSemaphorePermit,
    ) {
        let close = Arc::new(Notify::new());
        let connected = Word::Connected {
            connection,
            address: from.ip().to_canonical(),
            close: Arc::clone(&close),
        };
        // Nobody listens any more when ingest stops.
        let _ = self.tell.send(connected);
        let door = Arc::clone(self);
        tokio::spawn(async move {
            let end = tokio::select! {
                end = door.read(stream, connection) => end,
                () = close.notified() => End::lost("closed"),
            };
            let _ = door.tell.send(Word::Lost {
                connection,
                reason: end.reason,
                garbage: end.garbage,
                _seat: seat,
            });
        });
    }

    /// Reads until the connection is over.
    async fn read(&self, mut stream: TcpStream, connection: u64) -> End {
        if let Err(error) = keep_alive(&stream) {
            tracing::warn!(%error, "a router that is gone may not be noticed");
        }
        let limit = self.config.max_message_bytes;
        let idle = Duration::from_millis(self.config.idle_timeout_ms).min(LONGEST);
        let mut buffer = BytesMut::with_capacity(READ);
        let mut received_us = now_us();
        let mut until = Instant::now() + WHOLE_WITHIN;
        loop {
            let length = match bmp::frame(&buffer, limit) {
                Ok(length) => length,
                Err(error) => {
                    return End {
                        reason: error.to_string(),
                        garbage: true,
                    };
                }
            };
            if let Some(length) = length.filter(|length| *length <= buffer.len()) {
                let bytes = buffer.split_to(length).freeze();
                let Some(room) = self.make_room(length).await else {
                    return End::lost("ingest stops");
                };
                let _ = self.tell.send(Word::Message {
                    connection,
                    received_us,
                    bytes,
                    _room: room,
                });
                // Waiting for the log is not the router's silence.
                let patience = if buffer.is_empty() {
                    idle
                } else {
                    WHOLE_WITHIN
                };
                until = Instant::now() + patience;
                continue;
            }
            let was_empty = buffer.is_empty();
            buffer.reserve(READ);
            match time::timeout_at(until, stream.read_buf(&mut buffer)).await {
                Ok(Ok(0)) if was_empty => return End::lost("ended by the router"),
                Ok(Ok(0)) => return End::lost("ended by the router inside a message"),
                Ok(Ok(_)) => received_us = now_us(),
                Ok(Err(error)) => return End::lost(error.to_string()),
                Err(_) if was_empty => return End::lost("silent for too long"),
                Err(_) => return End::lost("a message was not whole in time"),
            }
            if was_empty {
                until = until.min(Instant::now() + WHOLE_WITHIN);
            }
        }
    }

    /// Waits until the publisher has room for so many bytes more; `None` at the end.
    async fn make_room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.clamp(LEAST, ROOM)).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(wanted).await.ok()
    }
}

fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let (after, between) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(after).with_interval(between);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncWriteExt,
        sync::mpsc::{UnboundedReceiver, unbounded_channel},
    };

    use super::*;
    use crate::bmp_bytes::{INITIATION, bmp, tlv};

    /// A door on a free port, its room of so many bytes, and a router that is connected.
    async fn router(config: Bmp, room: usize) -> (TcpStream, UnboundedReceiver<Word>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, mut words) = unbounded_channel();
        let mut door = Door::new(&config, tell);
        door.room = Arc::new(Semaphore::new(room));
        tokio::spawn(Arc::new(door).open(listener));
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(matches!(words.recv().await, Some(Word::Connected { .. })));
        (stream, words)
    }

    async fn reason(words: &mut UnboundedReceiver<Word>) -> (String, bool) {
        loop {
            if let Word::Lost {
                reason, garbage, ..
            } = words.recv().await.unwrap()
            {
                return (reason, garbage);
            }
        }
    }

    #[tokio::test]
    async fn what_the_publisher_has_no_room_for_stays_in_the_socket_and_nothing_is_lost() {
        let (mut stream, mut words) = router(Bmp::default(), 4 * LEAST).await;
        for number in 0..100_u8 {
            let message = bmp(INITIATION, &tlv(0, &[number]));
            stream.write_all(&message).await.unwrap();
        }
        let mut held = Vec::new();
        while held.len() < 4 {
            held.push(words.recv().await.unwrap());
        }
        // Nobody can send a fifth.
        assert!(words.try_recv().is_err());
        let mut numbers = Vec::new();
        while numbers.len() < 100 {
            let word = match held.pop() {
                Some(word) => word,
                None => words.recv().await.unwrap(),
            };
            let Word::Message { bytes, .. } = word else {
                panic!("lost")
            };
            numbers.extend(bytes.last().copied());
        }
        numbers[..4].reverse();
        assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
    }

    #[tokio::test]
    async fn a_seat_is_free_once_the_publisher_has_read_that_its_router_is_gone() {
        let one = Bmp {
            max_connections: 1,
            ..Bmp::default()
        };
        let (mut stream, mut words) = router(one, ROOM).await;
        let address = stream.peer_addr().unwrap();
        stream.shutdown().await.unwrap();
        let lost = words.recv().await.unwrap();
        assert!(matches!(lost, Word::Lost { .. }));
        // Turned away at the door.
        let mut next = TcpStream::connect(address).await.unwrap();
        let end = time::timeout(WHOLE_WITHIN, next.read(&mut [0])).await;
        assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
        assert!(words.try_recv().is_err());
        drop(lost);
        let _next = TcpStream::connect(address).await.unwrap();
        assert!(matches!(words.recv().await, Some(Word::Connected { .. })));
    }

    #[tokio::test]
    async fn who_sends_no_bmp_too_much_or_nothing_is_told_so() {
        let small = Bmp {
            max_message_bytes: 100,
            idle_timeout_ms: 1,
            ..Bmp::default()
        };
        let initiation = bmp(INITIATION, &[]);
        let cases: [(&[u8], &str, bool); 3] = [
            (
                b"GET / HTTP/1.1",
                "version 71 where a message begins; want BMP version 3 (RFC 7854)",
                true,
            ),
            (
                &[3, 0, 0, 0, 101, 4],
                "a message claims 101 octets; want 6 to 100",
                true,
            ),
            (&initiation, "silent for too long", false),
        ];
        for (bytes, expected, garbage) in cases {
            let (mut stream, mut words) = router(small.clone(), ROOM).await;
            stream.write_all(bytes).await.unwrap();
            assert_eq!(reason(&mut words).await, (expected.to_owned(), garbage));
        }
    }

    #[tokio::test]
    async fn an_end_inside_a_message_is_named() {
        let message = bmp(INITIATION, &tlv(2, b"edge1"));
        for (sent, expected) in [
            (message.len(), "ended by the router"),
            (message.len() - 1, "ended by the router inside a message"),
        ] {
            let (mut stream, mut words) = router(Bmp::default(), ROOM).await;
            stream.write_all(&message[..sent]).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(reason(&mut words).await, (expected.to_owned(), false));
        }
    }
}
