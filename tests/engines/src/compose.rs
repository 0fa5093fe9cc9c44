//! Engines started by Docker compose, where Docker answers: the services of `docker-compose.kafka.yml`.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::Facts;
use crate::native::{last_lines, root};

/// An engine that the compose file has. `{NAME}` in a text stands for a variable of the file.
struct Service {
    engine: &'static str,
    service: &'static str,
    port: &'static str,
    /// The URL; `{}` stands for host:port.
    url: &'static str,
    facts: &'static [(&'static str, &'static str)],
    /// A job that comes to its end before the engine can be used.
    job: Option<&'static str>,
}

const SERVICES: &[Service] = &[
    Service {
        engine: "kafka",
        service: "kafka",
        port: "9092",
        url: "{}",
        facts: &[],
        job: None,
    },
    Service {
        engine: "registry",
        service: "schema-registry",
        port: "8080",
        url: "http://{}/apis/ccompat/v7",
        facts: &[],
        job: None,
    },
    Service {
        engine: "postgres",
        service: "postgres",
        port: "5432",
        url: "postgres://weir:{POSTGRES_PASSWORD}@{}/weir?sslmode=disable",
        facts: &[],
        job: None,
    },
    Service {
        engine: "redis",
        service: "redis",
        port: "6379",
        url: "redis://:{REDIS_PASSWORD}@{}/0",
        facts: &[],
        job: None,
    },
    Service {
        engine: "s3",
        service: "minio",
        port: "9000",
        url: "http://{}",
        facts: &[
            ("ACCESS_KEY_ID", "{AWS_ACCESS_KEY_ID}"),
            ("SECRET_ACCESS_KEY", "{AWS_SECRET_ACCESS_KEY}"),
            ("BUCKET", "weir"),
        ],
        job: Some("buckets"),
    },
    Service {
        engine: "cql",
        service: "scylla",
        port: "9042",
        url: "cql://{}",
        facts: &[],
        job: None,
    },
];

/// Variables without which compose refuses the file, and what they are on a machine without `.env`.
/// The engines listen on loopback only.
const VARIABLES: &[(&str, &str)] = &[
    ("POSTGRES_PASSWORD", "only4tests"),
    ("REDIS_PASSWORD", "only4tests"),
    ("AWS_ACCESS_KEY_ID", "weir"),
    ("AWS_SECRET_ACCESS_KEY", "only4tests"),
    ("WEIR__SERVING_API__AUTH__TOKEN", "only4tests-only4tests"),
    ("WEIR__LOOKUPS__TOKEN", "only4tests-only4tests"),
];

/// Starts `name` and waits until it is healthy.
pub(crate) fn start(name: &str) -> Result<Facts, String> {
    let Some(service) = SERVICES.iter().find(|service| service.engine == name) else {
        return Err(format!("the compose file has no {name}"));
    };
    if !docker_answers() {
        return Err("Docker does not answer".to_owned());
    }
    let file = std::fs::read_to_string(root().join(".env")).unwrap_or_default();
    let variables = variables(|name| std::env::var(name).ok(), &file);
    let docker = |arguments: &[&str]| docker(arguments, &variables);
    docker(&["up", "--detach", "--wait", service.service])?;
    if let Some(job) = service.job {
        docker(&["run", "--rm", job])?;
    }
    let address = docker(&["port", service.service, service.port])?;
    Ok(facts(service, address.trim(), &variables))
}

fn facts(service: &Service, address: &str, variables: &Facts) -> Facts {
    let filled = |text: &str| {
        let text = text.replace("{}", address);
        variables.iter().fold(text, |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
    };
    let facts = service.facts.iter().copied().chain([("URL", service.url)]);
    facts
        .map(|(key, value)| (key.to_owned(), filled(value)))
        .collect()
}

/// As compose reads them: the environment, then `.env`; then ours. An empty one counts as absent.
fn variables(environment: impl Fn(&str) -> Option<String>, file: &str) -> Facts {
    let in_file = |name: &str| {
        let mut lines = file.lines().filter_map(|line| line.split_once('='));
        let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
        Some(value.trim().to_owned())
    };
    let value = |(name, ours): &(&str, &str)| {
        let given = environment(name).filter(|value| !value.is_empty());
        let given = given.or_else(|| in_file(name).filter(|value| !value.is_empty()));
        (
            (*name).to_owned(),
            given.unwrap_or_else(|| (*ours).to_owned()),
        )
    };
    VARIABLES.iter().map(value).collect()
}

fn docker_answers() -> bool {
    static ANSWERS: OnceLock<bool> = OnceLock::new();
    *ANSWERS.get_or_init(|| {
        Command::new("docker")
            .arg("info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn docker(arguments: &[&str], variables: &Facts) -> Result<String, String> {
    let output = Command::new("docker")
        .args(["compose", "--file", "docker-compose.kafka.yml"])
        .args(arguments)
        .envs(variables)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cannot run docker: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(last_lines(&String::from_utf8_lossy(&output.stderr), 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_in_the_compose_file() {
        let file = std::fs::read_to_string(root().join("docker-compose.kafka.yml")).unwrap();
        for service in SERVICES {
            let line = format!("\n  {}:\n", service.service);
            assert!(file.contains(&line), "{}", service.service);
        }
    }

    #[test]
    fn every_variable_that_compose_insists_on_has_a_value() {
        let file = std::fs::read_to_string(root().join("docker-compose.kafka.yml")).unwrap();
        for (before, _) in file
            .match_indices(":?")
            .filter_map(|(at, _)| file.split_at_checked(at))
        {
            let name = before.rsplit("${").next().unwrap();
            assert!(VARIABLES.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn an_engine_is_told_with_the_secrets_of_env_else_with_ours() {
        let environment = |name: &str| (name == "REDIS_PASSWORD").then(|| "outside".to_owned());
        let known = variables(
            environment,
            "POSTGRES_PASSWORD=in-file\nREDIS_PASSWORD=in-file\n",
        );
        let url = |engine: &str| {
            let service = SERVICES.iter().find(|one| one.engine == engine).unwrap();
            facts(service, "127.0.0.1:1", &known)["URL"].clone()
        };
        assert_eq!(
            url("postgres"),
            "postgres://weir:in-file@127.0.0.1:1/weir?sslmode=disable"
        );
        assert_eq!(url("redis"), "redis://:outside@127.0.0.1:1/0");
        assert_eq!(url("registry"), "http://127.0.0.1:1/apis/ccompat/v7");
        assert_eq!(known["AWS_SECRET_ACCESS_KEY"], "only4tests");
    }
}
