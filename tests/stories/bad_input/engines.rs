//! What a person reads when an engine is not as it should be: for each engine and each mistake one line that
//! says what, where, and what to do. A service whose settings are wrong ends; one that may yet be helped waits.

use std::{process::Command, sync::OnceLock, thread};

use weir_engines::{Engine, engine, own_engine};
use weir_eventlog::{
    EventLog, LogConfig,
    admin::{self, Desired, Step},
};

use super::between::{asked_for_tls, before, in_a_group};
use crate::{program, site::Process, told::told};

/// A password that is not right, and must not be told.
const WRONG: &str = "hush-but-wrong";

/// A Kafka of its own with our topics, because they have fixed names. Ends with the process.
pub(super) fn kafka() -> Option<&'static Engine> {
    static KAFKA: OnceLock<Option<Engine>> = OnceLock::new();
    let made = KAFKA.get_or_init(|| {
        let kafka = own_engine("kafka")?;
        weir(kafka.url(), &["topics", "apply"], true);
        Some(kafka)
    });
    made.as_ref()
}

/// What `weir` says on this Kafka.
fn weir(kafka: &str, arguments: &[&str], succeeds: bool) -> String {
    let mut command = program::weir(arguments.iter().copied());
    command.env("KAFKA_BOOTSTRAP_SERVERS", kafka);
    let output = program::finish(command);
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(
        output.status.success(),
        succeeds,
        "weir {arguments:?}: {said}"
    );
    said
}

