//! The sandbox seen from outside: plugins are built from `tests/guests`, loaded and called.
//!
//! # Layout
//! - `guests`: builds the plugins once; `messages`, `codes`, `audience`: what goes in; `smtp`: a real mail server
//! - `loading`, `cache`, `later_contract`: from bytes to a release; `synthetic`: plugins made of WIT alone
//! - `misbehaviour`, `concurrency`: what a plugin cannot do to the host
//! - `kinds`, `permissions`, `values`, `log`: what a plugin can do; `span`: how it is seen from outside
//! - `http`, `http_redirects`, `http_secrets`, `http_tls`: requests that a plugin sends; `web`, `tls`: servers for them
//! - `attacks`: what a hostile plugin tries, and what stops it
//! - `tape`, `tape_http`: recording calls and making them again
//! - `mail`: what becomes of a letter
//! - `reference_plugins`: the plugins of the folder `plugins`, as an operator uses them

mod audience;
mod codes;
mod guests;
mod messages;
mod smtp;
mod synthetic;
mod tls;
mod web;

mod attacks;
mod cache;
mod concurrency;
mod http;
mod http_plugins;
mod http_redirects;
mod http_secrets;
mod http_tls;
mod kinds;
mod later_contract;
mod loading;
mod log;
mod mail;
mod misbehaviour;
mod permissions;
mod reference_plugins;
mod span;
mod tape;
mod tape_http;
mod values;
