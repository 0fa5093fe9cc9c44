//! Which peer routes which prefix where. Written by another hand.
