//! `heirloom monitor`.

use std::path::PathBuf;

use clap::Args;

use super::{Json, StoreChoice};

/// Tells whether requests and answers still look as they did when the model was made
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 no alarm, 3 an alarm, else as of every command. An alarm needs a difference that is no chance, after \
correction for all tests of the window, and that is great enough to matter. Fewer than 100 requests raise none.")]
pub(crate) struct Monitor {
    /// The model: NAME, NAME@VERSION, NAME@ALIAS or the beginning of its digest
    pub(crate) model: String,
    /// The log of requests [default: the folder `requests` of the store]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) log: Option<PathBuf>,
    /// Labels that came later: a CSV file with the columns `id` and `label`
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) labels: Option<PathBuf>,
    /// Judge the newest N requests
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) window: u32,
    /// The most probable a false alarm may be in one window, over all its tests
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, value_parser = share)]
    pub(crate) false_alarm_rate: f64,
    /// Post the JSON document to this address when there is an alarm
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
    #[command(flatten)]
    pub(crate) store: StoreChoice,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("a number between 0 and 1".to_owned()),
    }
}
