//! Messages and stubs of `proto/weir/serving/v1`, generated and committed; `tests/generated.rs`
//! compares them with the `.proto` file. Public for Rust clients; other languages generate theirs
//! from the `.proto` file.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code follows its generator's style; its documentation is the .proto file"
)]
/// Package `weir.serving.v1`.
pub mod v1 {
    include!("generated/weir.serving.v1.rs");
}

/// The descriptors of the file, for server reflection.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!("generated/weir.serving.v1.binpb");
