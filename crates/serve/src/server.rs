//! A server from its options to its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::Diagnostic;
use monitor::{Log, LogOptions};
use scheme::Deploy;
use store::Store;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::Access;
use crate::app::App;
use crate::error::ServeError;
use crate::listen::{Bounds, listen};
use crate::metrics::Metrics;
use crate::model::Limits;
use crate::observe::{Happening, Observer};
use crate::repository::{Follow, Repository};
use crate::tls::Tls;

/// What to serve, and how.
#[derive(Clone)]
pub struct ServeOptions {
    /// `name`, `name@alias` or `name@N`; every model of the store if empty.
    pub models: Vec<String>,
    /// Where REST is spoken.
    pub rest: SocketAddr,
    /// Where gRPC is spoken; nowhere if `None`.
    pub grpc: Option<SocketAddr>,
    /// What each version may use.
    pub limits: Limits,
    /// Bytes of one request, unpacked.
    pub body_max: usize,
    /// Where requests are logged, and how; nowhere if `None`.
    pub log: Option<(PathBuf, LogOptions)>,
    /// Whether a port that other machines reach may be open to anyone.
    pub anyone: bool,
    /// What encrypts both ports; nothing if `None`.
    pub tls: Option<Tls>,
    /// Connections at a time on each port.
    pub connections_max: usize,
    /// Threads that read and write connections.
    pub connection_threads: usize,
    /// How often the store is asked whether an alias has moved.
    pub follow_every: Duration,
    /// How long requests in flight may take when the server ends.
    pub drain: Duration,
}

/// A server that answers. Dropping it ends it without waiting for requests in flight; [`Server::stop`] waits.
pub struct Server {
    /// Where REST is spoken.
    pub rest: SocketAddr,
    /// Where gRPC is spoken, if anywhere.
    pub grpc: Option<SocketAddr>,
    end: watch::Sender<bool>,
    serving: JoinHandle<()>,
    runtime: Runtime,
}

impl Server {
    /// Loads the models, opens the ports and answers from then on, on threads of its own.
    ///
    /// Errors   a reference that names nothing; a model that cannot be served; a port that is taken.
    pub fn start(
        store: Store,
        options: ServeOptions,
        access: Option<Access>,
        observer: Observer,
    ) -> Result<Self, ServeError> {
        check_doors(&options, access.is_some())?;
        let metrics = Arc::new(Metrics::new());
        let repository = Repository::new(store, metrics.clone(), options.limits, observer.clone());
        load(&repository, &options.models)?;
        // A rollout that is under way goes on where it stands.
        repository.follow();
        let log =
            options.log.as_ref().map(|(folder, options)| Log::open(folder, options.clone())).transpose()?;
        let app = Arc::new(App::new(repository, metrics, options.body_max, access, log));
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime =
            builder.enable_all().thread_name("connections").worker_threads(options.connection_threads.max(1));
        let runtime = runtime.build().map_err(ServeError::io("start threads"))?;
        let (end, ended) = watch::channel(false);
        let open = async {
            let grpc = match options.grpc {
                Some(address) => Some(open(address).await?),
                None => None,
            };
            Ok::<_, ServeError>((open(options.rest).await?, grpc))
        };
        let (rest, grpc) = runtime.block_on(open)?;
        let address =
            |listener: &TcpListener| listener.local_addr().map_err(ServeError::io("read a port's number"));
        let (rest_address, grpc_address) = (address(&rest)?, grpc.as_ref().map(address).transpose()?);
        let encrypted = options.tls.is_some();
        observer.tell(Happening::Listening { rest: rest_address, grpc: grpc_address, encrypted });
        let serving = runtime.spawn(serve(app, rest, grpc, options, observer, ended));
        Ok(Server { rest: rest_address, grpc: grpc_address, end, serving, runtime })
    }

    /// Takes no more connections, lets requests in flight finish, and ends.
    pub fn stop(self) {
        let Server { end, serving, runtime, .. } = self;
        end.send_replace(true);
        // A failure in there was told to the observer, or is a panic that this thread should not share.
        let _ = runtime.block_on(serving);
    }
}

