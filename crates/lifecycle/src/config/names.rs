//! The variables that the documents name, and the keys of our tables that they stand for.

/// (variable, table, key).
const NAMES: [(&str, &str, &str); 20] = [
    ("KAFKA_TOPIC", "kafka", "topics"),
    ("KAFKA_CONSUMER_GROUP", "kafka", "group_id"),
    ("DB_POOL_SIZE", "record_store", "pool_size"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry", "otlp_endpoint"),
    ("REDIS_URL", "online_store", "url"),
    ("REDIS_HOST", "online_store", "url"),
    ("REDIS_PORT", "online_store", "url"),
    ("REDIS_DB", "online_store", "url"),
    ("REDIS_USERNAME", "online_store", "username"),
    ("REDIS_PASSWORD", "online_store", "password"),
    ("AWS_ACCESS_KEY_ID", "offline_store", "access_key_id"),
    (
        "AWS_SECRET_ACCESS_KEY",
        "offline_store",
        "secret_access_key",
    ),
    ("AWS_ENDPOINT_URL", "offline_store", "endpoint"),
    ("AWS_REGION", "offline_store", "region"),
    ("AWS_DEFAULT_REGION", "offline_store", "region"),
    ("AWS_ACCESS_KEY_ID", "checkpoint_store", "access_key_id"),
    (
        "AWS_SECRET_ACCESS_KEY",
        "checkpoint_store",
        "secret_access_key",
    ),
    ("AWS_ENDPOINT_URL", "checkpoint_store", "endpoint"),
    ("AWS_REGION", "checkpoint_store", "region"),
    ("AWS_DEFAULT_REGION", "checkpoint_store", "region"),
];

/// Tables each of whose keys has a variable of its own, and how that begins.
const WHOLE: [(&str, &str); 2] = [("KAFKA_", "kafka"), ("SCHEMA_REGISTRY_", "schema_registry")];

/// (table, key) for each key that `variable` stands for.
pub(super) fn keys(variable: &str) -> impl Iterator<Item = (&'static str, String)> {
    let listed: Vec<_> = NAMES
        .iter()
        .filter(|(name, ..)| *name == variable)
        .map(|(_, table, key)| (*table, (*key).to_owned()))
        .collect();
    let whole = WHOLE.iter().find_map(|(beginning, table)| {
        let rest = variable.strip_prefix(beginning)?;
        Some((*table, rest.to_lowercase()))
    });
    let whole = whole.filter(|_| listed.is_empty());
    listed.into_iter().chain(whole)
}
