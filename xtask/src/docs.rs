//! The generated references: text that the libraries hold beside the code it describes.

use std::io;
use std::path::Path;

use crate::tidy::{Finding, Outcome, failed};

/// One generated page.
struct Page {
    /// Where it lies, from the repository's root.
    path: &'static str,
    /// What it must hold.
    text: String,
}

/// Every generated page. A new one is one line.
fn pages() -> Vec<Page> {
    vec![
        Page { path: "docs/reference/operators.md", text: graph::reference() },
        Page { path: "docs/reference/scheme.md", text: scheme::reference() },
    ]
}

/// Writes every page.
pub(crate) fn write(root: &Path) -> io::Result<Outcome> {
    let pages = pages();
    for page in &pages {
        let path = root.join(page.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed("create", folder, error))?;
        }
        std::fs::write(&path, &page.text).map_err(|error| failed("write", &path, error))?;
    }
    Ok(Outcome { files: pages.len(), findings: Vec::new() })
}

/// Names every page whose file is missing or holds something else.
pub(crate) fn check(root: &Path) -> io::Result<Outcome> {
    let pages = pages();
    let mut findings = Vec::new();
    for page in &pages {
        let path = root.join(page.path);
        let found = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read", &path, error)),
        };
        findings.extend(compare(page, found.as_deref()));
    }
    Ok(Outcome { files: pages.len(), findings })
}

/// The first line on which the file and the page differ, if any.
fn compare(page: &Page, found: Option<&str>) -> Option<Finding> {
    let Some(found) = found else {
        return Some(Finding::file(page.path, "is missing: run `cargo xtask docs`"));
    };
    if found == page.text {
        return None;
    }
    let same = found.lines().zip(page.text.lines()).take_while(|(a, b)| a == b).count();
    Some(Finding::line(page.path, same + 1, "is out of date: run `cargo xtask docs`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, found: Option<&str>, expect: Option<&str>) {
        let page = Page { path: "docs/reference/x.md", text: text.into() };
        let finding = compare(&page, found).map(|finding| finding.to_string());
        assert_eq!(finding.as_deref(), expect);
    }

    #[test]
    fn a_stale_page_is_named_with_its_first_differing_line() {
        check("a\nb\n", Some("a\nb\n"), None);
        check("a\nb\n", None, Some("docs/reference/x.md: is missing: run `cargo xtask docs`"));
        check(
            "a\nb\n",
            Some("a\nc\n"),
            Some("docs/reference/x.md:2: is out of date: run `cargo xtask docs`"),
        );
        check("a\nb\n", Some("a\n"), Some("docs/reference/x.md:2: is out of date: run `cargo xtask docs`"));
    }
}
