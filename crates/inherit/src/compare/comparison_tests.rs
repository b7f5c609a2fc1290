//! Comparisons small enough to count by hand, their JSON, mistakes, and properties.

use super::*;
use proptest::prelude::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// A case without probabilities: expected, before, after.
fn case(number: u8, expected: &str, before: &str, after: &str) -> Case {
    let answer = |class: &str| Answer { class: class.to_owned(), probabilities: Vec::new() };
    Case {
        digest: Digest([number; 32]),
        expected: expected.to_owned(),
        before: answer(before),
        after: answer(after),
    }
}

/// Before knows a, b, old; after knows b, a, new.
fn small() -> (Vec<String>, Vec<String>, Vec<Case>) {
    let cases = vec![
        case(1, "a", "a", "a"),
        case(2, "a", "a", "b"),   // broken
        case(3, "b", "old", "b"), // fixed
        case(4, "b", "a", "a"),   // wrong both times, with the same answer
        case(5, "b", "b", "b"),
        case(6, "new", "a", "new"),
        case(7, "old", "old", "a"),
        case(8, "old", "b", "b"),
        case(9, "stranger", "a", "b"),
    ];
    (names(&["a", "b", "old"]), names(&["b", "a", "new", "rare"]), cases)
}

fn compare_small() -> Comparison {
    let (before, after, cases) = small();
    compare(ClassLists { before: &before, after: &after }, &cases, 1).unwrap()
}

#[test]
fn counts_by_class_name() {
    let found = compare_small();
    assert_eq!((found.cases, found.agreement), (5, 0.6));
    assert_eq!(found.counts(), Counts { cases: 5, broken: 1, fixed: 1 });
    assert_eq!((found.before.right, found.after.right, found.mcnemar_p), (3, 3, 1.0));
    assert_eq!(found.newly_fixed[0], changed(&small().2[2]));
    let apart = Apart { new_cases: 1, new_right: 1, lost_cases: 2, lost_right: 1, unknown_cases: 1 };
    assert_eq!(found.apart, apart);
    let rows: Vec<_> = found
        .per_class
        .iter()
        .map(|row| (row.class.as_str(), row.cases, row.before, row.after, row.newly_broken, row.newly_fixed))
        .collect();
    let third = Some(1.0 / 3.0);
    let expected = [
        ("b", 3, third, Some(2.0 / 3.0), 0, 1),
        ("a", 2, Some(1.0), Some(0.5), 1, 0),
        ("new", 1, None, Some(1.0), 0, 0),
        ("rare", 0, None, None, 0, 0),
        ("old", 2, Some(0.5), None, 0, 0),
        ("stranger", 1, None, None, 0, 0),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn json_is_as_documented_and_reads_back() {
    let found = compare_small();
    let json = serde_json::to_value(&found).unwrap();
    let fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = ["cases", "agreement", "newly_broken", "newly_fixed", "per_class", "mcnemar_p"];
    assert_eq!(fields[..6], documented);
    let broken = serde_json::json!({"digest": "02".repeat(32), "expected": "a", "before": "a", "after": "b"});
    assert_eq!(json["newly_broken"], serde_json::json!([broken]));
    assert_eq!(json["before"]["calibration"], serde_json::Value::Null);
    assert_eq!(serde_json::from_value::<Comparison>(json).unwrap(), found);
}

#[test]
fn confidence_is_that_of_the_answered_class() {
    let (before, after) = (names(&["a", "b"]), names(&["b", "a"]));
    let mut only = case(1, "a", "a", "a");
    only.before.probabilities = vec![0.75, 0.25];
    only.after.probabilities = vec![0.125, 0.875];
    let found = compare(ClassLists { before: &before, after: &after }, &[only], 1).unwrap();
    let ece = |side: &Side| side.calibration.as_ref().unwrap().ece;
    assert_eq!((ece(&found.before), ece(&found.after)), (0.25, 0.125));
}

#[test]
fn all_right_is_neither_broken_nor_certain() {
    let (list, cases) = (names(&["a"]), vec![case(1, "a", "a", "a"); 4]);
    let found = compare(ClassLists { before: &list, after: &list }, &cases, 1).unwrap();
    assert_eq!((found.after.accuracy, found.agreement, found.mcnemar_p), (1.0, 1.0, 1.0));
    assert!(found.after.interval.low < 0.6 && found.difference.adjusted.low < -0.3, "{found:?}");
    assert_eq!(found.difference.bootstrap, Interval { low: 0.0, high: 0.0 });
}

#[test]
fn mistakes_are_named_once_per_kind() {
    let list = names(&["a", "b"]);
    let lists = ClassLists { before: &list, after: &list };
    let codes = |cases: &[Case]| {
        let found = compare(lists, cases, 1).unwrap_err();
        found.0.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[]), ["no-cases"]);
    assert_eq!(codes(&[case(1, "z", "a", "b")]), ["no-shared-cases"]);
    assert_eq!(codes(&[case(1, "a", "z", "a"), case(2, "a", "y", "a")]), ["unknown-answer"]);
    let with = |row: &[f32]| {
        let mut case = case(1, "a", "a", "a");
        case.after.probabilities = row.to_vec();
        case
    };
    for row in [&[f32::NAN, 1.0][..], &[1.5, -0.5], &[1.0], &[0.2, 0.2]] {
        assert_eq!(codes(&[with(row)]), ["wrong-probabilities"], "{row:?}");
    }
    assert_eq!(codes(&[with(&[0.5, 0.5]), with(&[])]), ["missing-probabilities"]);
    let twice = names(&["a", "a"]);
    let found =
        compare(ClassLists { before: &twice, after: &list }, &[case(1, "a", "a", "a")], 1).unwrap_err();
    assert_eq!(found.0[0].code, "duplicate-class");
    let many = compare(lists, &[case(1, "a", "z", "a"), case(2, "a", "y", "a")], 1).unwrap_err();
    assert_eq!(many.0[0].help, ["1 more of this kind were found"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_figures_add_up_and_swapping_the_sides_mirrors_them(
        rows in prop::collection::vec((0u8..4, 0u8..4, 0u8..4), 1..60), seed: u64,
    ) {
        let list = names(&["a", "b", "c", "d"]);
        let name = |class: u8| list[class as usize].as_str();
        let lists = ClassLists { before: &list, after: &list };
        let cases: Vec<Case> =
            rows.iter().map(|&(e, b, a)| case(e, name(e), name(b), name(a))).collect();
        let mirrored: Vec<Case> =
            rows.iter().map(|&(e, b, a)| case(e, name(e), name(a), name(b))).collect();
        let (found, mirror) = (compare(lists, &cases, seed).unwrap(), compare(lists, &mirrored, seed).unwrap());
        let counts = found.counts();
        prop_assert_eq!(found.before.right + counts.fixed, found.after.right + counts.broken);
        prop_assert_eq!(found.per_class.iter().map(|row| row.cases).sum::<u64>(), found.cases);
        prop_assert_eq!(found.per_class.iter().map(|row| row.newly_broken).sum::<u64>(), counts.broken);
        prop_assert_eq!(mirror.counts(), Counts { broken: counts.fixed, fixed: counts.broken, ..counts });
        prop_assert_eq!((mirror.agreement, mirror.mcnemar_p), (found.agreement, found.mcnemar_p));
        prop_assert!(found.difference.bootstrap.low <= found.difference.bootstrap.high);
        prop_assert!(found.mcnemar_p > 0.0 && found.mcnemar_p <= 1.0);
        prop_assert_eq!(&found, &compare(lists, &cases, seed).unwrap());
    }
}
