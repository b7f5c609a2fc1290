//! `/v2/models/{name}[/versions/{version}][/ready|/infer]`, where a name may hold slashes, plain or as `%2F`.

use std::borrow::Cow;

/// What of a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Metadata,
    Ready,
    Infer,
}

/// A path below `/v2/models/`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ModelPath<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) version: Option<Cow<'a, str>>,
    pub(super) action: Action,
}

/// Takes apart what follows `/v2/models/`. `None` for what is no such path.
pub(super) fn parse(rest: &str) -> Option<ModelPath<'_>> {
    let (rest, action) = match rest.rsplit_once('/') {
        Some((before, "infer")) => (before, Action::Infer),
        Some((before, "ready")) => (before, Action::Ready),
        _ => (rest.strip_suffix('/').unwrap_or(rest), Action::Metadata),
    };
    let (name, version) = match rest.rsplit_once("/versions/") {
        Some((name, version)) if !version.contains('/') => (name, Some(decoded(version)?)),
        _ => (rest, None),
    };
    let name = decoded(name)?;
    (!name.is_empty()).then_some(ModelPath { name, version, action })
}

/// `%XX` decoded; `None` unless that gives text without control characters.
pub(super) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
        let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then_some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path<'a>(name: &'a str, version: Option<&'a str>, action: Action) -> Option<ModelPath<'a>> {
        Some(ModelPath { name: name.into(), version: version.map(Into::into), action })
    }

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!(parse("digits"), path("digits", None, Action::Metadata));
        assert_eq!(parse("digits/"), path("digits", None, Action::Metadata));
        assert_eq!(parse("digits/infer"), path("digits", None, Action::Infer));
        assert_eq!(parse("digits/versions/3/infer"), path("digits", Some("3"), Action::Infer));
        assert_eq!(parse("vision/digits/versions/3"), path("vision/digits", Some("3"), Action::Metadata));
        assert_eq!(parse("vision%2Fdigits/ready"), path("vision/digits", None, Action::Ready));
        for wrong in ["", "/infer", "a%0ab", "a%", "a%zz", "a%ff/ready"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
