//! Rules for the Markdown pages: no trailing blanks, no dead relative links, a changelog that is kept.

use super::{File, Finding};

/// The longest ARCHITECTURE.md may be.
const ARCHITECTURE_LINES_MAX: usize = 300;

/// Checks every `.md` of `files`; `exists` says whether a path from the root is there.
pub(crate) fn check(files: &[File], exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        findings.extend(check_blanks(file));
        findings.extend(check_links(file, &exists));
        if file.path == "ARCHITECTURE.md" && file.text.lines().count() > ARCHITECTURE_LINES_MAX {
            findings.push(Finding::file(&file.path, format!("more than {ARCHITECTURE_LINES_MAX} lines")));
        }
    }
    findings.extend(check_changelog(files));
    findings
}

fn check_blanks(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t']));
    lines.map(|(index, _)| Finding::line(&file.path, index + 1, "blanks at the end of the line")).collect()
}

/// Links to files of the repository, outside code blocks, must lead somewhere.
fn check_links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (index, line) in file.text.lines().enumerate() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        for target in targets(line).filter(|target| !target.contains(':') && !target.is_empty()) {
            if !exists(&resolve(&file.path, target)) {
                findings.push(Finding::line(
                    &file.path,
                    index + 1,
                    format!("the link to `{target}` is dead"),
                ));
            }
        }
    }
    findings
}

/// The targets of `[text](target)` on a line, without their `#fragment`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()?.split('#').next())
}

/// `target` as seen from the folder of `page`.
fn resolve(page: &str, target: &str) -> String {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// CHANGELOG.md has a section for what is not released yet, or one for the present version.
fn check_changelog(files: &[File]) -> Option<Finding> {
    let find = |path| files.iter().find(|file: &&File| file.path == path);
    let Some(changelog) = find("CHANGELOG.md") else {
        return Some(Finding::file("CHANGELOG.md", "is missing"));
    };
    let version = find("Cargo.toml").and_then(|manifest| version(&manifest.text)).unwrap_or_default();
    let wanted = ["## [Unreleased]".to_owned(), format!("## [{version}]")];
    let has_section =
        changelog.text.lines().any(|line| wanted.iter().any(|section| line.starts_with(section)));
    (!has_section)
        .then(|| Finding::file("CHANGELOG.md", format!("has neither `{}` nor `{}`", wanted[0], wanted[1])))
}

/// The workspace's version.
fn version(manifest: &str) -> Option<String> {
    let manifest = manifest.parse::<toml_edit::DocumentMut>().ok()?;
    Some(manifest.get("workspace")?.get("package")?.get("version")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_page(path: &str, text: &str, expect: &[&str]) {
        let files = [page("CHANGELOG.md", "## [Unreleased]"), page(path, text)];
        let found = super::check(&files, |path| path == "docs/a.md");
        let found: Vec<String> = found.iter().map(Finding::to_string).collect();
        assert_eq!(found, expect, "{path}: {text:?}");
    }

    fn page(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn pages_have_no_trailing_blanks() {
        check_page("a.md", "one\ntwo \n", &["a.md:2: blanks at the end of the line"]);
        check_page("a.md", "one\ntwo\n", &[]);
    }

    #[test]
    fn links_lead_somewhere() {
        check_page("x.md", "[a](docs/a.md#part), [b](https://example.org), [c](#here)", &[]);
        check_page("docs/decisions/x.md", "[a](../a.md)", &[]);
        check_page("x.md", "[a](a.md)", &["x.md:1: the link to `a.md` is dead"]);
        check_page("x.md", "```\n[a](a.md)\n```", &[]);
    }

    #[test]
    fn the_architecture_stays_short() {
        check_page("ARCHITECTURE.md", &"\n".repeat(301), &["ARCHITECTURE.md: more than 300 lines"]);
    }

    #[test]
    fn the_changelog_is_kept() {
        let manifest = page("Cargo.toml", "[workspace.package]\nversion = \"0.1.0\"");
        let check =
            |text: &str| check_changelog(&[page("CHANGELOG.md", text), page(&manifest.path, &manifest.text)]);
        assert_eq!(check("## [Unreleased]\n"), None);
        assert_eq!(check("## [0.1.0] - 2026-11-23\n"), None);
        let message = "CHANGELOG.md: has neither `## [Unreleased]` nor `## [0.1.0]`";
        assert_eq!(check("## [0.0.9]\n").map(|finding| finding.to_string()).as_deref(), Some(message));
    }
}
