//! Small files for the tests.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use data::{Channels, CsvSource, IdxSource, ImagesSource, Source, TableFile, TargetForm, Task};
use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use tempfile::TempDir;

/// A folder that goes away with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes `bytes` to `name`, with the folders above it, and returns the path.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("folders");
        fs::write(&path, bytes).expect("file");
        path
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(crate) fn idx(magic: u32, dims: &[u32], values: &[u8]) -> Vec<u8> {
    let header = [magic].iter().chain(dims).flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    [header, values.to_vec()].concat()
}

/// `labels.len()` images of 2 x 3 whose pixels count up.
pub(crate) fn idx_source(folder: &Folder, labels: &[u8]) -> IdxSource {
    let pixels: Vec<u8> = (0..labels.len() * 6).map(|pixel| pixel as u8).collect();
    IdxSource {
        images: folder.write("images.idx", idx(2051, &[labels.len() as u32, 2, 3], &pixels)),
        labels: folder.write("labels.idx", idx(2049, &[labels.len() as u32], labels)),
        test: None,
        class_names: Vec::new(),
    }
}

pub(crate) fn embedded(name: &str) -> Source {
    Source::Embedded { name: name.to_owned(), class_names: Vec::new() }
}

/// A grey image of `width` x `height` whose pixels are `value`.
pub(crate) fn picture(width: u32, height: u32, value: u8, format: ImageFormat) -> Vec<u8> {
    encoded(GrayImage::from_pixel(width, height, Luma([value])).into(), format)
}

pub(crate) fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("memory");
    bytes.into_inner()
}

pub(crate) fn images(folder: &Folder) -> ImagesSource {
    ImagesSource {
        folder: folder.path().to_owned(),
        channels: Channels::Grey,
        height: 2,
        width: 3,
        class_names: Vec::new(),
    }
}

/// A plain regression on the file.
pub(crate) fn csv(file: PathBuf, features: &[&str], target: &str) -> CsvSource {
    CsvSource {
        file: TableFile::Path(file),
        header: true,
        features: Some(features.iter().map(|&name| name.to_owned()).collect()),
        target: target.to_owned(),
        task: Task::Regression,
        filter: None,
        adjust: None,
        order: None,
        window: 1,
        horizon: 0,
        target_form: TargetForm::Value,
        image: None,
        class_names: Vec::new(),
    }
}
