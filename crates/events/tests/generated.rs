//! Guards the committed code against the `.proto` files that it is generated from.

use std::{env, fs, path::Path};

#[test]
fn the_committed_messages_equal_what_the_proto_files_generate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let proto = root.join("proto");
    let mut files: Vec<_> = fs::read_dir(proto.join("weir/v1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let descriptors = protox::compile(&files, [&proto]).unwrap();

    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new()
        .btree_map(["."])
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    let made = fs::read_to_string(out.path().join("weir.v1.rs")).unwrap();

    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated/weir.v1.rs");
    if env::var_os("WEIR_REGENERATE").is_some() {
        fs::write(&committed, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&committed).unwrap_or_default() == made,
        "src/generated differs from proto/: run WEIR_REGENERATE=1 cargo test -p weir-events"
    );
}
