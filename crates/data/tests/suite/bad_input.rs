//! Each mistake a user can make, and what is said about it: read the snapshot.

use std::fmt::Write;

use base::{Diagnostics, Location};
use data::{
    Adjust, Channels, CsvSource, DataError, Filter, Fractions, ImagesSource, Source, SplitRule, TableFile,
    TargetForm, Task, load, read_images, split,
};
use flate2::Crc;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};

use crate::files::{Folder, csv, embedded, encoded, gzip, idx, idx_source, images, picture};

/// Collects the text of many cases in one snapshot.
struct Cases {
    text: String,
}

impl Cases {
    fn invalid<T>(&mut self, folder: &Folder, case: &str, result: Result<T, DataError>) {
        match result {
            Ok(_) => panic!("{case}: should be refused"),
            Err(DataError::Invalid(found)) => self.found(folder, case, &found),
            Err(failure) => panic!("{case}: {failure}"),
        }
    }

    fn found(&mut self, folder: &Folder, case: &str, found: &Diagnostics) {
        writeln!(self.text, "== {case}").expect("memory");
        for one in &found.0 {
            writeln!(self.text, "[{}] {}", one.code, one.message).expect("memory");
            for label in &one.labels {
                let Location::File { path, line, byte } = &label.at else {
                    panic!("data crate knows files only")
                };
                let place =
                    line.map(|line| format!(" line {line}")).or(byte.map(|byte| format!(" byte {byte}")));
                let place = format!("  at {}{} {}", path.display(), place.unwrap_or_default(), label.text);
                writeln!(self.text, "{}", place.trim_end()).expect("memory");
            }
            one.help.iter().for_each(|help| writeln!(self.text, "  help: {help}").expect("memory"));
        }
        let prefix = folder.path().to_str().expect("UTF-8");
        self.text = self.text.replace(prefix, "DIR");
        self.text.push('\n');
    }
}

#[test]
fn idx_files() {
    let mut cases = Cases { text: String::new() };
    let mut check = |case: &str, change: &dyn Fn(&Folder, &mut data::IdxSource)| {
        let folder = Folder::new();
        let mut source = idx_source(&folder, &[0, 1, 0]);
        change(&folder, &mut source);
        cases.invalid(&folder, case, load(&Source::Idx(source)));
    };
    let pixels = [7u8; 18];
    let whole = || idx(2051, &[3, 2, 3], &pixels);
    check("missing, with a similar name beside it", &|folder, source| {
        source.images = folder.path().join("image.idx");
    });
    check("a folder", &|folder, source| source.images = folder.path().to_owned());
    check("images and labels exchanged", &|_, source| {
        std::mem::swap(&mut source.images, &mut source.labels);
    });
    check("not IDX", &|folder, source| source.images = folder.write("x", b"hello, world, this is text"));
    check("empty files", &|folder, source| {
        source.images = folder.write("x", b"");
        source.labels = folder.write("y", b"");
    });
    check("header cut", &|folder, source| source.images = folder.write("x", &whole()[..10]));
    check("values cut", &|folder, source| source.images = folder.write("x", &whole()[..20]));
    check("bytes behind the values", &|folder, source| {
        source.images = folder.write("x", [whole(), vec![1]].concat())
    });
    check("gzip cut", &|folder, source| {
        let bytes = gzip(&idx(
            2051,
            &[3, 2, 3],
            &[1, 20, 3, 40, 5, 60, 7, 80, 9, 100, 11, 120, 13, 140, 15, 160, 17, 180],
        ));
        source.images = folder.write("x.gz", &bytes[..bytes.len() - 12]);
    });
    check("gzip of too few values", &|folder, source| {
        source.images = folder.write("x.gz", gzip(&whole()[..30]))
    });
    check("gzip of too many values", &|folder, source| {
        source.images = folder.write("x.gz", gzip(&[whole(), vec![1]].concat()))
    });
    check("gzip damaged", &|folder, source| {
        let mut bytes = gzip(&whole());
        let at = bytes.len() - 6;
        bytes[at] ^= 1;
        source.images = folder.write("x.gz", bytes);
    });
    check("a header that asks for 2^96 bytes", &|folder, source| {
        source.images = folder.write("x", idx(2051, &[u32::MAX; 3], &pixels));
        source.labels = folder.write("y.gz", gzip(&idx(2049, &[u32::MAX], &[0])));
    });
    check("no images", &|folder, source| source.images = folder.write("x", idx(2051, &[0, 2, 3], &[])));
    check("fewer labels than images", &|folder, source| {
        source.labels = folder.write("y", idx(2049, &[2], &[0, 1]))
    });
    check("labels without names", &|folder, source| {
        source.class_names = vec!["no".into(), "yes".into()];
        source.labels = folder.write("y", idx(2049, &[3], &[1, 2, 255]));
    });
    check("two classes of one name", &|_, source| {
        source.class_names = vec!["a".into(), "b".into(), "a".into()]
    });
    check("test images of another size", &|folder, source| {
        let test = folder.write("test", idx(2051, &[1, 3, 2], &[0; 6]));
        source.test = Some((test, folder.write("test-labels", idx(2049, &[1], &[0]))));
    });
    insta::assert_snapshot!("idx", cases.text);
}

