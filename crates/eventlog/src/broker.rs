//! The embedded broker: one node on loopback that speaks the Kafka protocol to the same client as
//! production does. It makes one command run the whole system on a laptop, and lets tests exercise
//! the real client. Production is Apache Kafka or Redpanda.
//!
//! Classic groups, non-flexible API versions, no transactions, no compaction, no authentication: so
//! it binds nothing but loopback. Times are milliseconds since the Unix epoch, as in the protocol.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use node::Node;

mod api;
mod batch;
mod connection;
mod error_code;
mod groups;
mod journal;
mod log;
mod node;
mod offsets;
mod producers;
mod request;
mod segment;
mod topics;
#[cfg(test)]
mod trial;
mod wire;

/// Between two attempts to accept when the system refuses.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// When written records are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// When the operating system likes: safe against the end of the process, not of the machine.
    None,
    /// This often, and when [`Broker::sync`] asks: what the machine's end may cost is this long.
    Interval(Duration),
    /// Before every acknowledgement.
    Always,
}

/// How a broker runs.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Where to listen; loopback only. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The data directory; made when it is not there, locked while the broker runs.
    pub dir: PathBuf,
    /// When records are made durable; every second by default.
    pub fsync: Fsync,
    /// Bytes that all logs together may take; older segments go first, but none that a registered
    /// consumer group has not read. 8 GiB by default.
    pub retention_bytes: u64,
    /// How often retention looks.
    pub retention_interval: Duration,
    /// Size at which a log file is closed and the next begun, in bytes.
    pub segment_bytes: u64,
    /// A group without members is forgotten this long after its last commit; 7 days by default.
    pub offsets_retention: Duration,
    /// Clients at a time; further ones are turned away.
    pub max_connections: usize,
    /// Largest request, in bytes.
    pub max_request_bytes: usize,
    /// Requests in memory over all connections, in bytes.
    pub max_inflight_bytes: usize,
    /// Largest answer to a fetch, in bytes.
    pub max_fetch_bytes: usize,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9092)),
            dir: PathBuf::from("log"),
            fsync: Fsync::Interval(Duration::from_secs(1)),
            retention_bytes: 8 << 30,
            retention_interval: Duration::from_secs(30),
            segment_bytes: 64 << 20,
            offsets_retention: Duration::from_secs(7 * 86_400),
            max_connections: 512,
            max_request_bytes: 16 << 20,
            max_inflight_bytes: 64 << 20,
            max_fetch_bytes: 8 << 20,
        }
    }
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// It has no authentication.
    #[error(
        "the embedded broker knows no passwords and listens on loopback only, not on {0}: give --broker an \
         address of 127.0.0.1, or run Kafka and name it in bootstrap_servers of [kafka]"
    )]
    NotLoopback(SocketAddr),
    /// Something else listens there.
    #[error(
        "{address} is taken by another program; give the embedded broker another `listen` address \
         or stop that program (`ss -ltnp` names it)"
    )]
    AddressTaken {
        /// What was asked for.
        address: SocketAddr,
    },
    /// The data directory belongs to another process.
    #[error("{} is in use by {holder}; one broker at a time", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// The data directory cannot be read or written.
    #[error("cannot use the log in {}: {source}", dir.display())]
    Storage {
        /// The data directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl BrokerError {
    /// True when trying again later, unchanged, may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::AddressTaken { .. } | Self::Locked { .. })
    }
}

/// A running broker; clones share it, and it stops with the last one.
#[derive(Clone, Debug)]
pub struct Broker {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    node: Arc<Node>,
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
    /// Held, and with it the data directory, until stopped.
    lock: Mutex<Option<File>>,
}

