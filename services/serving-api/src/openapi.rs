//! What the OpenAPI document says of routes that are not part of the REST API.

use utoipa::openapi::{
    ContentBuilder, HttpMethod, OpenApi, PathItem, ResponseBuilder,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
};

/// Where the document is.
pub(crate) const PATH: &str = "/openapi.json";

const ADMIN: [(&str, &str, &str); 4] = [
    ("/livez", "The process runs.", "text/plain"),
    (
        "/readyz",
        "Every part is ready; 503 with the reasons otherwise.",
        "application/json",
    ),
    ("/healthz", "The same as /readyz.", "application/json"),
    (
        "/metrics",
        "All metrics in the text format of Prometheus.",
        "text/plain",
    ),
];

pub(crate) fn describe_admin(document: &mut OpenApi) {
    for (path, about, kind) in ADMIN {
        describe(document, path, about, kind);
    }
}

pub(crate) fn describe(document: &mut OpenApi, path: &str, about: &str, kind: &str) {
    let response = ResponseBuilder::new()
        .description(about)
        .content(kind, ContentBuilder::new().build());
    let mut operation = OperationBuilder::new()
        .summary(Some(about))
        .response("200", response.build());
    for name in path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(utoipa::openapi::Required::True)
                .build(),
        );
    }
    let item = PathItem::new(HttpMethod::Get, operation.build());
    document.paths.paths.insert(path.to_owned(), item);
}
