//! The connections: made, tried again for a while when they fail, and failing with a name.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use fred::{
    prelude::{
        Client, ClientLike, Config as Driver, ConnectionConfig, Error, ErrorKind, EventInterface,
        PerformanceConfig, Pool, ReconnectPolicy, Server as Host, ServerConfig,
    },
    types::config::{ClusterDiscoveryPolicy, TlsConfig, TlsHostMapping, UnresponsiveConfig},
};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep, timeout},
};

use super::{
    address::{Address, Kind},
    facts, faults,
    layout::Keys,
    scripts::{MOVE_SINK, PUT_ROW, Script},
    sink::Standing,
    tls,
};
use crate::{config::Config, error::OnlineStoreError, server::Server};

/// Between two tries: doubled each time, up to the greatest, and half of it by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why the last connection broke, or could not be made again; `None` once one could.
type Trouble = Arc<Mutex<Option<Error>>>;

pub(super) struct Link {
    pool: Pool,
    place: String,
    trouble: Trouble,
    patience: Duration,
    pub(super) keys: Keys,
    pub(super) put_row: Script,
    pub(super) move_sink: Script,
    /// By partition: what this process has written last.
    pub(super) standing: Mutex<HashMap<u32, Standing>>,
}

impl Link {
    pub(super) async fn connect(config: &Config) -> Result<Self, OnlineStoreError> {
        if config.key_prefix.is_empty()
            || config
                .key_prefix
                .contains(|char: char| char.is_whitespace() || matches!(char, '{' | '}'))
        {
            return Err(OnlineStoreError::Url {
                url: "key_prefix".to_owned(),
                reason: "want some text without `{`, `}` and whitespace".to_owned(),
            });
        }
        let address = Address::parse(&config.url)?;
        let place = address.shown();
        let pool = pool(config, &address)?;
        let trouble = Arc::default();
        for client in pool.clients() {
            tokio::spawn(listen(client.clone(), Arc::clone(&trouble)));
        }
        let patience = Duration::from_millis(config.connect_timeout_ms.max(1));
        let failed = |error: &Error| faults::explain(error, &place, "connect");
        let opened = async {
            pool.init().await.map_err(|error| failed(&error))?;
            let client = pool.next();
            let load = |source| Script::load(client, source);
            let put_row = load(PUT_ROW).await.map_err(|error| failed(&error))?;
            let move_sink = load(MOVE_SINK).await.map_err(|error| failed(&error))?;
            Ok((put_row, move_sink))
        };
        let (put_row, move_sink) = timeout(patience, opened).await.unwrap_or_else(|_| {
            Err(OnlineStoreError::Away {
                place: place.clone(),
                what: "connect",
                reason: format!(
                    "no answer within {} ms{}",
                    patience.as_millis(),
                    if address.tls {
                        "; does it speak TLS?"
                    } else {
                        ""
                    }
                ),
            })
        })?;
        let link = Self {
            pool,
            place,
            trouble,
            patience: Duration::from_millis(config.command_timeout_ms.max(1)),
            keys: Keys::new(&config.key_prefix),
            put_row,
            move_sink,
            standing: Mutex::default(),
        };
        link.warn().await;
        Ok(link)
    }

    async fn warn(&self) {
        let Ok(server) = self.server().await else {
            return;
        };
        for warning in server.warnings() {
            tracing::warn!(place = self.place, "online store: {warning}");
        }
    }

    /// The connection that all writes of a partition share, so that they arrive in order.
    pub(super) fn writer(&self, partition: u32) -> &Client {
        let clients = self.pool.clients();
        let place = usize::try_from(partition).unwrap_or_default() % clients.len().max(1);
        clients.get(place).unwrap_or_else(|| self.pool.next())
    }

    pub(super) fn reader(&self) -> &Client {
        self.pool.next()
    }

    pub(super) async fn server(&self) -> Result<Server, OnlineStoreError> {
        let client = self.reader();
        self.patiently("ask the server", client, async || facts::ask(client).await)
            .await
    }

    /// Repeats `work` while it fails in passing, for as long as one answer may take.
    pub(super) async fn patiently<T>(
        &self,
        what: &'static str,
        client: &Client,
        work: impl AsyncFn() -> Result<T, Error>,
    ) -> Result<T, OnlineStoreError> {
        let mut patience = self.patience(what, client);
        loop {
            match work().await {
                Ok(done) => return Ok(done),
                Err(error) => patience.pause(&error).await?,
            }
        }
    }

    pub(super) fn patience<'a>(&'a self, what: &'static str, client: &'a Client) -> Patience<'a> {
        Patience {
            what,
            client,
            place: &self.place,
            trouble: &self.trouble,
            until: Instant::now() + self.patience,
            pause: FIRST_PAUSE,
        }
    }
}

