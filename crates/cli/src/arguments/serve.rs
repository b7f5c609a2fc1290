//! `heirloom serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::StoreChoice;

/// Answers over the network: Open Inference Protocol v2 as REST and gRPC
#[derive(Debug, Args)]
#[command(after_help = "\
NAME follows NAME@production if the model has that alias, else its newest version; NAME@ALIAS follows that alias; \
NAME@VERSION stays. Another version takes over while requests go on; one that cannot be loaded leaves the old one answering. \
SIGTERM or ctrl-c lets requests in flight finish.")]
pub(crate) struct Serve {
    /// What to serve [default: every model of the store]
    #[arg(value_name = "MODEL")]
    pub(crate) models: Vec<String>,
    /// Address and port of the REST interface; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub(crate) bind: SocketAddr,
    /// Address and port of the gRPC interface
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8001")]
    pub(crate) grpc_bind: SocketAddr,
    /// Speak REST only
    #[arg(long, conflicts_with = "grpc_bind")]
    pub(crate) no_grpc: bool,
    /// Threads that compute answers, for each version that is served [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Examples that wait for each version at most; more are refused with status 429
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) queue: u32,
    /// Largest request body in MiB, unpacked
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) body_max: u32,
    /// Connections at a time on each port
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) connections: u32,
    /// Who may ask: a file with API keys and how tokens are checked
    #[arg(long, value_name = "FILE")]
    pub(crate) access: Option<PathBuf>,
    /// Log requests: statistics of inputs, answers, times. In FOLDER, or beside the store
    #[arg(long, value_name = "FOLDER", num_args = 0..=1)]
    pub(crate) log: Option<Option<PathBuf>>,
    /// Share of the requests that is logged, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share, requires = "log")]
    pub(crate) log_sample: f64,
    /// Days after which logged requests go
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660), requires = "log")]
    pub(crate) log_days: u16,
    /// Size of the log in MiB; the oldest requests go
    #[arg(long, value_name = "MIB", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(32..=1_000_000), requires = "log")]
    pub(crate) log_mib: u32,
    /// An input that is logged as a hash only: equal values stay equal while the server runs
    #[arg(long, value_name = "INPUT", requires = "log")]
    pub(crate) log_hash: Vec<String>,
    /// An input that is not logged
    #[arg(long, value_name = "INPUT", requires = "log")]
    pub(crate) log_drop: Vec<String>,
    /// Let anyone ask although other machines reach the port
    #[arg(long)]
    pub(crate) anyone: bool,
    /// Certificate (PEM, with those that vouch for it) that encrypts both ports
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number from 0 to 1".to_owned())?;
    if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("expected a number from 0 to 1".to_owned()) }
}
