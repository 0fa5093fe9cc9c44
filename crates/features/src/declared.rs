//! The definitions of our own views, for who folds them, who serves them and who exports them: data
//! that all of them agree on. How a value is derived is its folder's business, not this crate's.

pub mod bgp_session_features;

use crate::FeatureView;

/// Every view, by name.
#[must_use]
pub fn all() -> Vec<FeatureView> {
    vec![bgp_session_features::definition()]
}
