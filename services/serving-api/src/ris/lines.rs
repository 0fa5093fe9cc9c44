//! `GET /v1/stream/?format=json`: every message, a line each.

use std::net::SocketAddr;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Query, State, rejection::QueryRejection, ws::Utf8Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::mpsc::{self, error::SendTimeoutError};

use super::{PATIENCE, Seat, queue::closed};
use crate::{app::App, problem::Problem};

pub(super) const MEDIA_TYPE: &str = "application/x-ndjson";

/// Other keys, such as `client`, are the client's own.
#[derive(Deserialize)]
pub(crate) struct Ask {
    format: Option<String>,
}

pub(crate) async fn lines(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(ask) = ask?;
    if let Some(other) = ask.format.filter(|format| format != "json") {
        return Err(Problem::bad_request(format!(
            "`format` is `{other}`: the stream is `json` only"
        )));
    }
    let seat = app.ris.enter(from.ip(), "http").await?;
    seat.client.want_all();
    let (lines, waiting) = mpsc::channel(1);
    tokio::spawn(pass_on(seat, lines));
    let lines = stream::unfold(waiting, |mut waiting| async {
        let line: Utf8Bytes = waiting.recv().await?;
        Some((
            Ok::<_, std::convert::Infallible>(Bytes::from(line)),
            waiting,
        ))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let kind = HeaderValue::from_static(MEDIA_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Gives the seat back when the client has gone, or takes nothing more: what holds its socket open is then its own
/// affair, and not that of those who wait for a seat.
async fn pass_on(seat: Seat, lines: mpsc::Sender<Utf8Bytes>) {
    loop {
        let line = tokio::select! {
            line = seat.client.queue.next() => line,
            () = lines.closed() => None,
        };
        let Some(line) = line else { return };
        match lines.send_timeout(line, PATIENCE).await {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(_)) => return closed("stuck"),
            Err(SendTimeoutError::Closed(_)) => return,
        }
    }
}
