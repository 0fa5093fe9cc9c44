//! What every handler is given, and the router that they all hang on.

use std::{ops::Range, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::Semaphore;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use weir_features::{EntityKey, FeatureRow, FeatureView};
use weir_lifecycle::{Stop, admin, health::Health, telemetry::Telemetry, tokens::Token};
use weir_lookups::Client;
use weir_metric_store::{Keys, MetricStore, Query, Window};
use weir_online_store::OnlineStore;
use weir_record_store::RecordStore;

use crate::{
    Stores, auth,
    config::Config,
    live::Live,
    openapi,
    own::Own,
    page,
    problem::Problem,
    rest,
    ris::{self, Ris},
    watch::Watched,
};

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) records: RecordStore,
    online: OnlineStore,
    metrics: MetricStore,
    pub(crate) views: Arc<[FeatureView]>,
    pub(crate) own: Own,
    /// What is otherwise than expected of what is one's own.
    pub(crate) watched: Watched,
    pub(crate) live: Live,
    /// Asks detectors.
    pub(crate) lookups: Client,
    pub(crate) live_seats: Arc<Semaphore>,
    pub(crate) ris: Ris,
    pub(crate) stop: Stop,
}

impl App {
    pub(crate) fn new(
        config: &Config,
        stores: Stores,
        own: Own,
        live: Live,
        ris: Ris,
        stop: Stop,
    ) -> Self {
        Self {
            records: stores.records,
            online: stores.online,
            metrics: stores.metrics,
            views: stores.views.into(),
            own,
            watched: Watched::default(),
            live,
            lookups: stores.lookups,
            live_seats: Arc::new(Semaphore::new(config.live_clients)),
            ris,
            stop,
        }
    }

    /// The newest rows of these entities, in their order.
    pub(crate) async fn features(
        &self,
        view: &str,
        entities: Vec<EntityKey>,
    ) -> Result<Vec<Option<FeatureRow>>, Problem> {
        let (store, view) = (self.online.clone(), view.to_owned());
        blocking(move || store.get_many(&view, &entities)).await
    }

    /// The first entities of a view with their rows.
    pub(crate) async fn feature_rows(
        &self,
        view: &str,
        limit: usize,
    ) -> Result<Vec<FeatureRow>, Problem> {
        let (store, view) = (self.online.clone(), view.to_owned());
        blocking(move || store.rows(&view, None, limit)).await
    }

    /// Windows of one key, or of all.
    pub(crate) async fn windows(
        &self,
        aggregate: &'static str,
        key: Option<String>,
        width_us: i64,
        range: Range<i64>,
        limit: usize,
    ) -> Result<Vec<Window>, Problem> {
        let store = self.metrics.clone();
        blocking(move || {
            store.query(&Query {
                aggregate,
                keys: key.as_deref().map_or(Keys::Prefix(""), Keys::One),
                width_us,
                from_us: range.start,
                to_us: range.end,
                limit,
            })
        })
        .await
    }
}

/// The embedded stores read from files: not on the threads that serve sockets.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: std::error::Error + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer.map_err(|error| Problem::store(&error, false)),
        Err(error) => Err(Problem::store(&error, false)),
    }
}

pub(crate) fn document() -> (Router<App>, OpenApi) {
    let info = InfoBuilder::new()
        .title("Weir")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Routing conflicts, session features and windows, while they happen.",
        ));
    let empty = OpenApiBuilder::new().info(info.build()).build();
    let (rest, mut document) = utoipa_axum::router::OpenApiRouter::with_openapi(empty)
        .merge(rest::router())
        .split_for_parts();
    let pages = page::routes()
        .into_iter()
        .fold(rest, |router, (path, about, kind, route)| {
            openapi::describe(&mut document, path, about, kind);
            router.route(path, route)
        });
    let pages = ris::routes()
        .into_iter()
        .fold(pages, |router, (path, about, kind, route)| {
            openapi::describe(&mut document, path, about, kind);
            // Clients write the last slash or leave it out.
            let bare = path.trim_end_matches('/');
            router.route(bare, route.clone()).route(path, route)
        });
    openapi::describe_admin(&mut document);
    openapi::describe(
        &mut document,
        openapi::PATH,
        "This document.",
        "application/json",
    );
    (pages, document)
}

pub(crate) fn router(
    config: &Config,
    tokens: Arc<[Token]>,
    app: App,
    health: Health,
    telemetry: Telemetry,
) -> Router {
    let (routes, document) = document();
    let document: Arc<str> = serde_json::to_string(&document).unwrap_or_default().into();
    let serve_document = move || async move {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], document.to_string())
    };
    routes
        .route(openapi::PATH, get(serve_document))
        .with_state(app)
        .merge(admin::router(health, telemetry))
        .fallback(|| async { Problem::not_found("there is nothing here; see /openapi.json") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path has other methods; see /openapi.json",
            )
        })
        .layer(DefaultBodyLimit::max(config.body_limit_bytes))
        .layer(from_fn_with_state(
            Duration::from_millis(config.timeout_ms),
            limit_time,
        ))
        .layer(from_fn_with_state(tokens, auth::require))
        .layer(from_fn(observe))
}

async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the answer took too long; ask for less",
        )
        .into_response(),
    }
}

/// No inline script or style, nothing from elsewhere, no frame.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Security headers, the latency histogram, and a problem body for errors of the framework's own.
async fn observe(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().to_string();
    let started = std::time::Instant::now();
    let mut response = next.run(request).await;
    let status = response.status();
    let labels = [
        ("route", route),
        ("method", method),
        ("status", status.as_u16().to_string()),
    ];
    metrics::histogram!("http_request_duration_seconds", &labels)
        .record(started.elapsed().as_secs_f64());
    let is_bare = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if is_bare && (status.is_client_error() || status.is_server_error()) {
        response = Problem::new(status, "this request cannot be answered; see /openapi.json")
            .into_response();
    }
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
