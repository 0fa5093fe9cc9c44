//! Contents of knowledge (VRPs and the like) among the objects: who brings them stores them here before the
//! log names them, and whoever judges by them reads them from here.
//!
//! `knowledge/<kind>/<SHA-256 of the content, hex>`, compressed, among the objects of one stream. Named by
//! content, so that nothing is ever overwritten with something else.

use std::{
    io::Read,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{Objects, ObjectsError};

const LEVEL: i32 = 3;

/// Greatest content, in bytes: many times what all VRPs of the world take.
pub const MAX_BYTES: u64 = 1 << 30;

/// A content that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The store.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// What stands under its name is something else.
    #[error("{name} is damaged: {what}; remove it, and start whoever brings it again")]
    Damaged {
        /// Name of the object.
        name: String,
        /// What is wrong.
        what: String,
    },
}

/// What names a content.
#[must_use]
pub fn hash(content: &[u8]) -> [u8; 32] {
    Sha256::digest(content).into()
}

/// Stores a content. One that is there already is put again, which makes it young: see [`prune`].
///
/// # Errors
/// When it could not be stored.
pub fn put(objects: &Objects, kind: &str, content: &[u8]) -> Result<(), KnowledgeError> {
    let name = name(kind, &hash(content));
    let packed = zstd::encode_all(content, LEVEL).map_err(|error| damaged(&name, error))?;
    objects.put_large(&name, &Bytes::from(packed))?;
    Ok(())
}

/// Reads a content; `None` = it is not there.
///
/// # Errors
/// When the store does not answer, or what it gives is not what the hash names.
pub fn get(
    objects: &Objects,
    kind: &str,
    content_hash: &[u8],
) -> Result<Option<Vec<u8>>, KnowledgeError> {
    let name = name(kind, content_hash);
    let Some(packed) = objects.get(&name)? else {
        return Ok(None);
    };
    let mut content = Vec::new();
    zstd::Decoder::new(&packed[..])
        .and_then(|unpacked| unpacked.take(MAX_BYTES).read_to_end(&mut content))
        .map_err(|error| damaged(&name, error))?;
    if hash(&content) != content_hash {
        return Err(damaged(&name, "its content has another hash"));
    }
    Ok(Some(content))
}

/// Removes contents of this kind that were put longer ago than `keep`, but for `current`. Who replaces a content
/// puts the old one again first: its age is counted from then on.
///
/// # Errors
/// When the store does not answer.
pub fn prune(
    objects: &Objects,
    kind: &str,
    keep: Duration,
    current: &[u8],
) -> Result<(), ObjectsError> {
    let current = name(kind, current);
    let old = |put: SystemTime| put.elapsed().is_ok_and(|age| age > keep);
    for object in objects.list(&format!("knowledge/{kind}"))? {
        if object.name != current && old(object.put) {
            objects.delete(&object.name)?;
        }
    }
    Ok(())
}

fn name(kind: &str, content_hash: &[u8]) -> String {
    let hex = content_hash.iter().map(|byte| format!("{byte:02x}"));
    format!("knowledge/{kind}/{}", hex.collect::<String>())
}

fn damaged(name: &str, what: impl ToString) -> KnowledgeError {
    KnowledgeError::Damaged {
        name: name.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Objects) {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(&format!("file://{}", folder.path().display())).unwrap();
        (folder, objects)
    }

    #[test]
    fn a_content_comes_back_by_its_hash() {
        let (_folder, objects) = folder();
        assert_eq!(get(&objects, "vrps", &hash(b"a")).unwrap(), None);
        put(&objects, "vrps", b"a").unwrap();
        put(&objects, "vrps", b"a").unwrap();
        let found = get(&objects, "vrps", &hash(b"a")).unwrap();
        assert_eq!(found.as_deref(), Some(&b"a"[..]));
    }

    #[test]
    fn what_is_not_what_its_name_says_is_refused() {
        let (_folder, objects) = folder();
        let named = name("vrps", &hash(b"a"));
        for wrong in [zstd::encode_all(&b"b"[..], 0).unwrap(), b"junk".to_vec()] {
            objects.put(&named, wrong).unwrap();
            let error = get(&objects, "vrps", &hash(b"a")).unwrap_err();
            assert!(error.to_string().contains(&named), "{error}");
        }
    }

    #[test]
    fn only_what_is_old_and_not_current_is_removed() {
        let (_folder, objects) = folder();
        for content in [b"a", b"b"] {
            put(&objects, "vrps", content).unwrap();
        }
        prune(&objects, "vrps", Duration::from_secs(60), &hash(b"a")).unwrap();
        assert!(get(&objects, "vrps", &hash(b"b")).unwrap().is_some());
        std::thread::park_timeout(Duration::from_millis(20));
        prune(&objects, "vrps", Duration::ZERO, &hash(b"a")).unwrap();
        assert!(get(&objects, "vrps", &hash(b"a")).unwrap().is_some());
        assert!(get(&objects, "vrps", &hash(b"b")).unwrap().is_none());
    }
}
