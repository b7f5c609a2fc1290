//! IDX files: four bytes of magic, one big-endian length per dimension, then the values.
//!
//! Format: <https://yann.lecun.org/exdb/mnist/>, the section on file formats. Only `u8` images
//! (magic 2051) and `u8` labels (magic 2049) are read.

use base::{Diagnostic, Location};
use tensor::Tensor;

use crate::classes::check_names;
use crate::error::Findings;
use crate::limits::{DECODED_BYTES_MAX, ROWS_MAX};
use crate::stored::{Opened, Stored};
use crate::{Channels, DataError, Dataset, IdxSource, Layout, Target};

/// What an IDX file is expected to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdxKind {
    /// `u8` [count, height, width]
    Images,
    /// `u8` [count]
    Labels,
}

impl IdxKind {
    pub(crate) const fn magic(self) -> u32 {
        match self {
            IdxKind::Images => 2051,
            IdxKind::Labels => 2049,
        }
    }

    fn word(self) -> &'static str {
        match self {
            IdxKind::Images => "images",
            IdxKind::Labels => "labels",
        }
    }

    fn rank(self) -> usize {
        match self {
            IdxKind::Images => 3,
            IdxKind::Labels => 1,
        }
    }

    fn header_bytes(self) -> u64 {
        4 + 4 * self.rank() as u64
    }
}

/// An IDX file whose header has been read and found possible.
pub(crate) struct IdxFile {
    kind: IdxKind,
    /// Lengths of the dimensions, the count first.
    pub(crate) dims: Vec<usize>,
    opened: Opened,
}

/// The files of an IDX source.
pub(crate) struct IdxParts {
    train: [Stored; 2],
    test: Option<[Stored; 2]>,
}

impl IdxParts {
    pub(crate) fn with_test([images, labels, test_images, test_labels]: [Stored; 4]) -> Self {
        IdxParts { train: [images, labels], test: Some([test_images, test_labels]) }
    }

    pub(crate) fn from_source(source: &IdxSource) -> Self {
        IdxParts {
            train: [&source.images, &source.labels].map(|path| Stored::on_disk(path)),
            test: source
                .test
                .as_ref()
                .map(|(images, labels)| [images, labels].map(|path| Stored::on_disk(path))),
        }
    }
}

/// Reads images and labels, the test part's behind the others in one tensor [count, 1, height, width].
pub(crate) fn load_idx(name: &str, parts: IdxParts, class_names: &[String]) -> Result<Dataset, DataError> {
    let mut findings = Findings::default();
    check_names(class_names).into_iter().for_each(|found| findings.push(found));
    let mut open = |stored: Option<&Stored>, kind| match stored {
        Some(stored) => findings.keep(IdxFile::open(stored, kind)),
        None => Ok(None),
    };
    let images = open(Some(&parts.train[0]), IdxKind::Images)?;
    let labels = open(Some(&parts.train[1]), IdxKind::Labels)?;
    let test_images = open(parts.test.as_ref().map(|test| &test[0]), IdxKind::Images)?;
    let test_labels = open(parts.test.as_ref().map(|test| &test[1]), IdxKind::Labels)?;
    [(&images, &labels), (&test_images, &test_labels)].into_iter().for_each(|pair| {
        if let (Some(images), Some(labels)) = pair {
            check_pair(images, labels).into_iter().for_each(|found| findings.push(found));
        }
    });
    if let (Some(train), Some(test)) = (&images, &test_images) {
        check_same_size(train, test).into_iter().for_each(|found| findings.push(found));
    }
    findings.finish()?;
    let (Some(images), Some(labels)) = (images, labels) else {
        unreachable!("a file that was not opened left a diagnostic");
    };
    let (height, width, train_rows) = (images.dims[1], images.dims[2], images.dims[0]);

    let pixels = read_all(images, test_images)?;
    let label_files = [Some(&parts.train[1]), parts.test.as_ref().map(|test| &test[1])];
    let labels = read_all(labels, test_labels)?;
    let names = names_for(&labels, class_names);
    check_labels(&labels, train_rows, &names, &label_files)?;

    let dataset = Dataset {
        name: name.to_owned(),
        input: Tensor::new([labels.len(), 1, height, width], pixels),
        layout: Layout::Image,
        feature_names: Channels::Grey.names(),
        target: Target::Classes { labels: labels.iter().map(|&label| label as u32).collect(), names },
        test_from: parts.test.is_some().then_some(train_rows as u32),
        keys: None,
        overlapping: false,
        input_digests: Vec::new(),
        digests: Vec::new(),
    };
    Ok(dataset.with_digests())
}

