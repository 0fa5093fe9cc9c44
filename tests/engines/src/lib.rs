//! The real engines that tests run against: found, started, or skipped in so many words.
//!
//! [`engine`] takes an engine's address from the environment (`WEIR_ENGINE_<NAME>`, further facts as
//! `WEIR_ENGINE_<NAME>_<KEY>`), else it starts one.

use std::collections::BTreeMap;

/// One engine that answers.
#[derive(Clone, Debug)]
pub struct Engine {
    name: String,
    facts: BTreeMap<String, String>,
}

impl Engine {
    /// Its address, in the form that our own configuration takes.
    ///
    /// # Panics
    /// When the engine was announced without one.
    #[must_use]
    #[expect(clippy::panic, reason = "a test cannot go on without it")]
    pub fn url(&self) -> &str {
        self.get("URL")
            .unwrap_or_else(|| panic!("{} has no URL", self.name))
    }

    /// Another fact: `PASSWORD`, `CA`, ...
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.facts.get(key).map(String::as_str)
    }
}

/// The engine called `name`; `None` = it cannot run here, which was said.
///
/// # Panics
/// When `WEIR_REQUIRE_ENGINES` names it (or says `all`) and it cannot run here.
#[must_use]
#[expect(
    clippy::panic,
    reason = "a required engine that is missing fails the test"
)]
pub fn engine(name: &str) -> Option<Engine> {
    let variable = format!("WEIR_ENGINE_{}", name.to_uppercase().replace('-', "_"));
    let mut facts = BTreeMap::new();
    for (key, value) in std::env::vars() {
        if key == variable {
            facts.insert("URL".to_owned(), value);
        } else if let Some(fact) = key.strip_prefix(&format!("{variable}_")) {
            facts.insert(fact.to_owned(), value);
        }
    }
    if facts.contains_key("URL") {
        return Some(Engine {
            name: name.to_owned(),
            facts,
        });
    }
    let required = std::env::var("WEIR_REQUIRE_ENGINES").unwrap_or_default();
    assert!(
        !required
            .split(',')
            .any(|wanted| wanted == "all" || wanted == name),
        "the engine {name} is required and {variable} is not set"
    );
    eprintln!("skipped: no {name} ({variable} is not set)");
    None
}
