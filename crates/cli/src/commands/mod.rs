//! One file for each command.

pub(crate) mod algorithm;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod engine;
pub(crate) mod infer;
pub(crate) mod inherit;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod look;
pub(crate) mod model;
pub(crate) mod monitor;
pub(crate) mod onnx_file;
pub(crate) mod package;
pub(crate) mod parent;
pub(crate) mod profile;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod request_log;
pub(crate) mod run;
pub(crate) mod scheme;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod watch;
