//! The meaning of a feature store: typed values, the keys of entities, rows and the views that
//! define them.
//!
//! A [`FeatureView`] says which fields a row has and what each means; a [`FeatureRow`] holds the
//! values of one entity as of one event time. Of two rows of one entity the greater
//! [`FeatureRow::order`] is the newer one, whatever the order of arrival. This crate knows nothing
//! of BGP: the views of our own are [`declared`] as data, and folded by the service. Only [`wire`] names the
//! messages of the log.

pub mod declared;
pub mod row;
pub mod value;
pub mod view;
pub mod wire;

pub use row::{EntityKey, Feature, FeatureRow};
pub use value::{Value, ValueType};
pub use view::{FeatureView, Field, ViewError};
