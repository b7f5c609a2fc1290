//! Splits Rust source into what the compiler reads and what people read, line by line, so that a rule
//! about code is not fooled by a comment or a string that speaks of it.

/// A source file in two columns. Both have one entry per line of the file.
pub(crate) struct Columns {
    /// The code, with every string, byte and character literal emptied.
    pub(crate) code: Vec<String>,
    /// The text of the comments, documentation included.
    pub(crate) comments: Vec<String>,
}

/// Splits `text`. Text that is no Rust gives some split, never a failure.
pub(crate) fn split(text: &str) -> Columns {
    let characters: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { characters, at: 0, code: vec![String::new()], comments: vec![String::new()] };
    while lexer.at < lexer.characters.len() {
        lexer.step();
    }
    Columns { code: lexer.code, comments: lexer.comments }
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
    code: Vec<String>,
    comments: Vec<String>,
}

impl Lexer {
    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('r', '"' | '#') if !self.in_word() => self.raw_string(),
            ('b' | 'c', 'r') if !self.in_word() => self.raw_string_with_prefix(),
            ('\'', _) => self.quote(),
            _ => self.keep(),
        }
    }

    fn peek(&self, ahead: usize) -> char {
        self.characters.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Whether the character before this one belongs to the same word.
    fn in_word(&self) -> bool {
        self.at > 0 && is_word(self.characters[self.at - 1])
    }

    /// Moves on by one character, starting a new line in both columns where the source does.
    fn advance(&mut self) -> char {
        let character = self.peek(0);
        self.at += 1;
        if character == '\n' {
            self.code.push(String::new());
            self.comments.push(String::new());
        }
        character
    }

    fn keep(&mut self) {
        let character = self.advance();
        if character != '\n' {
            last(&mut self.code).push(character);
        }
    }

    fn comment(&mut self) {
        let character = self.advance();
        if character != '\n' {
            last(&mut self.comments).push(character);
        }
    }

    fn line_comment(&mut self) {
        while self.at < self.characters.len() && self.peek(0) != '\n' {
            self.comment();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.characters.len() {
            let pair = (self.peek(0), self.peek(1));
            match pair {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.comment();
                    continue;
                }
            }
            self.comment();
            self.comment();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep();
        while self.at < self.characters.len() {
            match self.advance() {
                '\\' => drop(self.advance()),
                '"' => break,
                _ => {}
            }
        }
        last(&mut self.code).push('"');
    }

    fn raw_string_with_prefix(&mut self) {
        if matches!(self.peek(2), '"' | '#') {
            self.keep();
            self.raw_string();
        } else {
            self.keep();
        }
    }

    /// `r"..."`, `r#"..."#` and so on; `r#name` is a word and is kept.
    fn raw_string(&mut self) {
        let hashes = (1..).take_while(|&ahead| self.peek(ahead) == '#').count();
        if self.peek(1 + hashes) != '"' {
            return self.keep();
        }
        self.at += 2 + hashes;
        while self.at < self.characters.len() {
            let closes = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            self.advance();
            if closes {
                self.at += hashes;
                break;
            }
        }
        last(&mut self.code).push_str("\"\"");
    }

    /// A character literal, or the start of a lifetime.
    fn quote(&mut self) {
        let is_literal = self.peek(1) == '\\' || self.peek(2) == '\'';
        self.keep();
        if !is_literal {
            return;
        }
        while self.at < self.characters.len() {
            match self.advance() {
                '\\' => drop(self.advance()),
                '\'' => break,
                _ => {}
            }
        }
        last(&mut self.code).push('\'');
    }
}

fn last(lines: &mut [String]) -> &mut String {
    lines.last_mut().expect("both columns start with one line and only grow")
}

/// Whether `character` can stand inside a Rust identifier.
pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether `code` holds `word`, not as a part of a longer word.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let open_ended = word.ends_with(is_word);
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next().filter(|_| open_ended);
        !before.into_iter().chain(after).any(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str, comments: &str) {
        let columns = split(text);
        assert_eq!(columns.code.join("\n"), code, "code of {text:?}");
        assert_eq!(columns.comments.join("\n"), comments, "comments of {text:?}");
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        check("a // b\nc", "a \nc", "// b\n");
        check("a /* b /* c */ d\n e */ f", "a \n f", "/* b /* c */ d\n e */");
        check(r#"x("unsafe \" // no")"#, r#"x("")"#, "");
        check("x(r#\"todo!(\" \"#, 1)", "x(\"\", 1)", "");
        check("b\"a\" br\"b\" c", "b\"\" b\"\" c", "");
        check("r#type r", "r#type r", "");
        check("'\"' 'a '\\'' x", "'' 'a '' x", "");
        check("\"a\nb\" c", "\"\n\" c", "\n");
    }

    #[test]
    fn unclosed_literals_end_with_the_file() {
        for text in ["\"abc", "r#\"abc", "/* abc", "'\\", "b", "r", "'"] {
            split(text);
        }
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("my_todo!(", "todo!("));
        assert!(has_word("x; todo!()", "todo!("));
    }
}
