//! The REST API, one file per noun. A handler and its description stand together; the OpenAPI
//! document is made of them.

pub(crate) mod events;
pub(crate) mod features;
pub(crate) mod incidents;
pub(crate) mod lookups;
pub(crate) mod watch;
pub(crate) mod windows;

use utoipa_axum::{router::OpenApiRouter, routes};
use weir_routing::Asn;

use crate::app::App;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::get))
        .routes(routes!(lookups::prefix))
        .routes(routes!(lookups::prefix_in_two))
        .routes(routes!(lookups::asn))
        .routes(routes!(watch::now))
        .routes(routes!(features::serve))
        .routes(routes!(windows::list))
        .routes(routes!(events::follow))
}

/// `a,b,c`; empty parts are left out.
pub(crate) fn parts(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// `64496` or `AS64496`.
pub(crate) fn asn(text: &str) -> Result<Asn, crate::Problem> {
    let digits = text
        .strip_prefix("AS")
        .or_else(|| text.strip_prefix("as"))
        .unwrap_or(text);
    let number: Result<u32, _> = digits.parse();
    number.map(Asn).map_err(|_| {
        crate::Problem::bad_request(format!("`asn` is `{text}`: write 64496 or AS64496"))
    })
}

/// RFC 3339, or microseconds since the Unix epoch.
pub(crate) fn time(name: &str, text: Option<&str>) -> Result<Option<i64>, crate::Problem> {
    text.map(|text| {
        weir_events::time::parse_rfc3339(text)
            .or_else(|| text.parse().ok())
            .ok_or_else(|| {
                crate::Problem::bad_request(format!(
                    "`{name}` is `{text}`: write RFC 3339 (2008-02-24T18:47:00Z) or microseconds"
                ))
            })
    })
    .transpose()
}
