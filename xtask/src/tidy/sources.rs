//! Rules for one Rust file: its length, its name, unfinished code, printing and `unsafe`.

use super::Finding;
use super::lexer::{self, Columns, has_word};

/// The longest a source file may be.
const LINES_MAX: usize = 500;

/// Names that say nothing about what is inside, for files and folders.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "shared"];

/// Code that is never committed, and why.
const FORBIDDEN: [(&str, &str); 5] = [
    ("todo!", "unfinished code"),
    ("unimplemented!", "unfinished code"),
    ("#[ignore", "a test that does not run"),
    ("dead_code", "code that nothing uses is removed, not silenced"),
    ("dbg!", "left over from debugging"),
];

/// What only the command line may do.
const TERMINAL: [&str; 5] = ["println!", "eprintln!", "print!", "eprint!", "process::exit"];

/// The only folder with `unsafe`.
const UNSAFE_FOLDER: &str = "crates/engine/src/kernels";

/// How far above an `unsafe` block its `SAFETY:` comment may start.
const SAFETY_LINES_ABOVE: usize = 6;

/// Checks the file `path` that holds `text`.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let columns = lexer::split(text);
    let mut findings: Vec<Finding> = check_name(path).into_iter().chain(check_length(path, text)).collect();
    for (index, code) in columns.code.iter().enumerate() {
        let messages = [forbidden(code), terminal(path, code), check_unsafe(path, &columns, index)];
        findings.extend(messages.into_iter().flatten().map(|text| Finding::line(path, index + 1, text)));
    }
    findings
}

fn check_name(path: &str) -> Option<Finding> {
    let stem = path.trim_end_matches(".rs");
    let name = stem.split('/').find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::file(path, format!("`{name}` says nothing about what is inside: name the concept")))
}

fn check_length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    (lines > LINES_MAX)
        .then(|| Finding::file(path, format!("{lines} lines, more than {LINES_MAX}: split it by concept")))
}

fn forbidden(code: &str) -> Option<String> {
    let (text, why) = FORBIDDEN.iter().find(|(text, _)| has_word(code, text))?;
    Some(format!("`{text}`: {why}"))
}

/// Printing or exiting in the source of a library.
fn terminal(path: &str, code: &str) -> Option<String> {
    let is_library =
        path.starts_with("crates/") && !path.starts_with("crates/cli/") && path.contains("/src/");
    let call = TERMINAL.iter().find(|call| is_library && has_word(code, call))?;
    Some(format!("`{call}` in a library: only `cli` prints or exits"))
}

fn check_unsafe(path: &str, columns: &Columns, index: usize) -> Option<String> {
    let code = &columns.code[index];
    if !has_word(code, "unsafe") {
        return None;
    }
    if !path.starts_with(UNSAFE_FOLDER) {
        return Some(format!("`unsafe` outside {UNSAFE_FOLDER}"));
    }
    let is_declaration =
        ["unsafe fn", "unsafe extern", "unsafe trait"].iter().any(|kind| has_word(code, kind));
    let first = index.saturating_sub(SAFETY_LINES_ABOVE);
    let is_explained = columns.comments[first..=index].iter().any(|comment| comment.contains("SAFETY:"));
    (!is_declaration && !is_explained).then(|| "`unsafe` without a `SAFETY:` comment above it".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_at(path: &str, text: &str, expect: &[&str]) {
        let found: Vec<String> = check(path, text).iter().map(Finding::to_string).collect();
        assert_eq!(found, expect, "in {path}: {text:?}");
    }

    #[test]
    fn unfinished_code_is_refused() {
        check_at(
            "crates/a/src/x.rs",
            "fn f() {\n    todo!()\n}",
            &["crates/a/src/x.rs:2: `todo!`: unfinished code"],
        );
        check_at("a.rs", "unimplemented!(\"x\")", &["a.rs:1: `unimplemented!`: unfinished code"]);
        check_at("a.rs", "#[ignore = \"slow\"]", &["a.rs:1: `#[ignore`: a test that does not run"]);
        check_at(
            "a.rs",
            "#[allow(dead_code)]",
            &["a.rs:1: `dead_code`: code that nothing uses is removed, not silenced"],
        );
        check_at("a.rs", "// todo!() in words\nlet x = \"todo!()\";", &[]);
    }

    #[test]
    fn names_say_something() {
        let message = "says nothing about what is inside: name the concept";
        check_at("crates/a/src/utils.rs", "", &[&format!("crates/a/src/utils.rs: `utils` {message}")]);
        check_at("crates/a/src/common/x.rs", "", &[&format!("crates/a/src/common/x.rs: `common` {message}")]);
        check_at("crates/a/src/commonplace.rs", "", &[]);
    }

    #[test]
    fn long_files_are_refused() {
        check_at("a.rs", &"\n".repeat(500), &[]);
        check_at("a.rs", &"\n".repeat(501), &["a.rs: 501 lines, more than 500: split it by concept"]);
    }

    #[test]
    fn only_the_command_line_prints() {
        let text = "println!(\"x\")";
        check_at(
            "crates/data/src/a.rs",
            text,
            &["crates/data/src/a.rs:1: `println!` in a library: only `cli` prints or exits"],
        );
        check_at("crates/cli/src/a.rs", text, &[]);
        check_at("crates/graph/build.rs", text, &[]);
        check_at("crates/data/src/a.rs", "writeln!(out, \"x\")", &[]);
    }

    #[test]
    fn unsafe_lives_in_the_kernels_and_is_explained() {
        check_at(
            "crates/data/src/a.rs",
            "// SAFETY: no\nunsafe { f() }",
            &["crates/data/src/a.rs:2: `unsafe` outside crates/engine/src/kernels"],
        );
        let kernel = "crates/engine/src/kernels/a.rs";
        check_at(kernel, "// SAFETY: f takes any pointer.\nunsafe { f() }", &[]);
        check_at(kernel, "let y = unsafe { f() }; // SAFETY: as above.", &[]);
        check_at(kernel, "unsafe fn f() {}", &[]);
        let message = format!("{kernel}:1: `unsafe` without a `SAFETY:` comment above it");
        check_at(kernel, "unsafe { f() }", &[&message]);
        check_at(kernel, "unsafe impl Send for X {}", &[&message]);
    }
}
