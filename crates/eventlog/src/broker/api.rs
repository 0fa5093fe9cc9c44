//! The APIs, one file per family: each reads its request and writes its answer.

use super::error_code as code;
use super::request::APIS;
use super::wire::Writer;

pub(crate) mod cluster;
pub(crate) mod configs;
pub(crate) mod consume;
pub(crate) mod groups;
pub(crate) mod offsets;
pub(crate) mod produce;
pub(crate) mod topics;

/// ApiVersions. A version that we do not know is answered in version 0 with the error and the
/// list: librdkafka then asks again with one that we know; without the list it would wait.
pub(crate) fn versions(version: i16, out: &mut Writer) {
    let known = (0..=3).contains(&version);
    out.i16(if known {
        code::NONE
    } else {
        code::UNSUPPORTED_VERSION
    });
    if version == 3 {
        // Flexible: a compact array holds its length + 1 and each element ends with no tags.
        out.i8(i8::try_from(APIS.len() + 1).unwrap_or(i8::MAX));
    } else {
        out.count(APIS.len());
    }
    for (key, low, high) in APIS {
        out.i16(key).i16(low).i16(high);
        if version == 3 {
            out.i8(0);
        }
    }
    if known && version >= 1 {
        out.i32(0);
    }
    if version == 3 {
        out.i8(0);
    }
}