impl IdxFile {
    /// Opens the file and checks its header against `kind`, the limits and the file's length.
    pub(crate) fn open(stored: &Stored, kind: IdxKind) -> Result<Self, DataError> {
        let mut opened = stored.open()?;
        let mut header = Vec::new();
        opened.read_up_to(kind.header_bytes(), &mut header)?;
        let word = |at: usize| header.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        match word(0) {
            Some(magic) if magic == kind.magic() => {}
            magic => return Err(wrong_magic(&opened, kind, magic, header.len()).into()),
        }
        let dims: Option<Vec<usize>> =
            (1..=kind.rank()).map(|dim| word(4 * dim).map(|dim| dim as usize)).collect();
        let Some(dims) = dims else { return Err(cut_header(&opened, kind, header.len()).into()) };
        let file = IdxFile { kind, dims, opened };
        file.check_dims()?;
        Ok(file)
    }

    fn check_dims(&self) -> Result<(), DataError> {
        let payload = self.dims.iter().try_fold(1u64, |bytes, &dim| bytes.checked_mul(dim as u64));
        let payload = payload.filter(|&bytes| bytes <= DECODED_BYTES_MAX && self.dims[0] as u64 <= ROWS_MAX);
        let expected = self.kind.header_bytes() + payload.unwrap_or(u64::MAX - 64);
        let found = if self.dims.contains(&0) {
            let message =
                format!("the IDX file holds no {}: its header says {}", self.kind.word(), self.size());
            Some(Diagnostic::new("empty-file", message).label(self.at(4), "the first length"))
        } else if !self.opened.can_hold(expected)
            || (!self.opened.packed && self.opened.stored_bytes != expected)
        {
            Some(self.wrong_count(&format!("is {} bytes long", self.opened.stored_bytes)))
        } else if payload.is_none() {
            let message = format!("the IDX file's {} are more than the limit of 4 GiB", self.size());
            Some(Diagnostic::new("too-large", message).label(self.at(4), "the first length"))
        } else {
            None
        };
        found.map_or(Ok(()), |found| Err(found.into()))
    }

    fn payload(&self) -> u64 {
        self.dims.iter().map(|&dim| dim as u64).product() // `check_dims` has shown that it fits
    }

    /// Appends the values; a file that holds more or fewer than its header says is refused.
    pub(crate) fn read(mut self, values: &mut Vec<u8>) -> Result<(), DataError> {
        let payload = self.payload();
        let read = self.opened.read_up_to(payload, values)?;
        if read < payload {
            return Err(self.wrong_count(&format!("ends after {read} of them")).into());
        }
        if self.opened.read_up_to(1, &mut Vec::new())? > 0 {
            return Err(self.wrong_count("goes on after them").into());
        }
        Ok(())
    }

    fn wrong_count(&self, truth: &str) -> Diagnostic {
        let bytes = self.dims.iter().fold(1u128, |bytes, &dim| bytes * dim as u128);
        let packed = if self.opened.packed { "gzip " } else { "" };
        let message = format!(
            "the IDX header says {}, that is {bytes} bytes of values, but the {packed}file {truth}",
            self.size()
        );
        Diagnostic::new("idx-count", message)
            .label(self.at(4), "the first length in the header")
            .help("the file is cut off, or its header is wrong: fetch it again")
    }

    /// The lengths for people: "3 images of 28 x 28".
    fn size(&self) -> String {
        let count = format!("{} {}", self.dims[0], self.kind.word());
        match self.kind {
            IdxKind::Labels => count,
            IdxKind::Images => format!("{count} of {} x {}", self.dims[1], self.dims[2]),
        }
    }

    fn at(&self, byte: u64) -> Location {
        Location::byte(&self.opened.path, byte)
    }
}

