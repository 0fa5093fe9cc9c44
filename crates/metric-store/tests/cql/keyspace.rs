//! A keyspace of a test's own, dropped at its end.

use std::sync::atomic::{AtomicU32, Ordering};

use scylla::client::{session::Session, session_builder::SessionBuilder};
use weir_engines::{Engine, engine};
use weir_metric_store::{Config, MetricStore};

pub(crate) struct Keyspace {
    pub(crate) engine: Engine,
    name: String,
}

impl Keyspace {
    /// None = no CQL engine here.
    pub(crate) fn new() -> Option<Self> {
        Some(Self::on(engine("cql")?))
    }

    pub(crate) fn on(engine: Engine) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir_test_{}_{number}", std::process::id());
        Self { engine, name }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            request_timeout_ms: 20_000,
            connect_timeout_ms: 20_000,
            ..Config::at(format!("{}/{}", self.engine.url(), self.name))
        }
    }

    pub(crate) fn open(&self) -> MetricStore {
        MetricStore::connect(&self.config()).unwrap()
    }

    /// Says one thing past the store; `{ks}` stands for the keyspace.
    pub(crate) fn say(&self, statement: &str) {
        let text = statement.replace("{ks}", &self.name);
        self.ask(async |session| {
            session.query_unpaged(text, ()).await.unwrap();
        });
    }

    fn ask(&self, work: impl AsyncFnOnce(Session)) {
        let host = self.engine.url().trim_start_matches("cql://");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            if let Ok(session) = SessionBuilder::new().known_node(host).build().await {
                work(session).await;
            }
        });
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let text = format!("DROP KEYSPACE IF EXISTS {}", self.name);
        self.ask(async |session| {
            // What is left is an empty test's keyspace: nothing depends on it.
            drop(session.query_unpaged(text, ()).await);
        });
    }
}
