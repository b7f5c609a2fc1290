//! The picture of a proof: accuracy over labels and over time, as SVG text.
//!
//! Written by hand so that the same proof gives the same bytes. It brings its own ground, light or
//! dark as the reader's system asks, so it can be read on any page. The two ways of training differ
//! in colour (Okabe and Ito 2008, told apart by the colour-blind), in line and in marker.

use super::Proof;
use super::scale::{Scale, count_text, tick_text};
use super::student::Estimate;
use std::fmt::Write;

/// Size of the whole picture, pixels.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 436.0;
/// The panels' edges, pixels.
const TOP: f64 = 102.0;
const BOTTOM: f64 = 376.0;
const LEFT_PANEL: [f64; 2] = [64.0, 432.0];
const RIGHT_PANEL: [f64; 2] = [512.0, 880.0];
/// Least distance of two numbers of labels written side by side, pixels.
const LABEL_ROOM: f64 = 48.0;
/// How many characters of a title are drawn.
const TITLE_MAX: usize = 90;

const STYLE: &str = "\
.ground{fill:#ffffff}.ink{fill:#24292f}.faint{fill:#57606a}.grid{stroke:#d8dee4}.axis{stroke:#57606a}
.inherited{stroke:#0072b2;fill:#0072b2}.scratch{stroke:#d55e00;fill:#d55e00}
@media (prefers-color-scheme:dark){.ground{fill:#161b22}.ink{fill:#e6edf3}.faint{fill:#9ea7b3}.grid{stroke:#30363d}\
.axis{stroke:#9ea7b3}.inherited{stroke:#56b4e9;fill:#56b4e9}.scratch{stroke:#e69f00;fill:#e69f00}}
.band{stroke:none;fill-opacity:0.2}.line{fill:none;stroke-width:2}.scratch.line{stroke-dasharray:7 4}
.marker{stroke:none}text{font-family:system-ui,sans-serif;font-size:12px}.title{font-size:16px;font-weight:600}
.mid{text-anchor:middle}.end{text-anchor:end}";

/// One series: the class it is drawn with, and `(x in the scale's unit, accuracy)`.
struct Series {
    class: &'static str,
    points: Vec<(f64, Estimate)>,
    markers: bool,
}

/// The picture of `proof` under `title`, as a whole SVG document.
///
/// Left: mean accuracy over the labels (logarithmic) with the interval over the seeds as a band.
/// Right: the same over seconds, at the largest fraction. Where there is one seed there is no band, and
/// the picture says so. Of the title the first 90 characters are drawn; control characters become spaces.
pub fn plot(proof: &Proof, title: &str) -> String {
    let mut svg = String::new();
    put(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">\n\
         <title>{}</title>\n<desc>{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>\n\
         <text class=\"ink title\" x=\"20\" y=\"30\">{}</text>\n",
            escaped(title),
            escaped(&proof.verdict),
            escaped(&cut(title)),
        ),
    );
    legend(&mut svg, proof);
    labels_panel(&mut svg, proof);
    seconds_panel(&mut svg, proof);
    svg.push_str("</svg>\n");
    svg
}

fn labels_panel(svg: &mut String, proof: &Proof) {
    let series = |class, arm: fn(&super::Fraction) -> Estimate| Series {
        class,
        points: proof.fractions.iter().map(|row| ((row.labels as f64).ln(), arm(row))).collect(),
        markers: true,
    };
    let both =
        [series("scratch", |row| row.scratch.accuracy), series("inherited", |row| row.inherited.accuracy)];
    let x = Scale::over(
        proof.fractions.iter().map(|row| (row.labels as f64).ln()),
        0.06,
        LEFT_PANEL[0],
        LEFT_PANEL[1],
    );
    let mut ticks: Vec<(f64, String)> = Vec::new();
    for row in proof.fractions.iter().rev() {
        let pixel = x.pixel((row.labels as f64).ln());
        if ticks.last().is_none_or(|(last, _)| last - pixel >= LABEL_ROOM) {
            ticks.push((pixel, count_text(row.labels)));
        }
    }
    panel(svg, x, &ticks, "labels (logarithmic)", &both);
}

fn seconds_panel(svg: &mut String, proof: &Proof) {
    let series = |class, points: &[super::CurvePoint]| Series {
        class,
        points: points.iter().map(|point| (point.seconds, point.accuracy)).collect(),
        markers: points.len() == 1,
    };
    let both = [series("scratch", &proof.curves.scratch), series("inherited", &proof.curves.inherited)];
    let seconds = || both.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    let x = Scale::over(seconds(), 0.03, RIGHT_PANEL[0], RIGHT_PANEL[1]);
    let values: Vec<f64> = x.ticks().into_iter().filter(|&tick| tick >= 0.0).collect();
    let step = values.get(1).map_or(1.0, |second| second - values[0]);
    let ticks: Vec<(f64, String)> =
        values.iter().map(|&tick| (x.pixel(tick), tick_text(tick, step))).collect();
    let name = format!("seconds of training, {} labels", count_text(proof.curves.labels));
    panel(svg, x, &ticks, &name, &both);
}

/// Grid, axes and series of one panel; `ticks` are pixels and texts along its lower edge.
fn panel(svg: &mut String, x: Scale, ticks: &[(f64, String)], name: &str, series: &[Series]) {
    let ends = |accuracy: &Estimate| {
        [accuracy.mean, accuracy.low.unwrap_or(accuracy.mean), accuracy.high.unwrap_or(accuracy.mean)]
    };
    let values =
        series.iter().flat_map(|series| series.points.iter().flat_map(|(_, accuracy)| ends(accuracy)));
    let mut y = Scale::over(values, 0.06, BOTTOM, TOP);
    (y.low, y.high) = (y.low.max(0.0), y.high.min(1.0)); // an accuracy's room ends there
    let (left, right) = (x.start, x.end);
    let accuracies = y.ticks();
    let step = accuracies.get(1).map_or(1.0, |second| second - accuracies[0]);
    for &tick in &accuracies {
        let at = y.pixel(tick);
        put(
            svg,
            format_args!(
                "<path class=\"grid\" d=\"M{left:.1} {at:.1}H{right:.1}\"/><text class=\"faint end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                left - 8.0,
                at + 4.0,
                tick_text(tick, step),
            ),
        );
    }
    for (at, text) in ticks {
        put(
            svg,
            format_args!(
                "<path class=\"axis\" d=\"M{at:.1} {BOTTOM}v5\"/><text class=\"faint mid\" x=\"{at:.1}\" y=\"{:.1}\">{text}</text>\n",
                BOTTOM + 20.0,
            ),
        );
    }
    put(
        svg,
        format_args!(
            "<path class=\"axis\" d=\"M{left:.1} {BOTTOM}H{right:.1}\"/>\
         <text class=\"ink mid\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>\
         <text class=\"ink\" x=\"{:.1}\" y=\"{:.1}\">accuracy</text>\n",
            (left + right) / 2.0,
            BOTTOM + 42.0,
            left - 44.0,
            TOP - 16.0,
        ),
    );
    series.iter().for_each(|series| band(svg, series, x, y));
    series.iter().for_each(|series| line(svg, series, x, y));
}

/// The interval over the seeds, where there is one: along the upper ends and back along the lower.
fn band(svg: &mut String, series: &Series, x: Scale, y: Scale) {
    let end = |pick: fn(&Estimate) -> Option<f64>| {
        series.points.iter().filter_map(move |(at, accuracy)| Some((x.pixel(*at), y.pixel(pick(accuracy)?))))
    };
    let upper: Vec<(f64, f64)> = end(|accuracy| accuracy.high).collect();
    let lower: Vec<(f64, f64)> = end(|accuracy| accuracy.low).collect();
    if let ([high], [low]) = (&upper[..], &lower[..]) {
        let (at, high, low) = (high.0, high.1, low.1);
        put(svg, format_args!("<path class=\"{} line\" d=\"M{at:.1} {high:.1}V{low:.1}\"/>\n", series.class));
    } else if !upper.is_empty() {
        let outline: Vec<(f64, f64)> = upper.into_iter().chain(lower.into_iter().rev()).collect();
        put(svg, format_args!("<path class=\"{} band\" d=\"{}Z\"/>\n", series.class, path(&outline)));
    }
}

fn line(svg: &mut String, series: &Series, x: Scale, y: Scale) {
    let points: Vec<(f64, f64)> =
        series.points.iter().map(|(at, accuracy)| (x.pixel(*at), y.pixel(accuracy.mean))).collect();
    put(svg, format_args!("<path class=\"{} line\" d=\"{}\"/>\n", series.class, path(&points)));
    if series.markers {
        points.iter().for_each(|&(x, y)| marker(svg, series.class, x, y));
    }
}

/// A disc for inherited, a square for scratch.
fn marker(svg: &mut String, class: &str, x: f64, y: f64) {
    if class == "inherited" {
        put(svg, format_args!("<circle class=\"{class} marker\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>\n"));
    } else {
        let (x, y) = (x - 4.0, y - 4.0);
        put(
            svg,
            format_args!(
                "<rect class=\"{class} marker\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"8\" height=\"8\"/>\n"
            ),
        );
    }
}

fn legend(svg: &mut String, proof: &Proof) {
    for (x, class, text) in [(20.0, "inherited", "with inheritance"), (170.0, "scratch", "from scratch")] {
        put(svg, format_args!("<path class=\"{class} line\" d=\"M{x} 52h30\"/>"));
        marker(svg, class, x + 15.0, 52.0);
        put(svg, format_args!("<text class=\"ink\" x=\"{}\" y=\"56\">{text}</text>\n", x + 38.0));
    }
    let known = proof.fractions.iter().any(|row| row.difference.low.is_some());
    let seeds =
        |pick: fn(u64, u64) -> u64| proof.fractions.iter().map(|row| row.seeds).reduce(pick).unwrap_or(0);
    let (fewest, most) = (seeds(u64::min), seeds(u64::max));
    let count = if fewest == most { format!("{most}") } else { format!("{fewest} to {most}") };
    let text = match known {
        true => format!("bands: {:.0} % intervals over {count} seeds", proof.confidence * 100.0),
        false => "one seed: no interval is known".to_owned(),
    };
    put(svg, format_args!("<text class=\"faint end\" x=\"880\" y=\"56\">{text}</text>\n"));
}

/// `M x y L x y ...`, to a tenth of a pixel.
fn path(points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        put(&mut text, format_args!("{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" }));
    }
    text
}

/// The first [`TITLE_MAX`] characters, with `…` if there are more.
fn cut(title: &str) -> String {
    match title.char_indices().nth(TITLE_MAX) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title.to_owned(),
    }
}

