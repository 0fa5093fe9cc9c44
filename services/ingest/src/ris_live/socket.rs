//! Opens the websocket, subscribes, pings, reads; opens it again with backoff when it is lost.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rand::Rng;
use serde_json::json;
use tokio::{net::TcpStream, time};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Message, http::Uri, protocol::WebSocketConfig},
};
use weir_events::time::now_us;

use super::{
    RisLiveError,
    queue::{Frame, Queue},
};
use crate::config::{RisLive, Subscription};

pub(super) type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The URL with our name in its query.
pub(super) fn uri(url: &str, client: &str) -> Result<Uri, RisLiveError> {
    let refused = || RisLiveError::Url {
        url: url.to_owned(),
    };
    let given: Uri = url.parse().map_err(|_| refused())?;
    if !matches!(given.scheme_str(), Some("ws" | "wss")) || given.host().is_none_or(str::is_empty) {
        return Err(refused());
    }
    if client.is_empty() || given.query().is_some_and(|query| query.contains("client=")) {
        return Ok(given);
    }
    let mark = if given.query().is_some() { '&' } else { '?' };
    let path = if given.path_and_query().is_some() {
        ""
    } else {
        "/"
    };
    let name: String = client
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-._".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    format!("{given}{path}{mark}client={name}")
        .parse()
        .map_err(|_| refused())
}

/// One attempt, TLS and handshake included.
pub(super) async fn connect(
    uri: &Uri,
    bound: Duration,
    max_frame_bytes: usize,
) -> Result<Connection, RisLiveError> {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(max_frame_bytes))
        .max_frame_size(Some(max_frame_bytes));
    let connector = (uri.scheme_str() == Some("wss")).then(tls);
    let attempt = connect_async_tls_with_config(uri, Some(limits), true, connector);
    match time::timeout(bound, attempt).await {
        Ok(Ok((connection, _))) => Ok(connection),
        Ok(Err(source)) => Err(RisLiveError::Refused {
            url: uri.to_string(),
            source: Box::new(source),
        }),
        Err(_) => Err(RisLiveError::TimedOut {
            url: uri.to_string(),
            milliseconds: bound.as_millis(),
        }),
    }
}

/// The roots of Mozilla, ring underneath.
fn tls() -> Connector {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
    match config {
        Ok(config) => Connector::Rustls(Arc::new(config)),
        // ring offers the default versions; without TLS a wss URL is refused by the client.
        Err(_) => Connector::Plain,
    }
}

/// Reads for ever; what it sees goes into `queue`.
pub(super) async fn read(uri: Uri, config: RisLive, queue: Arc<Queue>) {
    let bound = Duration::from_millis(config.connect_timeout_ms);
    let mut failures = 0_u32;
    loop {
        match connect(&uri, bound, config.max_frame_bytes).await {
            Ok(connection) => {
                queue.connected();
                tracing::info!(%uri, "connected to RIS Live");
                let mut heard = false;
                let reason = session(connection, &config, &queue, &mut heard).await;
                tracing::warn!(%uri, reason, "connection to RIS Live lost");
                metrics::counter!("weir_ris_live_connections_lost_total").increment(1);
                queue.lost(reason);
                if heard {
                    failures = 0;
                }
            }
            Err(error) => tracing::warn!(%error, attempt = failures + 1, "RIS Live not reached"),
        }
        let wait = backoff(&config, failures, rand::rng().random());
        failures = failures.saturating_add(1);
        time::sleep_until(time::Instant::now() + wait).await;
    }
}

/// Full jitter below a bound that doubles; never below half of the smallest.
fn backoff(config: &RisLive, failures: u32, dice: f64) -> Duration {
    let bound = config
        .backoff_min_ms
        .saturating_mul(1_u64.checked_shl(failures.min(32)).unwrap_or(u64::MAX))
        .min(config.backoff_max_ms);
    let least = Duration::from_millis(config.backoff_min_ms / 2);
    Duration::from_millis(bound).mul_f64(dice).max(least)
}

/// One connection until it ends; says why.
async fn session(
    connection: Connection,
    config: &RisLive,
    queue: &Queue,
    heard: &mut bool,
) -> String {
    let (mut out, mut frames) = connection.split();
    let everything = [Subscription::default()];
    let wanted = if config.subscriptions.is_empty() {
        &everything[..]
    } else {
        &config.subscriptions
    };
    for subscription in wanted {
        if let Err(error) = out.send(subscribe(subscription)).await {
            return error.to_string();
        }
    }
    let silence = Duration::from_millis(config.silence_timeout_ms);
    let mut ping = time::interval(Duration::from_millis(config.ping_interval_ms.max(1)));
    ping.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let deadline = time::sleep_until(time::Instant::now() + silence);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            frame = frames.next() => {
                deadline.as_mut().reset(time::Instant::now() + silence);
                match frame {
                    Some(Ok(Message::Text(text))) => {
                        *heard = true;
                        queue.frame(Frame { received_us: now_us(), text });
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return frame.map_or_else(
                            || "closed by the server".to_owned(),
                            |frame| format!("closed by the server: {frame}"),
                        );
                    }
                    // Pings of the server are answered by the library as it reads.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error.to_string(),
                    None => return "ended by the server".to_owned(),
                }
            }
            _ = ping.tick() => {
                let ping = Message::Text(json!({"type": "ping"}).to_string().into());
                // A server that reads nothing must not stop us from reading.
                match time::timeout(Duration::from_millis(config.ping_interval_ms), out.send(ping)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "the server does not read".to_owned(),
                }
            }
            () = &mut deadline => {
                return format!("silent for {} ms", config.silence_timeout_ms);
            }
        }
    }
}

fn subscribe(subscription: &Subscription) -> Message {
    let mut data = json!(subscription);
    if let Some(data) = data.as_object_mut() {
        data.insert(
            "socketOptions".to_owned(),
            json!({"includeRaw": true, "acknowledge": true}),
        );
    }
    Message::Text(
        json!({"type": "ris_subscribe", "data": data})
            .to_string()
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_name_is_in_the_query() {
        for (url, expected) in [
            (
                "wss://example.net/v1/ws/",
                "wss://example.net/v1/ws/?client=we-ir",
            ),
            ("ws://127.0.0.1:8?a=b", "ws://127.0.0.1:8/?a=b&client=we-ir"),
            ("ws://h/?client=x", "ws://h/?client=x"),
        ] {
            assert_eq!(uri(url, "we ir").unwrap().to_string(), expected);
        }
        for url in ["https://example.net/", "nothing", "ws://", ""] {
            assert!(uri(url, "weir").is_err(), "{url}");
        }
    }

    #[test]
    fn tls_has_its_roots_and_its_cryptography() {
        assert!(matches!(tls(), Connector::Rustls(_)));
    }

    #[test]
    fn waits_double_up_to_the_greatest_and_are_jittered() {
        let config = RisLive::default();
        let wait = |failures, dice| backoff(&config, failures, dice).as_millis();
        assert_eq!(wait(0, 0.999), 499);
        assert_eq!(wait(3, 0.5), 2000);
        assert_eq!(wait(60, 1.0), 30_000);
        assert_eq!(wait(60, 0.0), 250);
    }
}
