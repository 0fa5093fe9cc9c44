//! Rows in and out, many to a pipeline.

use std::collections::HashMap;

use fred::prelude::{Client, Error, ErrorKind, HashesInterface, KeysInterface, Value};
use weir_features::{EntityKey, FeatureRow};

use super::{
    layout::{self, Encoder},
    link::Link,
    scripts::{By, is_forgotten},
};
use crate::error::OnlineStoreError;

/// Commands sent at once; the next are made while the server works on these.
const PIPELINE: usize = 128;

impl Link {
    /// Writes what is newer than what is stored; gives how many were.
    pub(super) async fn put_rows(
        &self,
        rows: &[FeatureRow],
        partition: u32,
    ) -> Result<usize, OnlineStoreError> {
        let client = self.writer(partition);
        let mut patience = self.patience("store rows", client);
        let mut pending: Vec<&FeatureRow> = rows.iter().collect();
        let (mut written, mut by) = (0, By::Name);
        while !pending.is_empty() {
            let outcomes = self.send_rows(client, by, &pending).await?;
            let (mut left, mut failure) = (Vec::new(), None);
            for (row, outcome) in pending.into_iter().zip(outcomes) {
                match outcome {
                    Ok(value) => written += usize::from(value.as_i64() == Some(1)),
                    Err(error) => {
                        left.push(row);
                        if !is_forgotten(&error) {
                            failure = Some(error);
                        }
                    }
                }
            }
            if let Some(error) = failure {
                patience.pause(&error).await?;
            }
            by = By::Source;
            pending = left;
        }
        Ok(written)
    }

    /// One outcome for each row, in order.
    async fn send_rows(
        &self,
        client: &Client,
        by: By,
        rows: &[&FeatureRow],
    ) -> Result<Vec<Result<Value, Error>>, OnlineStoreError> {
        let patience = self.patience("store rows", client);
        let mut encoder = Encoder::default();
        let mut sent = Vec::with_capacity(rows.len() / PIPELINE + 1);
        for some in rows.chunks(PIPELINE) {
            let pipeline = client.pipeline();
            for row in some {
                let key = self.keys.row(&row.view, row.entity.as_str());
                let fields = encoder.encode(row).ok_or_else(|| unfit(row))?;
                let queued = self.put_row.call(&pipeline, by, key, fields).await;
                queued.map_err(|error| patience.explain(&error))?;
            }
            let answers = tokio::spawn(async move { pipeline.try_all::<Value>().await });
            sent.push((some.len(), answers));
        }
        let mut outcomes = Vec::with_capacity(rows.len());
        for (count, answers) in sent {
            let answers = answers
                .await
                .unwrap_or_else(|error| vec![Err(error.into())]);
            outcomes.extend(one_each(answers, count));
        }
        Ok(outcomes)
    }

    pub(super) async fn get_rows(
        &self,
        view: &str,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<FeatureRow>>, OnlineStoreError> {
        let mut rows = Vec::with_capacity(entities.len());
        let client = self.reader();
        for some in entities.chunks(PIPELINE) {
            let hashes = self
                .patiently("read rows", client, async || {
                    let pipeline = client.pipeline();
                    for entity in some {
                        let key = self.keys.row(view, entity.as_str());
                        pipeline.hgetall::<(), _>(key).await?;
                    }
                    pipeline.all::<Vec<Value>>().await
                })
                .await?;
            for (entity, hash) in some.iter().zip(hashes) {
                rows.push(read(view, entity, hash)?);
            }
        }
        Ok(rows)
    }

    pub(super) async fn exist(
        &self,
        view: &str,
        entities: &[EntityKey],
    ) -> Result<Vec<bool>, OnlineStoreError> {
        let mut there = Vec::with_capacity(entities.len());
        let client = self.reader();
        for some in entities.chunks(PIPELINE) {
            let found: Vec<i64> = self
                .patiently("list rows", client, async || {
                    let pipeline = client.pipeline();
                    for entity in some {
                        let key = self.keys.row(view, entity.as_str());
                        pipeline.exists::<(), _>(key).await?;
                    }
                    pipeline.all().await
                })
                .await?;
            there.extend(found.into_iter().map(|count| count > 0));
        }
        Ok(there)
    }
}

/// A pipeline that failed as a whole has one answer: everybody's.
fn one_each(answers: Vec<Result<Value, Error>>, count: usize) -> Vec<Result<Value, Error>> {
    if answers.len() == count {
        return answers;
    }
    let error = answers
        .into_iter()
        .find_map(Result::err)
        .unwrap_or_else(|| Error::new(ErrorKind::Canceled, "answers are missing"));
    vec![Err(error); count]
}

fn unfit(row: &FeatureRow) -> OnlineStoreError {
    OnlineStoreError::Unfit {
        view: row.view.to_string(),
        entity: row.entity.to_string(),
        reason: "two features have one name",
    }
}

fn read(
    view: &str,
    entity: &EntityKey,
    hash: Value,
) -> Result<Option<FeatureRow>, OnlineStoreError> {
    let corrupt = |reason: String| OnlineStoreError::Corrupt {
        view: view.to_owned(),
        entity: entity.to_string(),
        reason,
    };
    let hash: HashMap<String, String> =
        hash.convert().map_err(|error| corrupt(error.to_string()))?;
    if hash.is_empty() {
        return Ok(None);
    }
    layout::decode(view, entity, &hash)
        .map(Some)
        .map_err(corrupt)
}
