//! `heirloom serve`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Diagnostic;
use monitor::{FieldPolicy, LogOptions};
use serve::{Access, Happening, Limits, Observer, ServeError, ServeOptions, Server, Tls, parse_access};

use super::request_log;
use super::run::threads;
use crate::arguments::Serve;
use crate::failure::Failure;
use crate::signals::Interrupt;
use crate::terminal;

/// How often the store is asked for moved aliases.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// How long requests in flight may take at the end.
const DRAIN: Duration = Duration::from_secs(30);
/// How often a signal is looked for.
const SIGNAL_EVERY: Duration = Duration::from_millis(50);

/// Answers until somebody asks to stop.
pub(crate) fn serve(arguments: &Serve) -> Result<(), Failure> {
    let interrupt = Interrupt::listen().map_err(Failure::world)?;
    let store = arguments.store.open()?;
    let workers = threads(arguments.threads);
    let queue_rows_max = arguments.queue as usize;
    let options = ServeOptions {
        models: arguments.models.clone(),
        rest: arguments.bind,
        grpc: (!arguments.no_grpc).then_some(arguments.grpc_bind),
        limits: Limits { workers, queue_rows_max, request_rows_max: queue_rows_max },
        anyone: arguments.anyone,
        log: log(arguments)?,
        tls: tls(arguments)?,
        body_max: (arguments.body_max as usize) << 20,
        connections_max: arguments.connections as usize,
        // Reading and writing takes a small part of what computing does.
        connection_threads: threads(None).div_ceil(2),
        follow_every: FOLLOW_EVERY,
        drain: DRAIN,
    };
    let observer = Observer::new(|happening| terminal::say(&line(&happening)));
    let server = Server::start(store, options, access(arguments)?, observer)?;
    while !interrupt.is_asked() {
        std::thread::sleep(SIGNAL_EVERY);
    }
    server.stop();
    Ok(())
}

/// Who may ask, as the file says.
fn access(arguments: &Serve) -> Result<Option<Access>, Failure> {
    let Some(path) = &arguments.access else { return Ok(None) };
    let text = String::from_utf8(read(path)?).map_err(|_| wrong_file(path, "it is no text"))?;
    let beside = |name: &str| fs::read(path.parent().unwrap_or(Path::new("")).join(name));
    Ok(Some(parse_access(path, &text, beside)?))
}

/// Where requests are logged, and how.
fn log(arguments: &Serve) -> Result<Option<(PathBuf, LogOptions)>, Failure> {
    let Some(folder) = &arguments.log else { return Ok(None) };
    let folder = request_log::folder(folder.as_deref(), &arguments.store)?;
    let policy = |policy: FieldPolicy| move |field: &String| (field.clone(), policy);
    let hashed = arguments.log_hash.iter().map(policy(FieldPolicy::Hash));
    let fields = hashed.chain(arguments.log_drop.iter().map(policy(FieldPolicy::Drop))).collect();
    let options = LogOptions {
        sample: arguments.log_sample,
        age_ms_max: Some(i64::from(arguments.log_days) * 24 * 3_600_000),
        bytes_max: u64::from(arguments.log_mib) << 20,
        fields,
        hash_key: serve::new_key()?.key.into_bytes(),
        ..LogOptions::default()
    };
    Ok(Some((folder, options)))
}

fn tls(arguments: &Serve) -> Result<Option<Tls>, Failure> {
    match (&arguments.tls_certificate, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(Tls::from_pem(&read(certificate)?, &read(key)?)?)),
        _ => Ok(None),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| wrong_file(path, &error.to_string()))
}

fn wrong_file(path: &Path, reason: &str) -> Failure {
    Diagnostic::new("unreadable-file", format!("cannot read {}: {reason}", path.display())).into()
}

/// One line for people.
fn line(happening: &Happening) -> String {
    let text = match happening {
        Happening::Listening { rest, grpc, encrypted } => {
            let scheme = if *encrypted { "https" } else { "http" };
            let grpc = grpc.map(|address| format!(", gRPC {address}")).unwrap_or_default();
            format!("listening: REST {scheme}://{rest}/v2{grpc}")
        }
        Happening::Serving { version, replaced: None } => format!("serving {version}"),
        Happening::Serving { version, replaced: Some(old) } => format!("serving {version} in place of {old}"),
        Happening::Refused { version, reason, serving: None } => format!("not serving {version}: {reason}"),
        Happening::Refused { version, reason, serving: Some(old) } => {
            format!("not serving {version}: {reason}; {old} goes on answering")
        }
        Happening::Trial { version, percent: 0 } => {
            format!("{version} on trial: it answers copies of requests")
        }
        Happening::Trial { version, percent } => {
            format!("{version} on trial: it answers {percent} % of the requests")
        }
        Happening::WentBack { version, reason } => format!("{version} goes back: {reason}"),
        Happening::RecalledServing { version, reason } => {
            format!("{version}: {reason}; `heirloom model rollback` lets the version before answer")
        }
        Happening::Unloaded { version } => format!("unloaded {version}"),
        Happening::StoreTrouble { reason } => {
            format!("cannot ask the store: {reason}; what is loaded goes on answering")
        }
        Happening::Draining => "ending: requests in flight are answered".to_owned(),
    };
    terminal::printable(&text)
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Store(error) => error.into(),
            ServeError::Model(error) => error.into(),
            ServeError::Log(error) => error.into(),
            ServeError::Mistake(mistake) => mistake.into(),
            ServeError::Unservable { .. } => Diagnostic::new("unservable", error.to_string()).into(),
            ServeError::Io { .. } => Failure::world(error),
        }
    }
}
