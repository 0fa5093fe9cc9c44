//! Whole files that a person names: read up to a bound, since any file may be named.

use std::{fs::File, io::Read, path::Path};

use weir_objects::knowledge;
use weir_routing::roa::Vrps;

use crate::progress::Failure;

/// The bytes of a file, unless it is longer than what is meant.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::Unusable(format!("cannot read {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(Failure::Unusable(format!(
            "{} is longer than the {most} bytes that are read of it: is this the right file?",
            path.display()
        )));
    }
    Ok(bytes)
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
