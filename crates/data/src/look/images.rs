//! A first look at images: folders of classes, and IDX files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{IdxLook, ImagesLook, start_of};
use crate::DataError;
use crate::error::Findings;
use crate::idx::{IdxFile, IdxKind};
use crate::image_file::image_size;
use crate::image_folder::image_files;
use crate::limits::IMAGE_FILE_BYTES_MAX;
use crate::stored::{Stored, open_error};

/// Most image files that are opened.
const OPENED_MAX: usize = 400;
/// Most files of a folder among which IDX files are sought.
const FILES_MAX: usize = 64;

/// The classes of a folder, and the shapes of some images of each.
pub(super) fn look_at_folder(folder: &Path) -> Result<ImagesLook, DataError> {
    let classes = image_files(folder)?;
    let each = (OPENED_MAX / classes.len().max(1)).max(1);
    let (mut shapes, mut opened, mut findings) =
        (BTreeMap::<[usize; 3], usize>::new(), 0, Findings::default());
    for path in classes.iter().flat_map(|class| class.files.iter().take(each)) {
        let bytes = findings.keep(Stored::on_disk(path).read_raw(IMAGE_FILE_BYTES_MAX))?;
        match bytes.map(|bytes| image_size(path, &bytes)) {
            Some(Ok(shape)) => *shapes.entry(shape).or_default() += 1,
            Some(Err(found)) => findings.push(found),
            None => {}
        }
        opened += 1;
    }
    findings.finish()?;
    let mut shapes: Vec<([usize; 3], usize)> = shapes.into_iter().collect();
    shapes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let classes = classes.into_iter().map(|class| (class.name, class.files.len())).collect();
    Ok(ImagesLook { classes, opened, shapes })
}

/// The IDX files of a folder, if it holds images and labels.
pub(super) fn look_at_idx(folder: &Path) -> Result<Option<IdxLook>, DataError> {
    let files = idx_files(folder)?;
    let is_test = |path: &Path| {
        let name = file_name(path);
        name.contains("test") || name.starts_with("t10k")
    };
    let pair = |test: bool| -> Option<(PathBuf, PathBuf)> {
        let of = |kind: IdxKind| files.iter().find(|(path, found)| *found == kind && is_test(path) == test);
        Some((of(IdxKind::Images)?.0.clone(), of(IdxKind::Labels)?.0.clone()))
    };
    let (train, test) = match (pair(false), pair(true)) {
        (Some(train), test) => (train, test),
        (None, Some(test)) => (test, None),
        (None, None) => return Ok(None),
    };
    let images = IdxFile::open(&Stored::on_disk(&train.0), IdxKind::Images)?;
    let tested = test.as_ref().map(|(images, _)| IdxFile::open(&Stored::on_disk(images), IdxKind::Images));
    let tested = tested.transpose()?.map_or(0, |file| file.dims[0]);
    let mut labels = Vec::new();
    IdxFile::open(&Stored::on_disk(&train.1), IdxKind::Labels)?.read(&mut labels)?;
    let mut classes = BTreeMap::<u8, usize>::new();
    labels.iter().for_each(|label| *classes.entry(*label).or_default() += 1);
    Ok(Some(IdxLook {
        counts: (images.dims[0], tested),
        shape: [images.dims[1], images.dims[2]],
        images: train.0,
        labels: train.1,
        test,
        classes: classes.into_iter().collect(),
    }))
}

/// The IDX files of a folder by name, each with what it holds.
fn idx_files(folder: &Path) -> Result<Vec<(PathBuf, IdxKind)>, DataError> {
    let mut paths = Vec::new();
    let listing = std::fs::read_dir(folder).map_err(|error| open_error(folder, error))?;
    for entry in listing.take(FILES_MAX) {
        let path = entry.map_err(|error| DataError::file("list", folder, error))?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        // A file that is damaged as gzip is none of these; whoever names it is told.
        let Ok(start) = start_of(&path) else { continue };
        for kind in [IdxKind::Images, IdxKind::Labels] {
            if start.starts_with(&kind.magic().to_be_bytes()) {
                files.push((path.clone(), kind));
            }
        }
    }
    Ok(files)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default()
}
