//! Redis, or Valkey: one server, a cluster, or a master named by Sentinels (`redis/layout.rs` says
//! how rows are kept).
//!
//! A server that loses what it had acknowledged (restored from a backup, restarted without its file,
//! replaced by a replica that lagged) is noticed by its older place, because rows travel before the
//! place over one connection: `Rewound`, and the writer takes up again from there. Not in a cluster,
//! where rows and place live on different nodes: there a failover may lose rows in silence that the
//! replica lacked, until their next update or a replay; `min-replicas-to-write 1` makes that rare.
//!
//! A user needs the commands EVAL, EVALSHA, SCRIPT LOAD, HMGET, HSET, HGET, HGETALL, HINCRBY, DEL,
//! EXISTS, ZADD, ZRANGEBYLEX and PING on keys `<prefix>:*`, in a cluster CLUSTER SLOTS and CLUSTER
//! INFO; INFO, CONFIG GET and TIME only help `doctor`.

mod address;
mod facts;
mod faults;
mod index;
mod layout;
mod link;
mod rows;
mod scripts;
mod sink;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use address::Address;
use link::Link;
pub use scripts::PUT_ROW;
use tokio::runtime::Runtime;
use weir_events::position::StoreFence;
use weir_features::{EntityKey, FeatureRow};

use crate::{Progress, config::Config, error::OnlineStoreError, server::Server};

/// A link and the thread that drives it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Backend {
    link: Arc<Link>,
    runtime: Arc<OwnRuntime>,
}

/// Shut down in the background, so that the last handle may be dropped anywhere.
struct OwnRuntime(Mutex<Option<Runtime>>, tokio::runtime::Handle);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        let slot = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = slot.take() {
            runtime.shutdown_background();
        }
    }
}

impl Backend {
    pub(crate) fn connect(config: &Config) -> Result<Self, OnlineStoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("online-store")
            .enable_all()
            .build()
            .map_err(OnlineStoreError::Thread)?;
        let handle = runtime.handle().clone();
        let runtime = Arc::new(OwnRuntime(Mutex::new(Some(runtime)), handle));
        let link = Arc::new(runtime.1.block_on(Link::connect(config))?);
        Ok(Self { link, runtime })
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.1.block_on(work)
    }

    pub(crate) fn put_many(
        &self,
        rows: &[FeatureRow],
        progress: Progress,
    ) -> Result<usize, OnlineStoreError> {
        self.wait(async {
            self.link.check(progress).await?;
            // The index first: a crash in between leaves a name without a row, which a listing
            // passes over, never a row that no listing finds.
            self.link.name_all(rows, progress.partition).await?;
            let written = self.link.put_rows(rows, progress.partition).await?;
            self.link.advance(progress).await?;
            Ok(written)
        })
    }

    pub(crate) fn position(&self, partition: u32) -> Result<Option<i64>, OnlineStoreError> {
        self.wait(self.link.position(partition))
    }

    pub(crate) fn raise_fence(&self, partition: u32) -> Result<StoreFence, OnlineStoreError> {
        self.wait(self.link.raise_fence(partition))
    }

    pub(crate) fn get_many(
        &self,
        view: &str,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<FeatureRow>>, OnlineStoreError> {
        self.wait(self.link.get_rows(view, entities))
    }

    pub(crate) fn keys(
        &self,
        view: &str,
        after: Option<&EntityKey>,
        limit: usize,
    ) -> Result<Vec<EntityKey>, OnlineStoreError> {
        self.wait(self.link.list(view, after, limit, async |entities| {
            let there = self.link.exist(view, &entities).await?;
            let found = entities.into_iter().zip(there);
            Ok(found
                .filter_map(|(entity, there)| there.then_some(entity))
                .collect())
        }))
    }

    pub(crate) fn rows(
        &self,
        view: &str,
        after: Option<&EntityKey>,
        limit: usize,
    ) -> Result<Vec<FeatureRow>, OnlineStoreError> {
        self.wait(self.link.list(view, after, limit, async |entities| {
            let rows = self.link.get_rows(view, &entities).await?;
            Ok(rows.into_iter().flatten().collect())
        }))
    }

    pub(crate) fn server(&self) -> Result<Server, OnlineStoreError> {
        self.wait(self.link.server())
    }
}
