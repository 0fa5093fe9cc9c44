//! Objects that are written bit by bit: in one request while small, in parts once they are big.

use std::io;

use bytes::Bytes;
use object_store::{ObjectStoreExt, WriteMultipart};

use crate::{Objects, ObjectsError};

/// Size of a part, and of the greatest object that goes in one request. S3 wants at least 5 MiB and
/// at most 10,000 parts.
pub(crate) const PART: usize = 8 << 20;
/// Parts on their way at once.
const AT_ONCE: usize = 4;

/// An object on its way. It appears with [`Upload::finish`]; dropped before that, it never was, and
/// its parts are removed.
pub struct Upload {
    objects: Objects,
    name: String,
    /// What does not fill a part yet.
    pending: Vec<u8>,
    parts: Option<WriteMultipart>,
    written: u64,
}

impl Upload {
    pub(crate) fn new(objects: Objects, name: &str) -> Self {
        Self {
            objects,
            name: name.to_owned(),
            pending: Vec::new(),
            parts: None,
            written: 0,
        }
    }

    /// Bytes so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Adds to the end.
    ///
    /// # Errors
    /// When a part could not be written; the object will not appear.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), ObjectsError> {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = PART - self.pending.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == PART && !bytes.is_empty() {
                self.send()?;
            }
        }
        Ok(())
    }

    /// The object appears, over the one that is there.
    ///
    /// # Errors
    /// When it could not be written; nothing is left of it.
    pub fn finish(mut self) -> Result<(), ObjectsError> {
        if self.parts.is_none() {
            return self
                .objects
                .put(&self.name, std::mem::take(&mut self.pending));
        }
        self.complete()
    }

    /// The object appears where there is none: true. False: there is one, which stays. Of those that
    /// finish a big one at the same time the last stays: for contents that follow from the name.
    ///
    /// # Errors
    /// When it could not be written; nothing is left of it.
    pub fn finish_new(mut self) -> Result<bool, ObjectsError> {
        if self.parts.is_none() {
            return self
                .objects
                .put_new(&self.name, std::mem::take(&mut self.pending));
        }
        if self.objects.exists(&self.name)? {
            return Ok(false);
        }
        self.complete().map(|()| true)
    }

    /// The pending bytes are a part.
    fn send(&mut self) -> Result<(), ObjectsError> {
        let part = Bytes::from(std::mem::take(&mut self.pending));
        let mut parts = self.parts.take();
        let (objects, name) = (self.objects.clone(), &self.name);
        let failed = |error| objects.failed(&format!("take {name}"), error);
        let path = objects.path(name);
        let sent = objects.wait(async {
            let writer = match &mut parts {
                Some(writer) => writer,
                none => {
                    let upload = objects.inner.store.put_multipart(&path).await;
                    none.insert(WriteMultipart::new_with_chunk_size(
                        upload.map_err(failed)?,
                        PART,
                    ))
                }
            };
            writer.wait_for_capacity(AT_ONCE).await.map_err(failed)?;
            writer.put(part);
            Ok(())
        });
        self.parts = parts;
        sent
    }

    fn complete(&mut self) -> Result<(), ObjectsError> {
        let rest = Bytes::from(std::mem::take(&mut self.pending));
        let Some(mut writer) = self.parts.take() else {
            return Ok(());
        };
        let objects = self.objects.clone();
        objects.wait(async {
            writer.put(rest);
            // Aborts by itself when a part or the last step fails.
            let finished = writer.finish().await;
            finished
                .map(drop)
                .map_err(|error| objects.failed(&format!("take {}", self.name), error))
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            let (objects, name) = (self.objects.clone(), &self.name);
            let aborted = objects.wait(async {
                let aborted = parts.abort().await;
                aborted.map_err(|error| objects.failed(&format!("forget parts of {name}"), error))
            });
            if let Err(error) = aborted {
                tracing::warn!(%error, "parts of an object that was given up may be left");
            }
        }
    }
}

impl io::Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    /// Nothing appears before the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