/// Text for XML, which knows no control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            control if control.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&control) => {
                escaped.push(' ')
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn put(text: &mut String, arguments: std::fmt::Arguments) {
    text.write_fmt(arguments).expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::{Trial, prove};

    /// Five amounts of labels and `seeds` seeds, with curves that rise as real ones do.
    fn proof(seeds: u64) -> Proof {
        let mut trials = Vec::new();
        for (row, labels) in [600u64, 1800, 6000, 18000, 60000].into_iter().enumerate() {
            for seed in 0..seeds {
                for inherited in [false, true] {
                    let wobble =
                        0.008 * (seed as f64 * 2.1 + row as f64 + f64::from(u8::from(inherited))).sin();
                    let accuracy =
                        if inherited { 0.93 + 0.012 * row as f64 } else { 0.82 + 0.039 * row as f64 }
                            + wobble;
                    let pace = if inherited { 0.8 } else { 0.35 };
                    let point = |epoch: u32| {
                        (
                            2.0 * epoch as f64 + 0.1 * seed as f64,
                            accuracy * (1.0 - (-pace * epoch as f64).exp() * 0.3),
                        )
                    };
                    let curve: Vec<(f64, f64)> = (1..=15).map(point).collect();
                    let fraction = labels as f64 / 60000.0;
                    trials.push(Trial { fraction, labels, seed, inherited, accuracy, seconds: 30.0, curve });
                }
            }
        }
        prove(&trials).unwrap()
    }

    #[test]
    fn holds_what_a_reader_needs() {
        let svg = plot(&proof(4), "Digits from letters");
        for part in [
            "Digits from letters",
            "labels (logarithmic)",
            "seconds of training, 60\u{a0}000 labels",
            "with inheritance",
            "from scratch",
            "bands: 95 % intervals over 4 seeds",
            ">1\u{a0}800<",
            "Inheriting pays",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches(" band\"").count(), 4);
        assert_eq!(svg, plot(&proof(4), "Digits from letters"));
        assert!(!svg.contains("NaN") && !svg.contains("inf "), "{svg}");
    }

    #[test]
    fn one_seed_has_no_band_and_says_so() {
        let svg = plot(&proof(1), "one");
        assert!(svg.contains("one seed: no interval is known") && !svg.contains(" band\""), "{svg}");
    }

    #[test]
    fn titles_are_escaped_and_cut() {
        let svg = plot(&proof(1), "a < b & \"c\"\u{7}");
        assert!(svg.contains(">a &lt; b &amp; &quot;c&quot; </text>"), "{svg}");
        let long = plot(&proof(1), &"é".repeat(91));
        assert!(long.contains(&format!(">{}…</text>", "é".repeat(90))));
    }
}
