//! The store for plain threads: the incident writer, the command line.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::runtime::Runtime;
use weir_events::{position::StoreFence, v1};

use crate::{
    Cursor, Filter, IncidentRow, Page, RecordError, RecordStore, Recorded, incidents::Count,
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
    pub(crate) fn open(url: &str) -> Result<Self, RecordError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("record-store")
            .enable_time()
            .build()
            .map_err(RecordError::Thread)?;
        let store = runtime.block_on(RecordStore::open(url))?;
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
        incidents: &[v1::Incident],
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
