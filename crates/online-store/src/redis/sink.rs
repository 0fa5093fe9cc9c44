//! A writer's place in its partition, guarded by its fence.
//!
//! What this process wrote last is remembered and compared with what the server has: a server that
//! lost acknowledged writes has an older place, and going on from ours would leave a hole.

use fred::prelude::{HashesInterface, Value};
use weir_events::position::StoreFence;

use super::{
    link::Link,
    scripts::{By, is_forgotten},
};
use crate::{Progress, error::OnlineStoreError};

const FENCE: &str = "fence";
const NEXT_OFFSET: &str = "next_offset";

/// What the server should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    fence: u64,
    next_offset: Option<i64>,
}

impl Link {
    pub(super) async fn position(&self, partition: u32) -> Result<Option<i64>, OnlineStoreError> {
        let (client, key) = (self.reader(), self.keys.sink(partition));
        self.patiently("read its position", client, async || {
            client.hget(&key, NEXT_OFFSET).await
        })
        .await
    }

    pub(super) async fn raise_fence(&self, partition: u32) -> Result<StoreFence, OnlineStoreError> {
        let (client, key) = (self.writer(partition), self.keys.sink(partition));
        let (fence, next_offset) = self
            .patiently("raise the fence", client, async || {
                let pipeline = client.pipeline();
                pipeline.hincrby::<(), _, _>(&key, FENCE, 1).await?;
                pipeline.hget::<(), _, _>(&key, NEXT_OFFSET).await?;
                pipeline.all::<(u64, Option<i64>)>().await
            })
            .await?;
        let standing = Standing { fence, next_offset };
        self.standing.lock().insert(partition, standing);
        Ok(StoreFence(fence))
    }

    /// Fails when the partition is another's, or the server lost what we had written.
    pub(super) async fn check(&self, progress: Progress) -> Result<(), OnlineStoreError> {
        self.compare(progress, "check").await
    }

    /// Moves the place behind the rows that were stored.
    pub(super) async fn advance(&self, progress: Progress) -> Result<(), OnlineStoreError> {
        self.compare(progress, "move").await?;
        let standing = Standing {
            fence: progress.fence.0,
            next_offset: Some(progress.next_offset),
        };
        self.standing.lock().insert(progress.partition, standing);
        Ok(())
    }

    async fn compare(&self, progress: Progress, how: &str) -> Result<(), OnlineStoreError> {
        let Progress {
            partition,
            next_offset,
            fence,
        } = progress;
        let (client, key) = (self.writer(partition), self.keys.sink(partition));
        let expected = self.expected(partition, fence);
        let words = [
            fence.0.to_string(),
            expected.clone(),
            next_offset.to_string(),
            how.to_owned(),
        ];
        let (found_fence, found) = self
            .patiently("store its position", client, async || {
                let call = |by| {
                    let words = words.iter().map(|word| word.as_str().into()).collect();
                    self.move_sink.call(client, by, key.clone(), words)
                };
                let answer: Value = match call(By::Name).await {
                    Err(error) if is_forgotten(&error) => call(By::Source).await?,
                    answer => answer?,
                };
                answer.convert::<(u64, String)>()
            })
            .await?;
        if found_fence > fence.0 {
            return Err(OnlineStoreError::fenced(partition, fence, found_fence));
        }
        let fits = expected == "?" || found == expected || found == next_offset.to_string();
        if found_fence < fence.0 || !fits {
            self.standing.lock().remove(&partition);
            return Err(OnlineStoreError::Rewound {
                partition,
                expected: format!("fence {}, offset {expected}", fence.0),
                found: format!("fence {found_fence}, offset {found}"),
            });
        }
        Ok(())
    }

    /// As the script takes it: `?` = anything, `-` = none yet.
    fn expected(&self, partition: u32, fence: StoreFence) -> String {
        match self.standing.lock().get(&partition) {
            Some(standing) if standing.fence == fence.0 => standing
                .next_offset
                .map_or_else(|| "-".to_owned(), |offset| offset.to_string()),
            _ => "?".to_owned(),
        }
    }
}