/// Answers until `end` turns true and what is in flight is done.
async fn serve(
    app: Arc<App>,
    rest: TcpListener,
    grpc: Option<TcpListener>,
    options: ServeOptions,
    observer: Observer,
    mut end: watch::Receiver<bool>,
) {
    let bounds = Bounds { connections_max: options.connections_max, drain: options.drain };
    let tls = options.tls;
    let router = crate::rest::router(app.clone());
    let mut doors = vec![tokio::spawn(listen(app.clone(), rest, router, (bounds, tls.clone()), end.clone()))];
    if let Some(listener) = grpc {
        let router = crate::grpc::router(app.clone());
        doors.push(tokio::spawn(listen(app.clone(), listener, router, (bounds, tls), end.clone())));
    }
    let following = tokio::spawn(follow(app.clone(), options.follow_every, end.clone()));
    // An error means that nobody can say so any more: then it ends as well.
    let _ = end.wait_for(|&end| end).await;
    app.drain();
    observer.tell(Happening::Draining);
    for door in doors {
        let _ = door.await;
    }
    following.abort();
}

/// Refuses to let the whole network ask whatever it likes.
fn check_doors(options: &ServeOptions, guarded: bool) -> Result<(), ServeError> {
    let open =
        [Some(options.rest), options.grpc].into_iter().flatten().find(|address| !address.ip().is_loopback());
    let (Some(address), false, false) = (open, guarded, options.anyone) else { return Ok(()) };
    let message = format!("{address} can be reached from other machines, and nothing says who may ask");
    let mistake = Diagnostic::new("open-to-anyone", message)
        .help("say who may ask: `--access FILE`; `heirloom key api NAME` makes a key")
        .help("or listen at 127.0.0.1, or let anyone ask: `--anyone`");
    Err(ServeError::Mistake(mistake))
}

async fn open(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(ServeError::io(format!("listen at {address}")))
}

/// Loads what `models` name.
fn load(repository: &Repository, models: &[String]) -> Result<(), ServeError> {
    let all: Vec<String>;
    let models = match models {
        [] => {
            all = repository.store().list_models()?.into_iter().map(|model| model.newest.name).collect();
            if all.is_empty() {
                let mistake = Diagnostic::new("nothing-to-serve", "the store holds no model to serve");
                return Err(ServeError::Mistake(mistake.help("`heirloom run SCHEME` makes one")));
            }
            &all
        }
        some => some,
    };
    for reference in models {
        let (name, follow) = followed(&repository.store(), reference)?;
        repository.load(&name, follow)?;
    }
    Ok(())
}

/// What a reference asks to be followed. A bare name follows `production` if the model has that alias, else its newest version.
fn followed(store: &Store, reference: &str) -> Result<(String, Follow), ServeError> {
    let version = store.resolve(reference)?; // says what there is instead
    let follow = match reference.rsplit_once('@') {
        Some((_, alias)) if alias.parse::<u32>().is_err() => Follow::Alias(alias.to_owned()),
        Some(_) => Follow::Pinned(version.version),
        None if reference != version.name => Follow::Pinned(version.version), // a digest
        None => match store.resolve(&format!("{reference}@{}", Deploy::ALIAS)) {
            Ok(_) => Follow::Alias(Deploy::ALIAS.to_owned()),
            Err(_) => Follow::Newest,
        },
    };
    Ok((version.name, follow))
}

/// Asks the store at intervals whether another version should answer.
async fn follow(app: Arc<App>, every: Duration, mut end: watch::Receiver<bool>) {
    let mut seen = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = app.repository.due.notified() => {}
            _ = end.wait_for(|&end| end) => return,
        }
        let app = app.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let now = app.repository.store().change_counter().ok();
            if now.is_none() || now != seen {
                app.repository.follow();
            }
            app.repository.judge_rollouts();
            now
        });
        seen = looking.await.unwrap_or(None);
    }
}
