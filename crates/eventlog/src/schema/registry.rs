//! The registry's HTTP interface (Confluent's; Apicurio and Redpanda speak it too).

use std::{thread, time::Duration};

use base64::Engine as _;
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::{
    Agent,
    http::Request,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};
use weir_events::{
    proto::{self, ProtoFile},
    topics,
};

use super::{Config, Framing, SchemaError};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);
/// Further tries when the registry is away or busy.
const RETRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MIME: &str = "application/vnd.schemaregistry.v1+json";

/// The subject of a topic's values.
#[must_use]
pub fn subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// A registry that definitions are registered with and looked up in.
pub struct Registry {
    agent: Agent,
    /// Without name and password.
    url: String,
    authorization: Option<SecretString>,
    auto_register: bool,
    compatibility: String,
}

#[derive(Serialize)]
struct Reference<'a> {
    name: &'a str,
    subject: &'a str,
    version: u32,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Level {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
}

impl Registry {
    /// The registry of `config`; `None` when it names none. Connects when first asked.
    ///
    /// # Errors
    /// When a setting cannot work.
    pub fn open(config: &Config) -> Result<Option<Self>, SchemaError> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let (url, in_url) = split(&config.url)?;
        let tls = config.ca_file.as_deref().map(tls).transpose()?;
        let mut agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST));
        if let Some(tls) = tls {
            agent = agent.tls_config(tls);
        }
        let named = config.username.as_ref().map(|name| {
            let password = config.password.as_ref();
            let password = password.map_or("", |password| password.expose_secret());
            format!("{name}:{password}")
        });
        let authorization = named.or(in_url).map(|pair| {
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            SecretString::from(format!("Basic {pair}"))
        });
        Ok(Some(Self {
            agent: agent.build().new_agent(),
            url,
            authorization,
            auto_register: config.auto_register,
            compatibility: config.compatibility.clone(),
        }))
    }

    /// Looks up the definition of every topic of the table, registers what is missing if we are to,
    /// and gives the frames.
    ///
    /// # Errors
    /// When the registry is away, refuses, or must not be written to and lacks a definition.
    pub fn framing(&self) -> Result<Framing, SchemaError> {
        self.look_up(self.auto_register)
    }

    /// As [`Self::framing`], registering whatever the settings say, and tells the registry which
    /// compatibility our subjects have; for `weir topics apply`. Gives the subjects.
    ///
    /// # Errors
    /// When the registry is away or refuses.
    pub fn apply(&self) -> Result<Vec<String>, SchemaError> {
        self.look_up(true)?;
        let subjects = Self::subjects();
        for subject in &subjects {
            let path = format!("/config/{}", escaped(subject));
            let body = json!({"compatibility": self.compatibility});
            self.ask(subject, "PUT", &path, Some(&body.to_string()))?;
        }
        Ok(subjects)
    }

    /// The level that our subjects should have.
    #[must_use]
    pub fn compatibility(&self) -> &str {
        &self.compatibility
    }

    /// Subjects of ours whose level is another one, with that level as the registry calls it.
    ///
    /// # Errors
    /// When the registry is away or refuses.
    pub fn other_levels(&self) -> Result<Vec<(String, String)>, SchemaError> {
        let mut others = Vec::new();
        for subject in Self::subjects() {
            let path = format!("/config/{}?defaultToGlobal=true", escaped(&subject));
            let answer = self.ask(&subject, "GET", &path, None)?;
            let level = match answer {
                Some(answer) => read::<Level>(&subject, &answer)?.level,
                None => "none of its own".to_owned(),
            };
            if level != self.compatibility {
                others.push((subject, level));
            }
        }
        Ok(others)
    }

    /// Of every topic and of what their definitions import, by name.
    fn subjects() -> Vec<String> {
        let imported = proto::FILES
            .iter()
            .flat_map(|file| file.imports)
            .map(|name| (*name).to_owned());
        let mut subjects: Vec<String> = topics::ALL
            .iter()
            .map(|topic| subject(topic.name))
            .chain(imported)
            .collect();
        subjects.sort();
        subjects.dedup();
        subjects
    }

    fn look_up(&self, register: bool) -> Result<Framing, SchemaError> {
        let mut ids = Vec::new();
        for topic in topics::ALL {
            if let Some((file, _)) = proto::find(topic.message) {
                ids.push((topic, self.id(&subject(topic.name), file, register)?));
            }
        }
        Ok(Framing::new(ids))
    }

    /// The id of `file` under `subject`.
    fn id(&self, subject: &str, file: &ProtoFile, register: bool) -> Result<u32, SchemaError> {
        let references = self.references(file, register)?;
        self.id_with(subject, file, &references, register)
    }

    /// What `file` imports, each with what it imports in turn.
    fn references(
        &self,
        file: &ProtoFile,
        register: bool,
    ) -> Result<Vec<Reference<'static>>, SchemaError> {
        let mut references = Vec::new();
        for name in file.imports {
            let Some(imported) = proto::FILES.iter().find(|file| file.name == *name) else {
                continue;
            };
            let nested = self.references(imported, register)?;
            self.id_with(name, imported, &nested, register)?;
            let version: Version =
                self.registered(name, imported, &nested)?
                    .ok_or_else(|| SchemaError::Missing {
                        subject: (*name).to_owned(),
                    })?;
            references.push(Reference {
                name,
                subject: name,
                version: version.version,
            });
        }
        Ok(references)
    }

    fn id_with(
        &self,
        subject: &str,
        file: &ProtoFile,
        references: &[Reference<'_>],
        register: bool,
    ) -> Result<u32, SchemaError> {
        if let Some(Registered { id }) = self.registered(subject, file, references)? {
            return Ok(id);
        }
        if !register {
            return Err(SchemaError::Missing {
                subject: subject.to_owned(),
            });
        }
        let path = format!("/subjects/{}/versions", escaped(subject));
        let answer = self.ask(subject, "POST", &path, Some(&body(file, references)))?;
        let answer = answer.unwrap_or_default();
        let Registered { id } = read(subject, &answer)?;
        tracing::info!(subject, id, "definition registered");
        Ok(id)
    }

    /// What is known of `file` under `subject`; `None` = it is not registered.
    fn registered<T: for<'de> Deserialize<'de>>(
        &self,
        subject: &str,
        file: &ProtoFile,
        references: &[Reference<'_>],
    ) -> Result<Option<T>, SchemaError> {
        let path = format!("/subjects/{}", escaped(subject));
        let answer = self.ask(subject, "POST", &path, Some(&body(file, references)))?;
        answer.map(|answer| read(subject, &answer)).transpose()
    }

    /// The answer; `None` = not found. Tries again for a while when the registry is away.
    fn ask(
        &self,
        subject: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Option<String>, SchemaError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..RETRIES {
            match self.ask_once(subject, method, path, body) {
                Err(error) if error.is_transient() => {
                    thread::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.5)));
                    pause *= 2;
                }
                answer => return answer,
            }
        }
        self.ask_once(subject, method, path, body)
    }

    fn ask_once(
        &self,
        subject: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<Option<String>, SchemaError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", MIME)
            .header("accept", MIME);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose_secret());
        }
        let request = request
            .body(body.unwrap_or_default().to_owned())
            .map_err(|error| SchemaError::Config {
                key: "url",
                what: format!("cannot be asked: {error}"),
            })?;
        let mut answer = self.agent.run(request).map_err(|e| self.lost(&e))?;
        let status = answer.status().as_u16();
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|e| self.lost(&e))?;
        let words = || serde_json::from_str(&text).map_or(text.clone(), |c: Complaint| c.message);
        match status {
            200..=299 => Ok(Some(text)),
            404 => Ok(None),
            401 | 403 => Err(SchemaError::Credentials {
                url: self.url.clone(),
                status,
            }),
            409 => Err(SchemaError::Incompatible {
                subject: subject.to_owned(),
                reason: words(),
            }),
            429 | 502..=504 => Err(SchemaError::Away {
                url: self.url.clone(),
                reason: format!("HTTP {status}: {}", words()),
            }),
            _ => Err(SchemaError::Refused {
                what: format!("{method} {path}"),
                reason: format!("HTTP {status}: {}", words()),
            }),
        }
    }

    /// There was no answer.
    fn lost(&self, error: &ureq::Error) -> SchemaError {
        let untrusted = match error {
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::BadUri(_) => true,
            // So rustls reports a certificate that it does not accept.
            ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
            _ => false,
        };
        if untrusted {
            SchemaError::Refused {
                what: format!("answer at {}", self.url),
                reason: format!("{error} (check url and ca_file of [schema_registry])"),
            }
        } else {
            SchemaError::Away {
                url: self.url.clone(),
                reason: error.to_string(),
            }
        }
    }
}

