//! What each format becomes.

use data::{
    Adjust, Channels, CsvSource, Filter, Forecast, IdxSource, ImagesSource, Layout, Source, SplitRule,
    Target, TargetForm, Task, epoch_order, fit, gather, load, read_images, split,
};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use tensor::Tensor;

use crate::files::{Folder, csv, encoded, gzip, idx, idx_source, images, picture};

fn classes(target: &Target) -> (Vec<u32>, Vec<&str>) {
    match target {
        Target::Classes { labels, names } => (labels.clone(), names.iter().map(String::as_str).collect()),
        Target::Values { .. } => panic!("expected classes"),
    }
}

fn numbers(target: &Target) -> (Vec<f32>, Option<Forecast>) {
    match target {
        Target::Values { values, forecast, .. } => (values.clone(), forecast.clone()),
        Target::Classes { .. } => panic!("expected numbers"),
    }
}

#[test]
fn idx_plain_and_gzip_are_equal() {
    let folder = Folder::new();
    let plain = load(&Source::Idx(idx_source(&folder, &[0, 1, 0]))).expect("plain");
    assert_eq!(plain.input.shape(), [3, 1, 2, 3]);
    assert_eq!(plain.input.values::<u8>()[6..9], [6, 7, 8]);
    assert_eq!(classes(&plain.target), (vec![0, 1, 0], vec!["0", "1"]));
    let repack = |name: &str| {
        let bytes = std::fs::read(folder.path().join(name)).expect("written above");
        folder.write(&format!("packed-{name}"), gzip(&bytes))
    };
    let packed = IdxSource {
        images: repack("images.idx"),
        labels: repack("labels.idx"),
        test: None,
        class_names: vec!["no".into(), "yes".into()],
    };
    let packed = load(&Source::Idx(packed)).expect("gzip");
    assert_eq!(packed.input, plain.input);
    assert_eq!(packed.input_digests, plain.input_digests);
    assert_eq!(classes(&packed.target).1, ["no", "yes"]);
    assert_ne!(packed.digests, plain.digests, "the class name is part of the example");
}

#[test]
fn idx_test_part_stands_behind_the_training_part() {
    let folder = Folder::new();
    let mut source = idx_source(&folder, &[0, 1, 0, 1]);
    let images = folder.write("test-images", idx(2051, &[2, 2, 3], &[200; 12]));
    let labels = folder.write("test-labels", idx(2049, &[2], &[1, 0]));
    source.test = Some((images, labels));
    let dataset = load(&Source::Idx(source)).expect("both parts");
    assert_eq!((dataset.rows(), dataset.test_from), (6, Some(4)));
    assert_eq!(gather(&dataset.input, &[4]), Tensor::new([1, 1, 2, 3], vec![200u8; 6]));
    assert_eq!(classes(&dataset.target).0, [0, 1, 0, 1, 1, 0]);
}

#[test]
fn image_folder_takes_class_names_from_folders() {
    let folder = Folder::new();
    folder.write("dog/b.png", picture(3, 2, 9, ImageFormat::Png));
    folder.write("dog/a.jpg", picture(30, 20, 100, ImageFormat::Jpeg));
    folder.write("cat/x.png", picture(7, 5, 50, ImageFormat::Png));
    folder.write("cat/.hidden", "not looked at");
    folder.write("README.txt", "not an image name, so not looked at");
    let dataset = load(&Source::Images(images(&folder))).expect("three images");
    assert_eq!(dataset.input.shape(), [3, 1, 2, 3]);
    assert_eq!(classes(&dataset.target), (vec![0, 1, 1], vec!["cat", "dog"]));
    assert_eq!(dataset.input.values::<u8>()[..6], [50; 6]);
    assert_eq!(dataset.input.values::<u8>()[6..12], [100; 6]);
    assert_eq!(dataset.input.values::<u8>()[12..], [9; 6]);
}

#[test]
fn colours_are_channels_first() {
    let folder = Folder::new();
    let mut picture = RgbImage::from_pixel(3, 2, Rgb([10, 20, 30]));
    picture.put_pixel(2, 1, Rgb([1, 2, 3]));
    let path = folder.write("a/one.png", encoded(DynamicImage::ImageRgb8(picture), ImageFormat::Png));
    let source = ImagesSource { channels: Channels::Rgb, ..images(&folder) };
    let dataset = load(&Source::Images(source)).expect("one image");
    let expect = [[10u8, 10, 10, 10, 10, 1], [20, 20, 20, 20, 20, 2], [30, 30, 30, 30, 30, 3]].concat();
    assert_eq!(dataset.input, Tensor::new([1, 3, 2, 3], expect.clone()));
    assert_eq!(dataset.feature_names, ["red", "green", "blue"]);
    assert_eq!(
        read_images(&path, Channels::Rgb, 2, 3).expect("one image"),
        Tensor::new([1, 3, 2, 3], expect)
    );
    // Rec. 709: (2126 * 10 + 7152 * 20 + 722 * 30) / 10000 = 18.596, rounded
    let grey = read_images(&path, Channels::Grey, 2, 3).expect("one image");
    assert_eq!(grey.values::<u8>()[0], 19);
}

