//! Can the folder or bucket be written, read and cleaned? A probe of a few bytes, removed again.

use weir_objects::{Config, Objects, ObjectsError};

use super::{Finding, Site};

const NEXT: &str = "see that it is there, and its table: url, endpoint, keys, and the rights to write, read, delete";

pub(super) fn offline(site: &Site) -> Finding {
    probe(&site.settings.offline_store)
}

pub(super) fn checkpoints(site: &Site) -> Finding {
    probe(&site.settings.checkpoint_store)
}

fn probe(config: &Config) -> Finding {
    if config.url.is_empty() {
        return Finding::skipped("none: no url is set");
    }
    match written_and_removed(config) {
        Ok(true) => Finding::ok("written, read, removed"),
        Ok(false) => Finding::fail("what was written is not what is read", NEXT),
        Err(error) => Finding::failed(error, NEXT),
    }
}

fn written_and_removed(config: &Config) -> Result<bool, ObjectsError> {
    let objects = Objects::connect(config)?;
    let name = format!("doctor-probe-{}", std::process::id());
    objects.put(&name, name.clone())?;
    let read = objects.get(&name)?;
    objects.delete(&name)?;
    Ok(read.is_some_and(|bytes| bytes == name.as_bytes()))
}
