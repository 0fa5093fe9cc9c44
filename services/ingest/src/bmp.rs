//! BMP: routers connect to us and tell what they hear of their neighbours (RFC 7854).
//!
//! A task per connection cuts messages out of the stream (`sockets`) and the thread of ingest reads
//! and publishes them (`routers`, `router`), as the vantage points that they come from (`peers`). Between
//! them wait no more bytes than there is room for: when the log is slow, sockets are not read, and
//! TCP makes the routers wait. A router that sends anything else than BMP is disconnected.
//!
//! BMP knows no login. Off loopback only listed addresses may connect, so what stands between here
//! and the routers must not let others speak for them.

pub(crate) mod meters;
pub(crate) mod names;
mod peers;
pub(crate) mod router;
mod routers;
mod sockets;

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::mpsc::{self, UnboundedReceiver},
};
use weir_lifecycle::{crash_point, ports};

use crate::{
    config::Bmp,
    run::{Context, Outcome, RunError, StartError, Task},
};
use names::Names;
use routers::Routers;
use sockets::{Door, Word};

/// Why no router can connect.
#[derive(Debug, thiserror::Error)]
pub enum BmpError {
    /// Others would reach the port, and BMP knows no login.
    #[error(
        "BMP knows no login, and {listen} is not loopback: list the addresses that may connect as \
         routers = [{{ address = \"192.0.2.1\" }}] of [ingest.source], or listen on 127.0.0.1"
    )]
    OpenToAll {
        /// Where it should listen.
        listen: SocketAddr,
    },
    /// A router is named in a way that is no name of a collector.
    #[error(
        "router {address} is called {name:?}: want 1 to 64 letters, digits, '.', '-' or '_', of \
         which '_' is not the first"
    )]
    Name {
        /// Which.
        address: IpAddr,
        /// What it is called.
        name: String,
    },
    /// A router or a name stands in the list more than once.
    #[error("routers of [ingest.source] has {what} more than once")]
    Twice {
        /// The address, or the name.
        what: String,
    },
    /// The port cannot be had.
    #[error(
        "cannot listen on {address}{}: {source}; choose another address with listen of \
         [ingest.source]",
        holder.as_ref().map(|name| format!(", which {name} has")).unwrap_or_default()
    )]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Who has it.
        holder: Option<String>,
        /// What the system says.
        source: std::io::Error,
    },
    /// The operating system refused a runtime.
    #[error("cannot start a runtime: {0}")]
    Runtime(std::io::Error),
}

/// How often the thread wakes in silence: Ticks are due each second.
const WAKE: Duration = Duration::from_millis(100);
/// Messages that are read in one go, before the clock is looked at.
const BATCH: usize = 256;

/// Listens, and gives the task that publishes and where routers can connect from now on.
pub(crate) fn prepare(context: Context, config: Bmp) -> Result<(Task, SocketAddr), StartError> {
    let names = Names::new(&config)?;
    let (listener, address) = listen(config.listen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("bmp")
        .enable_all()
        .build()
        .map_err(BmpError::Runtime)?;
    let (tell, mut words) = mpsc::unbounded_channel();
    let door = Arc::new(Door::new(&config, tell));
    tracing::info!(%address, "waiting for routers that speak BMP");
    let task: Task = Box::new(move || {
        runtime.spawn(door.open(listener));
        let outcome = publish(&context, &config, names, &mut words, runtime.handle());
        runtime.shutdown_background();
        outcome
    });
    Ok((task, address))
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BmpError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|source| BmpError::Listen {
        address,
        holder: (source.kind() == std::io::ErrorKind::AddrInUse)
            .then(|| ports::holder(address.port()))
            .flatten(),
        source,
    })
}

/// The publishing thread, until the stop.
fn publish(
    context: &Context,
    config: &Bmp,
    names: Names,
    words: &mut UnboundedReceiver<Word>,
    runtime: &Handle,
) -> Result<Outcome, RunError> {
    let mut routers = Routers::new(context, config, names);
    while !context.stop.is_set() {
        let first = runtime.block_on(async { tokio::time::timeout(WAKE, words.recv()).await });
        if let Ok(Some(first)) = first {
            routers.word(first)?;
            for _ in 1..BATCH {
                let Ok(word) = words.try_recv() else { break };
                routers.word(word)?;
            }
        }
        crash_point("ingest.published");
        routers.tick()?;
    }
    routers.flush()?;
    Ok(Outcome::Stopped)
}