#[test]
fn inputs_are_read_from_images_and_idx() {
    let folder = Folder::new();
    let raw = idx(2051, &[2, 2, 3], &[7; 12]);
    let check = |name: &str, bytes: Vec<u8>, expect: Tensor| {
        let path = folder.write(name, bytes);
        assert_eq!(read_images(&path, Channels::Grey, 2, 3).expect(name), expect, "{name}");
    };
    check("plain", raw.clone(), Tensor::new([2, 1, 2, 3], vec![7u8; 12]));
    check("packed", gzip(&raw), Tensor::new([2, 1, 2, 3], vec![7u8; 12]));
    check("png", picture(12, 8, 5, ImageFormat::Png), Tensor::new([1, 1, 2, 3], vec![5u8; 6]));
}

const TABLE: &str = "name,day,price,size\nA,2020-01-01,1.0,10\nB,2020-01-01,100,-0\nA,2020-01-03,4.0,30\nA,2020-01-02,2.0,20\n";

fn series(folder: &Folder) -> CsvSource {
    let mut source = csv(folder.write("t.csv", TABLE), &["price", "size"], "price");
    source.filter = Some(Filter { column: "name".into(), equals: "A".into() });
    source.order = Some("day".into());
    source.horizon = 1;
    source
}

#[test]
fn table_plain_gzip_and_without_header() {
    let folder = Folder::new();
    let plain = load(&Source::Csv(csv(folder.write("t.csv", TABLE), &["size"], "price"))).expect("plain");
    assert_eq!(plain.input, Tensor::new([4, 1], vec![10.0f32, 0.0, 30.0, 20.0]));
    assert!(plain.input.values::<f32>()[1].is_sign_positive(), "no negative zero");
    assert_eq!(numbers(&plain.target), (vec![1.0, 100.0, 4.0, 2.0], None));
    let packed =
        load(&Source::Csv(csv(folder.write("t.csv.gz", gzip(TABLE.as_bytes())), &["size"], "price")));
    assert_eq!(packed.expect("gzip").digest(), plain.digest());
    let body = TABLE.split_once('\n').expect("a header").1;
    let mut bare = csv(folder.write("bare.csv", body), &["4"], "3");
    bare.header = false;
    assert_eq!(load(&Source::Csv(bare)).expect("bare").digests, plain.digests);
    let marked = format!("\u{feff}{TABLE}").replace('\n', "\r\n").replace("name", "\"na,me\"");
    let marked = load(&Source::Csv(csv(folder.write("bom.csv", marked), &["size"], "price")));
    assert_eq!(marked.expect("byte-order mark, CRLF, quotes").digests, plain.digests);
}

#[test]
fn series_is_filtered_ordered_and_cut() {
    let folder = Folder::new();
    let dataset = load(&Source::Csv(series(&folder))).expect("series");
    assert_eq!(dataset.input, Tensor::new([2, 2], vec![1.0f32, 10.0, 2.0, 20.0]));
    assert_eq!(dataset.keys.as_deref(), Some(&["2020-01-02".to_owned(), "2020-01-03".to_owned()][..]));
    let (values, forecast) = numbers(&dataset.target);
    assert_eq!(values, [2.0, 4.0]);
    let expect =
        Forecast { form: TargetForm::Value, horizon: 1, last: vec![1.0, 2.0], actual: vec![2.0, 4.0] };
    assert_eq!(forecast, Some(expect));

    let returns = CsvSource { window: 2, target_form: TargetForm::Return, ..series(&folder) };
    let dataset = load(&Source::Csv(returns)).expect("windows");
    assert_eq!((dataset.input.shape(), dataset.layout), (&[1, 2, 2][..], Layout::Series));
    assert_eq!(dataset.input.values::<f32>(), [1.0, 10.0, 2.0, 20.0]);
    assert_eq!(numbers(&dataset.target).0, [1.0]); // 4 / 2 - 1
    assert_eq!(dataset.keys.as_deref(), Some(&["2020-01-03".to_owned()][..]));
}

