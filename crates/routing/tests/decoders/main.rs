//! Decoders and the way to and from the log, on bytes made here.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests, also outside their test functions"
)]

mod bmp;
mod bmp_bytes;
mod bmp_updates;
mod json;
mod mrt;
mod mrt_bytes;
mod openbmp;
mod ris_live;
mod wire;
