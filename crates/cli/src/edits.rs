//! What the commands that write scheme files share: texts, references and differences.

use std::path::{Component, Path, PathBuf};

use base::{Diagnostic, Location};
use similar::TextDiff;

use crate::disk;
use crate::failure::Failure;

/// Largest scheme file, in bytes; `scheme` refuses larger ones too.
const SCHEME_BYTES_MAX: u64 = 1 << 20;

/// The text of a scheme file.
///
/// Errors   it cannot be read, or is no UTF-8.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let bytes = disk::read(path, SCHEME_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to() as u64;
        let message = format!("{} is not UTF-8 text", path.display());
        Diagnostic::new("not-text", message).label(Location::byte(path, byte), "first invalid byte").into()
    })
}

/// How a file at `child` writes a parent that the user names from the working directory: a path as
/// seen from the child's folder, a name as it is.
pub(crate) fn reference(child: &Path, parent: &str) -> String {
    if !parent.ends_with(".toml") || Path::new(parent).is_absolute() {
        return parent.to_owned();
    }
    let folder = child.parent().unwrap_or(Path::new(""));
    relative(folder, Path::new(parent)).to_string_lossy().into_owned()
}

/// `path` as seen from `folder`, both as seen from the working directory.
pub(crate) fn relative(folder: &Path, path: &Path) -> PathBuf {
    // Without a working directory, relative paths mean nothing; then they stay as they are.
    let whole = |path: &Path| std::path::absolute(path).map(|path| normal(&path));
    let (Ok(folder), Ok(path)) = (whole(&Path::new(".").join(folder)), whole(path)) else {
        return path.to_owned();
    };
    let common = folder.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}

/// An absolute path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// The lines that differ, as `diff -u` writes them; empty if there are none.
pub(crate) fn diff(path: &Path, before: &str, after: &str) -> String {
    if before == after {
        return String::new();
    }
    let name = path.display().to_string();
    TextDiff::from_lines(before, after).unified_diff().header(&name, &name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_start_from_the_childs_folder() {
        for (child, parent, expect) in [
            ("a.toml", "b.toml", "b.toml"),
            ("s/a.toml", "b.toml", "../b.toml"),
            ("s/a.toml", "s/t/b.toml", "t/b.toml"),
            ("a.toml", "./s/../b.toml", "b.toml"),
            ("s/a.toml", "/x/b.toml", "/x/b.toml"),
            ("s/a.toml", "clinic/base@2", "clinic/base@2"),
        ] {
            assert_eq!(reference(Path::new(child), parent), expect, "{child} {parent}");
        }
    }
}
