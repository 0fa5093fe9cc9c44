//! Decoders, over bytes that are already decompressed. Each yields [`crate::Message`]s and never
//! panics, whatever the bytes.

pub mod json;
pub mod mrt;
pub mod ris_live;
