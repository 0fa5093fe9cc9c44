//! `GET /api/v1/events`: live events by server-sent events (HTML Living Standard, 9.2).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use utoipa::IntoParams;

use crate::{app::App, live::LiveEvent, own::Own, problem::Problem};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What to follow.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct FollowParams {
    /// true: of incidents only one's own, by the watch list of the settings; false: only those of others.
    mine: Option<bool>,
}

/// Live events: `incident` (a transition, and as `mine` why the incident is one's own), `status` (the strip of the
/// page, every two seconds), `lagged` (this client was too slow; `missed` events were dropped: load again).
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(FollowParams), responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn follow(
    State(app): State<App>,
    params: Result<Query<FollowParams>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Query(FollowParams { mine }) = params?;
    app.own.check(mine)?;
    let Ok(seat) = Arc::clone(&app.live_seats).try_acquire_owned() else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many clients follow live events already",
        ));
    };
    let (stop, own) = (app.stop.clone(), app.own);
    let events = BroadcastStream::new(app.live.subscribe())
        .filter_map(move |event| {
            let _seat = &seat;
            std::future::ready(encode(event, &own, mine).map(Ok))
        })
        .take_until(async move { stop.wait_async().await });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// A transition, and whose the incident is.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    event: &'a LiveEvent,
    mine: Option<String>,
}

/// As it is sent; `None` = this client does not want it.
fn encode(
    event: Result<Arc<LiveEvent>, BroadcastStreamRecvError>,
    own: &Own,
    mine: Option<bool>,
) -> Option<Event> {
    let (name, data) = match event.as_deref() {
        Ok(LiveEvent::Incident { row, .. }) if !own.is_wanted(row, mine) => return None,
        Ok(event @ LiveEvent::Incident { row, .. }) => {
            let mine = own.why(row);
            ("incident", serde_json::to_string(&Told { event, mine }))
        }
        Ok(event @ LiveEvent::Status(_)) => ("status", serde_json::to_string(event)),
        Err(BroadcastStreamRecvError::Lagged(missed)) => {
            ("lagged", Ok(format!(r#"{{"missed":{missed}}}"#)))
        }
    };
    Some(Event::default().event(name).data(data.unwrap_or_default()))
}
