//! What models, aliases and runs may be called.

use base::Diagnostic;

use crate::StoreError;
use crate::limits::NAME_BYTES_MAX;

/// A model's name: parts of letters, digits, `.`, `_` and `-` that begin with a letter or digit,
/// joined by `/`.
pub(crate) fn check_model_name(name: &str) -> Result<(), StoreError> {
    let valid = fits(name) && name.split('/').all(is_word);
    refuse_unless(valid, "invalid-model-name", "a model", name)
}

/// An alias: as one part of a model's name, but it begins with a letter so that it is no version.
pub(crate) fn check_alias(alias: &str) -> Result<(), StoreError> {
    let valid = fits(alias) && is_word(alias) && alias.starts_with(|first: char| first.is_ascii_alphabetic());
    refuse_unless(valid, "invalid-alias", "an alias", alias)
}

/// A run's id: as one part of a model's name, so that it can name a folder.
pub(crate) fn check_run_id(id: &str) -> Result<(), StoreError> {
    refuse_unless(fits(id) && is_word(id), "invalid-run-id", "a run", id)
}

/// What a blob is for that is kept beside a version: as one part of a model's name.
pub(crate) fn check_role(role: &str) -> Result<(), StoreError> {
    refuse_unless(fits(role) && is_word(role), "invalid-role", "what is kept beside a model", role)
}

/// A tag: as one part of a model's name.
pub(crate) fn check_tag(tag: &str) -> Result<(), StoreError> {
    refuse_unless(fits(tag) && is_word(tag), "invalid-tag", "a tag", tag)
}

/// A registered scheme's name: as a model's.
pub(crate) fn check_scheme_name(name: &str) -> Result<(), StoreError> {
    refuse_unless(fits(name) && name.split('/').all(is_word), "invalid-scheme-name", "a scheme", name)
}

fn fits(name: &str) -> bool {
    name.len() as u64 <= NAME_BYTES_MAX
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|each| each.is_ascii_alphanumeric() || "._-".contains(each))
}

fn refuse_unless(valid: bool, code: &'static str, what: &str, name: &str) -> Result<(), StoreError> {
    if valid {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(Diagnostic::new(code, format!("{what} cannot be called `{}`", shown.escape_default()))
        .help(format!(
            "use letters, digits, `.`, `_` and `-`, beginning with a letter, at most {NAME_BYTES_MAX} in all"
        ))
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_can_be_paths() {
        let long = "a".repeat(129);
        let model = |name| check_model_name(name).is_ok();
        for (name, expect) in [
            ("mnist", true),
            ("vision/digits-2.1", true),
            ("3d", true),
            ("", false),
            ("a//b", false),
            ("../x", false),
            ("a@b", false),
            ("é", false),
            (&long, false),
        ] {
            assert_eq!(model(name), expect, "{name}");
        }
        assert!(check_alias("production").is_ok());
        assert!(check_alias("7").is_err());
        assert!(check_run_id("2026-01-01.a").is_ok());
        assert!(check_run_id("a/b").is_err());
    }
}
