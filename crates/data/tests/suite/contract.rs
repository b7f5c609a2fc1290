//! What every source keeps: repeatable, one row is enough, nothing is refused, no number is not one.

use std::fs;

use data::{CsvSource, DataError, Source, Task, fingerprint, load};
use image::ImageFormat;
use tensor::Data;

use crate::files::{Folder, csv, gzip, idx_source, images, picture};

/// A source in a folder with `rows` examples of classes or numbers.
type Make = fn(&Folder, usize) -> Source;

fn table(folder: &Folder, rows: usize) -> CsvSource {
    let rows: String = (0..rows).map(|row| format!("2020-01-{:02},{row}.5,{}\n", row + 1, row % 2)).collect();
    csv(folder.write("t.csv", format!("day,x,y\n{rows}")), &["x"], "y")
}

const SOURCES: [(&str, Make); 6] = [
    ("idx", |folder, rows| {
        Source::Idx(idx_source(folder, &(0..rows).map(|row| (row % 2) as u8).collect::<Vec<_>>()))
    }),
    ("gzip idx", |folder, rows| {
        let source = idx_source(folder, &vec![0; rows]);
        for path in [&source.images, &source.labels] {
            fs::write(path, gzip(&fs::read(path).expect("written"))).expect("repacked");
        }
        Source::Idx(source)
    }),
    ("images", |folder, rows| {
        for row in 0..rows {
            folder.write(&format!("class {}/{row}.png", row % 2), picture(4, 4, row as u8, ImageFormat::Png));
        }
        Source::Images(images(folder))
    }),
    ("regression", |folder, rows| Source::Csv(table(folder, rows))),
    ("classification", |folder, rows| {
        Source::Csv(CsvSource { task: Task::Classification, ..table(folder, rows) })
    }),
    ("series", |folder, rows| {
        let rows = if rows == 0 { 0 } else { rows + 3 };
        let order = Some("day".to_owned());
        Source::Csv(CsvSource { window: 3, horizon: 1, order, ..table(folder, rows) })
    }),
];

#[test]
fn every_source_is_repeatable_and_consistent() {
    for (name, make) in SOURCES {
        for rows in [1, 2, 7] {
            let folder = Folder::new();
            let source = make(&folder, rows);
            let dataset = load(&source).unwrap_or_else(|error| panic!("{name}, {rows} rows: {error}"));
            assert_eq!(dataset, load(&source).expect(name), "{name} is repeatable");
            assert_eq!(fingerprint(&source).expect(name), fingerprint(&source).expect(name), "{name}");
            assert_eq!(dataset.rows(), rows, "{name}");
            assert_eq!(dataset.input.shape()[0], rows, "{name}");
            assert_eq!((dataset.digests.len(), dataset.input_digests.len()), (rows, rows), "{name}");
            assert!(
                dataset.keys.as_ref().is_none_or(|keys| keys.len() == rows && keys.is_sorted()),
                "{name}"
            );
            let finite = match dataset.input.data() {
                Data::F32(values) => values.iter().all(|value| value.is_finite()),
                other => other.len() == dataset.input.len(),
            };
            assert!(finite, "{name}");
            let elsewhere = Folder::new();
            let moved = load(&make(&elsewhere, rows)).expect(name);
            assert_eq!(moved.digest(), dataset.digest(), "{name}: the digest knows no path");
        }
    }
}

#[test]
fn every_source_refuses_to_be_empty() {
    for (name, make) in SOURCES {
        let folder = Folder::new();
        let error = load(&make(&folder, 0)).expect_err(name);
        let DataError::Invalid(found) = error else { panic!("{name}: {error}") };
        assert!(["empty-file", "no-classes"].contains(&found.0[0].code), "{name}: {found}");
    }
}

#[test]
fn no_table_lets_a_number_through_that_is_none() {
    for cell in ["nan", "NaN", "inf", "-Infinity", "1e999", "1e300", "", "1,5", "abc", "0x10", "1 000"] {
        let folder = Folder::new();
        let file = folder.write("t.csv", format!("x,y\n1,2\n\"{cell}\",3\n"));
        let error = load(&Source::Csv(csv(file, &["x"], "y"))).expect_err(cell);
        let DataError::Invalid(found) = error else { panic!("{cell}: {error}") };
        assert_eq!(found.0.len(), 1, "{cell}: {found}");
        assert!(["not-finite", "not-a-number", "empty-cell"].contains(&found.0[0].code), "{cell}: {found}");
        assert!(found.0[0].message.contains("column `x`"), "{cell}: {found}");
    }
}
