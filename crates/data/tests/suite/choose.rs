//! Some classes of a source, a few examples of each.

use data::{
    CsvSource, Dataset, Fractions, RowImage, Source, SplitRule, Splits, TableFile, Target, Task,
    few_per_class, keep_classes, load, split, without_unused,
};
use image::ImageFormat;
use tensor::Random;

use crate::files::{Folder, csv, embedded, idx_source, images, picture};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Each source of three classes "0", "1", "2", class `row % 3` of twelve rows.
fn sources(folder: &Folder) -> Vec<(&'static str, Source)> {
    let labels: Vec<u8> = (0..12).map(|row| row % 3).collect();
    for row in 0..12 {
        folder
            .write(&format!("pictures/{}/{row:02}.png", row % 3), picture(3, 2, row as u8, ImageFormat::Png));
    }
    let rows: String = (0..12).map(|row| format!("{row},{}\n", row % 3)).collect();
    let table = csv(folder.write("t.csv", format!("x,y\n{rows}")), &["x"], "y");
    let mut pictures = images(folder);
    pictures.folder.push("pictures");
    vec![
        ("idx", Source::Idx(idx_source(folder, &labels))),
        ("images", Source::Images(pictures)),
        ("csv", Source::Csv(CsvSource { task: Task::Classification, ..table })),
    ]
}

#[test]
fn classes_are_kept_by_name_in_the_order_asked_for() {
    let folder = Folder::new();
    for (kind, source) in sources(&folder) {
        let all = load(&source).expect(kind);
        let kept = keep_classes(all.clone(), &names(&["2", "0"])).expect(kind);
        assert_eq!(kept.class_names(), Some(&names(&["2", "0"])[..]), "{kind}");
        assert_eq!((kept.rows(), kept.class_counts(0..8)), (8, vec![4, 4]), "{kind}");
        // An example keeps its name when other classes go.
        assert!(kept.digests.iter().all(|digest| all.digests.contains(digest)), "{kind}");
        assert_eq!(kept.input_digests, data::input_digests(&kept.input), "{kind}");
        let same = keep_classes(all.clone(), &names(&["0", "1", "2"])).expect(kind);
        assert_eq!(same, all, "{kind}");
    }
}

#[test]
fn the_own_test_part_keeps_the_same_classes() {
    let folder = Folder::new();
    let mut source = idx_source(&folder, &[0, 1, 2, 0, 1]);
    let test = Folder::new();
    let part = idx_source(&test, &[1, 1, 2]);
    source.test = Some((part.images, part.labels));
    let all = load(&Source::Idx(source)).expect("written");
    let kept = keep_classes(all.clone(), &names(&["0", "1"])).expect("there");
    assert_eq!((kept.rows(), kept.test_from), (6, Some(4)));
    let codes = |wanted: &[&str]| {
        let found = keep_classes(all.clone(), &names(wanted)).expect_err("refused");
        found.0.iter().map(|one| one.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&["0", "3", "nil"]), ["unknown-class", "unknown-class"]);
    let only = keep_classes(all.clone(), &names(&["0", "2"])).expect("one test example is enough here");
    assert_eq!(only.test_from, Some(3));
}

#[test]
fn unknown_classes_are_refused_with_the_nearest_name() {
    let folder = Folder::new();
    let rows = "x,y\n1,benign\n2,malignant\n3,benign\n";
    let table = csv(folder.write("t.csv", rows), &["x"], "y");
    let all = load(&Source::Csv(CsvSource { task: Task::Classification, ..table.clone() })).expect("a table");
    let found = keep_classes(all, &names(&["benin", "malignant"])).expect_err("misspelt");
    assert_eq!(found.0[0].message, "`t` has no class `benin`");
    assert_eq!(found.0[0].help, ["did you mean `benign`?"]);
    let numbers = load(&Source::Csv(CsvSource {
        target: "x".into(),
        features: Some(names(&["x"])),
        horizon: 0,
        ..table
    }));
    assert!(numbers.is_err(), "a target is no feature");
}

/// `rows` examples of two classes of which the first has two thirds.
fn table(folder: &Folder, rows: usize) -> Dataset {
    let random = Random::new(3, "few");
    let line =
        |row: usize| format!("{},{}\n", random.uniform(0, row as u64), if row % 3 == 2 { "b" } else { "a" });
    let text: String = (0..rows).map(line).collect();
    let table = csv(folder.write("t.csv", format!("x,y\n{text}")), &["x"], "y");
    load(&Source::Csv(CsvSource { task: Task::Classification, ..table })).expect("a table")
}

fn divided(dataset: &Dataset) -> Splits {
    let fractions = Fractions { train: 0.7, validation: 0.0, test: 0.3 };
    split(dataset, &SplitRule::Content { fractions, salt: String::new() }).expect("enough rows")
}

#[test]
fn few_examples_are_drawn_from_the_training_part_by_seed_and_content() {
    let folder = Folder::new();
    let dataset = table(&folder, 120);
    let splits = divided(&dataset);
    let few = |count, seed| few_per_class(&dataset, splits.clone(), count, seed).expect("enough");
    let five = few(5, 1);
    assert_eq!(dataset.class_counts(five.train.iter().copied()), [5, 5]);
    assert_eq!(five.test, splits.test);
    let mut together = [five.train.clone(), five.unused.clone()].concat();
    together.sort_unstable();
    assert_eq!(together, splits.train);
    assert_eq!(five, few(5, 1));
    assert_ne!(five.train, few(5, 2).train);
    assert!(five.train.iter().all(|row| few(9, 1).train.contains(row)), "more labels keep the first ones");
    assert!(five.train.is_sorted() && five.unused.is_sorted());
}

