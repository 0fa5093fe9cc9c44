//! Asking a server what it is. What an ACL forbids stays unknown.

use std::collections::HashMap;

use fred::{
    prelude::{Client, ClientLike, Error},
    types::{ClusterHash, CustomCommand},
};

use crate::server::Server;

pub(super) async fn ask(client: &Client) -> Result<Server, Error> {
    client.ping::<()>(None).await?;
    let info: String = client.info(None).await.unwrap_or_default();
    let info: HashMap<&str, &str> = info
        .lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect();
    let said = |name: &str| info.get(name).map(|value| (*value).to_owned());
    let is_valkey = info.contains_key("valkey_version");
    let version = said("valkey_version").or_else(|| said("redis_version"));
    Ok(Server {
        software: if is_valkey { "valkey" } else { "redis" }.to_owned(),
        version: version.unwrap_or_else(|| "unknown".to_owned()),
        clock_us: clock(client).await,
        appendonly: said("aof_enabled").map(|value| value == "1"),
        appendfsync: setting(client, "appendfsync").await,
        snapshots: setting(client, "save").await.map(|value| !value.is_empty()),
        maxmemory_policy: said("maxmemory_policy"),
    })
}

fn command(name: &'static str) -> CustomCommand {
    CustomCommand::new_static(name, ClusterHash::Random, false)
}

async fn setting(client: &Client, name: &str) -> Option<String> {
    let words = vec!["GET", name];
    let pair: Vec<String> = client.custom(command("CONFIG"), words).await.ok()?;
    pair.into_iter().nth(1)
}

async fn clock(client: &Client) -> Option<i64> {
    let parts: Vec<i64> = client
        .custom(command("TIME"), Vec::<String>::new())
        .await
        .ok()?;
    match parts[..] {
        [seconds, micros] => seconds.checked_mul(1_000_000)?.checked_add(micros),
        _ => None,
    }
}
