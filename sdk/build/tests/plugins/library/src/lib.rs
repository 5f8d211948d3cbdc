//! A library: without `crate-type = ["cdylib"]` no module comes of it.
