//! The models that are served, and how a version takes another's place.
//!
//! A new version is loaded, tried and warmed beside the old one; then one pointer is exchanged. A request takes the
//! pointer once, when it arrives, and holds its version until it is answered; the old version goes when the last request lets go of it. A version
//! that cannot be loaded or fails its proof leaves the old one serving, and says why. Loading blocks: call it from a
//! thread that may wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use store::Store;
use tokio::sync::Notify;

use crate::app::App;
use crate::error::{Kind, Refusal, ServeError};
use crate::metrics::Metrics;
use crate::model::{Limits, Served};
use crate::observe::{Happening, Observer};
use crate::protocol::shown;
use crate::rollout::{Picked, Trial};

/// Which version of a model is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Follow {
    /// What an alias points at, whenever it moves.
    Alias(String),
    /// The newest, whenever there is one.
    Newest,
    /// This one.
    Pinned(u32),
}

/// A model that is served under its name.
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) follow: Follow,
    /// What answers now; nothing until the first version is ready, or after it was unloaded.
    pub(crate) current: ArcSwapOption<Served>,
    /// A version that takes over step by step.
    pub(crate) trial: ArcSwapOption<Trial>,
    /// Why the version that should answer does not.
    pub(crate) trouble: Mutex<Option<Trouble>>,
}

/// A version that could not take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) version: u32,
    pub(crate) reason: String,
}

/// A line of the list of models.
pub(crate) struct IndexEntry {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) ready: bool,
    /// Why it is not ready, or why a newer version is not.
    pub(crate) reason: String,
}

impl IndexEntry {
    /// The protocol's word.
    pub(crate) fn state(&self) -> &'static str {
        if self.ready { "READY" } else { "UNAVAILABLE" }
    }
}

