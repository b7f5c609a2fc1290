//! Ctrl-c, and going on afterwards.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::place::{Outcome, Place};
use crate::samples::houses_scheme;

/// Waits until a run's `events.jsonl` under `folder` tells of `epochs` finished epochs.
fn wait_for_epochs(folder: &Path, epochs: usize, child: &mut Child) {
    loop {
        assert!(child.try_wait().expect("a child").is_none(), "the run ended by itself");
        if finished_epochs(folder) >= epochs {
            return;
        }
        sleep(Duration::from_millis(5));
    }
}

fn finished_epochs(folder: &Path) -> usize {
    let Ok(runs) = std::fs::read_dir(folder.join("runs")) else { return 0 };
    let texts = runs.filter_map(|run| std::fs::read_to_string(run.ok()?.path().join("events.jsonl")).ok());
    texts.map(|text| text.matches("\"epoch_finished\"").count()).sum()
}

fn interrupted(place: &Place, line: &str, epochs: usize) -> String {
    let mut command = place.command(line.split_whitespace());
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    wait_for_epochs(&place.path().join(".heirloom"), epochs, &mut child);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill exists").success());
    Outcome::of(&child.wait_with_output().expect("a child")).failed(130)
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_goes_on() {
    let place = Place::new();
    houses_scheme(&place);
    let run = "run houses.toml --set train.epochs=50000 --threads 1";
    let said = interrupted(&place, run, 2);
    let again = "interrupted; go on with `heirloom run houses.toml --set train.epochs=50000 --resume`";
    assert_eq!(said.lines().last(), Some(again));
    let done = finished_epochs(&place.path().join(".heirloom"));
    let said = interrupted(&place, &format!("{run} --resume"), done + 1);
    assert!(said.contains("\nresume    in epoch "), "{said}");
}
