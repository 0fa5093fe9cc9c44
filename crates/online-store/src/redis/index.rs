//! Which entities a view has, in order: each shard is a sorted set, a listing merges them.

use std::collections::BTreeMap;

use fred::{
    prelude::{ClientLike, Value},
    types::{ClusterHash, CustomCommand},
};
use weir_features::{EntityKey, FeatureRow};

use super::{
    layout::{SHARDS, shard_of},
    link::Link,
};
use crate::error::OnlineStoreError;

/// Names that one shard gives at a time: at least, at most.
const PAGE: (usize, usize) = (16, 1_000);

fn command(name: &'static str, key: &str) -> CustomCommand {
    CustomCommand::new_static(name, ClusterHash::from(key), false)
}

impl Link {
    /// Puts the entities of all rows into the index.
    pub(super) async fn name_all(
        &self,
        rows: &[FeatureRow],
        partition: u32,
    ) -> Result<(), OnlineStoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut views: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
        for row in rows {
            let entity = row.entity.as_str();
            let shards = views
                .entry(&row.view)
                .or_insert_with(|| vec![Vec::new(); SHARDS as usize]);
            if let Some(shard) = shards.get_mut(shard_of(entity) as usize) {
                shard.push(entity);
            }
        }
        let client = self.writer(partition);
        self.patiently("list rows", client, async || {
            let pipeline = client.pipeline();
            for (view, shards) in &views {
                for (shard, entities) in (0..).zip(shards).filter(|(_, all)| !all.is_empty()) {
                    let key = self.keys.index(view, shard);
                    let command = command("ZADD", &key);
                    let mut words: Vec<Value> = Vec::with_capacity(1 + 2 * entities.len());
                    words.push(key.into());
                    for entity in entities {
                        words.extend([Value::from(0), Value::from(*entity)]);
                    }
                    pipeline.custom::<(), _>(command, words).await?;
                }
            }
            pipeline.all::<Vec<i64>>().await.map(drop)
        })
        .await
    }

    /// Hands entities after `after`, in order, to `keep` until it has kept `limit`.
    pub(super) async fn list<T>(
        &self,
        view: &str,
        after: Option<&EntityKey>,
        limit: usize,
        keep: impl AsyncFn(Vec<EntityKey>) -> Result<Vec<T>, OnlineStoreError>,
    ) -> Result<Vec<T>, OnlineStoreError> {
        let mut kept = Vec::new();
        let mut after = after.map(|entity| entity.as_str().to_owned());
        loop {
            let wanted = limit.saturating_sub(kept.len());
            if wanted == 0 {
                return Ok(kept);
            }
            let page = (wanted / 8).clamp(PAGE.0, PAGE.1);
            let shards = self.pages(view, after.as_deref(), page).await?;
            let (mut names, more) = merged(shards, page);
            let cut = names.len() > wanted;
            names.truncate(wanted);
            after = names.last().cloned();
            kept.extend(keep(names.into_iter().map(EntityKey::from).collect()).await?);
            if !more && !cut {
                return Ok(kept);
            }
        }
    }

    /// The first `page` names after `after` of every shard.
    async fn pages(
        &self,
        view: &str,
        after: Option<&str>,
        page: usize,
    ) -> Result<Vec<Vec<String>>, OnlineStoreError> {
        let client = self.reader();
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        self.patiently("list rows", client, async || {
            let pipeline = client.pipeline();
            for shard in 0..SHARDS {
                let key = self.keys.index(view, shard);
                let command = command("ZRANGEBYLEX", &key);
                let count = page.to_string();
                let words = [&key, &from, "+", "LIMIT", "0", &count].map(Value::from);
                pipeline.custom::<(), _>(command, words.into()).await?;
            }
            let shards: Vec<Value> = pipeline.all().await?;
            shards.into_iter().map(Value::convert).collect()
        })
        .await
    }
}

/// The names that no shard can hold back, in order, and whether there may be more.
fn merged(shards: Vec<Vec<String>>, page: usize) -> (Vec<String>, bool) {
    let full = shards.iter().filter(|names| names.len() >= page);
    let horizon = full.filter_map(|names| names.last()).min().cloned();
    let mut names: Vec<String> = shards.into_iter().flatten().collect();
    names.sort_unstable();
    if let Some(horizon) = &horizon {
        names.retain(|name| name <= horizon);
    }
    (names, horizon.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_shard_holds_back_what_comes_after_its_last_name() {
        let shard = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let shards = vec![shard(&["b", "d"]), shard(&["a", "f"]), shard(&["c"])];
        let (names, more) = merged(shards, 2);
        assert_eq!((names, more), (shard(&["a", "b", "c", "d"]), true));
        let (names, more) = merged(vec![shard(&["b"]), shard(&["a"])], 2);
        assert_eq!((names, more), (shard(&["a", "b"]), false));
    }
}
