//! The data sets inside the program.

use data::{
    Adjust, CsvSource, Filter, Fractions, Source, SplitRule, TableFile, Target, TargetForm, Task,
    embedded_names, fingerprint, fit, load, split,
};

use crate::files::embedded;

fn content(train: f64, validation: f64) -> SplitRule {
    SplitRule::Content { fractions: Fractions { train, validation, test: 0.0 }, salt: String::new() }
}

#[test]
fn mnist_is_what_its_description_says() {
    let dataset = load(&embedded("mnist")).expect("built in");
    assert_eq!(dataset.input.shape(), [70_000, 1, 28, 28]);
    assert_eq!(dataset.test_from, Some(60_000));
    let names: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    assert_eq!(dataset.class_names(), Some(&names[..]));
    let counts = dataset.class_counts(0..60_000);
    assert_eq!(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);

    let splits = split(&dataset, &content(0.9, 0.1)).expect("splits");
    assert_eq!(splits.test, (60_000..70_000).collect::<Vec<u32>>());
    // Pinned: a change here moves every user's rows between training and validation.
    assert_eq!((splits.train.len(), splits.validation.len()), (53_875, 6_125));
    assert_eq!(dataset.digest().short(), "00751030b6a8");

    let statistics = fit(&dataset, &(0..60_000).collect::<Vec<u32>>());
    let grey = &statistics.features[0];
    // The published constants of this data set, times 255: 0.1307 and 0.3081.
    assert!(
        (grey.mean / 255.0 - 0.1307).abs() < 5e-5 && (grey.std / 255.0 - 0.3081).abs() < 5e-5,
        "{grey:?}"
    );
}

fn apple() -> CsvSource {
    let name = |name: &&str| (*name).to_owned();
    CsvSource {
        file: TableFile::Embedded("stocks".into()),
        header: true,
        features: Some(["Open", "High", "Low", "Close", "Volume"].iter().map(name).collect()),
        target: "Adj Close".into(),
        task: Task::Regression,
        filter: Some(Filter { column: "Ticker".into(), equals: "AAPL".into() }),
        adjust: Some(Adjust {
            columns: ["Open", "High", "Low", "Close"].iter().map(name).collect(),
            numerator: "Adj Close".into(),
            denominator: "Close".into(),
        }),
        order: Some("Date".into()),
        window: 1,
        horizon: 1,
        target_form: TargetForm::Return,
        image: None,
        class_names: Vec::new(),
    }
}

#[test]
fn apple_is_forecast_from_its_own_past() {
    let dataset = load(&Source::Csv(apple())).expect("built in");
    assert_eq!(dataset.input.shape(), [3269, 5]); // 3270 days, the last has no tomorrow
    let Target::Values { values, forecast: Some(forecast), .. } = &dataset.target else {
        panic!("a forecast")
    };
    let keys = dataset.keys.as_ref().expect("ordered");
    assert_eq!((keys[0].as_str(), keys[3268].as_str()), ("2000-03-02", "2013-03-01"));
    assert_eq!((forecast.last[0], forecast.actual[0]), (4.186662803811, 3.9196750983419));
    assert_eq!(values[0], (3.9196750983419f64 / 4.186662803811 - 1.0) as f32);
    // The adjusted close of the first day is the first feature row's fourth number.
    assert_eq!(dataset.input.values::<f32>()[3], (130.31 * (4.186662803811 / 130.31)) as f32);
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    assert!(largest < 0.6, "a split would show as a return of 0.5 or 1, found {largest}");

    let rule = SplitRule::Keys { validation_from: Some("2010".into()), test_from: Some("2012-01-01".into()) };
    let splits = split(&dataset, &rule).expect("splits");
    assert_eq!((splits.train.len(), splits.validation.len(), splits.test.len()), (2474, 504, 291));
    assert!(
        keys[splits.train[2473] as usize].as_str() < "2010"
            && keys[splits.test[0] as usize].starts_with("2012")
    );
}

#[test]
fn embedded_files_have_fingerprints_and_names() {
    let of = |name: &str| fingerprint(&embedded(name)).expect("built in");
    assert_eq!(of("mnist"), of("mnist"));
    assert_ne!(of("mnist"), of("stocks"));
    assert_eq!(embedded_names().len(), 3);
}
