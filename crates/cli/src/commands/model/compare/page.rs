//! A comparison as one page that needs nothing else: no script, no font, no picture from elsewhere.

use std::fmt::Write as _;

use inherit::compare::{Changed, ChangedValue, Comparison, PerClass, RegressionComparison, Side};
use pipeline::{CaseInput, Compared, ModelComparison};

use super::pictures::{numbers, picture};
use super::text::{points, probability};
use crate::{quantities, terminal};

const STYLE: &str = include_str!("page.css");
/// Nothing is fetched and nothing is run, whatever a class or a column is called.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
/// Characters of all pictures; of more, only the digests of cases are shown.
const PICTURES_MAX: usize = 16 << 20;
/// Columns of a table's case that are shown.
const COLUMNS_MAX: usize = 100;

/// One section for each comparison.
pub(super) fn page(found: &[ModelComparison]) -> String {
    let child = found.first().map_or(String::new(), |one| name(&one.after.model));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{} compared</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escaped(found.first().map_or("", |one| one.after.model.as_str()))
    );
    let mut room = PICTURES_MAX;
    for one in found {
        section(&mut html, one, &child, &mut room);
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

// Writing to a String cannot fail, here and below.
fn section(html: &mut String, found: &ModelComparison, child: &str, room: &mut usize) {
    let _ = writeln!(html, "<section>\n<h1>{child} beside {}</h1>", name(&found.before.model));
    match &found.outcome {
        Compared::Classes(comparison) => classes(html, found, comparison, room),
        Compared::Values(comparison) => values(html, found, comparison, room),
    }
    if !found.notices.is_empty() {
        let notes: String =
            found.notices.iter().map(|notice| format!("<li>{}</li>\n", escaped(notice))).collect();
        let _ = writeln!(html, "<h2>What to know</h2>\n<ul>\n{notes}</ul>");
    }
    html.push_str("</section>\n");
}

fn classes(html: &mut String, found: &ModelComparison, comparison: &Comparison, room: &mut usize) {
    let difference = &comparison.difference;
    let _ = writeln!(
        html,
        "<p class=\"quiet\">{} that both models answered, {} of them with the same class.</p>",
        quantities::counted(comparison.cases as usize, "test case"),
        quantities::percent(comparison.agreement)
    );
    figures(
        html,
        &[
            ("newly broken", quantities::count(comparison.newly_broken.len()), "broken"),
            ("newly fixed", quantities::count(comparison.newly_fixed.len()), "fixed"),
            ("accuracy", points(difference.value), ""),
            ("McNemar p", probability(comparison.mcnemar_p), ""),
        ],
    );
    let _ = writeln!(
        html,
        "<p class=\"quiet\">With {} confidence accuracy changes by {} to {}.</p>",
        quantities::percent(difference.confidence),
        points(difference.bootstrap.low),
        points(difference.bootstrap.high)
    );
    let share = |side: &Side| {
        let interval = side.interval;
        let [low, high] = [interval.low, interval.high].map(quantities::percent);
        format!("{} <span class=\"quiet\">({low} to {high})</span>", quantities::percent(side.accuracy))
    };
    let error = |side: &Side| {
        side.calibration.as_ref().map_or("-".to_owned(), |found| quantities::measure(found.ece))
    };
    let (before, after) = (&comparison.before, &comparison.after);
    let rows =
        [("accuracy", share(before), share(after)), ("calibration error", error(before), error(after))];
    sides(html, found, &rows);
    per_class(html, &comparison.per_class);
    for (title, kind, list) in [
        ("Newly broken", "broken", &comparison.newly_broken),
        ("Newly fixed", "fixed", &comparison.newly_fixed),
    ] {
        let cases = list.iter().map(|case: &Changed| {
            let [expected, was, is] = [&case.expected, &case.before, &case.after].map(|text| name(text));
            (case.digest, [expected, was, is])
        });
        changed(html, found, (title, kind), list.len(), cases, room);
    }
}

fn values(html: &mut String, found: &ModelComparison, comparison: &RegressionComparison, room: &mut usize) {
    let _ = writeln!(
        html,
        "<p class=\"quiet\">{} that both models answered; errors that differ by at most {} count as equal.</p>",
        quantities::counted(comparison.cases as usize, "test case"),
        comparison.tolerance
    );
    figures(
        html,
        &[
            ("newly worse", quantities::count(comparison.newly_worse.len()), "broken"),
            ("newly better", quantities::count(comparison.newly_better.len()), "fixed"),
            ("sign test p", probability(comparison.sign_p), ""),
        ],
    );
    let [before, after] = [comparison.mae_before, comparison.mae_after].map(quantities::measure);
    sides(html, found, &[("mean absolute error", before, after)]);
    for (title, kind, list) in [
        ("Newly worse", "broken", &comparison.newly_worse),
        ("Newly better", "fixed", &comparison.newly_better),
    ] {
        let cases = list.iter().map(|case: &ChangedValue| {
            (case.digest, [case.expected, case.before, case.after].map(quantities::measure))
        });
        changed(html, found, (title, kind), list.len(), cases, room);
    }
}

/// Figures at a glance: title, text, class.
fn figures(html: &mut String, figures: &[(&str, String, &str)]) {
    html.push_str("<div class=\"figures\">\n");
    for (title, figure, class) in figures {
        let _ = writeln!(html, "<div><b class=\"{class}\">{figure}</b>{title}</div>");
    }
    html.push_str("</div>\n");
}

/// Both models beside each other. The rows' texts are HTML.
fn sides(html: &mut String, found: &ModelComparison, rows: &[(&str, String, String)]) {
    let (before, after) = (&found.before, &found.after);
    let _ = writeln!(
        html,
        "<div class=\"wide\"><table>\n<tr><th></th><th><span class=\"key before\"></span>{}</th><th><span class=\"key after\"></span>{}</th></tr>",
        name(&before.model),
        name(&after.model)
    );
    let latency = |model: &pipeline::ModelFacts| {
        model.latency_ms.map_or("-".to_owned(), |milliseconds| format!("{milliseconds:.3} ms"))
    };
    let count = |number: u64| quantities::count(number as usize);
    let costs = [
        ("parameters", count(before.parameters), count(after.parameters)),
        ("size", quantities::bytes(before.bytes), quantities::bytes(after.bytes)),
        ("latency of one answer", latency(before), latency(after)),
    ];
    for (title, left, right) in rows.iter().chain(&costs) {
        let _ = writeln!(html, "<tr><th>{title}</th><td>{left}</td><td>{right}</td></tr>");
    }
    html.push_str("</table></div>\n");
}

fn per_class(html: &mut String, rows: &[PerClass]) {
    html.push_str(
        "<h2>Per class</h2>\n<div class=\"wide\"><table>\n<tr><th>class</th><th class=\"number\">cases</th>\
         <th class=\"number\">before</th><th class=\"number\">after</th><th class=\"bars\"></th><th class=\"number\">broken</th>\
         <th class=\"number\">fixed</th></tr>\n",
    );
    let share = |share: Option<f64>| share.map_or("-".to_owned(), quantities::percent);
    let bar = |class: &str, share: Option<f64>| {
        let width = share.unwrap_or(0.0) * 100.0;
        format!("<i class=\"{class}\" style=\"width:{width:.1}%\"></i>")
    };
    for row in rows {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"bars\">{}{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            name(&row.class),
            quantities::count(row.cases as usize),
            share(row.before),
            share(row.after),
            bar("before", row.before),
            bar("after", row.after),
            quantities::count(row.newly_broken as usize),
            quantities::count(row.newly_fixed as usize)
        );
    }
    html.push_str("</table></div>\n");
}

