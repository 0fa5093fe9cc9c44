//! The admin paths: `/livez`, `/readyz`, `/healthz` and `/metrics`.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use crate::{Health, telemetry::Telemetry};

/// The table `[admin]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the admin paths are served; absent = the service's own port on loopback. They show no
    /// secret and change nothing, so they may be served off loopback without a login.
    pub listen: Option<SocketAddr>,
}

/// What `/readyz` and `/healthz` answer.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    /// Name of the part -> why it is not ready.
    reasons: std::collections::BTreeMap<String, String>,
}

/// The admin paths of one process. `/livez` says that it runs; `/readyz` and `/healthz` say 503
/// with the reasons until every part is ready.
pub fn router(health: Health, telemetry: Telemetry) -> Router {
    let ready = {
        let health = health.clone();
        move || async move { readiness(&health) }
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready.clone()))
        .route("/healthz", get(ready))
        .route("/metrics", get(move || async move { scrape(&telemetry) }))
}

fn readiness(health: &Health) -> Response {
    let reasons = health.reasons();
    let ready = reasons.is_empty();
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(Readiness { ready, reasons })).into_response()
}

fn scrape(telemetry: &Telemetry) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], telemetry.render()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// The status line and the body of `GET path`.
    async fn get(router: Router, path: &str) -> (String, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async { axum::serve(listener, router).await });
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    #[tokio::test]
    async fn readiness_is_503_with_the_reasons_until_all_parts_are_ready() {
        let health = Health::new();
        let detector = health.register("detector");
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let app = router(health, Telemetry::of(recorder.handle()));

        let (status, body) = get(app.clone(), "/readyz").await;
        assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(body, r#"{"ready":false,"reasons":{"detector":"starting"}}"#);
        detector.ready();
        for path in ["/livez", "/readyz", "/healthz", "/metrics"] {
            assert_eq!(get(app.clone(), path).await.0, "HTTP/1.1 200 OK", "{path}");
        }
    }
}
