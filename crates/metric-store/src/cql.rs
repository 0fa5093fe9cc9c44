//! A CQL engine: Apache Cassandra or ScyllaDB, through ScyllaDB's driver.
//!
//! Tests run on Apache Cassandra 5; the compose file and Kubernetes run ScyllaDB. Nothing that only
//! one of the two has is used. Calls block on a runtime of our own, one thread.
//!
//! A row's version is its write timestamp, so that the engine itself keeps the greater version,
//! whatever the order and number of writes. Positions and fences are conditional writes: rows go
//! first, then the position, while the fence is ours. A crash between them repeats rows; a zombie's
//! rows are in the log too, and lose against greater versions.

mod errors;
mod fence;
mod link;
mod place;
mod read;
mod schema;
mod server;
mod statements;
mod tls;
mod write;

use std::{future::Future, sync::Arc};

use tokio::runtime::{Builder, Runtime};
use weir_events::{position::StoreFence, v1::WindowResult};

use crate::{Config, MetricStoreError, Progress, Query, Server, Window};

#[derive(Clone)]
pub(crate) struct Backend {
    shared: Arc<Shared>,
}

struct Shared {
    link: link::Link,
    written: write::Written,
    /// Some until the last handle is gone.
    runtime: Option<Runtime>,
}

impl Drop for Shared {
    /// A runtime must not be waited for on an async thread.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> Result<Runtime, MetricStoreError> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("metric-store")
        .enable_all()
        .build()
        .map_err(|error| MetricStoreError::Away {
            what: "start its thread",
            hosts: String::new(),
            reason: error.to_string(),
        })
}

/// What answers, and how our tables stand, without touching them.
pub(crate) fn ask(config: &Config) -> Result<Server, MetricStoreError> {
    let runtime = runtime()?;
    let answer = runtime.block_on(server::ask(config));
    runtime.shutdown_background();
    answer
}

impl Backend {
    pub(crate) fn connect(config: &Config) -> Result<Self, MetricStoreError> {
        let runtime = runtime()?;
        match runtime.block_on(link::Link::connect(config)) {
            Ok(link) => Ok(Self {
                shared: Arc::new(Shared {
                    link,
                    written: write::Written::default(),
                    runtime: Some(runtime),
                }),
            }),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    pub(crate) fn migrate(&self) -> Result<(), MetricStoreError> {
        self.wait(async |link| link.schema().migrate().await)
    }

    pub(crate) fn put_many(
        &self,
        rows: &[WindowResult],
        progress: Progress,
    ) -> Result<(), MetricStoreError> {
        self.wait(async |link| link.put_many(&self.shared.written, rows, progress).await)
    }

    pub(crate) fn position(&self, partition: u32) -> Result<Option<i64>, MetricStoreError> {
        self.wait(async |link| link.position(partition).await)
    }

    pub(crate) fn raise_fence(&self, partition: u32) -> Result<StoreFence, MetricStoreError> {
        self.wait(async |link| link.raise_fence(partition).await)
    }

    pub(crate) fn query(&self, query: &Query<'_>) -> Result<Vec<Window>, MetricStoreError> {
        self.wait(async |link| link.query(query).await)
    }

    pub(crate) fn keys(
        &self,
        aggregate: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        self.wait(async |link| link.keys(aggregate, after, limit).await)
    }

    pub(crate) fn export(&self, each: impl FnMut(Window)) -> Result<(), MetricStoreError> {
        self.wait(async |link| link.export(each).await)
    }

    pub(crate) fn server(&self) -> Result<Server, MetricStoreError> {
        self.wait(async |link| link.server().await)
    }

    fn wait<'a, T, F: Future<Output = Result<T, MetricStoreError>>>(
        &'a self,
        work: impl FnOnce(&'a link::Link) -> F,
    ) -> Result<T, MetricStoreError> {
        match &self.shared.runtime {
            Some(runtime) => runtime.block_on(work(&self.shared.link)),
            None => Err(MetricStoreError::Away {
                what: "ask",
                hosts: self.shared.link.hosts.clone(),
                reason: "closed".to_owned(),
            }),
        }
    }
}
