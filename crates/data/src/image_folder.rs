//! A folder of images: one folder per class, named by the class.

use std::fs;
use std::path::{Path, PathBuf};

use base::{Diagnostic, Location};
use tensor::Tensor;

use crate::classes::class_numbers;
use crate::error::Findings;
use crate::image_file::{ImageShape, append_pixels};
use crate::limits::{CLASSES_MAX, DECODED_BYTES_MAX, IMAGE_FILE_BYTES_MAX, ROWS_MAX};
use crate::stored::{Stored, open_error};
use crate::{DataError, Dataset, ImagesSource, Layout, Target};

/// One class of an image folder.
pub(crate) struct ClassFolder {
    pub(crate) name: String,
    /// The image files, by name.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads every image, class by class and file by file in the order of their names:
/// `u8` [count, channels, height, width].
pub(crate) fn load_images(source: &ImagesSource) -> Result<Dataset, DataError> {
    let shape = ImageShape { channels: source.channels, height: source.height, width: source.width };
    shape.check().map_or(Ok(()), Err)?;
    let classes = image_files(&source.folder)?;
    let count = classes.iter().map(|class| class.files.len()).sum::<usize>();
    let found_names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
    let numbers = class_numbers(&found_names, &source.class_names, &Location::file(&source.folder))?;
    let names = if source.class_names.is_empty() { found_names } else { source.class_names.clone() };
    let mut pixels = allocate(&source.folder, count, shape)?;
    let mut labels = Vec::with_capacity(count);
    let mut findings = Findings::default();
    for (class, label) in classes.iter().zip(numbers) {
        for path in &class.files {
            let bytes = findings.keep(Stored::on_disk(path).read_raw(IMAGE_FILE_BYTES_MAX))?;
            if let Some(Err(found)) = bytes.map(|bytes| append_pixels(path, &bytes, shape, &mut pixels)) {
                findings.push(found);
            }
            labels.push(label);
        }
    }
    findings.finish()?;
    let folder_name = source.folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let dataset = Dataset {
        name: folder_name.unwrap_or_else(|| "images".to_owned()),
        input: Tensor::new([count, shape.channels.count(), shape.height, shape.width], pixels),
        layout: Layout::Image,
        feature_names: shape.channels.names(),
        target: Target::Classes { labels, names },
        test_from: None,
        keys: None,
        overlapping: false,
        input_digests: Vec::new(),
        digests: Vec::new(),
    };
    Ok(dataset.with_digests())
}

fn allocate(folder: &Path, count: usize, shape: ImageShape) -> Result<Vec<u8>, Diagnostic> {
    let total = count as u64 * shape.bytes() as u64; // at most 1e8 * 3 * 2^28
    let mut pixels = Vec::new();
    if total > DECODED_BYTES_MAX || pixels.try_reserve_exact(total as usize).is_err() {
        let message = format!(
            "{count} images of {} x {} x {} need {} MiB, more than there is (at most 4 GiB)",
            shape.channels.count(),
            shape.height,
            shape.width,
            total >> 20
        );
        let found = Diagnostic::new("too-large", message).label(Location::file(folder), "");
        return Err(found.help("choose a smaller height and width"));
    }
    Ok(pixels)
}

/// The classes of a folder and their files, both sorted by name. Names that start with a dot are not
/// looked at; neither are files beside the class folders, unless they are images.
pub(crate) fn image_files(folder: &Path) -> Result<Vec<ClassFolder>, DataError> {
    let mut findings = Findings::default();
    let mut classes = Vec::new();
    let mut rows = 0;
    for entry in entries(folder, CLASSES_MAX as u64)? {
        if entry.is_folder {
            let files = findings.keep(class_files(&entry.path))?.unwrap_or_default();
            rows += files.len() as u64;
            classes.push(ClassFolder { name: entry.name, files });
        } else if has_image_name(&entry.path) {
            let message =
                format!("the image `{}` stands beside the class folders, so it has no class", entry.name);
            findings.push(
                Diagnostic::new("image-without-class", message)
                    .label(Location::file(&entry.path), "")
                    .help("move it into the folder of its class"),
            );
        }
    }
    if rows > ROWS_MAX {
        let message = format!("the folder holds {rows} images, more than the limit of {ROWS_MAX}");
        findings.push(Diagnostic::new("too-large", message).label(Location::file(folder), ""));
    }
    if classes.is_empty() {
        let message = format!("`{}` holds no class folders", folder.display());
        findings.push(
            Diagnostic::new("no-classes", message)
                .label(Location::file(folder), "expected one folder of images per class")
                .help("sort the images into one folder per class; the folder's name is the class name"),
        );
    }
    findings.finish()?;
    Ok(classes)
}

fn class_files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = entries(folder, ROWS_MAX)?;
    let mut findings = Findings::default();
    for nested in entries.iter().filter(|entry| entry.is_folder) {
        let message =
            format!("the class folder `{}` holds another folder, `{}`", folder.display(), nested.name);
        findings
            .push(Diagnostic::new("nested-folder", message).label(Location::file(&nested.path), "").help(
            "images stand directly in the folder of their class; name the folder above the classes as source",
        ));
    }
    if entries.is_empty() {
        let message = format!("the class folder `{}` holds no image", folder.display());
        findings.push(
            Diagnostic::new("empty-class", message)
                .label(Location::file(folder), "")
                .help("add images of the class or remove the folder"),
        );
    }
    findings.finish()?;
    Ok(entries.into_iter().map(|entry| entry.path).collect())
}

struct Entry {
    name: String,
    path: PathBuf,
    is_folder: bool,
}

/// The visible entries of a folder, sorted by name; links are followed.
fn entries(folder: &Path, count_max: u64) -> Result<Vec<Entry>, DataError> {
    let listing = match fs::read_dir(folder) {
        Err(_) if folder.is_file() => {
            let message = format!("a folder was expected, found the file `{}`", folder.display());
            return Err(Diagnostic::new("not-a-folder", message).label(Location::file(folder), "").into());
        }
        listing => listing.map_err(|error| open_error(folder, error))?,
    };
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.map_err(|error| DataError::file("list", folder, error))?.path();
        let name = path.file_name().unwrap_or_default();
        let Some(name) = name.to_str() else {
            let message = format!("the name of `{}` is not UTF-8", path.display());
            return Err(Diagnostic::new("bad-name", message).label(Location::file(&path), "").into());
        };
        if name.starts_with('.') {
            continue;
        }
        if found.len() as u64 >= count_max {
            let message = format!("`{}` holds more than {count_max} entries", folder.display());
            return Err(Diagnostic::new("too-large", message).label(Location::file(folder), "").into());
        }
        let is_folder = fs::metadata(&path).map_err(|error| open_error(&path, error))?.is_dir();
        found.push(Entry { name: name.to_owned(), is_folder, path: path.clone() });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn has_image_name(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["png", "jpg", "jpeg"].iter().any(|known| extension == *known))
}
