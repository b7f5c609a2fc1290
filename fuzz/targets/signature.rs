//! What comes with a signed model: no bytes make the parsers of signatures, statements, lineages and keys panic, and
//! whatever they accept is read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provenance::{Bundle, Lineage, PublicKey, SigningKey, Statement};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = Bundle::decode(bytes) {
        let text = bundle.encode().expect("a bundle can be written");
        assert_eq!(Bundle::decode(text.as_bytes()), Ok(bundle));
    }
    if let Ok(statement) = Statement::decode(bytes) {
        let text = statement.encode().expect("a statement can be written");
        assert_eq!(Statement::decode(text.as_bytes()).as_ref(), Ok(&statement));
        assert!(statement.differences(&statement.files).is_empty());
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(lineage) = Lineage::decode(&text) {
        let again = lineage.encode().expect("a lineage can be written");
        assert_eq!(Lineage::decode(&again), Ok(lineage));
    }
    if let Ok(key) = PublicKey::from_pem(&text) {
        assert_eq!(PublicKey::from_pem(key.to_pem()), Ok(key));
    }
    if let Ok(key) = SigningKey::from_pem(&text) {
        assert!(SigningKey::from_pem(&key.to_pem().expect("a key can be written")).is_ok());
    }
});
