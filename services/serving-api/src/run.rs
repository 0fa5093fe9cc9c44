//! Life of the listener. It has a runtime of its own, so that callers need none.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{runtime::Runtime, task::JoinSet};
use tonic::transport::server::TcpIncoming;
use weir_eventlog::{EventLog, LogError, Tail};
use weir_features::FeatureView;
use weir_lifecycle::{
    Stop,
    health::{Health, HealthFlag},
    telemetry::Telemetry,
    tokens::{Token, TokensError},
};
use weir_lookups::Client;
use weir_metric_store::MetricStore;
use weir_online_store::OnlineStore;
use weir_record_store::RecordStore;

use crate::{
    app,
    config::Config,
    grpc,
    live::Live,
    own::Own,
    ris::{self, Ris},
    watch,
};

const THREADS: usize = 2;

/// After the stop, clients may take so long to read what they asked for: a part of the time that a service has to stop.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What is served.
#[derive(Clone)]
pub struct Stores {
    /// Incidents. A clone of the writer's store, or one of its own on the same file.
    pub records: RecordStore,
    /// Features.
    pub online: OnlineStore,
    /// Windows.
    pub metrics: MetricStore,
    /// Definitions of the views in `online`.
    pub views: Vec<FeatureView>,
    /// Asks detectors what they know right now.
    pub lookups: Client,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address} ({source}){}; choose another with {flag}", holder(.source))]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// How it was asked for.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Anybody on the network could read.
    #[error(
        "{flag} {address} is not loopback and no token is configured: set token_file of [serving_api.auth] (or WEIR__SERVING_API__AUTH__TOKEN), or listen on 127.0.0.1"
    )]
    OpenToAll {
        /// What was asked for.
        address: SocketAddr,
        /// How it was asked for.
        flag: &'static str,
    },
    /// The tokens cannot be had.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The watch list cannot be read, or is none.
    #[error("the watch list of [serving_api] in {}: {reason}", path.display())]
    Watch {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The descriptors of gRPC are not ones.
    #[error("cannot describe the gRPC services")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The runtime's threads cannot be had.
    #[error("cannot start the threads of the listener")]
    Threads(#[source] io::Error),
    /// The log cannot be followed.
    #[error("cannot follow the log for live events")]
    Live(#[from] LogError),
}

fn holder(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::AddrInUse {
        ": another program has this port (`ss -ltnp` names it)"
    } else {
        ""
    }
}

/// The listener did not end well.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// Clients were cut off.
    #[error("requests were still running after {0:?}")]
    Deadline(Duration),
    /// It had failed before.
    #[error("the listener had failed: {0}")]
    Failed(String),
}

/// Serves the stores, and what happens on `log` from now on.
///
/// # Errors
/// When the listener would be open to all, cannot be bound, or the log cannot be followed.
pub fn start(
    config: &Config,
    log: &EventLog,
    stores: Stores,
    health: &Health,
    telemetry: &Telemetry,
) -> Result<Running, StartError> {
    let live = Live::new();
    let mut running = listen_all(config, live.clone(), Some(log), stores, health, telemetry)?;
    running.tail = Some(live.follow(log)?);
    Ok(running)
}

/// Serves the stores, with live events from whoever holds `live` and no stream of RIS Live.
///
/// # Errors
/// When the listener would be open to all or cannot be bound.
pub fn serve(
    config: &Config,
    live: Live,
    stores: Stores,
    health: &Health,
    telemetry: &Telemetry,
) -> Result<Running, StartError> {
    listen_all(config, live, None, stores, health, telemetry)
}

fn listen_all(
    config: &Config,
    live: Live,
    log: Option<&EventLog>,
    stores: Stores,
    health: &Health,
    telemetry: &Telemetry,
) -> Result<Running, StartError> {
    let tokens: Arc<[Token]> = config.auth.tokens()?.into();
    let own = Own::read(config.watch.as_deref())?;
    let listener = bind(config.listen, "--listen", &tokens)?;
    let address = address(&listener, config.listen, "--listen")?;
    let grpc = config
        .grpc
        .map(|wanted| bind(wanted, "--grpc", &tokens))
        .transpose()?;
    let grpc_address = match (&grpc, config.grpc) {
        (Some(listener), Some(wanted)) => Some(self::address(listener, wanted, "--grpc")?),
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("weir-serving")
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    let stop = Stop::new();
    let ris = Ris::new(config.ris.clone(), log.is_some());
    let app = app::App::new(config, stores, own, live, ris.clone(), stop.clone());
    let flag = health.register("serving-api");
    let fate = Fate {
        failure: Arc::default(),
        flag: flag.clone(),
    };
    let mut tasks = JoinSet::new();
    if let Some(listener) = grpc {
        let router = runtime
            .block_on(grpc::router(config, Arc::clone(&tokens), app.clone()))
            .map_err(StartError::Reflection)?;
        tasks.spawn_on(
            listen_grpc(listener, router, stop.clone(), fate.clone()),
            runtime.handle(),
        );
    }
    if let Some(log) = log {
        let following = ris::follow(ris.clone(), log.clone(), stop.clone());
        tasks.spawn_on(following, runtime.handle());
    }
    let every = Duration::from_secs(config.watch_seconds.max(1));
    tasks.spawn_on(
        watch::watch(app.clone(), every, stop.clone()),
        runtime.handle(),
    );
    let router = app::router(config, tokens, app, health.clone(), telemetry.clone());
    tasks.spawn_on(
        listen(listener, router, ris, stop.clone(), fate.clone()),
        runtime.handle(),
    );
    flag.ready();
    Ok(Running {
        address,
        grpc_address,
        runtime: Some(runtime),
        tasks,
        stop,
        tail: None,
        failure: fate.failure,
    })
}

/// Refuses listeners that would be open to all, and a watch list that is none, before anything is connected or bound.
pub(crate) fn check(config: &Config) -> Result<(), StartError> {
    let tokens = config.auth.tokens()?;
    Own::read(config.watch.as_deref())?;
    guarded(config.listen, "--listen", &tokens)?;
    config
        .grpc
        .map_or(Ok(()), |wanted| guarded(wanted, "--grpc", &tokens))
}

/// Off loopback nobody is served without a token.
fn guarded(address: SocketAddr, flag: &'static str, tokens: &[Token]) -> Result<(), StartError> {
    match tokens.is_empty() && !address.ip().is_loopback() {
        true => Err(StartError::OpenToAll { address, flag }),
        false => Ok(()),
    }
}

fn bind(
    wanted: SocketAddr,
    flag: &'static str,
    tokens: &[Token],
) -> Result<TcpListener, StartError> {
    guarded(wanted, flag, tokens)?;
    let listener = TcpListener::bind(wanted).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| StartError::Bind {
        address: wanted,
        flag,
        source,
    })
}

fn address(
    listener: &TcpListener,
    wanted: SocketAddr,
    flag: &'static str,
) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Bind {
        address: wanted,
        flag,
        source,
    })
}

