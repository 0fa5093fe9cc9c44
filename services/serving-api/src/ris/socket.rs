//! `GET /v1/ws/`: subscriptions and what they bring, by websocket (RFC 6455).

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::Bytes,
    extract::{
        ConnectInfo, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    http::{HeaderMap, StatusCode, Uri, header},
    response::Response,
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::time::{Instant, interval_at, timeout};
use weir_routing::ris_live::frame;

use super::{
    PATIENCE, Seat,
    queue::{Next, Queue, closed},
};
use crate::{app::App, problem::Problem};

/// Seconds; the longest that a client may be silent.
const DAY: u64 = 86_400;
/// How long a client may take to close its side.
const GOODBYE: Duration = Duration::from_secs(1);
/// Lines between two flushes.
const BATCH: usize = 64;
/// A frame that is longer than allowed is refused; one that is so many times longer is not even
/// read, which ends the connection.
const CUT_AT: usize = 4;

pub(crate) async fn socket(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    if !is_of_our_own(&headers) {
        metrics::counter!("weir_ris_refused_total", "reason" => "origin").increment(1);
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "pages of other sites may not read this stream",
        ));
    }
    let seat = app.ris.enter(from.ip(), "websocket").await?;
    let limits = app.ris.inner.config.clone();
    Ok(upgrade
        .max_message_size(limits.request_bytes.saturating_mul(CUT_AT))
        .max_frame_size(limits.request_bytes.saturating_mul(CUT_AT))
        .on_upgrade(move |socket| async move {
            let idle = Duration::from_secs(limits.idle_seconds.clamp(2, DAY));
            session(socket, &seat, &app, idle).await;
        }))
}

/// Browsers let any page open a websocket to any host and only say which page it was; what is no
/// browser says nothing.
fn is_of_our_own(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let origin: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
    let host = headers.get(header::HOST).map(|host| host.as_bytes());
    match (origin.as_ref().and_then(Uri::authority), host) {
        (Some(origin), Some(host)) => origin.as_str().as_bytes().eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// One connection until it ends, from either side.
async fn session(socket: WebSocket, seat: &Seat, app: &App, idle: Duration) {
    let (out, mut frames) = socket.split();
    tokio::select! {
        () = listen(&mut frames, seat, app, idle) => return,
        ended = tell(out, &seat.client.queue, idle / 2) => if !ended { return },
    }
    // To close on what was not read would take the last words away from the client.
    let rest = async { while let Some(Ok(_)) = frames.next().await {} };
    let _ = timeout(GOODBYE, rest).await;
}

/// Reads what the client asks; returns when it has gone.
async fn listen(frames: &mut SplitStream<WebSocket>, seat: &Seat, app: &App, idle: Duration) {
    let client = &seat.client;
    let most = app.ris.inner.config.request_bytes;
    let last = loop {
        match timeout(idle, frames.next()).await {
            Ok(Some(Ok(Message::Text(text)))) if text.len() > most => {
                let length = text.len();
                client.refuse(&format!(
                    "the frame has {length} bytes: want {most} at most"
                ));
            }
            Ok(Some(Ok(Message::Text(text)))) => {
                client.ask(text.as_bytes(), || collectors(app));
            }
            Ok(Some(Ok(Message::Binary(_)))) => client.refuse("the frame is binary: want text"),
            // The library answers a ping and a close with the next read; all three only say that the client lives.
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)))) => {}
            Ok(None) => return,
            Ok(Some(Err(error))) => {
                closed("broken");
                break format!("the frame cannot be read: {error}");
            }
            Err(_) => {
                closed("idle");
                break format!("nothing was heard for {} s, no pong either", idle.as_secs());
            }
        }
    };
    client.queue.end(&frame::error(&last));
    // The other half sends what waits, and ends the connection.
    std::future::pending().await
}

/// Collectors that the services name, and those that were seen here.
fn collectors(app: &App) -> Vec<String> {
    let mut names = app.live.strip().collectors;
    names.extend(app.ris.inner.collectors.read().iter().cloned());
    names.sort_unstable();
    names.dedup();
    names
}

/// Writes what waits, and pings. True when the queue has ended and the client knows; false when the
/// socket takes nothing more.
async fn tell(mut out: SplitSink<WebSocket, Message>, queue: &Queue, every: Duration) -> bool {
    let mut pings = interval_at(Instant::now() + every, every);
    loop {
        let sent = tokio::select! {
            line = queue.next() => match line {
                Some(line) => send_waiting(&mut out, line, queue).await,
                None => break,
            },
            _ = pings.tick() => in_time(out.send(Message::Ping(Bytes::new()))).await,
        };
        if !sent {
            return false;
        }
    }
    let goodbye = CloseFrame {
        code: close_code::AWAY,
        reason: "see the last message".into(),
    };
    in_time(out.send(Message::Close(Some(goodbye)))).await
}

/// This line and some that wait with it, in as few packets as they need; not all, so that a busy
/// stream is pinged, too.
async fn send_waiting(
    out: &mut SplitSink<WebSocket, Message>,
    mut line: Utf8Bytes,
    queue: &Queue,
) -> bool {
    for _ in 1..BATCH {
        if !in_time(out.feed(Message::Text(line))).await {
            return false;
        }
        match queue.ready() {
            Next::Line(next) => line = next,
            Next::Nothing | Next::Ended => return in_time(out.flush()).await,
        }
    }
    in_time(out.send(Message::Text(line))).await
}

/// True when the socket took it; a client that reads nothing for so long is cut without a word,
/// since it would not read that one either.
async fn in_time(sent: impl Future<Output = Result<(), axum::Error>>) -> bool {
    match timeout(PATIENCE, sent).await {
        Ok(sent) => sent.is_ok(),
        Err(_) => {
            closed("stuck");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use rstest::rstest;

    #[rstest]
    #[case(None, true)]
    #[case(Some("http://weir.example:8080"), true)]
    #[case(Some("HTTPS://WEIR.example:8080"), true)]
    #[case(Some("http://weir.example"), false)]
    #[case(Some("http://other.example:8080"), false)]
    #[case(Some("null"), false)]
    #[case(Some(""), false)]
    fn pages_of_other_sites_are_refused(#[case] origin: Option<&'static str>, #[case] own: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("weir.example:8080"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        assert_eq!(is_of_our_own(&headers), own);
    }
}
