//! The registry of our own feature views: a view is a file beside this one and a line in it.

pub mod bgp_session_features;

use weir_features::FeatureView;

/// Every view, by name.
#[must_use]
pub fn all() -> Vec<FeatureView> {
    vec![bgp_session_features::definition()]
}
