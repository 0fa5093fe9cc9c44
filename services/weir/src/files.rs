//! Whole files that a person names: read up to a bound, since any file may be named.

use std::path::Path;

use weir_objects::knowledge;
use weir_routing::roa::Vrps;

use crate::progress::Failure;

/// The bytes of a file, unpacked, unless there are more than what is meant.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let read = weir_ingest::whole(path, most);
    let read = read
        .map_err(|error| Failure::Unusable(format!("cannot read {}: {error}", path.display())))?;
    read.ok_or_else(|| {
        Failure::Unusable(format!(
            "{} is longer than the {most} bytes that are read of it: is this the right file?",
            path.display()
        ))
    })
}

/// The VRPs in a file (JSON of rpki-client, Routinator, StayRTR).
pub(crate) fn vrps(path: &Path) -> Result<Vrps, Failure> {
    let text = bytes(path, knowledge::MAX_BYTES)?;
    Vrps::from_json(&text).map_err(|error| unusable(path, error))
}

/// The file holds what it should not.
pub(crate) fn unusable(path: &Path, error: impl std::error::Error) -> Failure {
    Failure::unusable(error).of(&path.display().to_string())
}
