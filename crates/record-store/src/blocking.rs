//! The store for plain threads: the incident writer, the command line.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::runtime::Runtime;
use weir_events::position::{StoreFence, TopicEpoch};
use weir_routing::prefix::Prefix;

use crate::{
    Config, Cursor, Filter, IncidentRow, Page, PrefixMatch, RecordError, RecordStore, Recorded,
    UpdateRow, incidents::Count, server::check_readable, updates::Kept,
};

/// [`RecordStore`] with an I/O thread of its own; each method waits. Cheap to clone, may be shared
/// between threads. Must not be used or dropped last inside an async task.
#[derive(Clone, Debug)]
pub struct BlockingRecordStore {
    store: RecordStore,
    runtime: Arc<OwnRuntime>,
}

/// Shut down in the background, so that the last handle may be dropped anywhere.
#[derive(Debug)]
struct OwnRuntime(Mutex<Option<Runtime>>, tokio::runtime::Handle);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        let slot = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = slot.take() {
            runtime.shutdown_background();
        }
    }
}

impl BlockingRecordStore {
    /// As [`RecordStore::connect`]. Not inside an async task.
    ///
    /// # Errors
    /// As there, and when the I/O thread cannot start.
    pub fn connect(config: &Config) -> Result<Self, RecordError> {
        Self::on_a_thread(RecordStore::connect(config))
    }

    /// As [`RecordStore::connect_to_read`], for tables of this version only.
    ///
    /// # Errors
    /// As there, and `Absent`, `Older` or `Newer`.
    pub fn connect_to_read(config: &Config) -> Result<Self, RecordError> {
        check_readable(config)?;
        Self::on_a_thread(RecordStore::connect_to_read(config))
    }

    fn on_a_thread(
        connecting: impl Future<Output = Result<RecordStore, RecordError>>,
    ) -> Result<Self, RecordError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("record-store")
            .enable_all()
            .build()
            .map_err(RecordError::Thread)?;
        let store = runtime.block_on(connecting)?;
        let handle = runtime.handle().clone();
        Ok(Self {
            store,
            runtime: Arc::new(OwnRuntime(Mutex::new(Some(runtime)), handle)),
        })
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.1.block_on(work)
    }

    /// The store itself, for async callers.
    #[must_use]
    pub fn store(&self) -> &RecordStore {
        &self.store
    }

    /// As [`RecordStore::record`].
    ///
    /// # Errors
    /// As there.
    pub fn record(
        &self,
        incidents: &[IncidentRow],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<(), RecordError> {
        self.wait(self.store.record(incidents, partition, next_offset, fence))
    }

    /// As [`RecordStore::position`].
    ///
    /// # Errors
    /// As there.
    pub fn position(&self, partition: u32) -> Result<Option<i64>, RecordError> {
        self.wait(self.store.position(partition))
    }

    /// As [`RecordStore::raise_fence`].
    ///
    /// # Errors
    /// As there.
    pub fn raise_fence(&self, partition: u32) -> Result<(StoreFence, i64), RecordError> {
        self.wait(self.store.raise_fence(partition))
    }

    /// As [`RecordStore::update_position`].
    ///
    /// # Errors
    /// As there.
    pub fn update_position(&self, partition: u32) -> Result<Option<i64>, RecordError> {
        self.wait(self.store.update_position(partition))
    }

    /// As [`RecordStore::raise_update_fence`].
    ///
    /// # Errors
    /// As there.
    pub fn raise_update_fence(&self, partition: u32) -> Result<(StoreFence, i64), RecordError> {
        self.wait(self.store.raise_update_fence(partition))
    }

    /// As [`RecordStore::record_updates`].
    ///
    /// # Errors
    /// As there.
    pub fn record_updates(
        &self,
        rows: &[UpdateRow],
        partition: u32,
        next_offset: i64,
        fence: StoreFence,
    ) -> Result<Kept, RecordError> {
        self.wait(
            self.store
                .record_updates(rows, partition, next_offset, fence),
        )
    }

    /// As [`RecordStore::are_evidence`].
    ///
    /// # Errors
    /// As there.
    pub fn are_evidence(&self, asked: &[(Prefix, i64)]) -> Result<Vec<bool>, RecordError> {
        self.wait(self.store.are_evidence(asked))
    }

    /// As [`RecordStore::updates`].
    ///
    /// # Errors
    /// As there.
    pub fn updates(
        &self,
        prefix: PrefixMatch,
        from_us: i64,
        to_us: i64,
        limit: u32,
    ) -> Result<Vec<UpdateRow>, RecordError> {
        self.wait(self.store.updates(prefix, from_us, to_us, limit))
    }

    /// As [`RecordStore::greatest_topic_epoch`].
    ///
    /// # Errors
    /// As there.
    pub fn greatest_topic_epoch(&self) -> Result<Option<TopicEpoch>, RecordError> {
        self.wait(self.store.greatest_topic_epoch())
    }

    /// As [`RecordStore::raise_topic_epoch`].
    ///
    /// # Errors
    /// As there.
    pub fn raise_topic_epoch(&self, at_least: TopicEpoch) -> Result<TopicEpoch, RecordError> {
        self.wait(self.store.raise_topic_epoch(at_least))
    }

    /// As [`RecordStore::migrate`].
    ///
    /// # Errors
    /// As there.
    pub fn migrate(&self) -> Result<i64, RecordError> {
        self.wait(self.store.migrate())
    }

    /// As [`RecordStore::get`].
    ///
    /// # Errors
    /// As there.
    pub fn get(&self, id: &str) -> Result<Option<Recorded>, RecordError> {
        self.wait(self.store.get(id))
    }

    /// As [`RecordStore::list`].
    ///
    /// # Errors
    /// As there.
    pub fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, RecordError> {
        self.wait(self.store.list(filter, after, limit))
    }

    /// As [`RecordStore::counts`].
    ///
    /// # Errors
    /// As there.
    pub fn counts(&self) -> Result<Vec<Count>, RecordError> {
        self.wait(self.store.counts())
    }

    /// Hands every incident, ordered by (first seen, id), to `visit`, a page at a time.
    ///
    /// # Errors
    /// The store's, or what `visit` returns.
    pub fn export_all<E: From<RecordError>>(
        &self,
        mut visit: impl FnMut(&IncidentRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut after = None;
        loop {
            let rows = self.wait(self.store.export_page(after.as_ref()))?;
            for row in &rows {
                visit(row)?;
            }
            match rows.last() {
                Some(last) => after = Some(Cursor::after(last)),
                None => return Ok(()),
            }
        }
    }

    /// Closes all connections.
    pub fn close(&self) {
        self.wait(self.store.close());
    }
}