fn body(file: &ProtoFile, references: &[Reference<'_>]) -> String {
    json!({"schemaType": "PROTOBUF", "schema": file.text, "references": references}).to_string()
}

fn read<T: for<'de> Deserialize<'de>>(subject: &str, answer: &str) -> Result<T, SchemaError> {
    serde_json::from_str(answer).map_err(|error| SchemaError::Refused {
        what: format!("find {subject}"),
        reason: format!("no answer of a registry: {error}"),
    })
}

/// A subject as one segment of a path.
fn escaped(subject: &str) -> String {
    subject.replace('%', "%25").replace('/', "%2F")
}

/// A URL without its name and password, and these.
fn split(url: &str) -> Result<(String, Option<String>), SchemaError> {
    let wrong = |what: &str| SchemaError::Config {
        key: "url",
        what: what.to_owned(),
    };
    let Some((scheme, rest)) = url.trim_end_matches('/').split_once("://") else {
        return Err(wrong(
            "is no address: http://host:port or https://host:port",
        ));
    };
    if !["http", "https"].contains(&scheme) {
        return Err(wrong("begins with neither http:// nor https://"));
    }
    let (authority, path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (rest, String::new()),
    };
    Ok(match authority.rsplit_once('@') {
        Some((pair, host)) => (format!("{scheme}://{host}{path}"), Some(pair.to_owned())),
        None => (format!("{scheme}://{authority}{path}"), None),
    })
}

/// Trusts the authorities in `file` alone.
fn tls(file: &std::path::Path) -> Result<TlsConfig, SchemaError> {
    let wrong = |what: String| SchemaError::Config {
        key: "ca_file",
        what: format!("= {}: {what}", file.display()),
    };
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let mut authorities: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(one) = item.map_err(|error| wrong(error.to_string()))? {
            authorities.push(one);
        }
    }
    if authorities.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&authorities))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_used_and_never_shown() {
        let (shown, pair) = split("https://weir:s3cret@registry:8081/apis/").unwrap();
        assert_eq!(shown, "https://registry:8081/apis");
        assert_eq!(pair.as_deref(), Some("weir:s3cret"));
        assert!(split("registry:8081").is_err());
        assert!(split("ftp://registry").is_err());
    }

    #[test]
    fn an_authority_that_is_not_there_is_an_error_and_never_plaintext() {
        let config = Config {
            url: "https://localhost:1".to_owned(),
            ca_file: Some("/no/such/ca.pem".into()),
            ..Config::default()
        };
        let error = Registry::open(&config).err().unwrap();
        assert!(error.to_string().contains("/no/such/ca.pem"), "{error}");
        assert!(!error.is_transient());
    }

    #[test]
    fn a_registry_that_is_away_is_a_transient_error() {
        let config = Config {
            url: "http://weir:s3cret@127.0.0.1:1".to_owned(),
            ..Config::default()
        };
        let error = Registry::open(&config).unwrap().unwrap().framing();
        let error = error.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
