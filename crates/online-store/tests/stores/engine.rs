//! Servers to test against, and a configuration that no other test shares keys with.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use weir_engines::Engine;
use weir_online_store::Config;

/// Every form in which a Redis comes.
pub(crate) const NAMES: [&str; 5] = [
    "redis",
    "valkey",
    "redis-secure",
    "redis-cluster",
    "redis-sentinel",
];

static TESTS: AtomicU32 = AtomicU32::new(0);

/// The server and how to reach it; `None` = it cannot run here.
pub(crate) fn config(name: &str) -> Option<(Engine, Config)> {
    let engine = weir_engines::engine(name)?;
    let number = TESTS.fetch_add(1, Relaxed);
    let config = Config {
        ca_file: engine.get("CA").map(Into::into),
        key_prefix: format!("weir-test-{}-{number}", unique()),
        ..Config::at(engine.url())
    };
    Some((engine, config))
}

/// Different in every process, also when numbers of processes repeat.
fn unique() -> String {
    format!("{:016x}", rand::random::<u64>())
}
