//! Servers to test against, and a configuration that no other test shares keys with.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard},
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

/// A server that answers, for as long as this is held.
pub(crate) struct Reached {
    pub(crate) engine: Engine,
    pub(crate) config: Config,
    _shared: Option<RwLockReadGuard<'static, ()>>,
    _alone: Option<RwLockWriteGuard<'static, ()>>,
}

/// One lock for each server: who kills it has it alone.
fn lock(name: &str) -> &'static RwLock<()> {
    static LOCKS: LazyLock<Mutex<HashMap<String, &'static RwLock<()>>>> =
        LazyLock::new(Mutex::default);
    let mut locks = LOCKS.lock().unwrap();
    locks
        .entry(name.to_owned())
        .or_insert_with(|| Box::leak(Box::default()))
}

/// The server; `None` = it cannot run here.
pub(crate) fn reach(name: &str) -> Option<Reached> {
    let shared = lock(name)
        .read()
        .unwrap_or_else(|failed| failed.into_inner());
    let (engine, config) = found(name)?;
    Some(Reached {
        engine,
        config,
        _shared: Some(shared),
        _alone: None,
    })
}

/// The server for one test alone; `None` = it cannot run here.
pub(crate) fn reach_alone(name: &str) -> Option<Reached> {
    let alone = lock(name)
        .write()
        .unwrap_or_else(|failed| failed.into_inner());
    let (engine, config) = found(name)?;
    Some(Reached {
        engine,
        config,
        _shared: None,
        _alone: Some(alone),
    })
}

fn found(name: &str) -> Option<(Engine, Config)> {
    let engine = weir_engines::engine(name)?;
    let config = Config {
        ca_file: engine.get("CA").map(Into::into),
        key_prefix: format!("weir-test-{:016x}", rand::random::<u64>()),
        ..Config::at(engine.url())
    };
    Some((engine, config))
}