/// A mistake in the settings of one service.
struct Case {
    service: &'static str,
    set: Vec<(&'static str, String)>,
    /// What the line must hold.
    says: Vec<String>,
    /// The service ends, because only a person can help.
    ends: bool,
}

const INGEST: &str = "weir-ingest";
const DETECTOR: &str = "weir-conflict-detector";
const MATERIALIZER: &str = "weir-feature-materializer";
const AGGREGATOR: &str = "weir-metrics-aggregator";

fn waits<const N: usize>(
    service: &'static str,
    set: [(&'static str, &str); N],
    says: &[&str],
) -> Case {
    Case {
        service,
        set: set.map(|(name, value)| (name, value.to_owned())).to_vec(),
        says: says.iter().map(|word| (*word).to_owned()).collect(),
        ends: false,
    }
}

fn ends<const N: usize>(
    service: &'static str,
    set: [(&'static str, &str); N],
    says: &[&str],
) -> Case {
    Case {
        ends: true,
        ..waits(service, set, says)
    }
}

const RECORDS: &str = "WEIR__RECORD_STORE__URL";
const ONLINE: &str = "WEIR__ONLINE_STORE__URL";
const ONLINE_CA: &str = "WEIR__ONLINE_STORE__CA_FILE";
const METRICS: &str = "WEIR__METRIC_STORE__URL";
const METRICS_CA: &str = "WEIR__METRIC_STORE__CA_FILE";
const HISTORY: (&str, &str) = ("WEIR__OFFLINE_STORE__URL", "s3://weir/bad-input");
const ENDPOINT: &str = "WEIR__OFFLINE_STORE__ENDPOINT";
const KEY: (&str, &str) = ("WEIR__OFFLINE_STORE__ACCESS_KEY_ID", "weir");
const SECRET: (&str, &str) = ("WEIR__OFFLINE_STORE__SECRET_ACCESS_KEY", WRONG);
const REGISTRY: &str = "WEIR__SCHEMA_REGISTRY__URL";

/// Runs every case, four at a time, on a Kafka that is in order unless the case says otherwise.
#[track_caller]
fn told_each(cases: Vec<Case>) {
    let Some(kafka) = kafka() else { return };
    for some in cases.chunks(4) {
        thread::scope(|scope| {
            for case in some {
                scope.spawn(|| tell(kafka, case));
            }
        });
    }
}

fn tell(kafka: &Engine, case: &Case) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program::binary().with_file_name(case.service));
    command
        .current_dir(folder.path())
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.url())
        .envs(case.set.iter().map(|(name, value)| (*name, value)));
    let told = told(command);
    let what = format!("{} with {:?}", case.service, case.set);
    for word in &case.says {
        assert!(
            told.line.contains(word.as_str()),
            "{what}: no `{word}` in: {}",
            told.line
        );
    }
    assert_eq!(told.ended, case.ends, "{what}: {}", told.all);
    assert!(!told.all.contains(WRONG), "{what}: {}", told.all);
    // One line for a person, beside that it has started.
    let lines = told
        .all
        .lines()
        .filter(|line| !line.contains("INFO"))
        .count();
    assert!(lines <= 2, "{what}: {}", told.all);
}

#[test]
fn a_wrong_url_is_named_with_the_setting_to_look_at() {
    let at = |scheme: &str, path: &str| format!("{scheme}://ann:{WRONG}@127.0.0.1:9{path}");
    told_each(vec![
        waits(
            INGEST,
            [("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")],
            &["127.0.0.1:9", "refused", "[kafka] bootstrap_servers"],
        ),
        waits(
            DETECTOR,
            [(RECORDS, &at("postgres", "/app"))],
            &["127.0.0.1:9/app", "refused", "url of [record_store]"],
        ),
        waits(
            MATERIALIZER,
            [(ONLINE, &at("redis", "/0"))],
            &["127.0.0.1:9", "refused", "url of [online_store]"],
        ),
        waits(
            MATERIALIZER,
            [(ONLINE, "redis://nowhere.invalid/0")],
            &[
                "nowhere.invalid:6379",
                "failed to lookup address",
                "url of [online_store]",
            ],
        ),
        waits(
            AGGREGATOR,
            [(METRICS, &at("cql", "/weir"))],
            &["127.0.0.1:9", "refused", "url of [metric_store]"],
        ),
        waits(
            MATERIALIZER,
            [HISTORY, KEY, SECRET, (ENDPOINT, "http://127.0.0.1:9")],
            &[
                "offline store",
                "http://127.0.0.1:9",
                "refused",
                "does it run there",
            ],
        ),
        waits(
            INGEST,
            [(REGISTRY, &at("http", ""))],
            &["http://127.0.0.1:9", "refused", "[schema_registry] url"],
        ),
        ends(
            DETECTOR,
            [(RECORDS, &at("postgers", "/app"))],
            &["postgers:", "use sqlite:///", "postgres://"],
        ),
        ends(
            MATERIALIZER,
            [(ONLINE, &at("redsi", "/0"))],
            &["redsi://", "want file:// or redis://"],
        ),
        ends(
            AGGREGATOR,
            [(METRICS, &at("sql", "/weir"))],
            &["sql://", "want file://, cql://"],
        ),
    ]);
}

#[test]
fn a_wrong_password_is_named_with_the_setting_to_look_at_and_not_told() {
    let (Some(kafka), Some(postgres), Some(redis)) = (
        engine("kafka-secure"),
        engine("postgres-tls"),
        engine("redis-secure"),
    ) else {
        return;
    };
    let (Some(cql), Some(s3)) = (engine("cql-secure"), engine("s3")) else {
        return;
    };
    let (_, place) = redis.url().rsplit_once('@').unwrap();
    let (_, database) = postgres.url().rsplit_once('@').unwrap();
    told_each(vec![
        waits(
            INGEST,
            [
                ("KAFKA_BOOTSTRAP_SERVERS", kafka.get("SASL_SSL").unwrap()),
                ("KAFKA_SASL_USERNAME", "alice"),
                ("KAFKA_SASL_PASSWORD", WRONG),
                ("KAFKA_SSL_CA_LOCATION", kafka.get("CA").unwrap()),
            ],
            &[
                "invalid credentials",
                "sasl_ssl://localhost",
                "sasl_password",
                "[kafka]",
            ],
        ),
        ends(
            DETECTOR,
            [(RECORDS, &format!("postgres://app:{WRONG}@{database}"))],
            &["localhost", "user `app`", "password", "[record_store]"],
        ),
        ends(
            MATERIALIZER,
            [
                (ONLINE, &format!("rediss://weir:{WRONG}@{place}")),
                (ONLINE_CA, redis.get("CA").unwrap()),
            ],
            &[place, "WRONGPASS", "check username, password"],
        ),
        ends(
            AGGREGATOR,
            [
                (METRICS, &format!("{}/weir", cql.url())),
                (METRICS_CA, cql.get("CA").unwrap()),
                ("WEIR__METRIC_STORE__USERNAME", "cassandra"),
                ("WEIR__METRIC_STORE__PASSWORD", WRONG),
            ],
            &["localhost", "incorrect", "password_file", "[metric_store]"],
        ),
        ends(
            MATERIALIZER,
            [HISTORY, KEY, SECRET, (ENDPOINT, s3.url())],
            &[
                "s3://weir/bad-input",
                "SignatureDoesNotMatch",
                "check access_key_id, secret_access_key",
            ],
        ),
    ]);
}

#[test]
fn an_expired_certificate_is_named_with_the_setting_to_look_at() {
    let Some(kafka) = engine("kafka-secure") else {
        return;
    };
    // One listener shows a certificate that is out of date; whoever begins with TLS meets it there.
    let (expired, ca) = (kafka.get("EXPIRED").unwrap(), kafka.get("CA").unwrap());
    let https = format!("https://{expired}");
    let postgres = format!("localhost:{}", before(expired, asked_for_tls));
    told_each(vec![
        waits(
            INGEST,
            [
                ("KAFKA_BOOTSTRAP_SERVERS", expired),
                ("KAFKA_SSL_CA_LOCATION", ca),
            ],
            &[expired, "certificate", "their dates", "[kafka]"],
        ),
        ends(
            DETECTOR,
            [(
                RECORDS,
                &format!(
                    "postgres://app:{WRONG}@{postgres}/app?sslmode=verify-full&sslrootcert={ca}"
                ),
            )],
            &[&postgres, "xpired", "sslrootcert"],
        ),
        ends(
            MATERIALIZER,
            [(ONLINE, &format!("rediss://{expired}/0")), (ONLINE_CA, ca)],
            &[expired, "certificate has expired", "ca_file"],
        ),
        ends(
            AGGREGATOR,
            [
                (METRICS, &format!("cqls://{expired}/weir")),
                (METRICS_CA, ca),
            ],
            &[expired, "certificate", "has not expired", "ca_file"],
        ),
        ends(
            MATERIALIZER,
            [
                HISTORY,
                KEY,
                SECRET,
                (ENDPOINT, &https),
                ("WEIR__OFFLINE_STORE__CA_FILE", ca),
            ],
            &[&https, "certificate expired", "ca_file"],
        ),
        ends(
            INGEST,
            [(REGISTRY, &https), ("WEIR__SCHEMA_REGISTRY__CA_FILE", ca)],
            &[&https, "certificate expired", "[schema_registry]"],
        ),
    ]);
}

#[test]
fn a_definition_that_was_changed_in_the_registry_is_named_with_what_helps() {
    let Some(registry) = engine("registry") else {
        return;
    };
    let (place, path) = registry
        .url()
        .trim_start_matches("http://")
        .split_once('/')
        .unwrap();
    let url = format!("http://localhost:{}/{path}", before(place, in_a_group));
    let other = "syntax = \"proto3\"; package weir.v1; message Peer { string asn = 2; }";
    let ask = |method: &str, path: &str, body: serde_json::Value| {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{url}/{path}"))
            .header("Content-Type", "application/vnd.schemaregistry.v1+json")
            .body(body.to_string());
        ureq::run(request.unwrap()).unwrap();
    };
    let definition = serde_json::json!({ "schemaType": "PROTOBUF", "schema": other });
    ask(
        "POST",
        "subjects/weir%2Fv1%2Fnet.proto/versions",
        definition,
    );
    let full = serde_json::json!({ "compatibility": "FULL_TRANSITIVE" });
    ask("PUT", "config/weir%2Fv1%2Fnet.proto", full);
    told_each(vec![ends(
        INGEST,
        [(REGISTRY, &url)],
        &[
            "registry",
            "refuses our definition of weir/v1/net.proto",
            "changes by adding fields",
        ],
    )]);
}

#[test]
fn a_missing_topic_and_one_with_other_partitions_are_named_and_the_commands_that_are_told_help() {
    const TOPIC: &str = "service-status";
    let Some(kafka) = kafka() else { return };
    let case = |ends, says: &[&str]| Case {
        ends,
        ..waits(
            "weir-serving-api",
            [
                ("WEIR__SERVING_API__LISTEN", "127.0.0.1:0"),
                ("WEIR__SERVING_API__GRPC", "127.0.0.1:0"),
            ],
            says,
        )
    };
    let delete = ["topics", "delete", TOPIC, "--yes", TOPIC];
    weir(kafka.url(), &delete, true);
    tell(
        kafka,
        &case(false, &[TOPIC, "nknown topic", "weir topics apply"]),
    );

    let wide = Desired {
        name: TOPIC.to_owned(),
        partitions: 3,
        is_keyed: true,
        replication: None,
        configs: Default::default(),
    };
    let log = EventLog::kafka(LogConfig {
        bootstrap_servers: kafka.url().to_owned(),
        ..LogConfig::default()
    });
    admin::apply(&log.unwrap(), &[Step::Create { topic: wide }]).unwrap();
    let words = [
        TOPIC,
        "has 3 partitions",
        "are wanted",
        "weir topics delete",
        "weir topics apply",
    ];
    tell(kafka, &case(true, &words));
    let planned = weir(kafka.url(), &["topics", "plan"], false);
    assert!(
        planned.contains("service-status has 3 partitions"),
        "{planned}"
    );

    weir(kafka.url(), &delete, true);
    weir(kafka.url(), &["topics", "apply"], true);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program::binary().with_file_name("weir-serving-api"));
    command
        .current_dir(folder.path())
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka.url())
        .env("WEIR__SERVING_API__LISTEN", "127.0.0.1:0")
        .env("WEIR__SERVING_API__GRPC", "127.0.0.1:0");
    let mut process = Process::start(command, "serving-api", folder.path());
    process.wait_until_ready();
    process.terminate();
    process.assert_drained();
}
