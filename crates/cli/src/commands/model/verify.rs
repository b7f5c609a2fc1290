//! `heirloom model verify`.

use std::path::Path;

use base::Diagnostic;
use provenance::{
    Bundle, FoundSignature, NamedKey, TreeRules, files_of, kept_signatures, list_files, read_folder, signers,
    trusted_keys,
};
use serde_json::json;

use super::folder::signature_folder;
use crate::arguments::Verify;
use crate::commands::key;
use crate::failure::Failure;
use crate::{disk, terminal};

/// As the limit on signatures.
const SIGNATURE_BYTES_MAX: u64 = 64 << 20;

/// Says which keys signed the model or folder, or fails.
pub(super) fn verify(arguments: &Verify) -> Result<(), Failure> {
    let folder = Path::new(&arguments.subject);
    if folder.is_dir() { verify_folder(folder, arguments) } else { verify_model(arguments) }
}

fn verify_model(arguments: &Verify) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let model = store.model(&arguments.subject)?;
    let id = model.version.id();
    let keys = match &arguments.key {
        Some(file) => vec![key::read_public(file)?],
        None => trusted_keys(&store)?,
    };
    let signatures = match &arguments.signature {
        Some(file) => vec![read(file)?],
        None => kept_signatures(&store, &model)?,
    };
    let found = signers(&signatures, &keys, |statement| files_of(&store, &model, statement.hash))?;
    if found.is_empty() {
        let help = format!("sign it: `heirloom model sign {id} --key FILE`");
        return Err(unsigned(&id, &signatures, &keys, help).into());
    }
    tell(arguments, &id, &model.version.digest.to_string(), &found)
}

fn verify_folder(folder: &Path, arguments: &Verify) -> Result<(), Failure> {
    let shown = folder.display().to_string();
    let keys = match &arguments.key {
        Some(file) => vec![key::read_public(file)?],
        None => trusted_keys(&arguments.store.open()?)?,
    };
    let signatures = match &arguments.signature {
        Some(file) => vec![read(file)?],
        None => beside(folder)?,
    };
    let found = signers(&signatures, &keys, |statement| {
        let mut rules = TreeRules::of(statement);
        if let Some(file) = &arguments.signature {
            rules = rules.without(folder, file);
        }
        list_files(folder, &rules)
    })?;
    if found.is_empty() {
        let help = "name the signature with `--signature FILE` and the signer's key with `--key FILE.pub`";
        return Err(unsigned(&shown, &signatures, &keys, help.to_owned()).into());
    }
    // A folder of another tool is vouched for, too, but is no model of ours.
    let digest = match folder.join("model.json").is_file() && folder.join("lineage.json").is_file() {
        true => read_folder(folder)?.digest.to_string(),
        false => String::new(),
    };
    tell(arguments, &shown, &digest, &found)
}

/// The signatures in the folder beside `folder`.
fn beside(folder: &Path) -> Result<Vec<FoundSignature>, Failure> {
    let files = disk::list(&signature_folder(folder))?;
    files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "json"))
        .map(|file| read(file))
        .collect()
}

fn read(file: &Path) -> Result<FoundSignature, Failure> {
    Ok(FoundSignature { place: file.display().to_string(), document: disk::read(file, SIGNATURE_BYTES_MAX)? })
}

fn unsigned(subject: &str, signatures: &[FoundSignature], keys: &[NamedKey], help: String) -> Diagnostic {
    if signatures.is_empty() {
        return Diagnostic::new("unsigned", format!("{subject} has no signature")).help(help);
    }
    if keys.is_empty() {
        return Diagnostic::new("no-trusted-key", format!("{subject} is signed, but no key is trusted here"))
            .help("name the signer's key with `--key FILE.pub`, or trust it: `heirloom key trust NAME FILE.pub`");
    }
    let ids = |signature: &FoundSignature| {
        let bundle = Bundle::decode(&signature.document).ok()?;
        bundle.key_id().map(terminal::printable)
    };
    let signers: Vec<String> = signatures.iter().filter_map(ids).collect();
    let known: Vec<&str> = keys.iter().map(|key| key.key.id()).collect();
    let message = format!("no signature of {subject} was made with a known key");
    Diagnostic::new("wrong-key", message)
        .help(format!("signed with: {}", signers.join(", ")))
        .help(format!("known: {}", known.join(", ")))
}

fn tell(arguments: &Verify, subject: &str, digest: &str, signers: &[&NamedKey]) -> Result<(), Failure> {
    if arguments.json.wanted {
        let keys = signers.iter().map(|signer| json!({ "name": signer.name, "key_id": signer.key.id() }));
        return terminal::print_json(&json!({
            "subject": subject,
            "digest": (!digest.is_empty()).then_some(digest),
            "signed_by": keys.collect::<Vec<_>>(),
        }));
    }
    let lines = signers.iter().map(|signer| {
        format!("{subject}: unchanged since it was signed with {} ({})\n", signer.name, signer.key.id())
    });
    terminal::print(&lines.collect::<String>())
}
