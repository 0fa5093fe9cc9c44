//! Guards the committed gRPC code and descriptors against the `.proto` file they are made from.

use std::{env, fs, path::Path};

use prost::Message;

#[test]
fn the_committed_stubs_equal_what_the_proto_file_generates() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = here.join("../../proto");
    let descriptors =
        protox::compile([proto.join("weir/serving/v1/serving.proto")], [&proto]).unwrap();
    let out = tempfile::tempdir().unwrap();
    fs::write(
        out.path().join("weir.serving.v1.binpb"),
        descriptors.encode_to_vec(),
    )
    .unwrap();
    tonic_prost_build::configure()
        .build_client(true)
        .btree_map(".")
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    for name in ["weir.serving.v1.rs", "weir.serving.v1.binpb"] {
        let made = fs::read(out.path().join(name)).unwrap();
        let committed = here.join("src/generated").join(name);
        if env::var_os("WEIR_REGENERATE").is_some() {
            fs::write(&committed, &made).unwrap();
        }
        assert!(
            fs::read(&committed).unwrap_or_default() == made,
            "src/generated/{name} differs from proto/: run WEIR_REGENERATE=1 cargo test -p weir-serving-api --test generated"
        );
    }
}
