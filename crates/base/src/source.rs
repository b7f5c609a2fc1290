//! Source texts and positions in them.

/// Names one source text of a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes, `start..end`, in one source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The source text.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A position as people count it: both numbers start at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One source text: a scheme file, an embedded base scheme, or a `--set` argument.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name shown to people, a path or a description such as `--set`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// All source texts that took part in one resolution.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text and returns its name.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.sources.push(Source { name: name.into(), text: text.into() });
        FileId((self.sources.len() - 1) as u32)
    }

    /// The text behind `file`. Panics if `file` is of another map.
    pub fn get(&self, file: FileId) -> &Source {
        &self.sources[file.0 as usize]
    }

    /// All texts, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.sources.iter().enumerate().map(|(index, source)| (FileId(index as u32), source))
    }

    /// The text that `span` covers; empty where the span reaches past the end.
    pub fn snippet(&self, span: Span) -> &str {
        self.get(span.file).text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column of the first byte of `span`.
    pub fn line_column(&self, span: Span) -> LineColumn {
        let text = &self.get(span.file).text;
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        LineColumn {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let mut map = SourceMap::default();
        let file = map.add("a.toml", "ä = 1\nbb = 2\n");
        let at = |start| map.line_column(Span { file, start, end: start + 1 });
        assert_eq!(at(0), LineColumn { line: 1, column: 1 });
        assert_eq!(at(2), LineColumn { line: 1, column: 2 });
        assert_eq!(at(7), LineColumn { line: 2, column: 1 });
        assert_eq!(at(999), LineColumn { line: 3, column: 1 });
    }
}
