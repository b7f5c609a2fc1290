//! Rollouts, decisions of runs, overruled gates, and the counter that servers ask.

use std::sync::Barrier;
use std::thread;

use store::{
    Deployed, GateOverride, Promotion, Registered, Rollout, RolloutEnd, RolloutStart, RolloutState, Store,
    StoreError,
};

use crate::backends::{open_again, over_other_backends};
use crate::sample::{by, new_store, record};

const START: RolloutStart<'static> = RolloutStart { percent: 5, plan: "a plan", occasion: None };

fn with_versions(count: u32) -> (tempfile::TempDir, Store) {
    let (folder, store) = new_store();
    for number in 0..count {
        store.register(&record("digits", number as f32)).unwrap();
    }
    (folder, store)
}

fn start(store: &Store, reference: &str) -> Result<Rollout, String> {
    let outcome = store.start_rollout(reference, "production", START, &Promotion::default(), &by(1));
    outcome.map_err(|error| error.mistake().unwrap().code.to_owned())
}

fn target(store: &Store) -> Option<u32> {
    store.alias_target("digits", "production").unwrap()
}

fn actions(store: &Store) -> Vec<String> {
    store.history(None).unwrap().into_iter().map(|event| event.action).collect()
}

#[test]
fn a_rollout_goes_step_by_step_and_moves_the_alias_at_its_end() {
    let (_folder, store) = with_versions(3);
    assert_eq!(start(&store, "digits@2"), Err("nothing-to-replace".to_owned()));
    store.promote("digits@1", "production", &Promotion::default(), &by(0)).unwrap();
    assert_eq!(start(&store, "digits@1"), Err("nothing-to-roll-out".to_owned()));
    assert_eq!(store.rollout("digits", "production").unwrap(), None);

    let begun = start(&store, "digits@2").unwrap();
    assert_eq!((begun.from, begun.to, begun.percent, begun.state), (1, 2, 5, RolloutState::Running));
    assert_eq!((begun.plan.as_str(), begun.started_unix_ms), ("a plan", 1));
    assert_eq!(target(&store), Some(1), "the alias stays while a rollout is under way");
    assert_eq!(start(&store, "digits@3"), Err("rollout-under-way".to_owned()));
    assert_eq!(store.rollouts().unwrap(), std::slice::from_ref(&begun));

    let stepped = store.step_rollout(&begun, 50, "205 requests, no failure", &by(2)).unwrap().unwrap();
    assert_eq!((stepped.percent, stepped.reason.as_deref()), (50, Some("205 requests, no failure")));
    assert_eq!(
        store.step_rollout(&begun, 25, "late", &by(2)).unwrap(),
        None,
        "decided on a state that is past"
    );
    assert_eq!(store.finish_rollout(&begun, RolloutEnd::RollBack, "late", &by(2)).unwrap(), None);
    for (percent, reason) in [(101, "more than all"), (60, " ")] {
        assert!(store.step_rollout(&stepped, percent, reason, &by(2)).unwrap_err().mistake().is_some());
    }

    let ended =
        store.finish_rollout(&stepped, RolloutEnd::Promote, "every limit kept", &by(3)).unwrap().unwrap();
    assert_eq!((ended.state, ended.percent, ended.changed_unix_ms), (RolloutState::Promoted, 50, 3));
    assert_eq!(target(&store), Some(2));
    assert_eq!(store.step_rollout(&ended, 60, "over", &by(4)).unwrap(), None);
    assert!(store.rollouts().unwrap().is_empty());
    let expect = ["rollout", "rollout_plan", "rollout_step", "rollout_step", "rollout_end", "promote"];
    assert_eq!(actions(&store)[4..], expect);
    let back = store.roll_back("digits", "production", &Promotion::default(), Some("found wrong"), &by(5));
    assert_eq!(back.unwrap().version, 1);
    assert_eq!(store.history(None).unwrap().pop().unwrap().reason.as_deref(), Some("found wrong"));
}