/// What a listener that ends by itself leaves behind.
#[derive(Clone)]
struct Fate {
    failure: Arc<OnceLock<String>>,
    flag: HealthFlag,
}

impl Fate {
    fn failed(&self, error: &dyn std::error::Error) {
        tracing::error!(error = %error, "the listener failed");
        self.flag.not_ready("the listener failed");
        // Set once: the first reason is the one that matters.
        let _ = self.failure.set(error.to_string());
    }
}

async fn listen(listener: TcpListener, router: axum::Router, ris: Ris, stop: Stop, fate: Fate) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => {
            let stopped = stop.clone();
            let serving = axum::serve(listener, service)
                .with_graceful_shutdown(async move { stop.wait_async().await });
            tokio::select! {
                served = serving.into_future() => served,
                () = too_late(stopped) => {
                    tracing::warn!("clients that do not read what they asked for are cut");
                    Ok(())
                }
            }
        }
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        return fate.failed(&error);
    }
    // A websocket is no request any more, and is not waited for above.
    ris.left().await;
}

async fn too_late(stop: Stop) {
    stop.wait_async().await;
    tokio::time::sleep(LAST_WORDS).await;
}

async fn listen_grpc(
    listener: TcpListener,
    router: tonic::transport::server::Router,
    stop: Stop,
    fate: Fate,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return fate.failed(&error),
    };
    let served = router
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), async move {
            stop.wait_async().await;
        })
        .await;
    if let Err(error) = served {
        fate.failed(&error);
    }
}

/// A running listener. Dropping it stops it without waiting.
pub struct Running {
    address: SocketAddr,
    grpc_address: Option<SocketAddr>,
    runtime: Option<Runtime>,
    tasks: JoinSet<()>,
    stop: Stop,
    tail: Option<Tail>,
    failure: Arc<OnceLock<String>>,
}

impl Running {
    /// Where it listens: the port that was taken when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where gRPC listens; `None` = nowhere.
    #[must_use]
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc_address
    }

    /// Why it does not serve any more.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    /// Takes no new request, ends live events, and waits for running requests.
    ///
    /// # Errors
    /// When requests still run at the deadline; they are cut off.
    pub fn stop(mut self, deadline: Duration) -> Result<(), StopError> {
        self.stop.set();
        self.tail = None;
        let Some(runtime) = self.runtime.take() else {
            return Ok(());
        };
        let tasks = &mut self.tasks;
        let all = async { while tasks.join_next().await.is_some() {} };
        let ended = runtime.block_on(async { tokio::time::timeout(deadline, all).await });
        runtime.shutdown_background();
        if ended.is_err() {
            return Err(StopError::Deadline(deadline));
        }
        self.failure()
            .map_or(Ok(()), |reason| Err(StopError::Failed(reason)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
