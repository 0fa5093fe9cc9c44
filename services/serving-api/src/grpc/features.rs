//! `weir.serving.v1.Features`.

use tonic::{Request, Response, Status};
use weir_features::Value;

use super::values::timestamp;
use crate::{
    app::App,
    generated::v1::{
        EntityFeatures, Feature, ServeFeaturesRequest, ServeFeaturesResponse,
        feature::{Status as Presence, Value as Wire},
        features_server::Features,
    },
    rest::features::{self, Judged},
};

/// Answers from the online store.
pub(super) struct Service(pub(super) App);

#[tonic::async_trait]
impl Features for Service {
    async fn serve_features(
        &self,
        request: Request<ServeFeaturesRequest>,
    ) -> Result<Response<ServeFeaturesResponse>, Status> {
        let request = request.into_inner();
        let entities =
            features::look_up(&self.0, &request.entity_ids, &request.feature_names).await?;
        let entities = entities.into_iter().map(|entity| EntityFeatures {
            entity_id: entity.id,
            features: entity.features.into_iter().map(feature).collect(),
            timestamp: entity.newest_us.map(timestamp),
        });
        Ok(Response::new(ServeFeaturesResponse {
            entities: entities.collect(),
        }))
    }
}

fn feature((name, judged): (String, Judged)) -> Feature {
    let status = match judged {
        Judged::Present(_) => Presence::Present,
        Judged::Null => Presence::NullValue,
        Judged::NotFound => Presence::NotFound,
        Judged::OutsideMaxAge => Presence::OutsideMaxAge,
    };
    let value = match judged {
        Judged::Present(Value::Int64(value)) => Some(Wire::Int64Value(value)),
        Judged::Present(Value::Float64(value)) => Some(Wire::DoubleValue(value)),
        Judged::Present(Value::Text(value)) => Some(Wire::StringValue(value)),
        Judged::Present(Value::Boolean(value)) => Some(Wire::BoolValue(value)),
        Judged::Present(Value::Timestamp(micros)) => Some(Wire::TimestampValue(timestamp(micros))),
        _ => None,
    };
    Feature {
        name,
        status: status.into(),
        value,
    }
}
