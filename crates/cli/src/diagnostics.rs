//! Draws what is wrong with the user's input the way rustc does.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use base::{Diagnostic, Diagnostics, FileId, Label, Location, Source, SourceMap, Span};

use crate::terminal;

/// How a diagnostic begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Nothing is done because of it.
    Error,
    /// The user should know.
    Note,
}

/// Draws all diagnostics, and how many there are, to standard error.
pub(crate) fn report(found: &Diagnostics, sources: &SourceMap) {
    let renderer = renderer(terminal::message_colours(), terminal::message_width());
    for diagnostic in &found.0 {
        terminal::say(&draw(diagnostic, sources, Severity::Error, &renderer));
        terminal::say("");
    }
    terminal::say(&count(found.0.len()));
}

/// Draws what is no mistake to standard error.
pub(crate) fn report_notes(notes: &[Diagnostic], sources: &SourceMap) {
    let renderer = renderer(terminal::message_colours(), terminal::message_width());
    notes.iter().for_each(|note| terminal::say(&draw(note, sources, Severity::Note, &renderer)));
}

fn renderer(colours: bool, width: usize) -> Renderer {
    if colours { Renderer::styled() } else { Renderer::plain() }.term_width(width)
}

fn count(errors: usize) -> String {
    if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") }
}

/// One diagnostic, without a line end.
fn draw(diagnostic: &Diagnostic, sources: &SourceMap, severity: Severity, renderer: &Renderer) -> String {
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Note => Level::NOTE,
    };
    let mut group =
        Group::with_title(level.primary_title(terminal::printable(&diagnostic.message)).id(diagnostic.code));
    for file in files(&diagnostic.labels) {
        group = group.element(snippet(sources.get(file), file, &diagnostic.labels));
    }
    for label in &diagnostic.labels {
        if let Some(place) = place(&label.at) {
            group = group.element(Origin::path(place));
            if !label.text.is_empty() {
                group = group.element(Level::NOTE.message(terminal::printable(&label.text)));
            }
        }
    }
    group = group.elements(diagnostic.help.iter().map(|help| Level::HELP.message(terminal::printable(help))));
    renderer.render(&[group])
}

/// The source texts that the labels point into, in the order of the labels.
fn files(labels: &[Label]) -> Vec<FileId> {
    let mut files = Vec::new();
    for label in labels {
        if let Location::Source(span) = label.at
            && !files.contains(&span.file)
        {
            files.push(span.file);
        }
    }
    files
}

/// All labels in one source text; the diagnostic's first label is its main place.
fn snippet<'a>(source: &'a Source, file: FileId, labels: &'a [Label]) -> Snippet<'a, Annotation<'a>> {
    let annotations = labels.iter().enumerate().filter_map(|(index, label)| {
        let Location::Source(span) = label.at else { return None };
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let text = (!label.text.is_empty()).then(|| terminal::printable(&label.text));
        (span.file == file).then(|| kind.span(within(span, &source.text)).label(text))
    });
    Snippet::source(quiet(&source.text)).path(terminal::printable(&source.name)).annotations(annotations)
}

/// `text` without the control characters U+0080 to U+009F, each replaced by a character of as many bytes; the
/// library makes all others visible.
fn quiet(text: &str) -> String {
    text.replace(|each| ('\u{80}'..='\u{9f}').contains(&each), "·")
}

/// `span` cut to whole characters of `text`.
fn within(span: Span, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    start..text.ceil_char_boundary(span.end.max(start)).min(text.len())
}

/// A place in a file whose text is not at hand.
fn place(at: &Location) -> Option<String> {
    let Location::File { path, line, byte } = at else { return None };
    let mut place = terminal::printable(&path.display().to_string());
    if let Some(line) = line {
        place += &format!(", line {line}");
    }
    if let Some(byte) = byte {
        place += &format!(", byte {byte}");
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(diagnostic: &Diagnostic, sources: &SourceMap, expect: &str) {
        let drawn = draw(diagnostic, sources, Severity::Error, &renderer(false, 60));
        assert_eq!(drawn.trim_end(), expect.trim_matches('\n'), "\n{drawn}");
    }

    #[test]
    fn places_in_sources_are_shown_with_their_line() {
        let mut sources = SourceMap::default();
        let root = sources.add("a.toml", "[train]\nepoch = 3\n");
        let parent = sources.add("b.toml", "epochs = 1");
        let diagnostic = Diagnostic::new("unknown-key", "[train] has no key `epoch`")
            .at(Span { file: root, start: 8, end: 13 }, "not known")
            .at(Span { file: parent, start: 0, end: 6 }, "meant here")
            .help("did you mean `epochs`?");
        check(
            &diagnostic,
            &sources,
            "
error[unknown-key]: [train] has no key `epoch`
 --> a.toml:2:1
  |
2 | epoch = 3
  | ^^^^^ not known
  |
 ::: b.toml:1:1
  |
1 | epochs = 1
  | ------ meant here
  |
  = help: did you mean `epochs`?",
        );
    }

    #[test]
    fn places_in_data_files_are_named() {
        let diagnostic = Diagnostic::new("idx-magic", "no IDX file")
            .label(Location::byte("a.idx", 8), "the count")
            .label(Location::line("b.csv", 3), "")
            .help("copy it again");
        check(
            &diagnostic,
            &SourceMap::default(),
            "
error[idx-magic]: no IDX file
--> a.idx, byte 8
 = note: the count
::: b.csv, line 3
 = help: copy it again",
        );
    }

    #[test]
    fn no_text_from_a_file_steers_the_terminal() {
        const HOSTILE: &str = "a\u{1b}]0;b\u{7}\rc\u{9b}2J";
        let mut sources = SourceMap::default();
        let file = sources.add(HOSTILE, HOSTILE);
        let diagnostic = Diagnostic::new("x", HOSTILE)
            .at(Span { file, start: 0, end: 1 }, HOSTILE)
            .label(Location::line(HOSTILE, 1), HOSTILE)
            .help(HOSTILE);
        let drawn = draw(&diagnostic, &sources, Severity::Error, &renderer(false, 60));
        let steering = |each: char| each.is_control() && each != '\n';
        assert!(!drawn.contains(steering), "{drawn:?}");
    }

    #[test]
    fn spans_outside_the_text_do_no_harm() {
        let mut sources = SourceMap::default();
        let file = sources.add("ä.toml", "ä");
        for (start, end) in [(0, 0), (1, 1), (1, 2), (2, 2), (5, 9), (2, 1)] {
            let diagnostic = Diagnostic::new("x", "x").at(Span { file, start, end }, "x");
            draw(&diagnostic, &sources, Severity::Error, &renderer(false, 60));
        }
        let empty = sources.add("", "");
        draw(
            &Diagnostic::new("x", "x").at(Span { file: empty, start: 0, end: 0 }, ""),
            &sources,
            Severity::Note,
            &renderer(true, 10),
        );
    }
}