#[test]
fn a_rollout_that_goes_back_leaves_the_alias() {
    let (_folder, store) = with_versions(3);
    store.promote("digits@1", "production", &Promotion::default(), &by(0)).unwrap();
    let begun = start(&store, "digits@2").unwrap();
    let ended =
        store.finish_rollout(&begun, RolloutEnd::RollBack, "class `yes`: 97 %", &by(2)).unwrap().unwrap();
    assert_eq!((ended.state, target(&store)), (RolloutState::RolledBack, Some(1)));
    assert_eq!(store.rollback_target("digits", "production").unwrap(), None, "2 has never served by itself");

    // A move of the alias by hand ends what was under way.
    for (reference, state) in [("digits@3", RolloutState::RolledBack), ("digits@2", RolloutState::Promoted)] {
        start(&store, "digits@2").unwrap();
        store.promote(reference, "production", &Promotion::default(), &by(3)).unwrap();
        let ended = store.rollout("digits", "production").unwrap().unwrap();
        assert_eq!(ended.state, state);
        assert!(ended.reason.unwrap().contains("was moved to version"));
    }
}

#[test]
fn what_is_recalled_is_not_rolled_out() {
    let (_folder, store) = with_versions(2);
    store.promote("digits@1", "production", &Promotion::default(), &by(0)).unwrap();
    let begun = start(&store, "digits@2").unwrap();
    store.recall("digits@2", "wrong labels", &by(2)).unwrap();
    let refused = store.finish_rollout(&begun, RolloutEnd::Promote, "fine", &by(3)).unwrap_err();
    assert_eq!(refused.mistake().unwrap().code, "recalled");
    assert_eq!(target(&store), Some(1));
    store.finish_rollout(&begun, RolloutEnd::RollBack, "recalled", &by(3)).unwrap().unwrap();
    assert_eq!(start(&store, "digits@2"), Err("recalled".to_owned()));
    let despite = Promotion { despite_recall: Some("one class only".to_owned()), ..Promotion::default() };
    let begun = store.start_rollout("digits@2", "production", START, &despite, &by(4)).unwrap();
    let ended = store.finish_rollout(&begun, RolloutEnd::Promote, "fine", &by(5)).unwrap().unwrap();
    assert_eq!(ended.state, RolloutState::Promoted);
}

/// Of several servers that decide on the same state at once, one changes it.
#[test]
fn two_servers_cannot_both_step() {
    let (_folder, store) = with_versions(2);
    store.promote("digits@1", "production", &Promotion::default(), &by(0)).unwrap();
    let mut seen = start(&store, "digits@2").unwrap();
    for round in 0..10u8 {
        let (barrier, path) = (Barrier::new(4), store.path());
        let changed: usize = thread::scope(|scope| {
            let servers: Vec<_> = (0..4u8)
                .map(|server| {
                    let (seen, barrier) = (&seen, &barrier);
                    scope.spawn(move || {
                        let store = open_again(path);
                        barrier.wait();
                        let percent = 10 + round * 4 + server;
                        store.step_rollout(seen, percent, "enough requests", &by(1)).unwrap().is_some()
                    })
                })
                .collect();
            servers.into_iter().map(|server| usize::from(server.join().unwrap())).sum()
        });
        assert_eq!(changed, 1);
        seen = store.rollout("digits", "production").unwrap().unwrap();
    }
    assert_eq!(actions(&store).iter().filter(|action| *action == "rollout_step").count(), 11);
}

