//! RIPE RIS Live: a websocket that has no replay, no sequence and closes on who reads too slowly.
//!
//! One task reads the socket and never waits for the log: it puts frames into a bounded queue
//! (`queue`) from which the thread of ingest decodes and publishes (`collectors`). What the
//! queue cannot take is dropped, counted, and told as a `Gap` once the queue has drained; a
//! connection that is lost or falls silent is told as a `Gap` at once and opened again
//! (`socket`).

mod collectors;
mod queue;
mod socket;

use std::{path::Path, sync::Arc, time::Duration};

use tokio_tungstenite::tungstenite::{self, http::Uri};
use weir_lifecycle::crash_point;

use crate::{
    baseline::Baseline,
    config::RisLive,
    run::{Context, Outcome, RunError, StartError, Task},
};
use collectors::Collectors;
use queue::{Popped, Queue};

/// Why RIS Live cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RisLiveError {
    /// Not a websocket's URL.
    #[error("{url} is not a websocket URL: want wss://host/path or ws://host/path")]
    Url {
        /// What was given.
        url: String,
    },
    /// It did not answer within the bound.
    #[error("{url} did not answer within {milliseconds} ms")]
    TimedOut {
        /// What was called.
        url: String,
        /// The bound.
        milliseconds: u128,
    },
    /// It refused, or there is no way to it.
    #[error("cannot connect to {url}: {source}")]
    Refused {
        /// What was called.
        url: String,
        /// In the websocket's words.
        source: Box<tungstenite::Error>,
    },
    /// The operating system refused a runtime.
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

impl RisLiveError {
    /// True when the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Url { .. })
    }
}

/// Tries to open the websocket at `url` once, TLS and handshake included, within `bound`.
///
/// # Errors
/// When it is no websocket URL, or nothing answers as one in time.
pub fn probe(url: &str, bound: Duration) -> Result<(), RisLiveError> {
    let uri = socket::uri(url, "weir-probe")?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let mut connection = socket::connect(&uri, bound, 1 << 20).await?;
            // Leaving without a word would be rude, waiting for the answer needless.
            let _ = tokio::time::timeout(bound, connection.close(None)).await;
            Ok(())
        })
}

/// How often the thread wakes in silence: Ticks are due each second.
const WAKE: Duration = Duration::from_millis(100);
/// The same while a table is read, whose next entries are due.
const BETWEEN: Duration = Duration::from_millis(5);

pub(crate) fn prepare(context: Context, config: RisLive, state: &Path) -> Result<Task, StartError> {
    let uri: Uri = socket::uri(&config.url, &config.client)?;
    let baseline = Baseline::begin(&context, &config, state)?;
    let queue = Arc::new(Queue::new(config.queue_frames));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("ris-live")
        .enable_all()
        .build()?;
    let reader = socket::read(uri, config, Arc::clone(&queue));
    Ok(Box::new(move || {
        runtime.spawn(reader);
        let outcome = publish(&context, &queue, baseline);
        runtime.shutdown_background();
        outcome
    }))
}

/// The publishing thread, until the stop.
fn publish(
    context: &Context,
    queue: &Queue,
    baseline: Option<Baseline>,
) -> Result<Outcome, RunError> {
    let mut collectors = Collectors::new(context, baseline);
    let mut wait = WAKE;
    while !context.stop.is_set() {
        let popped = queue.pop(wait);
        wait = if collectors.is_warming() {
            Duration::ZERO
        } else {
            WAKE
        };
        match popped {
            Popped::Frame(frame) => collectors.frame(&frame)?,
            Popped::Connected => collectors.connected(),
            Popped::Lost(reason) => collectors.lost(&reason)?,
            Popped::Dropped(count) => collectors.dropped(count)?,
            // What is live goes first.
            Popped::Nothing => {
                if collectors.is_warming() && !collectors.seed()? {
                    wait = BETWEEN;
                }
            }
        }
        crash_point("ingest.published");
        collectors.tick()?;
    }
    collectors.flush()?;
    Ok(Outcome::Stopped)
}
