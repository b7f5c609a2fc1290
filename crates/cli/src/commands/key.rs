//! `heirloom key`.

use std::fs;
use std::path::{Path, PathBuf};

use base::Diagnostic;
use provenance::{NamedKey, PublicKey, SigningKey, trusted_keys};
use serde_json::{Value, json};
use store::{Store, TrustedKey};

use crate::arguments::{Json, Key};
use crate::author::by;
use crate::failure::Failure;
use crate::tables::{Column, table};
use crate::{disk, terminal};

/// More than any key has.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Of a key's id, in a table for people.
const DIGITS_SHOWN: usize = 16;

/// Carries out one of the commands.
pub(crate) fn command(command: Key) -> Result<(), Failure> {
    match command {
        Key::New { file, json } => new(&file, json),
        Key::Api { name, json } => api(&name, json),
        Key::Trust { name, file, json, store } => trust(&store.open()?, name, &file, json),
        Key::List { json, store } => list(&store.open()?, json),
        Key::Require { names, json, store } => require(&store.open()?, &names, json),
    }
}

/// Makes an API key. The key itself goes to standard output alone, so that it can be piped to where it is kept.
fn api(name: &str, json: Json) -> Result<(), Failure> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.is_empty() || !name.chars().all(plain) {
        let message = format!("`{name}` cannot name the holder of a key");
        return Err(Diagnostic::new("key-name", message).help("use letters, digits, `-` and `_`").into());
    }
    let made = serve::new_key()?;
    if json.wanted {
        return terminal::print_json(&json!({ "name": name, "key": made.key, "sha256": made.sha256 }));
    }
    terminal::say(&format!(
        "for the access file:\n[key.{name}]\nsha256 = \"{}\"\n\nthe key, shown this once:",
        made.sha256
    ));
    terminal::print(&format!("{}\n", made.key))
}

/// The private key in `file`.
pub(crate) fn read_private(file: &Path) -> Result<SigningKey, Failure> {
    Ok(SigningKey::from_pem(&read(file)?).map_err(|found| at(found, file))?)
}

/// The public key in `file`, called like the file.
pub(crate) fn read_public(file: &Path) -> Result<NamedKey, Failure> {
    let key = PublicKey::from_pem(&read(file)?).map_err(|found| at(found, file))?;
    Ok(NamedKey { name: file.display().to_string(), key })
}

fn new(file: &Path, json: Json) -> Result<(), Failure> {
    let public_file = public_file(file);
    if fs::symlink_metadata(&public_file).is_ok() {
        return Err(disk::exists_already(&public_file));
    }
    let key = SigningKey::generate().map_err(Failure::world)?;
    let private = key.to_pem().map_err(Failure::world)?;
    disk::write_secret(file, private.as_bytes())?;
    disk::write_public(&public_file, key.public().to_pem().as_bytes()).inspect_err(|_| {
        // Half a pair serves nobody.
        let _ = fs::remove_file(file);
    })?;
    let id = key.public().id();
    if json.wanted {
        return terminal::print_json(&json!({
            "private_key": file.display().to_string(),
            "public_key": public_file.display().to_string(),
            "key_id": id,
        }));
    }
    terminal::print(&format!(
        "{}: signs; keep it secret\n{}: verifies; give it to everyone\nkey {id}\n",
        file.display(),
        public_file.display()
    ))
}

/// `FILE.pub`.
fn public_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn trust(store: &Store, name: String, file: &Path, json: Json) -> Result<(), Failure> {
    let NamedKey { key, .. } = read_public(file)?;
    store.trust_key(&TrustedKey { name: name.clone(), pem: key.to_pem().to_owned() }, &by())?;
    if json.wanted {
        return terminal::print_json(&document(&NamedKey { name, key }));
    }
    terminal::print(&format!("{name}: key {}\n", key.id()))
}

fn list(store: &Store, json: Json) -> Result<(), Failure> {
    let keys = trusted_keys(store)?;
    let required = store.required_signatures()?;
    if json.wanted {
        let all: Vec<Value> = keys.iter().map(document).collect();
        return terminal::print_json(&json!({ "keys": all, "required": required }));
    }
    if keys.is_empty() {
        return terminal::print("no key is trusted: `heirloom key trust NAME FILE.pub` adds one\n");
    }
    let columns = [Column::Text("name"), Column::Text("key"), Column::Text("promotion")];
    let rows = keys.iter().map(|key| {
        let word = if required.contains(&key.name) { "needs it or another of these" } else { "" };
        [key.name.clone(), key.key.id().chars().take(DIGITS_SHOWN).collect(), word.to_owned()]
    });
    terminal::print(&table(terminal::width(), &columns, rows))
}

fn require(store: &Store, names: &[String], json: Json) -> Result<(), Failure> {
    store.require_signatures(names, &by())?;
    if json.wanted {
        return terminal::print_json(&json!({ "required": names }));
    }
    terminal::print(&match names {
        [] => "every model can be promoted\n".to_owned(),
        names => format!("promoted are only models signed with {}\n", names.join(" or ")),
    })
}

fn document(key: &NamedKey) -> Value {
    json!({ "name": key.name, "key_id": key.key.id() })
}

fn read(file: &Path) -> Result<String, Failure> {
    let bytes = disk::read(file, FILE_BYTES_MAX)?;
    // What is not UTF-8 is no PEM either, and is told as that.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn at(found: base::Diagnostic, file: &Path) -> base::Diagnostic {
    found.label(base::Location::file(file), "")
}
