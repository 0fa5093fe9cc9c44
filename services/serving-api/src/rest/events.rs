//! `GET /api/v1/events`: live events by server-sent events (HTML Living Standard, 9.2).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use crate::{app::App, live::LiveEvent, problem::Problem};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Live events: `incident` (a transition), `status` (the strip of the page, every two seconds),
/// `lagged` (this client was too slow; `missed` events were dropped: load again).
#[utoipa::path(get, path = "/api/v1/events", tag = "events", responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn follow(
    State(app): State<App>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Ok(seat) = Arc::clone(&app.live_seats).try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many clients follow live events already",
        ));
    };
    let stop = app.stop.clone();
    let events = BroadcastStream::new(app.live.subscribe())
        .map(move |event| {
            let _seat = &seat;
            Ok(encode(event))
        })
        .take_until(async move { stop.wait_async().await });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn encode(event: Result<Arc<LiveEvent>, BroadcastStreamRecvError>) -> Event {
    match event {
        Ok(event) => {
            let name = match &*event {
                LiveEvent::Incident { .. } => "incident",
                LiveEvent::Status(_) => "status",
            };
            let data = serde_json::to_string(&*event).unwrap_or_default();
            Event::default().event(name).data(data)
        }
        Err(BroadcastStreamRecvError::Lagged(missed)) => Event::default()
            .event("lagged")
            .data(format!(r#"{{"missed":{missed}}}"#)),
    }
}
