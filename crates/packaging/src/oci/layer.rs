//! A layer: files as a tar archive whose bytes follow from the files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Component, Path};

use flate2::GzBuilder;

/// How layers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    Stored,
    /// In gzip.
    Gzip,
}

/// What a file in a layer may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Read by everybody.
    Data = 0o644,
    /// Started by everybody.
    Program = 0o755,
    /// A folder that everybody may write into.
    Shared = 0o1777,
}

/// The files and folders of a layer, by path.
#[derive(Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, (Mode, Vec<u8>)>);

impl Tree {
    /// Adds a file.
    pub(crate) fn file(&mut self, path: impl AsRef<Path>, mode: Mode, bytes: Vec<u8>) {
        self.0.insert(inside(path.as_ref()), (mode, bytes));
    }

    /// Adds an empty folder into which everybody may write.
    pub(crate) fn shared_folder(&mut self, path: &str) {
        self.0.insert(inside(Path::new(path)) + "/", (Mode::Shared, Vec::new()));
    }

    /// The tar archive: entries by path, folders before what is in them, times 0, owned by root.
    pub(crate) fn tar(&self) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut folders = BTreeSet::new();
        for (path, (mode, bytes)) in &self.0 {
            for (at, _) in path.match_indices('/') {
                if folders.insert(path[..=at].to_owned()) && path.len() != at + 1 {
                    append(&mut archive, &path[..=at], Mode::Program, &[])?;
                }
            }
            append(&mut archive, path, *mode, bytes)?;
        }
        archive.into_inner()
    }
}

/// `path` as seen from the root of the image.
fn inside(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: Mode, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    let kind = if path.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular };
    header.set_entry_type(kind);
    header.set_mode(mode as u32);
    header.set_size(bytes.len() as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    archive.append_data(&mut header, path, bytes)
}

/// `bytes` in gzip, without name or time.
pub(crate) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder =
        GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn entries_are_in_order_and_folders_come_first() {
        let mut tree = Tree::default();
        tree.file("/usr/bin/program", Mode::Program, b"run".to_vec());
        tree.file("/model/m.zip", Mode::Data, b"weights".to_vec());
        tree.shared_folder("/tmp");
        tree.file("../../etc/x", Mode::Data, Vec::new());
        let bytes = tree.tar().unwrap();
        assert_eq!(bytes, tree.tar().unwrap());
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header().clone();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap(), text));
        }
        let expect = [
            ("etc/", 0o755, ""),
            ("etc/x", 0o644, ""),
            ("model/", 0o755, ""),
            ("model/m.zip", 0o644, "weights"),
            ("tmp/", 0o1777, ""),
            ("usr/", 0o755, ""),
            ("usr/bin/", 0o755, ""),
            ("usr/bin/program", 0o755, "run"),
        ];
        let found: Vec<_> =
            found.iter().map(|(path, mode, text)| (path.as_str(), *mode, text.as_str())).collect();
        assert_eq!(found, expect);
    }
}