#[test]
fn unused_rows_can_be_left_out() {
    let folder = Folder::new();
    let dataset = table(&folder, 60);
    let few = few_per_class(&dataset, divided(&dataset), 3, 1).expect("enough");
    let (left, parts) = without_unused(dataset.clone(), few.clone());
    assert_eq!(left.rows(), few.train.len() + few.test.len());
    assert_eq!(left.input_digests, data::input_digests(&left.input));
    for (before, after) in [(&few.train, &parts.train), (&few.test, &parts.test)] {
        let digests = |dataset: &Dataset, rows: &[u32]| {
            rows.iter().map(|&row| dataset.digests[row as usize]).collect::<Vec<_>>()
        };
        assert_eq!(digests(&dataset, before), digests(&left, after));
    }
    let all = divided(&dataset);
    assert_eq!(without_unused(dataset.clone(), all.clone()), (dataset, all));
}

#[test]
fn added_rows_displace_as_many_at_most() {
    let (folder, grown) = (Folder::new(), Folder::new());
    let (before, after) = (table(&folder, 120), table(&grown, 126));
    let digests = |dataset: &Dataset| {
        let few = few_per_class(dataset, divided(dataset), 10, 7).expect("enough");
        few.train.iter().map(|&row| dataset.digests[row as usize]).collect::<Vec<_>>()
    };
    let (before, after) = (digests(&before), digests(&after));
    let gone = before.iter().filter(|digest| !after.contains(digest)).count();
    assert!(gone <= 6, "{gone} of 20 went for 6 new rows");
}

#[test]
fn too_few_examples_are_counted_class_by_class() {
    let folder = Folder::new();
    let dataset = table(&folder, 30);
    let splits = divided(&dataset);
    let counts = dataset.class_counts(splits.train.iter().copied());
    let found = few_per_class(&dataset, splits, counts[1] + 1, 1).expect_err("the second class has fewer");
    let expect = format!(
        "class `b` has {} examples in the training part, fewer than the {} asked for",
        counts[1],
        counts[1] + 1
    );
    assert_eq!(found.0[0].message, expect);
    assert_eq!(found.0.len(), usize::from(counts[0] <= counts[1]) + 1);
}

/// The digits of another scanner, as pictures.
fn digits() -> CsvSource {
    CsvSource {
        file: TableFile::Embedded("digits8x8".into()),
        header: false,
        features: None,
        task: Task::Classification,
        image: Some(RowImage { channels: data::Channels::Grey, height: 8, width: 8, maximum: 16.0 }),
        ..csv("".into(), &[], "65")
    }
}

#[test]
fn rows_are_pictures() {
    let dataset = load(&Source::Csv(digits())).expect("built in");
    assert_eq!(dataset.input.shape(), [1797, 1, 8, 8]);
    assert_eq!(dataset.feature_names, ["grey"]);
    // The first row begins 0,0,5,13,9,1: sixteenths of 255.
    assert_eq!(dataset.input.values::<u8>()[..6], [0, 0, 80, 207, 143, 16]);
    let Target::Classes { labels, names } = &dataset.target else { panic!("classes") };
    assert_eq!((labels[..3].to_vec(), names.len()), (vec![0, 1, 2], 10));
    assert_eq!(dataset.class_counts(0..1797), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert!(load(&embedded("digits8x8")).is_err(), "by its name alone it is a table");
}

#[test]
fn rows_that_are_no_pictures_are_refused() {
    let folder = Folder::new();
    let refused = |text: &str, image: RowImage| {
        let file = TableFile::Path(folder.write("p.csv", text));
        let source = CsvSource { file, image: Some(image), target: "5".into(), ..digits() };
        match load(&Source::Csv(source)) {
            Err(data::DataError::Invalid(found)) => format!("{} {}", found.0[0].code, found.0[0].message),
            other => panic!("{other:?}"),
        }
    };
    let square = RowImage { channels: data::Channels::Grey, height: 2, width: 2, maximum: 16.0 };
    let check = |text: &str, image: RowImage, expect: &str| assert_eq!(refused(text, image), expect);
    check("0,1,2,17,a\n", square, "pixel-level column `4` holds 17, and a pixel's level is 0 to 16");
    check("0,-1,2,3,a\n", square, "pixel-level column `2` holds -1, and a pixel's level is 0 to 16");
    check(
        "0,1,2,3,a\n",
        RowImage { width: 3, ..square },
        "image-columns a picture of 1 x 2 x 3 (channels, height, width) has 6 pixels, and 4 columns are features",
    );
    check("0,1,2,3,a\n", RowImage { height: 0, ..square }, "image-size images cannot be resized to 0 x 2");
    check(
        "0,1,2,3,a\n",
        RowImage { maximum: 0.0, ..square },
        "bad-level the largest level of a pixel is 0, and must be above 0",
    );
}
