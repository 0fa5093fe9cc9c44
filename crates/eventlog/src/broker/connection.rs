//! One client connection: frames in, answers out, one at a time and in order, as Kafka does it.
//!
//! What clients may make us hold is bounded: the size of a request, the requests in memory over all
//! connections, the number of connections, and how long a started request may take to arrive.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::node::Node;
use super::request::{self, RequestError};

/// A request that has started to arrive must be here within this time.
const ARRIVAL: Duration = Duration::from_secs(30);
/// A client that does not take its answer for this long is cut off.
const DEPARTURE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("a request of {0} bytes is outside of the limit")]
    Size(i32),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the client is too slow")]
    Slow(#[from] tokio::time::error::Elapsed),
    #[error("the broker is stopping")]
    Stopping(#[from] tokio::sync::AcquireError),
}

/// Serves a client until it goes away or misbehaves.
pub(crate) async fn serve(node: Arc<Node>, budget: Arc<Semaphore>, stream: TcpStream) {
    let peer = stream.peer_addr().ok();
    let host = peer.map_or_else(String::new, |peer| format!("/{}", peer.ip()));
    if let Err(error) = talk(&node, &budget, stream, &host).await {
        match error {
            ConnectionError::Io(error) => {
                tracing::debug!(?peer, %error, "a client connection ended");
            }
            error => tracing::warn!(?peer, %error, "closed a client connection"),
        }
    }
}

async fn talk(
    node: &Node,
    budget: &Semaphore,
    mut stream: TcpStream,
    host: &str,
) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    loop {
        let size = match stream.read_i32().await {
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let length = usize::try_from(size)
            .ok()
            .filter(|length| *length <= node.config.max_request_bytes)
            .ok_or(ConnectionError::Size(size))?;
        let permits = u32::try_from(length).map_err(|_| ConnectionError::Size(size))?;
        let held = budget.acquire_many(permits).await?;
        let mut frame = Vec::new();
        let arrived = (&mut stream).take(length as u64);
        let mut arrived = std::pin::pin!(arrived);
        tokio::time::timeout(ARRIVAL, arrived.read_to_end(&mut frame)).await??;
        if frame.len() < length {
            return Ok(());
        }
        // A client that leaves while it waits for records or for its group frees us at once.
        let answer = tokio::select! {
            answer = request::answer(node, &mut frame, host) => answer?,
            () = gone(&stream) => return Ok(()),
        };
        drop(held);
        drop(frame);
        if let Some(answer) = answer {
            tokio::time::timeout(DEPARTURE, stream.write_all(&answer)).await??;
        }
    }
}

/// Ends when the client has closed; further requests may wait in the socket meanwhile.
async fn gone(stream: &TcpStream) {
    let mut byte = [0];
    match stream.peek(&mut byte).await {
        Ok(0) | Err(_) => {}
        // Pipelined requests are waiting: no more to learn from a look.
        Ok(_) => std::future::pending().await,
    }
}
