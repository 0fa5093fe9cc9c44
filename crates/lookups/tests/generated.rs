//! Guards the committed gRPC code against the `.proto` file that it is made from.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{env, fs, path::Path};

#[test]
fn the_committed_stubs_equal_what_the_proto_file_generates() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = here.join("../../proto");
    let file = proto.join("weir/detector/v1/lookup.proto");
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_client(true)
        .btree_map(".")
        .out_dir(out.path())
        .compile_fds(protox::compile([file], [&proto]).unwrap())
        .unwrap();
    let name = "weir.detector.v1.rs";
    let made = fs::read(out.path().join(name)).unwrap();
    let committed = here.join("src/generated").join(name);
    if env::var_os("WEIR_REGENERATE").is_some() {
        fs::write(&committed, &made).unwrap();
    }
    assert!(
        fs::read(&committed).unwrap_or_default() == made,
        "src/generated/{name} differs from proto/: run WEIR_REGENERATE=1 cargo test -p weir-lookups --test generated"
    );
}