#[test]
fn a_deployment_is_decided_once_on_an_occasion() {
    let (_folder, store) = with_versions(3);
    let deploy = |reference: &str, plan, occasion| {
        store.deploy(reference, "production", plan, occasion, &Promotion::default(), &by(1)).unwrap()
    };
    // Where the alias points at nothing, a plan has nothing to replace.
    assert!(matches!(deploy("digits@1", Some(START), "monday"), Deployed::Promoted(_)));
    assert_eq!(deploy("digits@1", Some(START), "monday"), Deployed::Before);
    store.refuse("digits", "tuesday", "the gate `quality`: 0.5", &by(2)).unwrap();
    let Deployed::RollingOut(begun) = deploy("digits@2", Some(START), "wednesday") else { panic!() };
    assert!(store.is_rolling_out("digits", "production").unwrap());
    store.finish_rollout(&begun, RolloutEnd::RollBack, "slow", &by(3)).unwrap();
    assert_eq!(deploy("digits@2", None, "wednesday"), Deployed::Before, "nor after it went back");
    store.withhold("digits@3", "production", "thursday", "no signature", &by(4)).unwrap();
    assert!(matches!(deploy("digits@3", None, "friday"), Deployed::Promoted(_)));
    let told: Vec<(String, Option<u32>, String)> = store
        .decisions("digits")
        .unwrap()
        .into_iter()
        .map(|event| (event.action, event.version, event.value.unwrap()))
        .collect();
    let expect = [
        ("promote", Some(1), "monday"),
        ("refuse", None, "tuesday"),
        ("rollout", Some(2), "wednesday"),
        ("withhold", Some(3), "thursday"),
        ("promote", Some(3), "friday"),
    ];
    assert_eq!(told, expect.map(|(action, version, on)| (action.to_owned(), version, on.to_owned())));
}

#[test]
fn overruled_gates_are_told_with_the_registration() {
    let (_folder, store) = with_versions(1);
    let overruled = |gate: &str, reason: &str| {
        let said = "`accuracy` is 0.5; at least 0.9 is required.".to_owned();
        vec![GateOverride { gate: gate.into(), said, reason: reason.into() }]
    };
    let mut model = record("digits", 7.0);
    model.overrides = overruled("quality", " ");
    assert_eq!(store.register(&model).unwrap_err().mistake().unwrap().code, "no-reason");
    model.overrides = overruled("quality", "a demonstration");
    assert!(matches!(store.register(&model).unwrap(), Registered::New(_)));
    assert!(matches!(store.register(&model).unwrap(), Registered::Existing(_)));
    model.overrides = overruled("speed", "a demonstration");
    assert!(matches!(store.register(&model).unwrap(), Registered::Existing(_)));
    let told = store.history(Some("digits")).unwrap();
    let told: Vec<_> = told.iter().filter(|event| event.action == "override_gate").collect();
    assert_eq!(told.len(), 2, "each once");
    assert_eq!((told[0].version, told[0].subject.as_deref()), (Some(2), Some("quality")));
    assert_eq!(told[0].reason.as_deref(), Some("a demonstration"));
}

#[test]
fn the_counter_rises_with_every_change_and_with_nothing_else() {
    let (_folder, store) = with_versions(2);
    let mut last = store.change_counter().unwrap();
    assert_eq!(last, 2);
    let changes: [&dyn Fn(); 4] = [
        &|| drop(store.set_alias("digits", "production", 1, &by(0)).unwrap()),
        &|| drop(start(&store, "digits@2").unwrap()),
        &|| drop(store.recall("digits@2", "wrong", &by(0)).unwrap()),
        &|| drop(store.register(&record("digits", 9.0)).unwrap()),
    ];
    for change in changes {
        change();
        let now = store.change_counter().unwrap();
        assert!(now > last);
        let new = store.history_since(last).unwrap();
        assert_eq!((new[0].sequence, new.len() as u64), (last + 1, now - last));
        last = now;
        store.put(b"a blob that no row speaks of").unwrap();
        assert_eq!(store.change_counter().unwrap(), last);
    }
}

#[test]
fn one_watches_while_others_run() {
    let (_folder, store) = new_store();
    let watching = store.try_watch().unwrap();
    drop(store.try_lock().unwrap());
    let second = open_again(store.path());
    match second.try_watch() {
        Err(StoreError::Watched { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
        outcome => panic!("{outcome:?}"),
    }
    drop(watching);
    second.try_watch().unwrap();
}

over_other_backends![
    a_rollout_goes_step_by_step_and_moves_the_alias_at_its_end,
    a_rollout_that_goes_back_leaves_the_alias,
    what_is_recalled_is_not_rolled_out,
    two_servers_cannot_both_step,
    a_deployment_is_decided_once_on_an_occasion,
    overruled_gates_are_told_with_the_registration,
    the_counter_rises_with_every_change_and_with_nothing_else,
];
