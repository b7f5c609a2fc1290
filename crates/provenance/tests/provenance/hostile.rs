//! Signature files that were damaged or made up: refused in words, never a panic.

use proptest::prelude::*;
use provenance::{Bundle, Lineage, PublicKey, SigningKey};

use crate::sample::{fixture, public};

fn text() -> String {
    String::from_utf8(fixture("reference-p256.json")).unwrap()
}

#[test]
fn bundles_of_other_kinds_are_refused() {
    let text = text();
    let start = text.find("\"signatures\":[").unwrap();
    let two = text.replace("}]}}", "},{\"sig\":\"\",\"keyid\":\"\"}]}}");
    for (bundle, code) in [
        (String::new(), "invalid-signature"),
        ("[".repeat(100_000), "invalid-signature"),
        (" ".repeat(65 << 20), "invalid-signature"),
        (text.replace("bundle.v0.3", "bundle.v0.2"), "unsupported-signature"),
        (text.replace("in-toto+json", "other+json"), "unsupported-signature"),
        (text.replace("publicKey", "x509CertificateChain"), "unsupported-signature"),
        (format!("{}\"signatures\":[]}}}}", &text[..start]), "invalid-signature"),
        (two, "invalid-signature"),
        (text.replace("\"sig\":\"M", "\"sig\":\"!"), "invalid-signature"),
        (text.replace("\"payload\":\"", "\"payload\":\"\",\"payload\":\""), "invalid-signature"),
    ] {
        let found = Bundle::decode(bundle.as_bytes()).unwrap_err();
        assert_eq!(found.code, code, "{} {found}", &bundle[..bundle.len().min(80)]);
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_is_refused_or_says_the_same(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = fixture("reference-p256.json");
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let key = public("p256.pub");
        let expected = Bundle::decode(text().as_bytes()).unwrap().open(&key).unwrap();
        if let Ok(statement) = Bundle::decode(&bytes).and_then(|bundle| bundle.open(&key)) {
            prop_assert_eq!(statement, expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Bundle::decode(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = Lineage::decode(&text);
        let _ = SigningKey::from_pem(&format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----"));
        let _ = PublicKey::from_pem(&format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----"));
    }
}
