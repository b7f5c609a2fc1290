//! Properties over generated input.

use std::collections::BTreeMap;

use data::{
    Channels, CsvSource, Fractions, IdxSource, Source, SplitRule, Task, batch, epoch_order, load,
    read_images, split,
};
use image::ImageFormat;
use proptest::prelude::*;

use crate::files::{Folder, csv, gzip, idx, images, picture};

/// Which part each distinct row `x` of a table falls into.
fn parts(rows: &[u16], rule: &SplitRule) -> Option<BTreeMap<u16, u8>> {
    let folder = Folder::new();
    let text: String = rows.iter().map(|row| format!("{row},1\n")).collect();
    let dataset =
        load(&Source::Csv(csv(folder.write("t.csv", format!("x,y\n{text}")), &["x"], "y"))).expect("a table");
    let splits = split(&dataset, rule).ok()?; // small tables may leave a part empty
    let mut found = BTreeMap::new();
    for (part, members) in [&splits.train, &splits.validation, &splits.test].into_iter().enumerate() {
        for &row in members {
            let before = found.insert(rows[row as usize], part as u8);
            assert!(before.is_none_or(|before| before == part as u8), "equal rows stand on both sides");
        }
    }
    Some(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn adding_rows_never_moves_old_ones(old in prop::collection::vec(0u16..500, 20..60), new in prop::collection::vec(any::<u16>(), 0..60)) {
        let fractions = Fractions { train: 0.6, validation: 0.2, test: 0.2 };
        let rule = SplitRule::Content { fractions, salt: "s".to_owned() };
        let mut all = new.clone();
        all.extend(&old); // the new rows come first, so every row number changes
        if let (Some(before), Some(after)) = (parts(&old, &rule), parts(&all, &rule)) {
            for (row, part) in before {
                prop_assert_eq!(after[&row], part);
            }
        }
    }

    #[test]
    fn growing_the_training_part_never_moves_a_test_row(rows in prop::collection::vec(any::<u16>(), 40..80)) {
        let rule = |train, validation| SplitRule::Content { fractions: Fractions { train, validation, test: 0.25 }, salt: String::new() };
        if let (Some(small), Some(large)) = (parts(&rows, &rule(0.5, 0.25)), parts(&rows, &rule(0.75, 0.0))) {
            for (row, part) in small {
                prop_assert_eq!(part == 2, large[&row] == 2);
            }
        }
    }

    #[test]
    fn batches_partition_the_data(rows in 1u32..500, size in 1usize..70, seed: u64, epoch in 0u64..9) {
        let train: Vec<u32> = (0..rows).map(|row| row * 3).collect();
        let order = epoch_order(seed, epoch, &train);
        let mut seen: Vec<u32> = Vec::new();
        let mut step = 0;
        while let Some(batch) = batch(&order, size, step) {
            prop_assert!(batch.len() == size || seen.len() + batch.len() == train.len());
            seen.extend(batch);
            step += 1;
        }
        prop_assert_eq!(step, train.len().div_ceil(size));
        seen.sort_unstable();
        prop_assert_eq!(seen, train);
    }

    #[test]
    fn order_splits_are_contiguous_and_complete(rows in 3usize..60, train in 0.1f64..0.9, test in 0.0f64..0.5) {
        let folder = Folder::new();
        let text: String = (0..rows).map(|row| format!("{row},1\n")).collect();
        let dataset = load(&Source::Csv(csv(folder.write("t.csv", format!("x,y\n{text}")), &["x"], "y"))).expect("a table");
        let test = test.min(1.0 - train);
        let fractions = Fractions { train, validation: 1.0 - train - test, test };
        if let Ok(splits) = split(&dataset, &SplitRule::Order { fractions }) {
            let all: Vec<u32> = [splits.train, splits.validation, splits.test].concat();
            prop_assert_eq!(all, (0..rows as u32).collect::<Vec<u32>>());
        }
    }

    #[test]
    fn idx_readers_never_panic(dims in prop::collection::vec(any::<u32>(), 0..4), small: bool, body in prop::collection::vec(any::<u8>(), 0..40), packed: bool, cut in 0usize..60) {
        let folder = Folder::new();
        let dims: Vec<u32> = if small { dims.iter().map(|dim| dim % 4).collect() } else { dims };
        let wrap = |bytes: Vec<u8>| if packed { gzip(&bytes) } else { bytes };
        let mut bytes = wrap(idx(2051, &dims, &body));
        bytes.truncate(bytes.len().saturating_sub(cut % 7));
        let images = folder.write("i", bytes);
        let labels = folder.write("l", wrap(idx(2049, &dims[..dims.len().min(1)], &body)));
        let _ = load(&Source::Idx(IdxSource { images: images.clone(), labels, test: None, class_names: Vec::new() }));
        let _ = read_images(&images, Channels::Grey, 2, 2);
    }

    #[test]
    fn tables_never_panic(text in "(?s)[0-9a.,;\"\n\r -]{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..20), header: bool, window in 0usize..4, horizon in 0usize..3) {
        let folder = Folder::new();
        let file = folder.write("t.csv", [text.as_bytes(), &bytes].concat());
        for task in [Task::Regression, Task::Classification] {
            let (header, features) = (header, None);
            let _ = load(&Source::Csv(CsvSource { header, features, window, horizon, task, ..csv(file.clone(), &[], "1") }));
        }
    }

    #[test]
    fn images_never_panic(at in any::<prop::sample::Index>(), with: u8, cut in any::<prop::sample::Index>(), jpeg: bool, noise in prop::collection::vec(any::<u8>(), 0..64)) {
        let format = if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
        let mut bytes = picture(5, 4, 77, format);
        let place = at.index(bytes.len());
        bytes[place] ^= with;
        let cut = cut.index(bytes.len());
        let folder = Folder::new();
        for (name, bytes) in [("a", bytes.clone()), ("b", bytes[..cut].to_vec()), ("c", [&bytes[..cut], &noise].concat()), ("d", noise)] {
            let path = folder.write(&format!("class/{name}"), bytes);
            let _ = read_images(&path, Channels::Rgb, 2, 2);
        }
        let _ = load(&Source::Images(images(&folder)));
    }

    #[test]
    fn cut_images_are_refused(cut in any::<prop::sample::Index>(), jpeg: bool) {
        let format = if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
        let bytes = picture(40, 30, 77, format);
        // A PNG whose pixels are whole may lack its closing chunk of 12 bytes; the picture is then complete.
        let whole = if jpeg { bytes.len() } else { bytes.len() - 12 };
        let folder = Folder::new();
        let path = folder.write("x", &bytes[..cut.index(whole)]);
        prop_assert!(read_images(&path, Channels::Grey, 30, 40).is_err());
    }
}