#[test]
fn image_folders_and_inputs() {
    let mut cases = Cases { text: String::new() };
    let mut check = |case: &str, make: &dyn Fn(&Folder) -> ImagesSource| {
        let folder = Folder::new();
        let source = make(&folder);
        cases.invalid(&folder, case, load(&Source::Images(source)));
    };
    let png = || picture(3, 2, 1, ImageFormat::Png);
    check("missing", &|folder| ImagesSource { folder: folder.path().join("none"), ..images(folder) });
    check("a file", &|folder| ImagesSource { folder: folder.write("x", "text"), ..images(folder) });
    check("no class folders", &images);
    check("images without class folders", &|folder| {
        folder.write("a.png", png());
        images(folder)
    });
    check("an empty class and a nested one", &|folder| {
        folder.write("train/cat/a.png", png());
        std::fs::create_dir(folder.path().join("dog")).expect("a folder");
        images(folder)
    });
    check("damaged files, all at once", &|folder| {
        folder.write("a/1.png", png());
        folder.write("a/2.png", &png()[..40]);
        folder.write("a/3.jpg", &picture(30, 20, 1, ImageFormat::Jpeg)[..300]);
        folder.write("b/4.png", "no image");
        folder.write("b/5.png", "");
        let glass = RgbaImage::from_pixel(3, 2, Rgba([1, 2, 3, 254]));
        folder.write("b/6.png", encoded(DynamicImage::ImageRgba8(glass), ImageFormat::Png));
        let mut bomb = png();
        bomb[16..26].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0, 8, 2]); // 16384 x 16384, RGB
        let mut checksum = Crc::new();
        checksum.update(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
        folder.write("b/7.png", bomb);
        images(folder)
    });
    check("a class folder that is not among the class names", &|folder| {
        folder.write("cats/a.png", png());
        folder.write("dog/a.png", png());
        ImagesSource { class_names: vec!["dog".into(), "cat".into()], ..images(folder) }
    });
    check("no size", &|folder| ImagesSource { height: 0, ..images(folder) });
    check("many mistakes are counted", &|folder| {
        (0..30).for_each(|file| drop(folder.write(&format!("a/{file:02}"), "x")));
        images(folder)
    });

    let mut input = |case: &str, bytes: &[u8]| {
        let folder = Folder::new();
        let path = folder.write("file", bytes);
        cases.invalid(&folder, case, read_images(&path, Channels::Grey, 28, 28));
    };
    input("input: IDX of another size", &idx(2051, &[1, 2, 3], &[0; 6]));
    input("input: IDX of labels", &idx(2049, &[1], &[0]));
    input("input: text", b"hello");
    input("input: gzip of text", &gzip(b"hello, hello, hello"));
    input("input: zeros", &[0; 100]);
    insta::assert_snapshot!("images", cases.text);
}