/// How long a call goes on trying.
pub(super) struct Patience<'a> {
    what: &'static str,
    client: &'a Client,
    place: &'a str,
    trouble: &'a Trouble,
    until: Instant,
    pause: Duration,
}

impl Patience<'_> {
    /// Waits before the next try, or fails when there is none.
    pub(super) async fn pause(&mut self, error: &Error) -> Result<(), OnlineStoreError> {
        let error = &self.cause(error);
        if !faults::is_passing(error) || Instant::now() + self.pause > self.until {
            return Err(self.explain(error));
        }
        if faults::is_replica(error) {
            // What fails here fails again below, under its own name.
            let _ = self.client.force_reconnection().await;
        }
        sleep(self.pause.mul_f64(rand::random_range(0.5..1.0))).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    pub(super) fn explain(&self, error: &Error) -> OnlineStoreError {
        faults::explain(&self.cause(error), self.place, self.what)
    }

    /// A command that waits for a connection in vain only says that it timed out: what keeps the
    /// connection from being made says more.
    fn cause(&self, error: &Error) -> Error {
        let trouble = match error.kind() {
            ErrorKind::Timeout | ErrorKind::Canceled => self.trouble.lock().clone(),
            _ => None,
        };
        trouble.unwrap_or_else(|| error.clone())
    }
}

async fn listen(client: Client, trouble: Trouble) {
    let (mut errors, mut connections) = (client.error_rx(), client.reconnect_rx());
    loop {
        tokio::select! {
            heard = errors.recv() => match heard {
                Ok((error, _)) => *trouble.lock() = Some(error),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            made = connections.recv() => match made {
                Ok(_) | Err(RecvError::Lagged(_)) => *trouble.lock() = None,
                Err(RecvError::Closed) => return,
            },
        }
    }
}

fn pool(config: &Config, address: &Address) -> Result<Pool, OnlineStoreError> {
    let wait = Duration::from_millis(config.connect_timeout_ms.max(1));
    let answer = Duration::from_millis(config.command_timeout_ms.max(1));
    let connection = ConnectionConfig {
        connection_timeout: wait,
        internal_command_timeout: wait,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(answer),
            interval: (answer / 3).max(Duration::from_millis(1)),
        },
        ..ConnectionConfig::default()
    };
    let performance = PerformanceConfig {
        default_command_timeout: answer,
        ..PerformanceConfig::default()
    };
    // For ever: a call fails by its own timeout, and finds the server when it is back.
    let policy = ReconnectPolicy::new_exponential(0, 20, 1_000, 2);
    Pool::new(
        driver(config, address)?,
        Some(performance),
        Some(connection),
        Some(policy),
        config.pool_size.max(1),
    )
    .map_err(|error| faults::explain(&error, &address.shown(), "connect"))
}

fn driver(config: &Config, address: &Address) -> Result<Driver, OnlineStoreError> {
    let password = config.password.as_ref().or(address.password.as_ref());
    Ok(Driver {
        username: config.username.clone().or(address.username.clone()),
        password: revealed(password),
        server: servers(config, address),
        database: (address.database != 0).then_some(address.database),
        tls: if address.tls {
            Some(connector(config, address)?)
        } else {
            None
        },
        ..Driver::default()
    })
}

fn connector(config: &Config, address: &Address) -> Result<TlsConfig, OnlineStoreError> {
    let mut connector = tls::connector(config)?;
    // A cluster names its nodes by address; certificates name the host we were given.
    if has_names(address) {
        connector.hostnames = TlsHostMapping::DefaultHost;
    }
    Ok(connector)
}

fn has_names(address: &Address) -> bool {
    address
        .hosts
        .iter()
        .any(|(host, _)| host.parse::<IpAddr>().is_err())
}

fn servers(config: &Config, address: &Address) -> ServerConfig {
    let hosts = address.hosts.clone();
    match &address.kind {
        Kind::Single => {
            let (host, port) = hosts.into_iter().next().unwrap_or_default();
            ServerConfig::new_centralized(host, port)
        }
        Kind::Sentinel { master } => ServerConfig::Sentinel {
            hosts: hosts.into_iter().map(Host::from).collect(),
            service_name: master.clone(),
            username: config.sentinel_username.clone(),
            password: revealed(config.sentinel_password.as_ref()),
        },
        Kind::Cluster => ServerConfig::Clustered {
            hosts: hosts.into_iter().map(Host::from).collect(),
            policy: ClusterDiscoveryPolicy::UseCache,
        },
    }
}

fn revealed(secret: Option<&SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}
