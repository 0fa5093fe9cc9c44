//! Decoders, over bytes that are already decompressed. Each yields [`crate::Message`]s, or what
//! they are made of, and never panics, whatever the bytes.

mod bgp;
pub mod bmp;
pub mod json;
pub mod mrt;
mod octets;
pub mod openbmp;
pub mod ris_live;