/// The cases that changed: pictures, or a table where there are none. `cases` gives the digest, and as HTML what is
/// right, what was answered before and what is now.
fn changed(
    html: &mut String,
    found: &ModelComparison,
    (title, kind): (&str, &str),
    count: usize,
    cases: impl Iterator<Item = (base::Digest, [String; 3])>,
    room: &mut usize,
) {
    let _ = writeln!(html, "<h2 class=\"{kind}\">{title}: {}</h2>", quantities::count(count));
    let (mut pictures, mut rows, mut shown) = (String::new(), String::new(), 0);
    for (digest, [expected, before, after]) in cases {
        let Some(case) = found.inputs.get(&digest) else { continue };
        let short = digest.short();
        let drawn = picture(case).filter(|(uri, _, _)| uri.len() <= *room);
        if let Some((uri, width, height)) = drawn {
            *room -= uri.len();
            let _ = writeln!(
                pictures,
                "<figure><img src=\"{uri}\" width=\"{width}\" height=\"{height}\" alt=\"case {short}\">\
                 <figcaption>is <b>{expected}</b><br>before {before}, now <b class=\"{kind}\">{after}</b><br>\
                 <code>{short}</code></figcaption></figure>"
            );
        } else {
            let _ = writeln!(
                rows,
                "<tr><td><code>{short}</code></td><td>{expected}</td><td>{before}</td><td class=\"{kind}\">{after}</td>\
                 <td>{}</td></tr>",
                columns(case)
            );
        }
        shown += 1;
    }
    if !pictures.is_empty() {
        let _ = writeln!(html, "<div class=\"cases\">\n{pictures}</div>");
    }
    if !rows.is_empty() {
        let head = "<tr><th>case</th><th>is</th><th>before</th><th>now</th><th>input</th></tr>";
        let _ = writeln!(html, "<div class=\"wide\"><table>\n{head}\n{rows}</table></div>");
    }
    if count > shown {
        let more = quantities::count(count - shown);
        let _ = writeln!(html, "<p class=\"quiet\">and {more} more; <code>--json</code> lists them all</p>");
    }
}

