//! Manifests of models: no text makes the parser panic or take memory out of proportion, and whatever it accepts has one
//! canonical text, which is read as the same manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::Manifest;

fuzz_target!(|text: &str| {
    let Ok(manifest) = Manifest::decode(text) else { return };
    manifest.bytes();
    manifest.blobs();
    // A text of the largest allowed length may grow when it is escaped canonically; only that is refused.
    let Ok(canonical) = manifest.encode() else {
        assert!(text.len() > 1 << 20, "a short manifest cannot be written");
        return;
    };
    let again = Manifest::decode(&canonical).unwrap_or_else(|error| panic!("{error}: {canonical}"));
    assert_eq!(again.encode().ok(), Some(canonical));
});
