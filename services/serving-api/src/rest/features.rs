//! `POST /api/v1/features/serve`: the newest features of some entities.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
};
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;
use utoipa::ToSchema;
use weir_events::time::rfc3339;
use weir_features::{EntityKey, FeatureRow, FeatureView, Value};

use crate::{app::App, problem::Problem};

/// Most entities of one request.
pub(crate) const MAX_ENTITIES: usize = 1000;

/// Which features of which entities.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServeRequest {
    /// For instance `192.0.2.1:64496`; at most 1000.
    entity_ids: Vec<String>,
    /// `view:feature`, or the bare name where only one view has it.
    feature_names: Vec<String>,
}

/// The features of one entity.
#[derive(Serialize, ToSchema)]
pub(crate) struct Served {
    entity_id: String,
    /// Value by the name that was asked for; null = unknown, which is not zero.
    #[schema(value_type = Object)]
    features: BTreeMap<String, JsonValue>,
    /// PRESENT, NULL_VALUE, NOT_FOUND or OUTSIDE_MAX_AGE by the same names.
    statuses: BTreeMap<String, &'static str>,
    /// Event time of the newest row among them; null when there is none.
    timestamp: Option<String>,
}

/// The newest features of some entities. Ages are measured in the time of the stream.
#[utoipa::path(post, path = "/api/v1/features/serve", tag = "features", request_body = ServeRequest,
    responses(
    (status = 200, body = Vec<Served>),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn serve(
    State(app): State<App>,
    request: Result<Json<ServeRequest>, JsonRejection>,
) -> Result<Json<Vec<Served>>, Problem> {
    let Json(request) = request?;
    let entities = look_up(&app, &request.entity_ids, &request.feature_names).await?;
    Ok(Json(entities.into_iter().map(served).collect()))
}

/// What is known of one feature.
pub(crate) enum Judged {
    /// It has this value.
    Present(Value),
    /// The row says that it is unknown.
    Null,
    /// There is no row.
    NotFound,
    /// The row is older than the view allows.
    OutsideMaxAge,
}

/// The features of one entity, in the order in which they were asked for.
pub(crate) struct Entity {
    pub(crate) id: String,
    pub(crate) features: Vec<(String, Judged)>,
    /// Event time of the newest row among them.
    pub(crate) newest_us: Option<i64>,
}

/// The newest features of these entities, in their order.
pub(crate) async fn look_up(
    app: &App,
    entity_ids: &[String],
    feature_names: &[String],
) -> Result<Vec<Entity>, Problem> {
    if entity_ids.len() > MAX_ENTITIES {
        return Err(Problem::bad_request(format!(
            "`entity_ids` has more than {MAX_ENTITIES}"
        )));
    }
    let wanted = feature_names
        .iter()
        .map(|name| find(&app.views, name).map(|(view, field)| (name, view, field)))
        .collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<_> = entity_ids
        .iter()
        .map(|id| EntityKey::new(id.as_str()))
        .collect();
    let mut rows: BTreeMap<&str, Vec<Option<FeatureRow>>> = BTreeMap::new();
    for (_, view, _) in &wanted {
        if !rows.contains_key(view.name.as_str()) {
            rows.insert(&view.name, app.features(&view.name, keys.clone()).await?);
        }
    }
    let now_us = app.live.now_us();
    let entities = entity_ids.iter().enumerate().map(|(i, id)| {
        let row = |view: &FeatureView| rows.get(view.name.as_str())?.get(i)?.as_ref();
        Entity {
            id: id.clone(),
            newest_us: wanted
                .iter()
                .filter_map(|(_, view, _)| Some(row(view)?.event_time_us))
                .max(),
            features: wanted
                .iter()
                .map(|(name, view, field)| ((*name).clone(), judge(view, field, row(view), now_us)))
                .collect(),
        }
    });
    Ok(entities.collect())
}

fn judge(view: &FeatureView, field: &str, row: Option<&FeatureRow>, now_us: i64) -> Judged {
    match row {
        None => Judged::NotFound,
        Some(row) if view.is_expired(row.event_time_us, now_us) => Judged::OutsideMaxAge,
        Some(row) => row
            .get(field)
            .map_or(Judged::Null, |value| Judged::Present(value.clone())),
    }
}

fn served(entity: Entity) -> Served {
    let mut served = Served {
        entity_id: entity.id,
        features: BTreeMap::new(),
        statuses: BTreeMap::new(),
        timestamp: entity.newest_us.map(rfc3339),
    };
    for (name, judged) in entity.features {
        let (value, status) = match judged {
            Judged::Present(value) => (to_json(&value), "PRESENT"),
            Judged::Null => (JsonValue::Null, "NULL_VALUE"),
            Judged::NotFound => (JsonValue::Null, "NOT_FOUND"),
            Judged::OutsideMaxAge => (JsonValue::Null, "OUTSIDE_MAX_AGE"),
        };
        served.features.insert(name.clone(), value);
        served.statuses.insert(name, status);
    }
    served
}

/// Timestamps are RFC 3339.
pub(crate) fn to_json(value: &Value) -> JsonValue {
    match value {
        Value::Int64(value) => (*value).into(),
        Value::Float64(value) => (*value).into(),
        Value::Text(value) => value.as_str().into(),
        Value::Boolean(value) => (*value).into(),
        Value::Timestamp(micros) => rfc3339(*micros).into(),
    }
}

fn find<'v, 'n>(
    views: &'v [FeatureView],
    name: &'n str,
) -> Result<(&'v FeatureView, &'n str), Problem> {
    let (view, field) = match name.split_once(':') {
        Some((view, field)) => (Some(view), field),
        None => (None, name),
    };
    let mut found = views
        .iter()
        .filter(|known| view.is_none_or(|view| known.name == view) && known.field(field).is_some());
    match (found.next(), found.next()) {
        (Some(only), None) => Ok((only, field)),
        (Some(_), Some(_)) => Err(Problem::bad_request(format!(
            "feature `{name}` is in several views: write view:feature"
        ))),
        (None, _) => Err(Problem::bad_request(format!(
            "feature `{name}` is not known"
        ))),
    }
}