/// The columns of a table's case, folded away.
fn columns(case: &CaseInput) -> String {
    let columns = numbers(case);
    if columns.is_empty() {
        return format!("of {}", name(&case.owner));
    }
    let rows: String = columns
        .iter()
        .take(COLUMNS_MAX)
        .map(|(column, value)| format!("<tr><td>{}</td><td class=\"number\">{value}</td></tr>", name(column)))
        .collect();
    let more = match columns.len() {
        many if many > COLUMNS_MAX => format!("<p>and {} more</p>", many - COLUMNS_MAX),
        _ => String::new(),
    };
    let count = quantities::counted(columns.len(), "value");
    format!("<details><summary>{count}</summary><table>{rows}</table>{more}</details>")
}

/// A name out of data or a store: kept apart from the text around it, whichever way it is written.
fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(text))
}

/// `text` for an element or a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for each in terminal::printable(text).chars() {
        match each {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Digest;
    use inherit::compare::{Answer, Case, ClassLists, compare};
    use pipeline::ModelFacts;
    use tensor::Tensor;

    /// A page of one case that `b@1` has right and `a@1` wrong, whose class is called `class`.
    fn of_class(class: &str, input: Tensor) -> String {
        let labels = [class.to_owned(), "other".to_owned()];
        let answer = |number: usize| Answer { class: labels[number].clone(), probabilities: Vec::new() };
        let digest = Digest([7; 32]);
        let case = Case { digest, expected: class.to_owned(), before: answer(0), after: answer(1) };
        let lists = ClassLists { before: &labels, after: &labels };
        let facts = |model: &str| ModelFacts {
            model: model.to_owned(),
            digest: String::new(),
            parameters: 1,
            bytes: 1,
            latency_ms: None,
        };
        let case_input = CaseInput { owner: "b@1".to_owned(), input, features: vec![class.to_owned()] };
        page(&[ModelComparison {
            before: facts("b@1"),
            after: facts("a@1"),
            outcome: Compared::Classes(compare(lists, &[case], 1).unwrap()),
            notices: vec![format!("about {class}")],
            inputs: [(digest, case_input)].into(),
        }])
    }

    #[test]
    fn names_cannot_become_markup() {
        let evil = "</style><script>alert('x')</script>\" onload=\"y\u{0}";
        for input in [Tensor::new([1, 2, 2], vec![1u8, 2, 3, 4]), Tensor::new([1], vec![1f32])] {
            let html = of_class(evil, input);
            assert!(
                !html.contains("<script") && !html.contains("\" onload") && !html.contains('\u{0}'),
                "{html}"
            );
            assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{html}");
            assert_eq!(html.matches("</style>").count(), 1);
        }
    }

    #[test]
    fn a_page_needs_nothing_else() {
        let html = of_class("seven", Tensor::new([1, 2, 2], vec![1u8, 2, 3, 4]));
        assert!(html.contains("<figure><img src=\"data:image/png;base64,"), "{html}");
        assert!(html.contains("is <b><bdi>seven</bdi></b>"), "{html}");
        for foreign in ["http:", "https:", "url(", "@import", "<script", "<link", "src=\"/"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
        let table = of_class("seven", Tensor::new([1], vec![2.5f32]));
        assert!(table.contains("<summary>1 value</summary>") && table.contains(">2.5</td>"), "{table}");
    }
}
