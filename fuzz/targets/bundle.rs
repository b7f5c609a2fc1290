//! Bundles: no bytes make the parser panic or take memory out of proportion, and what it accepts is written and read again
//! as the same package. The input is an archive without its seal, or the manifest of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::Package;

fuzz_target!(|bytes: &[u8]| {
    let found = if bytes.starts_with(b"{") { Package::decode(bytes) } else { store::parse_bundle(bytes) };
    let Ok(package) = found else { return };
    package.bytes();
    let Ok(text) = serde_json::to_vec(&package) else { panic!("a package that was read cannot be written") };
    // Escaping may make a text longer; only short ones are sure to stay within the limit.
    match Package::decode(&text) {
        Ok(again) => assert_eq!(again, package),
        Err(error) => assert!(bytes.len() > 1 << 20, "{error}: {}", String::from_utf8_lossy(&text)),
    }
});
