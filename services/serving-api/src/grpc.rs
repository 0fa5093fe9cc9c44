//! gRPC: the same stores and the same answers as the REST API, with health (grpc.health.v1),
//! reflection, a bearer token where tokens are set, limits on sizes and time, and a stream of
//! incidents. Deadlines of the caller (`grpc-timeout`) are kept; ours is the upper bound.

mod features;
mod incidents;
mod values;
mod windows;

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use tonic::{
    Code, Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Server, server::Router},
};
use tonic_health::server::health_reporter;
use weir_lifecycle::tokens::{self, Token};

use crate::{
    app::App,
    config::Config,
    generated::{
        DESCRIPTORS,
        v1::{
            features_server::FeaturesServer, incidents_server::IncidentsServer,
            windows_server::WindowsServer,
        },
    },
    problem::Problem,
};

/// Requests of one connection that may run at a time.
const CONCURRENT: usize = 64;
/// Between two pings to a silent client, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Greatest answer, in bytes.
const ANSWER_BYTES: usize = 16 << 20;

/// All services on one router. `None` of them answers without a token where tokens are set, but
/// for health.
pub(crate) async fn router(
    config: &Config,
    tokens: Arc<[Token]>,
    app: App,
) -> Result<Router, tonic_reflection::server::Error> {
    let auth = Authorize { tokens };
    let (reporter, health) = health_reporter();
    reporter
        .set_serving::<IncidentsServer<incidents::Service>>()
        .await;
    reporter
        .set_serving::<FeaturesServer<features::Service>>()
        .await;
    reporter
        .set_serving::<WindowsServer<windows::Service>>()
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let incidents = IncidentsServer::new(incidents::Service(app.clone()))
        .max_decoding_message_size(config.body_limit_bytes)
        .max_encoding_message_size(ANSWER_BYTES);
    let features = FeaturesServer::new(features::Service(app.clone()))
        .max_decoding_message_size(config.body_limit_bytes)
        .max_encoding_message_size(ANSWER_BYTES);
    let windows = WindowsServer::new(windows::Service(app))
        .max_decoding_message_size(config.body_limit_bytes)
        .max_encoding_message_size(ANSWER_BYTES);
    Ok(Server::builder()
        .timeout(Duration::from_millis(config.timeout_ms))
        .concurrency_limit_per_connection(CONCURRENT)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .tcp_nodelay(true)
        .add_service(health)
        .add_service(InterceptedService::new(reflection, auth.clone()))
        .add_service(InterceptedService::new(incidents, auth.clone()))
        .add_service(InterceptedService::new(features, auth.clone()))
        .add_service(InterceptedService::new(windows, auth)))
}

/// Asks for a bearer token in the metadata `authorization`.
#[derive(Clone)]
struct Authorize {
    tokens: Arc<[Token]>,
}

impl Interceptor for Authorize {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let given = request.metadata().get("authorization");
        let known =
            given.is_some_and(|value| tokens::is_known(&self.tokens, value.as_encoded_bytes()));
        if self.tokens.is_empty() || known {
            Ok(request)
        } else {
            Err(Status::unauthenticated(
                "send the metadata `authorization: Bearer <token>`",
            ))
        }
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let code = match StatusCode::from_u16(problem.status) {
            Ok(StatusCode::BAD_REQUEST) => Code::InvalidArgument,
            Ok(StatusCode::NOT_FOUND) => Code::NotFound,
            Ok(StatusCode::SERVICE_UNAVAILABLE) => Code::Unavailable,
            Ok(StatusCode::GATEWAY_TIMEOUT) => Code::DeadlineExceeded,
            _ => Code::Internal,
        };
        Self::new(code, problem.detail)
    }
}