#[test]
fn adjustment_multiplies_by_a_ratio_of_columns() {
    let folder = Folder::new();
    let file = folder.write("t.csv", "open,close,adjusted,volume\n10,20,5,7\n30,40,20,8\n");
    let mut source = csv(file, &["open", "close", "volume"], "adjusted");
    let columns = vec!["open".into(), "close".into()];
    source.adjust = Some(Adjust { columns, numerator: "adjusted".into(), denominator: "close".into() });
    let dataset = load(&Source::Csv(source)).expect("adjusted");
    assert_eq!(dataset.input.values::<f32>(), [2.5, 5.0, 7.0, 15.0, 20.0, 8.0]);
}

#[test]
fn classes_of_a_table_are_sorted_by_name() {
    let folder = Folder::new();
    let check = |cells: &[&str], expect: (Vec<u32>, Vec<&str>)| {
        let rows: String = cells.iter().map(|cell| format!("1,{cell}\n")).collect();
        let mut source = csv(folder.write("t.csv", format!("x,y\n{rows}")), &[], "y");
        (source.features, source.task) = (None, Task::Classification);
        assert_eq!(classes(&load(&Source::Csv(source)).expect("classes").target), expect);
    };
    check(&["wine", "beer", "wine"], (vec![1, 0, 1], vec!["beer", "wine"]));
    check(&["10", "9", "-1"], (vec![2, 1, 0], vec!["-1", "9", "10"]));
}

#[test]
fn given_class_names_set_the_order() {
    let folder = Folder::new();
    let names = || vec!["dog".to_owned(), "ant".to_owned(), "cat".to_owned()];
    let mut source = csv(folder.write("t.csv", "x,y\n1,cat\n2,dog\n"), &["x"], "y");
    (source.task, source.class_names) = (Task::Classification, names());
    let table = load(&Source::Csv(source)).expect("a table");
    assert_eq!(classes(&table.target), (vec![2, 0], vec!["dog", "ant", "cat"]));
    let folder = Folder::new();
    for class in ["cat", "dog"] {
        folder.write(&format!("{class}/a.png"), picture(3, 2, 1, ImageFormat::Png));
    }
    let source = ImagesSource { class_names: names(), ..images(&folder) };
    let images = load(&Source::Images(source)).expect("a folder");
    assert_eq!(classes(&images.target), (vec![2, 0], vec!["dog", "ant", "cat"]));
}

#[test]
fn numbers_in_the_order_column_compare_by_value() {
    let folder = Folder::new();
    let file = folder.write("t.csv", "day,x\n10,1\n9,2\n-1,3\n9.5,4\n");
    let source = CsvSource { order: Some("day".into()), horizon: 1, ..csv(file, &["x"], "x") };
    let dataset = load(&Source::Csv(source)).expect("a series");
    assert_eq!(dataset.input.values::<f32>(), [3.0, 2.0, 4.0]);
    let rule = SplitRule::Keys { validation_from: None, test_from: Some("10".into()) };
    let splits = split(&dataset, &rule).expect("splits");
    assert_eq!((splits.train, splits.test), (vec![0, 1], vec![2]));
}

#[test]
fn statistics_are_fitted_on_the_given_rows_only() {
    let folder = Folder::new();
    let file = folder.write("t.csv", "x,same,y\n1,5,0\n3,5,10\n1000,7,1000\n");
    let dataset = load(&Source::Csv(csv(file, &["x", "same"], "y"))).expect("table");
    let statistics = fit(&dataset, &[0, 1]);
    let check = |index: usize, expect: (f64, f64, f64, f64, bool)| {
        let found = statistics.features.get(index).or(statistics.target.as_ref()).expect("fitted");
        assert_eq!(
            (found.mean, found.std, found.minimum, found.maximum, found.constant),
            expect,
            "{}",
            found.name
        );
    };
    check(0, (2.0, 1.0, 1.0, 3.0, false));
    check(1, (5.0, 1.0, 5.0, 5.0, true));
    check(2, (5.0, 5.0, 0.0, 10.0, false));
    let dataset = load(&Source::Idx(idx_source(&folder, &[0, 1, 1]))).expect("images");
    let grey = &fit(&dataset, &[1, 0]).features[0]; // 0, 1, ..., 11
    assert_eq!((grey.mean, grey.minimum, grey.maximum), (5.5, 0.0, 11.0));
    assert!((grey.std - (143.0f64 / 12.0).sqrt()).abs() < 1e-12);
}

#[test]
fn the_order_of_an_epoch_is_a_function_of_seed_and_epoch() {
    let train = [3, 5, 8, 13, 21, 34, 55, 89];
    assert_eq!(epoch_order(1, 2, &train), epoch_order(1, 2, &train));
    assert_ne!(epoch_order(1, 2, &train), epoch_order(1, 3, &train));
    assert_ne!(epoch_order(1, 2, &train), epoch_order(2, 2, &train));
}
