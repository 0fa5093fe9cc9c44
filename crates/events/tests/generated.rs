//! Guards the committed code and descriptors against the `.proto` files that they come from.

use std::{env, fs, path::Path};

use prost::Message as _;

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
    fs::write(
        out.path().join("weir.v1.binpb"),
        without_source(descriptors.clone()).encode_to_vec(),
    )
    .unwrap();
    prost_build::Config::new()
        .btree_map(["."])
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();

    for name in ["weir.v1.rs", "weir.v1.binpb"] {
        let made = fs::read(out.path().join(name)).unwrap();
        let committed = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/generated")
            .join(name);
        if env::var_os("WEIR_REGENERATE").is_some() {
            fs::write(&committed, &made).unwrap();
        }
        assert!(
            fs::read(&committed).unwrap_or_default() == made,
            "src/generated/{name} differs from proto/: run WEIR_REGENERATE=1 cargo test -p weir-events"
        );
    }
}

/// Comments and line numbers are of no use to a reader of records.
fn without_source(mut set: prost_types::FileDescriptorSet) -> prost_types::FileDescriptorSet {
    for file in &mut set.file {
        file.source_code_info = None;
    }
    set
}