/// Every model that is served.
pub(crate) struct Repository {
    store: Mutex<Store>,
    pub(crate) metrics: Arc<Metrics>,
    limits: Limits,
    pub(crate) observer: Observer,
    slots: ArcSwap<BTreeMap<String, Arc<Slot>>>,
    /// Told when a version on trial can be judged.
    pub(crate) due: Arc<Notify>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl Slot {
    fn new(name: &str, follow: Follow) -> Self {
        Slot {
            name: name.to_owned(),
            follow,
            current: ArcSwapOption::empty(),
            trial: ArcSwapOption::empty(),
            trouble: Mutex::default(),
        }
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// The reference that the store resolves.
    fn reference(&self) -> String {
        match &self.follow {
            Follow::Alias(alias) => format!("{}@{alias}", self.name),
            Follow::Newest => self.name.clone(),
            Follow::Pinned(number) => format!("{}@{number}", self.name),
        }
    }
}

impl Repository {
    pub(crate) fn new(store: Store, metrics: Arc<Metrics>, limits: Limits, observer: Observer) -> Self {
        Repository {
            store: Mutex::new(store),
            metrics,
            limits,
            observer,
            slots: ArcSwap::default(),
            due: Arc::default(),
            changing: Mutex::new(()),
        }
    }

    /// The store, for one at a time.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every model that is served, by name.
    pub(crate) fn slots(&self) -> Arc<BTreeMap<String, Arc<Slot>>> {
        self.slots.load_full()
    }

    /// The version that answers for `name`: the one asked for by number, or the current one, or the one on trial if the
    /// request falls to it; `key` decides that for requests that belong together.
    ///
    /// Errors   no such model; another version than those loaded; none is ready.
    pub(crate) fn pick(
        &self,
        name: &str,
        version: Option<&str>,
        key: Option<&[u8]>,
    ) -> Result<Picked, Refusal> {
        let slots = self.slots.load();
        let slot = slots.get(name).ok_or_else(|| unknown_model(name))?;
        let current = slot.current.load_full().ok_or_else(|| not_ready(slot))?;
        let trial = slot.trial.load_full();
        let only = |served| Ok(Picked { served, part: None });
        match (version, trial) {
            (None, None) => only(current),
            (None, Some(trial)) => Ok(trial.pick(current, key)),
            (Some(version), _) if version == current.version => only(current),
            (Some(version), Some(trial)) if version == trial.served.version => only(trial.served.clone()),
            (Some(version), _) => {
                let (version, current) = (shown(version), &current.version);
                let message = format!("version `{version}` of `{name}` is not served; version {current} is");
                Err(Refusal::unknown(message))
            }
        }
    }

    /// Serves `name` from now on, as `follow` says. What served before under that name stays until the new one is ready.
    ///
    /// Errors   the version cannot be loaded or fails its proof.
    pub(crate) fn load(&self, name: &str, follow: Follow) -> Result<Arc<Served>, ServeError> {
        let slot = Arc::new(Slot::new(name, follow));
        if let Some(old) = self.slots.load().get(name) {
            slot.current.store(old.current.load_full());
        }
        let served = self.bring_up(&slot)?;
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.slots.rcu(|slots| {
            let mut slots = BTreeMap::clone(slots);
            slots.insert(name.to_owned(), slot.clone());
            slots
        });
        Ok(served)
    }

    /// What there is, ready or not, by name.
    pub(crate) fn index(&self) -> Vec<IndexEntry> {
        let entry = |slot: &Arc<Slot>| {
            let (current, trouble) = (slot.current.load_full(), slot.trouble());
            let reason = match (&current, &trouble) {
                (Some(_), Some(Trouble { version, reason })) => {
                    format!("version {version} should not be served: {reason}")
                }
                (None, Some(Trouble { reason, .. })) => reason.clone(),
                (None, None) => "unloaded".to_owned(),
                (Some(_), None) => String::new(),
            };
            let version = match &current {
                Some(served) => Some(served.version.clone()),
                None => trouble.map(|trouble| trouble.version.to_string()),
            };
            IndexEntry { name: slot.name.clone(), version, ready: current.is_some(), reason }
        };
        self.slots.load().values().map(entry).collect()
    }

    /// Takes `name` out of service; requests that it holds are answered.
    ///
    /// Errors   no such model.
    pub(crate) fn unload(&self, name: &str) -> Result<(), Refusal> {
        let slots = self.slots.load();
        let slot = slots.get(name).ok_or_else(|| unknown_model(name))?;
        slot.trial.store(None);
        if let Some(old) = slot.current.swap(None) {
            old.metrics.share.set(0.0);
            self.observer.tell(Happening::Unloaded { version: old.id() });
        }
        Ok(())
    }

    /// Brings every model to the version that the store says by now. Troubles are kept and told; the old version stays.
    pub(crate) fn follow(&self) {
        for slot in self.slots.load_full().values() {
            if slot.current.load().is_none() && slot.trouble().is_none() {
                continue; // unloaded on request
            }
            let found = self.store().resolve(&slot.reference());
            let version = match found {
                Ok(version) => version,
                Err(error) => {
                    self.observer.tell(Happening::StoreTrouble { reason: error.to_string() });
                    continue;
                }
            };
            let wanted = version.version;
            let serving = slot.current.load().as_ref().map(|served| served.number);
            let tried = slot.trouble().map(|trouble| trouble.version);
            if serving == Some(wanted) {
                self.look_for_recall(slot, &version);
            } else if tried != Some(wanted) {
                // Told to the observer and kept as the slot's trouble.
                let _ = self.bring_up(slot);
            }
            // After the alias: a version that was promoted is there already.
            self.follow_rollout(slot);
        }
    }

    /// A version that is recalled while it answers goes on: what is to answer instead is for people to say. It is told, once, and
    /// stands in the list of models.
    fn look_for_recall(&self, slot: &Slot, version: &store::ModelVersion) {
        let recalls = self.store().recalls_of(version);
        let recall = match recalls {
            Ok(recalls) => recalls.into_iter().next(),
            Err(error) => return self.observer.tell(Happening::StoreTrouble { reason: error.to_string() }),
        };
        let trouble = recall.map(|recall| Trouble {
            version: version.version,
            reason: format!("it is recalled while it answers: {}", recall.reason),
        });
        let news = trouble.clone().filter(|_| slot.trouble() != trouble);
        slot.set_trouble(trouble);
        if let Some(Trouble { reason, .. }) = news {
            self.observer.tell(Happening::RecalledServing { version: version.id(), reason });
        }
    }

    /// Loads, tries and warms the version that `slot` should serve, and lets it answer.
    fn bring_up(&self, slot: &Slot) -> Result<Arc<Served>, ServeError> {
        let version = self.store().resolve(&slot.reference())?;
        let on_trial = slot.trial.load_full().map(|trial| trial.served.clone());
        let found = match on_trial.filter(|served| served.number == version.version) {
            Some(served) => Ok(served),
            None => self.ready(&version).map(Arc::new),
        };
        match found {
            Ok(served) => {
                served.metrics.share.set(1.0);
                let old = slot.current.swap(Some(served.clone()));
                slot.set_trouble(None);
                let replaced = old.filter(|old| old.number != served.number);
                if let Some(old) = &replaced {
                    old.metrics.share.set(0.0);
                }
                self.observer.tell(Happening::Serving {
                    version: served.id(),
                    replaced: replaced.map(|old| old.id()),
                });
                Ok(served)
            }
            Err(error) => {
                slot.set_trouble(Some(Trouble { version: version.version, reason: error.to_string() }));
                let serving = slot.current.load().as_ref().map(|served| served.id());
                self.observer.tell(Happening::Refused {
                    version: version.id(),
                    reason: error.to_string(),
                    serving,
                });
                Err(error)
            }
        }
    }

    /// Loads, tries and warms a version.
    pub(crate) fn ready(&self, version: &store::ModelVersion) -> Result<Served, ServeError> {
        let recalls = self.store().recalls_of(version)?;
        if let Some(recall) = recalls.first() {
            return Err(ServeError::unservable(version.id(), format!("it is recalled: {}", recall.reason)));
        }
        let served = Served::load(&self.store(), version, self.limits, &self.metrics)?;
        let tried = served.warm().and_then(|()| served.prove());
        tried.map_err(|refusal| ServeError::unservable(version.id(), refusal.message))?;
        Ok(served)
    }
}

/// Loads `name` again after it was unloaded.
///
/// Errors   a name that is not served: which models are is decided where the server is started; a version that cannot be served.
pub(crate) async fn load_named(app: Arc<App>, name: String) -> Result<(), Refusal> {
    let loading = tokio::task::spawn_blocking(move || {
        let follow = app.repository.slots().get(&name).map(|slot| slot.follow.clone());
        let follow = follow.ok_or_else(|| unknown_model(&name))?;
        app.repository.load(&name, follow).map_err(|error| Refusal::new(Kind::Unavailable, error.to_string()))
    });
    match loading.await {
        Ok(done) => done.map(drop),
        Err(_) => Err(Refusal::new(Kind::Internal, "loading the model failed")),
    }
}

fn unknown_model(name: &str) -> Refusal {
    Refusal::unknown(format!(
        "there is no model `{}` here; `GET /v2/repository/index` lists those there are",
        shown(name)
    ))
}

fn not_ready(slot: &Slot) -> Refusal {
    let message = match slot.trouble() {
        Some(Trouble { version, reason }) => format!("`{}@{version}` cannot be served: {reason}", slot.name),
        None => format!("`{}` is not loaded", slot.name),
    };
    Refusal::new(Kind::Unavailable, message)
}
