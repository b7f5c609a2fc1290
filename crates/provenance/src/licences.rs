//! Licences in the words of a bill of materials.

use serde_json::{Value, json};

/// Identifiers of the SPDX licence list that are common for models, data and software. Others are
/// written as names, which says the same with less certainty: the list has hundreds, and grows.
const SPDX: [&str; 34] = [
    "0BSD",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "CDLA-Sharing-1.0",
    "EPL-2.0",
    "EUPL-1.2",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "ODbL-1.0",
    "Unlicense",
    "Zlib",
];

/// CycloneDX's `licenseChoice`: one SPDX expression, or a list of identifiers and names.
pub(crate) fn choice(licences: &[String]) -> Value {
    if let [only] = licences
        && is_expression(only)
    {
        return json!([{ "expression": only }]);
    }
    let each = |licence: &String| {
        let key = if SPDX.contains(&licence.as_str()) { "id" } else { "name" };
        json!({ "license": { key: licence } })
    };
    Value::Array(licences.iter().map(each).collect())
}

/// Whether `text` is known identifiers with `AND` or `OR` between them.
fn is_expression(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    let fits = |(at, word): (usize, &&str)| match at % 2 {
        0 => SPDX.contains(word),
        _ => matches!(*word, "AND" | "OR"),
    };
    words.len() >= 3 && words.len() % 2 == 1 && words.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_expressions_and_names() {
        for (licences, expect) in [
            (vec![], json!([])),
            (vec!["MIT"], json!([{ "license": { "id": "MIT" } }])),
            (vec!["house rules"], json!([{ "license": { "name": "house rules" } }])),
            (vec!["MIT OR Apache-2.0"], json!([{ "expression": "MIT OR Apache-2.0" }])),
            (vec!["MIT OR ELSE"], json!([{ "license": { "name": "MIT OR ELSE" } }])),
            (vec!["MIT MIT OR"], json!([{ "license": { "name": "MIT MIT OR" } }])),
            (vec!["AND"], json!([{ "license": { "name": "AND" } }])),
            (vec!["MIT", "x"], json!([{ "license": { "id": "MIT" } }, { "license": { "name": "x" } }])),
        ] {
            let licences: Vec<String> = licences.into_iter().map(str::to_owned).collect();
            assert_eq!(choice(&licences), expect);
        }
    }
}