#[test]
fn tables() {
    let mut cases = Cases { text: String::new() };
    let mut check = |case: &str, text: &str, change: &dyn Fn(&mut CsvSource)| {
        let folder = Folder::new();
        let mut source = csv(folder.write("t.csv", text), &["x"], "y");
        change(&mut source);
        cases.invalid(&folder, case, load(&Source::Csv(source)));
    };
    let good = "x,y,day\n1,2,2020-01-01\n3,4,2020-01-02\n";
    let filter = |equals: &str| Some(Filter { column: "day".into(), equals: equals.into() });
    check("empty", "", &|_| ());
    check("only a header", "x,y\n", &|_| ());
    check("unknown columns, all at once", "height,weight,day\n1,2,3\n", &|source| {
        source.features = Some(vec!["heigth".into(), "colour".into()]);
        source.order = Some("date".into());
    });
    check("unknown column without header", "1,2\n", &|source| source.header = false);
    check("ambiguous column", "x,x,y\n1,2,3\n", &|_| ());
    check("wrong cells, all at once", "x,y\n1,2\nabc,nan\n,4\n\"1,000\",5\n", &|_| ());
    check(
        "a wrong cell behind empty lines and a text of two lines",
        "x,y,z\n\n\n1,2,\"a\nb\"\n\nabc,2,c\n",
        &|_| (),
    );
    check(
        "the same from another system",
        "\u{feff}x,y,z\r\n\r\n\r\n1,2,\"a\r\nb\"\r\n\r\nabc,2,c\r\n1,2\r\n",
        &|_| (),
    );
    check("wrong in the first row, without a header", "\r\n1,a\r\n2,b\r\n", &|source| {
        (source.header, source.target, source.features) = (false, "2".into(), None);
    });
    check("ragged rows", "x,y\n1,2\n1,2,3\n4\n5,6\n", &|_| ());
    check("no row passes the filter", good, &|source| source.filter = filter("2020-01-11"));
    check("no row passes the filter, nothing near", good, &|source| source.filter = filter("AAPL"));
    check("settings that do not fit together", good, &|source| {
        source.window = 0;
        source.target = "x".into();
        source.target_form = TargetForm::Return;
    });
    check("no feature, one twice", good, &|source| source.features = Some(vec![]));
    check("one feature twice", good, &|source| source.features = Some(vec!["x".into(), "x".into()]));
    check("too few rows", good, &|source| (source.window, source.horizon) = (2, 1));
    check("return from zero", "x,y\n1,0\n2,5\n", &|source| {
        (source.horizon, source.target_form) = (1, TargetForm::Return)
    });
    check("adjusting by zero", "x,y,z\n1,2,0\n", &|source| {
        source.adjust =
            Some(Adjust { columns: vec!["x".into()], numerator: "y".into(), denominator: "z".into() });
    });
    let order = |source: &mut CsvSource| (source.order, source.horizon) = (Some("day".into()), 1);
    check("dates that do not sort", "x,y,day\n1,2,01/31/2020\n1,2,02/01/2020\n", &order);
    check("dates of two forms", "x,y,day\n1,2,2020-01-01\n1,2,2020-1-2\n1,3,\n", &order);
    check("two series in one", "x,y,day\n1,2,2020-01-01\n1,2,2020-01-01\n1,2,2020-01-02\n", &order);
    check("a class without a name", "x,y\n1,\n2,a\n", &|source| source.task = Task::Classification);
    check("classes beside the class names", "x,y\n1,a\n2,b\n3,c\n", &|source| {
        (source.task, source.class_names) = (Task::Classification, vec!["b".into(), "a".into()]);
    });
    check("an open quotation mark", &format!("x,y\n1,\"2\n{}", "3,4\n".repeat(400_000)), &|_| ());
    check("built in, but not a table", good, &|source| source.file = TableFile::Embedded("mnist".into()));

    let folder = Folder::new();
    let bytes = gzip(good.as_bytes());
    let cut = csv(folder.write("t.csv.gz", &bytes[..bytes.len() - 9]), &["x"], "y");
    cases.invalid(&folder, "gzip cut", load(&Source::Csv(cut)));
    let latin = csv(folder.write("latin.csv", b"x,y,name\n1,2,a\n3,4,caf\xe9\n"), &["x"], "y");
    cases.invalid(&folder, "not UTF-8", load(&Source::Csv(latin)));
    cases.invalid(&folder, "built in, unknown", load(&embedded("minst")));
    cases.invalid(&folder, "built in, a table", load(&embedded("stocks")));
    insta::assert_snapshot!("tables", cases.text);
}

