//! Where an engine comes from: the environment, Docker, or our own scripts, in this order.

use std::sync::Arc;

use crate::native::{self, Native};
use crate::{Engine, Facts, compose};

/// What `WEIR_ENGINES` allows to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    Nothing,
    Docker,
    Native,
    Auto,
}

/// The engine `name` as all tests share it, or why there is none.
pub(crate) fn shared(name: &str) -> Result<Engine, String> {
    if let Some(facts) = given(name, std::env::vars()) {
        let native = native::runs_here(name, &facts).map(Arc::new);
        return Ok(engine(name, facts, native));
    }
    let allowed = allowed()?;
    if allowed == Allowed::Nothing {
        return Err(format!(
            "{} is not set; `make test` starts it",
            variable(name)
        ));
    }
    if allowed != Allowed::Native {
        match compose::start(name) {
            Ok(facts) => return Ok(engine(name, facts, None)),
            Err(reason) if allowed == Allowed::Docker => return Err(reason),
            Err(_) => {}
        }
    }
    let native = Native::shared();
    let facts = native.start(name)?;
    Ok(engine(name, facts, Some(Arc::new(native))))
}

/// An engine for one test alone, or why there is none.
pub(crate) fn own(name: &str) -> Result<Engine, String> {
    match allowed()? {
        Allowed::Nothing => Err("WEIR_ENGINES is not set; `make test` starts it".to_owned()),
        Allowed::Docker => Err("one of its own is only started natively".to_owned()),
        Allowed::Native | Allowed::Auto => {
            let native = Native::own();
            let facts = native.start(name)?;
            Ok(engine(name, facts, Some(Arc::new(native))))
        }
    }
}

/// Must a test fail that finds no `name`?
pub(crate) fn required(name: &str) -> bool {
    let list = std::env::var("WEIR_REQUIRE_ENGINES").unwrap_or_default();
    names(&list, name)
}

fn names(list: &str, name: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|one| one == "all" || one == name)
}

fn allowed() -> Result<Allowed, String> {
    match std::env::var("WEIR_ENGINES").unwrap_or_default().as_str() {
        "" => Ok(Allowed::Nothing),
        "auto" => Ok(Allowed::Auto),
        "docker" => Ok(Allowed::Docker),
        "native" => Ok(Allowed::Native),
        other => Err(format!(
            "WEIR_ENGINES is {other:?}, which is none of auto, docker, native"
        )),
    }
}

fn engine(name: &str, facts: Facts, native: Option<Arc<Native>>) -> Engine {
    Engine {
        name: name.to_owned(),
        facts,
        native,
    }
}

/// The variable that carries the engine's URL.
pub(crate) fn variable(name: &str) -> String {
    format!("WEIR_ENGINE_{}", name.to_uppercase().replace('-', "_"))
}

/// The facts of `name` among `variables`; `None` without a URL.
///
/// `WEIR_ENGINE_KAFKA_SECURE` is the URL of `kafka-secure`, and a needless fact of `kafka`.
pub(crate) fn given(
    name: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Option<Facts> {
    let prefix = variable(name);
    let facts: Facts = variables
        .into_iter()
        .filter_map(|(key, value)| match key.strip_prefix(&prefix)? {
            "" => Some(("URL".to_owned(), value)),
            rest => Some((rest.strip_prefix('_')?.to_owned(), value)),
        })
        .collect();
    facts.contains_key("URL").then_some(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn an_engine_is_known_by_its_variable_and_its_facts_by_their_keys() {
        let facts = given(
            "redis-secure",
            pairs(&[
                ("WEIR_ENGINE_REDIS_SECURE", "rediss://localhost:1"),
                ("WEIR_ENGINE_REDIS_SECURE_CA", "/ca.crt"),
                ("WEIR_ENGINE_REDIS", "redis://localhost:2/0"),
            ]),
        )
        .unwrap();
        assert_eq!(facts.len(), 2);
        assert_eq!(facts["URL"], "rediss://localhost:1");
        assert_eq!(facts["CA"], "/ca.crt");
    }

    #[test]
    fn facts_without_an_address_are_no_engine() {
        assert_eq!(
            given("s3", pairs(&[("WEIR_ENGINE_S3_BUCKET", "weir")])),
            None
        );
        assert_eq!(
            given("cql", pairs(&[("WEIR_ENGINE_CQLX", "cql://localhost:1")])),
            None
        );
    }

    #[test]
    fn all_requires_every_engine_and_a_list_only_those_in_it() {
        assert!(names("all", "kafka"));
        assert!(names("redis, kafka", "kafka"));
        assert!(!names("redis,kafka-three", "kafka"));
        assert!(!names("", "kafka"));
    }
}
