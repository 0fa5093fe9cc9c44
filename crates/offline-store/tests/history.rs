//! The suite of the history in a folder and on S3.

use weir_offline_store::{Config, OfflineStore, conformance};

#[test]
fn a_folder_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("history").display());
    conformance::all(&OfflineStore::open(&url).unwrap());
}

#[test]
fn s3_keeps_every_promise() {
    let Some(engine) = weir_engines::engine("s3") else {
        return;
    };
    let bucket = engine.get("BUCKET").unwrap();
    let config = Config {
        endpoint: Some(engine.url().to_owned()),
        access_key_id: engine.get("ACCESS_KEY_ID").map(str::to_owned),
        secret_access_key: engine.get("SECRET_ACCESS_KEY").map(Into::into),
        ..Config::at(format!("s3://{bucket}/history-{}", std::process::id()))
    };
    conformance::all(&OfflineStore::connect(&config).unwrap());
}
