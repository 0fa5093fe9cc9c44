//! Messages and stubs of `proto/weir/detector/v1`, generated and committed; `tests/generated.rs` compares them with the
//! `.proto` file.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code follows its generator's style; its documentation is the .proto file"
)]
/// Package `weir.detector.v1`.
pub mod v1 {
    include!("generated/weir.detector.v1.rs");
}