#[test]
fn splits() {
    let mut cases = Cases { text: String::new() };
    let folder = Folder::new();
    let mut check = |case: &str, text: &str, rule: SplitRule, change: &dyn Fn(&mut CsvSource)| {
        let mut source = csv(folder.write("t.csv", text), &["x"], "y");
        change(&mut source);
        let dataset = load(&Source::Csv(source)).expect(case);
        cases.found(&folder, case, &split(&dataset, &rule).expect_err(case));
    };
    let order =
        |train, validation, test| SplitRule::Order { fractions: Fractions { train, validation, test } };
    let keys = |validation: &str, test: &str| {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        SplitRule::Keys { validation_from: some(validation), test_from: some(test) }
    };
    let classes = |source: &mut CsvSource| source.task = Task::Classification;
    let days = |source: &mut CsvSource| (source.order, source.horizon) = (Some("day".into()), 1);
    let series = "x,y,day\n1,2,2020-01-01\n3,4,2020-01-02\n3,4,2020-01-03\n";
    check("fractions", "x,y\n1,2\n", order(0.9, 0.2, 0.0), &|_| ());
    check("fractions that are none", "x,y\n1,2\n", order(f64::NAN, -1.0, 0.0), &|_| ());
    check("an empty part", "x,y\n1,2\n3,4\n", order(0.9, 0.05, 0.05), &|_| ());
    check("a class that occurs once", "x,y\n1,a\n2,b\n3,a\n4,a\n", order(0.5, 0.5, 0.0), &classes);
    check("a class outside training", "x,y\n1,a\n2,b\n3,b\n4,c\n5,c\n", order(0.6, 0.4, 0.0), &classes);
    check("one class", "x,y\n1,a\n2,a\n", order(1.0, 0.0, 0.0), &classes);
    let fractions = Fractions { train: 0.5, validation: 0.5, test: 0.0 };
    check("a series by content", series, SplitRule::Content { fractions, salt: String::new() }, &days);
    check("keys without order", series, keys("2020", ""), &|_| ());
    check("thresholds of another form", series, keys("1/2/2020", "20200103"), &days);
    let numbers = "x,y,day\n1,2,8\n3,4,10\n3,4,9\n";
    check("a date beside numbers", numbers, keys("2020-01-01", ""), &days);
    check("thresholds exchanged, as numbers", numbers, keys("10", "9"), &days);
    check("thresholds exchanged", series, keys("2020-01-03", "2020-01-02"), &days);
    check("no thresholds", series, keys("", ""), &days);
    check("thresholds outside the data", series, keys("2019", "2021"), &days);

    let mut source = idx_source(&folder, &[0, 0, 1, 1]);
    let test = folder.write("test", idx(2051, &[2, 2, 3], &[0; 12]));
    source.test = Some((test, folder.write("test-labels", idx(2049, &[2], &[0, 3]))));
    source.class_names = ["zero", "one", "two", "three"].map(str::to_owned).to_vec();
    let dataset = load(&Source::Idx(source)).expect("both parts");
    let found = split(&dataset, &order(0.5, 0.25, 0.25)).expect_err("two test parts");
    cases.found(&folder, "two test parts", &found);
    let found = split(&dataset, &order(1.0, 0.0, 0.0)).expect_err("classes");
    cases.found(&folder, "classes only in the test part, or nowhere", &found);
    insta::assert_snapshot!("splits", cases.text);
}
