//! Scheme files, several at once: no text makes resolution panic, every span lies within its text, and whatever
//! resolves also survives being shown and read again.
//!
//! The input is written as the cases of `crates/scheme/tests/cases` are: `--- NAME` before each file, `--- set` before
//! overrides, the first file is the root.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use scheme::{MemoryFiles, resolve};

fuzz_target!(|text: &[u8]| {
    let (root, overrides, mut files) = parse(text);
    let resolution = resolve(Path::new(&root), &overrides, &files);
    match resolution.result {
        Ok(first) => {
            files.0.insert("shown.toml".into(), first.to_toml().into_bytes());
            let second = resolve(Path::new("shown.toml"), &[], &files).result.unwrap_or_else(|error| {
                panic!("the shown text does not resolve: {error}\n{}", first.to_toml());
            });
            assert_eq!(first.to_toml(), second.to_toml());
            assert_eq!(first.digest(), second.digest());
            first.origins();
        }
        Err(diagnostics) => {
            assert!(!diagnostics.0.is_empty());
            for label in diagnostics.0.iter().flat_map(|diagnostic| &diagnostic.labels) {
                if let base::Location::Source(span) = label.at {
                    resolution.sources.line_column(span);
                    let length = resolution.sources.get(span.file).text.len();
                    assert!(span.start <= span.end && span.end <= length, "{span:?} of {length} bytes");
                }
            }
        }
    }
});

/// The root, the overrides and the files.
fn parse(text: &[u8]) -> (String, Vec<String>, MemoryFiles) {
    const MARK: &[u8] = b"--- ";
    let (mut root, mut overrides, mut files) = (None, Vec::new(), MemoryFiles::default());
    let mut name = "a.toml".to_owned();
    let mut body = Vec::new();
    let lines = text.split_inclusive(|&byte| byte == b'\n').chain(std::iter::once(MARK));
    for line in lines {
        let Some(head) = line.strip_prefix(MARK) else {
            body.extend_from_slice(line);
            continue;
        };
        let whole = std::mem::take(&mut body);
        if name == "set" {
            overrides.extend(String::from_utf8_lossy(&whole).lines().map(str::to_owned));
        } else if !whole.is_empty() {
            root.get_or_insert_with(|| name.clone());
            files.0.insert(name.clone().into(), whole);
        }
        name = String::from_utf8_lossy(head).trim_end().to_owned();
    }
    (root.unwrap_or(name), overrides, files)
}
