//! The page, rendered here: overview, search, incident, prefix, network, mine, peers. One stylesheet and one script, both
//! out of memory; without the script everything works, it only keeps the page up to date.

mod chart;
mod incident;
mod layout;
mod now;
mod overview;
mod peers;
mod story;
mod text;
mod watch;

use axum::{
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::{MethodRouter, get},
};

use crate::app::App;

const HTML: &str = "text/html; charset=utf-8";

/// (path, what it is, media type, route).
pub(crate) fn routes() -> Vec<(&'static str, &'static str, &'static str, MethodRouter<App>)> {
    let asset = |kind: &'static str, body: &'static str| {
        get(move || async move {
            let kind = HeaderValue::from_static(kind);
            let keep = HeaderValue::from_static("no-cache");
            (
                [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)],
                body,
            )
                .into_response()
        })
    };
    let (css, js, svg) = (
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
        "image/svg+xml",
    );
    vec![
        (
            "/",
            "The page: open incidents, and a search.",
            HTML,
            get(overview::show),
        ),
        (
            "/incidents/{id}",
            "One incident and its story.",
            HTML,
            get(incident::show),
        ),
        (
            "/prefixes/{address}/{length}",
            "A prefix as it is announced now.",
            HTML,
            get(now::prefix),
        ),
        (
            "/asns/{asn}",
            "What a network originates now.",
            HTML,
            get(now::asn),
        ),
        (
            "/watch",
            "What is otherwise than the watch list expects.",
            HTML,
            get(watch::show),
        ),
        (
            "/peers",
            "Peers and their session features.",
            HTML,
            get(peers::list),
        ),
        ("/peers/{entity}", "One peer.", HTML, get(peers::show)),
        (
            "/page.css",
            "The stylesheet.",
            css,
            asset(css, include_str!("../assets/page.css")),
        ),
        (
            "/page.js",
            "The script.",
            js,
            asset(js, include_str!("../assets/page.js")),
        ),
        (
            "/icon.svg",
            "The icon.",
            svg,
            asset(svg, include_str!("../assets/icon.svg")),
        ),
    ]
}
