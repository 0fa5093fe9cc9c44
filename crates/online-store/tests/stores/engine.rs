//! Servers to test against, and a configuration that no other test shares keys with.

use fred::{
    prelude::{Builder, ClientLike},
    types::{ClusterHash, CustomCommand},
};
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

/// A server that answers.
pub(crate) struct Reached {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
}

/// The server, shared with other tests; `None` = it cannot run here.
pub(crate) fn reach(name: &str) -> Option<Reached> {
    weir_engines::engine(name).map(reached)
}

/// A server of one's own, to be killed; `None` = it cannot run here.
pub(crate) fn reach_own(name: &str) -> Option<Reached> {
    weir_engines::own_engine(name).map(reached)
}

fn reached(engine: Engine) -> Reached {
    let config = Config {
        ca_file: engine.get("CA").map(Into::into),
        key_prefix: format!("weir-test-{:016x}", rand::random::<u64>()),
        ..Config::at(engine.url())
    };
    Reached { engine, config }
}

/// One command to the server, past the store.
pub(crate) fn tell(url: &str, command: &'static str, words: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    runtime.block_on(async {
        let config = fred::prelude::Config::from_url(url).unwrap();
        let client = Builder::from_config(config).build().unwrap();
        client.init().await.unwrap();
        let command = CustomCommand::new_static(command, ClusterHash::Random, false);
        client.custom::<(), _>(command, words).await.unwrap();
    });
}