impl Broker {
    /// Opens the data directory, cutting what a crash left unfinished, and listens.
    ///
    /// # Errors
    /// When the address is not loopback or taken, or the directory is in use or unusable.
    pub fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        let address = config.listen;
        if !address.ip().is_loopback() {
            return Err(BrokerError::NotLoopback(address));
        }
        let dir = config.dir.clone();
        let storage = |source| BrokerError::Storage {
            dir: dir.clone(),
            source,
        };
        std::fs::create_dir_all(&dir).map_err(storage)?;
        let lock = take_lock(&dir)?;
        let listener = std::net::TcpListener::bind(address).map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                BrokerError::AddressTaken { address }
            } else {
                BrokerError::Listen { address, source }
            }
        })?;
        let listening = |source| BrokerError::Listen { address, source };
        listener.set_nonblocking(true).map_err(listening)?;
        let bound = listener.local_addr().map_err(listening)?;
        let node = Arc::new(Node::open(config, bound).map_err(storage)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(4)
            .thread_name("weir-broker")
            .enable_all()
            .build()
            .map_err(storage)?;
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&node);
        let thread = std::thread::Builder::new()
            .name("weir-broker".to_owned())
            .spawn(move || {
                runtime.block_on(run(shared, listener, stopped));
                runtime.shutdown_timeout(Duration::from_secs(2));
            })
            .map_err(storage)?;
        Ok(Self {
            running: Arc::new(Running {
                node,
                stop: Mutex::new(Some((stop, thread))),
                lock: Mutex::new(Some(lock)),
            }),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.node.address
    }

    /// Makes durable all that was acknowledged before the call.
    ///
    /// # Errors
    /// When the disk refuses. A failed fsync is final for what it should have covered: that
    /// partition refuses further records with `KAFKA_STORAGE_ERROR` and every later sync errs too,
    /// until a broker is started on the directory again, because the system may have dropped the
    /// bytes and would not say so twice.
    pub fn sync(&self) -> io::Result<()> {
        self.running.node.sync()
    }

    /// Stops serving, makes everything durable and gives the directory free; again is no error.
    pub fn stop(&self) {
        self.running.stop();
    }
}

impl Running {
    fn stop(&self) {
        let Some((stop, thread)) = self.stop.lock().take() else {
            return;
        };
        let _ = stop.send(());
        if thread.join().is_err() {
            tracing::error!("the thread of the embedded broker panicked");
        }
        if let Err(error) = self.node.sync() {
            tracing::error!(%error, "the log could not be made durable at the end");
        }
        self.lock.lock().take();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn take_lock(dir: &Path) -> Result<File, BrokerError> {
    let storage = |source| BrokerError::Storage {
        dir: dir.to_owned(),
        source,
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join("LOCK"))
        .map_err(storage)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            if holder.is_empty() {
                "another process".clone_into(&mut holder);
            }
            return Err(BrokerError::Locked {
                dir: dir.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(storage(error)),
    }
    file.set_len(0).map_err(storage)?;
    writeln!(file, "process {}", std::process::id()).map_err(storage)?;
    Ok(file)
}

async fn run(node: Arc<Node>, listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the embedded broker cannot listen");
            return;
        }
    };
    tracing::info!(address = %node.address, dir = %node.config.dir.display(), "embedded broker");
    tokio::select! {
        () = accept(&node, &listener) => {}
        () = keep_groups(&node) => {}
        () = keep_durable(&node) => {}
        () = keep_size(&node) => {}
        _ = stopped => {}
    }
}

async fn accept(node: &Arc<Node>, listener: &TcpListener) {
    let places = Arc::new(Semaphore::new(node.config.max_connections));
    // A budget below one request would never let the largest in.
    let bytes = node
        .config
        .max_inflight_bytes
        .max(node.config.max_request_bytes);
    let budget = Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: a pause lets connections end.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep_until(Instant::now() + ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(
                limit = node.config.max_connections,
                "too many connections, one turned away"
            );
            continue;
        };
        let node = Arc::clone(node);
        let budget = Arc::clone(&budget);
        tokio::spawn(async move {
            connection::serve(node, budget, stream).await;
            drop(place);
        });
    }
}

/// Ends joins that are complete and drops members that are silent, each when it is due.
async fn keep_groups(node: &Node) {
    loop {
        let due = node.groups.expire(std::time::Instant::now());
        match due {
            Some(due) => {
                // Early or late does not matter: what is due is asked again.
                let _ = tokio::time::timeout_at(due.into(), node.groups.changed()).await;
            }
            None => node.groups.changed().await,
        }
    }
}

async fn keep_durable(node: &Arc<Node>) {
    let Fsync::Interval(interval) = node.config.fsync else {
        return std::future::pending().await;
    };
    let mut clock = tokio::time::interval(interval.max(Duration::from_millis(1)));
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        clock.tick().await;
        let node = Arc::clone(node);
        let synced = tokio::task::spawn_blocking(move || node.sync()).await;
        // A failure lasts, so it is told once and not at every tick.
        if let Ok(Err(error)) = synced
            && error.to_string() != told
        {
            tracing::error!(%error, "the log could not be made durable");
            told = error.to_string();
        }
    }
}

async fn keep_size(node: &Arc<Node>) {
    let mut clock =
        tokio::time::interval(node.config.retention_interval.max(Duration::from_millis(1)));
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let node = Arc::clone(node);
        let retained = tokio::task::spawn_blocking(move || node.retain(node::now_ms())).await;
        if let Ok(Err(error)) = retained {
            tracing::error!(%error, "retention failed");
        }
    }
}
