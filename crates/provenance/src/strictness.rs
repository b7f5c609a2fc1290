//! Which of several licences leaves the least freedom: what was inherited binds who inherits.

/// Families of licences, the freest first; each is told by what its SPDX identifiers begin with or hold.
///
/// Source   the terms themselves, as the SPDX licence list names them.
const FAMILIES: [(&str, &[&str]); 6] = [
    ("public domain", &["CC0-", "Unlicense", "0BSD", "MIT-0"]),
    (
        "permissive",
        &["Apache-", "BSD-", "BSL-", "CC-BY-3", "CC-BY-4", "CDLA-Permissive-", "ISC", "MIT", "Zlib"],
    ),
    ("copyleft for changes", &["CC-BY-SA-", "CDLA-Sharing-", "EPL-", "LGPL-", "MPL-", "ODbL-"]),
    ("copyleft", &["GPL-", "EUPL-"]),
    ("copyleft for services", &["AGPL-"]),
    ("no derivatives", &["CC-BY-ND-"]),
];

/// The licence of `licences` that leaves the least freedom; the first of several alike. One that is not known
/// counts as stricter than any that is, and `-NC-`, which forbids commercial use, as stricter than other known
/// ones. Of `A OR B` the freer counts, of `A AND B` the stricter.
pub fn strictest<'a>(licences: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let stated = licences.into_iter().filter(|licence| !licence.is_empty());
    stated.fold(None, |strictest, licence| match strictest {
        Some(found) if strictness(found) >= strictness(licence) => Some(found),
        _ => Some(licence),
    })
}

fn strictness(expression: &str) -> usize {
    let either = expression.split(" OR ").map(|alternative| {
        let all = alternative.split(" AND ").map(|licence| of_one(licence.trim_matches(['(', ')', ' '])));
        all.max().unwrap_or(0)
    });
    either.min().unwrap_or(0)
}

fn of_one(licence: &str) -> usize {
    if licence.contains("-NC-") {
        return FAMILIES.len();
    }
    let known = |(_, beginnings): &(&str, &[&str])| beginnings.iter().any(|each| licence.starts_with(each));
    FAMILIES.iter().position(known).unwrap_or(FAMILIES.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_freedom_wins() {
        for (licences, expect) in [
            (&["MIT", "GPL-3.0-only", "Apache-2.0"][..], Some("GPL-3.0-only")),
            (&["MIT", "Apache-2.0"], Some("MIT")),
            (&["GPL-3.0-only", "AGPL-3.0-only", "CC-BY-NC-4.0"], Some("CC-BY-NC-4.0")),
            (&["CC-BY-NC-4.0", "for the ward only"], Some("for the ward only")),
            (&["MIT OR GPL-3.0-only", "LGPL-3.0-only"], Some("LGPL-3.0-only")),
            (&["MIT AND GPL-3.0-only", "LGPL-3.0-only"], Some("MIT AND GPL-3.0-only")),
            (&["", "CC0-1.0"], Some("CC0-1.0")),
            (&["", ""], None),
        ] {
            assert_eq!(strictest(licences.iter().copied()), expect, "{licences:?}");
        }
    }
}
