//! The admin paths: `/livez`, `/readyz`, `/healthz` and `/metrics`, and what a service adds to them.
//!
//! They only answer GET, show no secret and no data of the network that is measured, and change nothing: so
//! they may be served off loopback without a login, where an orchestrator and a scraper must reach them, but
//! only where `[admin] open` says so. What a service adds looks after its own login. The port speaks HTTP/1.1 and
//! HTTP/2 without TLS: it belongs into a private network.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::JoinHandle,
    time::Duration,
};

pub use axum::Router;
use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};

use crate::{Health, Stop, ports, stream, telemetry::Telemetry};

/// The table `[admin]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the admin paths are served; absent = the service's own port on loopback. Port 0 takes a
    /// free one.
    pub listen: Option<SocketAddr>,
    /// Whoever reaches `listen` may ask, without a login. Needed off loopback.
    pub open: bool,
    /// `host:port` by which other machines reach `listen`; absent = its own address, or the name of this machine where
    /// that is all addresses.
    pub advertise: Option<String>,
}

impl Config {
    /// Refuses an address that others reach, unless it was said that they may ask.
    ///
    /// # Errors
    /// What to set.
    pub fn check(&self) -> Result<(), OpenToAll> {
        match self.listen {
            Some(address) if !address.ip().is_loopback() && !self.open => Err(OpenToAll(address)),
            _ => Ok(()),
        }
    }

    /// `host:port` by which others reach the port that was taken.
    #[must_use]
    pub fn told(&self, taken: SocketAddr) -> String {
        match &self.advertise {
            Some(told) => told.clone(),
            None if taken.ip().is_unspecified() => format!("{}:{}", stream::host(), taken.port()),
            None => taken.to_string(),
        }
    }
}

/// Others would reach the admin port, and nobody said that they may.
#[derive(Debug, thiserror::Error)]
#[error(
    "[admin] listen {0} is not loopback and the admin port knows no login: set open = true of [admin] where only \
     the orchestrator and the scraper reach it, or listen on 127.0.0.1"
)]
pub struct OpenToAll(SocketAddr);

/// Why the admin port is not served.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve the admin paths on {address}{}: choose another address with [admin] listen",
    holder.as_ref().map(|name| format!(", which {name} has")).unwrap_or_default()
)]
pub struct AdminError {
    /// What was asked for.
    pub address: SocketAddr,
    /// Who has it.
    pub holder: Option<String>,
    /// What the system said.
    pub source: io::Error,
}

/// The admin paths, served by a thread of their own until this is dropped.
pub struct AdminPort {
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl AdminPort {
    /// Serves `router`, which is told the address that was taken, on `address`: [`router`] with what a service adds.
    ///
    /// # Errors
    /// When the address is taken or is none of this machine's.
    pub fn open(
        address: SocketAddr,
        router: impl FnOnce(SocketAddr) -> Router,
    ) -> Result<Self, AdminError> {
        let failed = |source: io::Error| AdminError {
            address,
            holder: (source.kind() == io::ErrorKind::AddrInUse)
                .then(|| ports::holder(address.port()))
                .flatten(),
            source,
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let taken = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let stop = Stop::new();
        let stopped = stop.clone();
        let router = router(taken);
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                let served = runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener)?;
                    tokio::select! {
                        served = axum::serve(listener, router) => served,
                        () = stopped.wait_async() => Ok(()),
                    }
                });
                if let Err(error) = served {
                    tracing::error!(%error, "the admin port is closed");
                }
            })
            .map_err(failed)?;
        Ok(Self {
            address: taken,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens: the port that was taken when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminPort {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the admin port panicked");
        }
    }
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

/// `GET path` of a process on this machine: its status code and the body.
///
/// # Errors
/// When nobody answers in time, or what answers is no HTTP.
pub fn ask(address: SocketAddr, path: &str, within: Duration) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the answer is no HTTP"))?;
    Ok((status, body.trim().to_owned()))
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

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn others_reach_it_only_where_it_was_said_that_they_may() {
        let of = |listen: &str, open| Config {
            listen: Some(listen.parse().unwrap()),
            open,
            advertise: None,
        };
        assert!(Config::default().check().is_ok());
        assert!(of("127.0.0.2:9101", false).check().is_ok());
        assert!(of("0.0.0.0:9101", false).check().is_err());
        assert!(of("[2001:db8::1]:9101", false).check().is_err());
        assert!(of("0.0.0.0:9101", true).check().is_ok());
    }

    #[test]
    fn others_are_told_an_address_that_they_can_reach() {
        let of = |advertise: Option<&str>, taken: &str| {
            let advertise = advertise.map(str::to_owned);
            let config = Config {
                advertise,
                ..Config::default()
            };
            config.told(taken.parse().unwrap())
        };
        assert_eq!(of(None, "192.0.2.1:9102"), "192.0.2.1:9102");
        assert_eq!(of(Some("detector:9"), "0.0.0.0:9102"), "detector:9");
        let named = format!("{}:9102", stream::host());
        assert_eq!(of(None, "0.0.0.0:9102"), named);
        assert_eq!(of(None, "[::]:9102"), named);
    }

    #[test]
    fn readiness_is_503_with_the_reasons_until_all_parts_are_ready() {
        let health = Health::new();
        let detector = health.register("detector");
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let telemetry = Telemetry::of(recorder.handle());
        let any = ([127, 0, 0, 1], 0).into();
        let port = AdminPort::open(any, |_| router(health, telemetry)).unwrap();

        let (status, body) = ask(port.address(), "/readyz", LONG).unwrap();
        assert_eq!(status, 503);
        assert_eq!(body, r#"{"ready":false,"reasons":{"detector":"starting"}}"#);
        detector.ready();
        for path in ["/livez", "/readyz", "/healthz", "/metrics"] {
            assert_eq!(ask(port.address(), path, LONG).unwrap().0, 200, "{path}");
        }

        let taken = AdminPort::open(port.address(), |_| Router::new());
        let taken = taken.err().unwrap();
        let ours = format!("process {}", std::process::id());
        assert!(taken.to_string().contains(&ours), "{taken}");
        drop(port);
    }
}
