//! From a source to a data set.

use std::path::Path;

use base::{Diagnostic, Digest, DigestWriter};

use crate::embedded::{Embedded, embedded};
use crate::idx::{IdxParts, load_idx};
use crate::image_folder::{image_files, load_images};
use crate::stored::Stored;
use crate::{CsvSource, DataError, Dataset, Source, TableFile, forecast};

/// Reads and checks a source.
///
/// Errors: everything that is wrong with the files or the settings, at once; or the disk's failure.
pub fn load(source: &Source) -> Result<Dataset, DataError> {
    match source {
        Source::Embedded { name, class_names } => match embedded(name)? {
            Embedded::Digits(files) => load_idx(name, IdxParts::with_test(files), class_names),
            Embedded::Table(_) => Err(needs_columns(name).into()),
        },
        Source::Idx(idx) => load_idx(&stem(&idx.images), IdxParts::from_source(idx), &idx.class_names),
        Source::Images(images) => load_images(images),
        Source::Csv(csv) => forecast::load_csv(&table_name(csv), &table_file(csv)?, csv),
    }
}

/// The digest of the source's files as they are stored, without decoding them: it changes when a byte,
/// or a file's name inside an image folder, changes. The source's settings are not part of it.
pub fn fingerprint(source: &Source) -> Result<Digest, DataError> {
    let mut files: Vec<(String, Stored)> = Vec::new();
    let mut add = |name: &str, file: Stored| files.push((name.to_owned(), file));
    match source {
        Source::Embedded { name, .. } => match embedded(name)? {
            Embedded::Digits(parts) => parts.into_iter().for_each(|part| add("idx", part)),
            Embedded::Table(table) => add("table", table),
        },
        Source::Idx(idx) => {
            let test = idx.test.iter().flat_map(|(images, labels)| [images, labels]);
            [&idx.images, &idx.labels]
                .into_iter()
                .chain(test)
                .for_each(|path| add("idx", Stored::on_disk(path)));
        }
        Source::Images(images) => {
            for class in image_files(&images.folder)? {
                class.files.iter().for_each(|file| add(&class.name, Stored::on_disk(file)));
            }
        }
        Source::Csv(csv) => add("table", table_file(csv)?),
    }
    let mut writer = DigestWriter::new("heirloom.source.1");
    for (name, file) in files {
        let mut contents = blake3::Hasher::new();
        file.each_piece(|piece| {
            contents.update(piece);
        })?;
        writer.field(name.as_bytes()).field(contents.finalize().as_bytes());
    }
    Ok(writer.finish())
}

fn table_file(csv: &CsvSource) -> Result<Stored, DataError> {
    match &csv.file {
        TableFile::Path(path) => Ok(Stored::on_disk(path)),
        TableFile::Embedded(name) => match embedded(name)? {
            Embedded::Table(table) => Ok(table),
            Embedded::Digits(_) => Err(not_a_table(name).into()),
        },
    }
}

fn table_name(csv: &CsvSource) -> String {
    match &csv.file {
        TableFile::Path(path) => stem(path),
        TableFile::Embedded(name) => name.clone(),
    }
}

/// The file's name up to its first dot.
fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}

fn needs_columns(name: &str) -> Diagnostic {
    Diagnostic::new(
        "needs-columns",
        format!("the built-in data set `{name}` is a table, and no target column is named"),
    )
    .help("use it as the file of a table and name its target and features")
}

fn not_a_table(name: &str) -> Diagnostic {
    Diagnostic::new("not-a-table", format!("the built-in data set `{name}` holds images, not a table"))
        .help("use it by its name alone")
}
