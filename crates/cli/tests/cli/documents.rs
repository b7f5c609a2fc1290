//! The commands in README.md, in the user's guide and in the examples do what the pages say.
//!
//! A page is followed from top to bottom in a folder of its own, which holds what its reader would
//! have: photos, a table, an example, and a small stand-in for `schemes/mnist.toml`. Three marks steer it, HTML
//! comments on the line above a block:
//!
//! - `<!-- file: NAME -->`: the block is the file NAME; it is written;
//! - `<!-- long -->`: not followed here, because it takes minutes; the whole runs of `.ci/run` do;
//! - none above a `console` block: each line behind `$ ` is run, must end with status 0 (or with N if
//!   it says `# exit status N`), and print what stands below it; `...` and `[..]` stand for anything.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::Place;
use crate::samples::{houses, photos, png, small_mnist};

/// A fenced block of a page.
struct Block {
    /// What is written behind the fence: `console`, `toml`.
    language: String,
    /// The comment above it.
    mark: Option<String>,
    lines: Vec<String>,
}

/// A command and what is to be printed.
struct Step {
    command: String,
    status: i32,
    expect: String,
}

#[test]
fn readme() {
    follow(&root().join("README.md"));
}

#[test]
fn guide() {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs/guide"))
        .expect("the guide")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    assert!(!pages.is_empty());
    pages.iter().for_each(|page| follow(page));
}

/// Each example is followed with the scheme files and tables that lie beside it.
#[test]
fn examples() {
    for example in fs::read_dir(root().join("examples")).expect("the examples") {
        let folder = example.expect("an entry").path();
        let place = Place::new();
        for entry in fs::read_dir(&folder).expect("an example") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "toml" || extension == "csv") {
                let name = path.file_name().expect("a file has a name");
                fs::copy(&path, place.path().join(name)).expect("a scheme");
            }
        }
        follow_in(&place, &folder.join("README.md"));
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository").to_owned()
}

fn follow(page: &Path) {
    let place = Place::new();
    photos(&place);
    houses(&place);
    small_mnist(&place);
    fs::copy(root().join("schemes/stock.toml"), place.path().join("schemes/stock.toml")).expect("a scheme");
    for file in ["clinic.toml", "clinic.csv", "hospital.toml", "hospital.csv"] {
        let bytes = fs::read(root().join("examples/breast-cancer").join(file)).expect("an example");
        place.write(&format!("breast-cancer/{file}"), bytes);
    }
    place.write("photo.png", png(0, 99, 28));
    place.write("my.toml", "inherits = [\"mnist\"]\n[train]\nepochs = 3\n");
    follow_in(&place, page);
}

/// Ends the servers that a page started, also where a step failed: it wrote their process numbers to `*.pid`.
struct Servers<'a>(&'a Place);

impl Drop for Servers<'_> {
    fn drop(&mut self) {
        self.0.shell("for file in *.pid; do test -f $file && kill $(cat $file) 2> /dev/null; done; true");
    }
}

fn follow_in(place: &Place, page: &Path) {
    let _servers = Servers(place);
    let text = fs::read_to_string(page).expect("a page");
    for block in blocks(&text) {
        let mark = block.mark.as_deref().unwrap_or_default();
        if let Some(name) = mark.strip_prefix("file: ") {
            place.write(name, block.lines.join("\n") + "\n");
        } else if block.language == "console" && mark != "long" {
            steps(&block).iter().for_each(|step| take(step, place, page));
        }
    }
}

fn take(step: &Step, place: &Place, page: &Path) {
    let outcome = place.shell(&step.command);
    let told = format!("`{}` of {}\n{}{}", step.command, page.display(), outcome.stdout, outcome.stderr);
    assert_eq!(outcome.status, Some(step.status), "{told}");
    if !step.expect.is_empty() {
        let mut shown = if outcome.stdout.is_empty() { outcome.stderr } else { outcome.stdout };
        if !shown.ends_with('\n') {
            shown.push('\n'); // a server's answer has no end of line, a page does
        }
        let same = snapbox::Assert::new().try_eq(Some(&"output"), shown.into(), step.expect.clone().into());
        if let Err(difference) = same {
            panic!("{told}\n{difference}");
        }
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut mark) = (Vec::new(), None::<Block>, None);
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { language: language.to_owned(), mark: mark.take(), lines: Vec::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, None) => {
                let comment = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                mark = comment.map(str::to_owned);
            }
        }
    }
    blocks
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in &block.lines {
        if let Some(command) = line.strip_prefix("$ ") {
            let status =
                command.split_once("# exit status ").and_then(|(_, number)| number.trim().parse().ok());
            steps.push(Step {
                command: command.to_owned(),
                status: status.unwrap_or(0),
                expect: String::new(),
            });
        } else if let Some(step) = steps.last_mut() {
            step.expect += &format!("{line}\n");
        }
    }
    steps
}
