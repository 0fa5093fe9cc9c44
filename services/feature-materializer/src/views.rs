//! How our own feature views are folded: a view is a file beside this one; what it is called and
//! which fields it has is declared in `weir_features::declared`.

pub mod bgp_session_features;

pub use weir_features::declared::all;
