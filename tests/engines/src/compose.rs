//! Engines started by Docker compose, where Docker answers: the services of `docker-compose.kafka.yml`.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::Facts;
use crate::native::{last_lines, root};

/// An engine that the compose file has.
struct Service {
    engine: &'static str,
    service: &'static str,
    port: &'static str,
    /// The URL; `{}` stands for host:port.
    url: &'static str,
    facts: &'static [(&'static str, &'static str)],
}

const SERVICES: &[Service] = &[Service {
    engine: "kafka",
    service: "kafka",
    port: "9092",
    url: "{}",
    facts: &[],
}];

/// Starts `name` and waits until it is healthy.
pub(crate) fn start(name: &str) -> Result<Facts, String> {
    let Some(service) = SERVICES.iter().find(|service| service.engine == name) else {
        return Err(format!("the compose file has no {name}"));
    };
    if !docker_answers() {
        return Err("Docker does not answer".to_owned());
    }
    docker(&["up", "--detach", "--wait", service.service])?;
    let address = docker(&["port", service.service, service.port])?;
    let mut facts: Facts = service
        .facts
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    facts.insert("URL".to_owned(), service.url.replace("{}", address.trim()));
    Ok(facts)
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

fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker")
        .args(["compose", "--file", "docker-compose.kafka.yml"])
        .args(arguments)
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
}
