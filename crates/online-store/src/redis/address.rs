//! The URL of a Redis, taken apart: one server, a cluster, or a master that Sentinels name.

use secrecy::SecretString;

use crate::{config::without_login, error::OnlineStoreError};

/// What a URL says.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(super) tls: bool,
    pub(super) kind: Kind,
    /// Host and port, at least one.
    pub(super) hosts: Vec<(String, u16)>,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretString>,
    pub(super) database: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Single,
    Cluster,
    Sentinel { master: String },
}

const SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis-cluster",
    "rediss-cluster",
    "redis-sentinel",
    "rediss-sentinel",
];

impl Address {
    /// True when a URL of this scheme is ours.
    pub(crate) fn is_scheme(scheme: &str) -> bool {
        SCHEMES.contains(&scheme)
    }

    pub(crate) fn parse(url: &str) -> Result<Self, OnlineStoreError> {
        let wrong = |reason: &str| OnlineStoreError::Url {
            url: without_login(url),
            reason: reason.to_owned(),
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("no `://`"))?;
        if !Self::is_scheme(scheme) {
            return Err(wrong("the scheme is no Redis"));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong(
                "parameters belong in the configuration, not in the URL",
            ));
        }
        let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let sentinel = scheme.ends_with("sentinel");
        let default_port = if sentinel { 26_379 } else { 6_379 };
        let hosts = hosts
            .split(',')
            .map(|host| host_and_port(host, default_port))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| wrong("want host:port, several divided by commas"))?;
        let (kind, database) = match scheme
            .trim_start_matches("rediss")
            .trim_start_matches("redis")
        {
            "-cluster" => (Kind::Cluster, path),
            "-sentinel" => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(wrong("want the master's name: redis-sentinel://h:p/name/0"));
                }
                let master = master.to_owned();
                (Kind::Sentinel { master }, database)
            }
            _ => (Kind::Single, path),
        };
        let database = match database {
            "" => 0,
            text => text
                .parse()
                .map_err(|_| wrong("the database is no number below 256"))?,
        };
        if kind == Kind::Cluster && database != 0 {
            return Err(wrong("a cluster has database 0 only"));
        }
        if kind == Kind::Single && hosts.len() > 1 {
            return Err(wrong("several hosts want redis-cluster or redis-sentinel"));
        }
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let given = |text: &str| -> Result<Option<String>, OnlineStoreError> {
            let text = decoded(text).ok_or_else(|| wrong("a `%` in the login is not %XX"))?;
            Ok((!text.is_empty()).then_some(text))
        };
        Ok(Self {
            tls: scheme.starts_with("rediss"),
            kind,
            hosts,
            username: given(user)?,
            password: given(password)?.map(Into::into),
            database,
        })
    }

    /// Its hosts, for people.
    pub(super) fn shown(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(joined).collect();
        match &self.kind {
            Kind::Single => hosts.join(","),
            Kind::Cluster => format!("cluster {}", hosts.join(",")),
            Kind::Sentinel { master } => format!("{master} of sentinels {}", hosts.join(",")),
        }
    }

    /// The URL of one server: `url` with these parts replaced, or localhost's when it is no Redis.
    pub(crate) fn single_at(
        url: &str,
        host: Option<String>,
        port: Option<u16>,
        database: Option<u8>,
    ) -> Result<String, OnlineStoreError> {
        let is_ours = url
            .split_once("://")
            .is_some_and(|(scheme, _)| Self::is_scheme(scheme));
        let current = Self::parse(if is_ours { url } else { "redis://localhost" })?;
        if current.kind != Kind::Single {
            return Err(OnlineStoreError::Url {
                url: without_login(url),
                reason: "REDIS_HOST, REDIS_PORT and REDIS_DB name one server; unset them, or the \
                         cluster's URL"
                    .to_owned(),
            });
        }
        let scheme = if current.tls { "rediss" } else { "redis" };
        let login = match url.rsplit_once('@') {
            Some((before, _)) if is_ours => {
                let login = before.split_once("://").map_or("", |(_, login)| login);
                format!("{login}@")
            }
            _ => String::new(),
        };
        let (host_now, port_now) = current.hosts.into_iter().next().unwrap_or_default();
        let place = joined(&(host.unwrap_or(host_now), port.unwrap_or(port_now)));
        let database = database.unwrap_or(current.database);
        Ok(format!("{scheme}://{login}{place}/{database}"))
    }
}

fn joined((host, port): &(String, u16)) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn host_and_port(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Undoes %XX; `None` when it is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, tail) = rest.split_first_chunk::<2>()?;
        rest = tail;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use secrecy::ExposeSecret;

    use super::*;

    #[rstest]
    #[case("redis://a", false, Kind::Single, &[("a", 6379)], 0)]
    #[case("rediss://[::1]:7/3", true, Kind::Single, &[("::1", 7)], 3)]
    #[case("redis-cluster://a:1,b", false, Kind::Cluster, &[("a", 1), ("b", 6379)], 0)]
    #[case("rediss-sentinel://a,b:2/main/4", true, Kind::Sentinel { master: "main".into() },
           &[("a", 26_379), ("b", 2)], 4)]
    fn an_address_is_read(
        #[case] url: &str,
        #[case] tls: bool,
        #[case] kind: Kind,
        #[case] hosts: &[(&str, u16)],
        #[case] database: u8,
    ) {
        let address = Address::parse(url).unwrap();
        let found: Vec<_> = address
            .hosts
            .iter()
            .map(|(host, port)| (host.as_str(), *port))
            .collect();
        assert_eq!((address.tls, address.database), (tls, database));
        assert_eq!((address.kind, found.as_slice()), (kind, hosts));
    }

    #[test]
    fn a_login_is_decoded_and_not_shown() {
        let address = Address::parse("redis://ann:p%40ss%2Fword@a:1").unwrap();
        assert_eq!(address.username.as_deref(), Some("ann"));
        let password = address.password.as_ref().unwrap();
        assert_eq!(password.expose_secret(), "p@ss/word");
        assert!(!format!("{} {address:?}", address.shown()).contains("ss/word"));
    }

    #[rstest]
    #[case("redis://u:s3cret@a:x")]
    #[case("redis://u:s3cret@a/999")]
    #[case("redis://u:s3cret@a,b")]
    #[case("redis://u:s3cret@a?x=y")]
    #[case("redis://u:%zzs3cret@a")]
    #[case("redis-sentinel://u:s3cret@a")]
    #[case("redis-cluster://u:s3cret@a/2")]
    fn a_wrong_url_is_refused_without_its_password(#[case] url: &str) {
        let message = Address::parse(url).unwrap_err().to_string();
        assert!(!message.contains("s3cret"), "{message}");
        assert!(message.contains("://a"), "{message}");
    }
}