fn wrong_magic(opened: &Opened, kind: IdxKind, magic: Option<u32>, length: usize) -> Diagnostic {
    let Some(magic) = magic else { return cut_header(opened, kind, length) };
    let hex = |word: u32| word.to_be_bytes().map(|byte| format!("{byte:02x}")).join(" ");
    let expected = format!("an IDX file of {} starts with the bytes {}", kind.word(), hex(kind.magic()));
    let found = Diagnostic::new("idx-magic", format!("{expected}, this file with {}", hex(magic)))
        .label(Location::byte(&opened.path, 0), "");
    match [IdxKind::Images, IdxKind::Labels].into_iter().find(|other| other.magic() == magic) {
        Some(other) => {
            found.help(format!("this is a file of {}: are the two files exchanged?", other.word()))
        }
        None => found.help("is it an IDX file, and are its values single bytes?"),
    }
}

fn cut_header(opened: &Opened, kind: IdxKind, length: usize) -> Diagnostic {
    let code = if length == 0 { "empty-file" } else { "idx-count" };
    let needs =
        format!("an IDX file of {} starts with a header of {} bytes", kind.word(), kind.header_bytes());
    Diagnostic::new(code, format!("{needs}, this file ends after {length}"))
        .label(Location::byte(&opened.path, length as u64), "the file ends here")
}

fn check_pair(images: &IdxFile, labels: &IdxFile) -> Option<Diagnostic> {
    (images.dims[0] != labels.dims[0]).then(|| {
        let message = format!("there are {} but {}", images.size(), labels.size());
        Diagnostic::new("label-count", message)
            .label(labels.at(4), "number of labels")
            .label(images.at(4), "number of images")
            .help("each image needs one label: are both files of the same part?")
    })
}

fn check_same_size(train: &IdxFile, test: &IdxFile) -> Option<Diagnostic> {
    (train.dims[1..] != test.dims[1..]).then(|| {
        let side = |file: &IdxFile| format!("{} x {}", file.dims[1], file.dims[2]);
        let message = format!("the test images are {}, the training images {}", side(test), side(train));
        Diagnostic::new("image-size", message)
            .label(test.at(8), "height and width of the test images")
            .label(train.at(8), "height and width of the training images")
    })
}

/// Both parts' values in one vector that is allocated once.
fn read_all(train: IdxFile, test: Option<IdxFile>) -> Result<Vec<u8>, DataError> {
    let total = train.payload() + test.as_ref().map_or(0, IdxFile::payload);
    let mut values = Vec::new();
    if total > DECODED_BYTES_MAX || values.try_reserve_exact(total as usize).is_err() {
        let message = format!("both parts together need {} MiB, more than there is", total >> 20);
        return Err(Diagnostic::new("too-large", message).label(train.at(4), "").into());
    }
    let mut findings = Findings::default();
    findings.keep(train.read(&mut values))?;
    if let Some(test) = test {
        findings.keep(test.read(&mut values))?;
    }
    findings.finish()?;
    Ok(values)
}

fn names_for(labels: &[u8], class_names: &[String]) -> Vec<String> {
    if !class_names.is_empty() {
        return class_names.to_vec();
    }
    let last = labels.iter().max().copied().unwrap_or(0);
    (0..=last).map(|label| label.to_string()).collect()
}

/// Points at the first label of each file that names no class.
fn check_labels(
    labels: &[u8],
    train_rows: usize,
    names: &[String],
    files: &[Option<&Stored>; 2],
) -> Result<(), DataError> {
    let mut findings = Findings::default();
    for (part, file) in [&labels[..train_rows], &labels[train_rows..]].into_iter().zip(files) {
        let mut wrong = part.iter().enumerate().filter(|(_, label)| **label as usize >= names.len());
        let (Some((row, label)), Some(file)) = (wrong.next(), file) else { continue };
        let more = wrong.count();
        let others = if more > 0 { format!(", and {more} more like it") } else { String::new() };
        let message = format!(
            "label {label} names no class: there are {} class names, 0 to {}{others}",
            names.len(),
            names.len() - 1
        );
        let byte = IdxKind::Labels.header_bytes() + row as u64;
        let place = Location::byte(&file.path, byte);
        findings.push(
            Diagnostic::new("label-range", message)
                .label(place, format!("label of example {row}, counted from 0 in the decompressed file"))
                .help("name every class in `class_names`"),
        );
    }
    Ok(findings.finish()?)
}
