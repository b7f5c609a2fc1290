//! Checks one value against its declared kind and brings it to its canonical form.

use base::Diagnostic;

use crate::check::{Checker, with_names};
use crate::dotted::DOTTED;
use crate::files::path_text;
use crate::merge::{at, join};
use crate::settings::{Choice, Kind, RealRange, Section};
use crate::tree::{Entry, Node, Place, Table, Value};

/// Longest name of a model or step.
const NAME_CHARS_MAX: usize = 64;
/// Longest name of a registered scheme.
const SCHEME_NAME_CHARS_MAX: usize = 200;
/// Longest licence expression.
const LICENCE_BYTES_MAX: usize = 1000;
/// Longest path, in characters.
const PATH_CHARS_MAX: usize = 4096;

/// The canonical form of `node`, the value of `key`; `None` if it is wrong, which is reported.
pub(crate) fn check_value(checker: &mut Checker, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    match kind {
        Kind::Bool => match node.value {
            Value::Bool(_) => Some(node.clone()),
            _ => wrong_type(checker, kind, node, key),
        },
        Kind::Integer { min, max } => match node.integer() {
            Some(number) if (min..=max).contains(&number) => Some(node.clone()),
            Some(_) => out_of_range(checker, kind, node, key),
            None => wrong_type(checker, kind, node, key),
        },
        Kind::Real(range) => real(checker, range, kind, node, key),
        Kind::Text { max } => text(checker, kind, node, key, max),
        Kind::Name => name(checker, node, key),
        Kind::Licence => licence(checker, kind, node, key),
        Kind::Date => match &node.value {
            Value::Date(date) => Some(Node::new(Value::Text(date.clone()), node.place)),
            _ => text(checker, kind, node, key, 200),
        },
        Kind::Path => path(checker, kind, node, key),
        Kind::NameOrPath(choices) => match node.text() {
            Some(text) if choices.iter().any(|choice| choice.name == text) => Some(node.clone()),
            _ => path(checker, kind, node, key),
        },
        Kind::Choice(choices) => choice(checker, choices, kind, node, key),
        Kind::IntegerOr { min, max, words } => match &node.value {
            Value::Integer(_) => check_value(checker, Kind::Integer { min, max }, node, key),
            Value::Text(_) => choice(checker, words, kind, node, key),
            _ => wrong_type(checker, kind, node, key),
        },
        Kind::Pair { min, max } => pair(checker, min, max, kind, node, key),
        Kind::Reals(range) => reals(checker, range, kind, node, key),
        Kind::List { of, min, max } => list(checker, of, (min, max), kind, node, key),
        Kind::Table(section) => match node.table() {
            Some(table) => {
                let table = checker.section(section, table, key, node.place);
                Some(Node::new(Value::Table(table), node.place))
            }
            None => wrong_type(checker, kind, node, key),
        },
        Kind::Steps(section) => match node.table() {
            Some(table) => Some(Node::new(Value::Table(steps(checker, section, table, key)), node.place)),
            None => wrong_type(checker, kind, node, key),
        },
    }
}

fn real(checker: &mut Checker, range: RealRange, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    match node.real() {
        Some(number) if range.contains(number) => Some(Node::new(Value::Real(number), node.place)),
        Some(_) => out_of_range(checker, kind, node, key),
        None => wrong_type(checker, kind, node, key),
    }
}

fn text(checker: &mut Checker, kind: Kind, node: &Node, key: &str, max: usize) -> Option<Node> {
    match node.text() {
        Some(text) if text.chars().count() <= max => Some(node.clone()),
        Some(_) => out_of_range(checker, kind, node, key),
        None => wrong_type(checker, kind, node, key),
    }
}

fn name(checker: &mut Checker, node: &Node, key: &str) -> Option<Node> {
    let Some(text) = node.text() else { return wrong_type(checker, Kind::Name, node, key) };
    if is_name(text) {
        return Some(node.clone());
    }
    let message = if node.place == Place::Derived {
        format!("the file's name gives the model the name `{text}`, which is not valid; set `{key}`")
    } else {
        format!("`{text}` is no valid name")
    };
    let help = "a name starts with a lower-case letter or digit and goes on with those, `.`, `_` and `-`; at most 64 characters";
    checker.diagnostics.push(at(Diagnostic::new("invalid-name", message).help(help), node.place, ""));
    None
}

fn licence(checker: &mut Checker, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    let text = node.text().filter(|text| text.len() <= LICENCE_BYTES_MAX);
    let Some(text) = text else { return wrong_type(checker, kind, node, key) };
    let Err(error) = spdx::Expression::parse(text) else { return Some(node.clone()) };
    let where_wrong = text.get(error.span).unwrap_or(text);
    let message = format!("`{key}` is no SPDX licence expression: `{where_wrong}`: {}", error.reason);
    let diagnostic = at(Diagnostic::new("invalid-licence", message), node.place, "");
    let help = "identifiers are those of https://spdx.org/licenses, with AND, OR and WITH between them";
    let own = "a licence of your own is `LicenseRef-` and a name";
    checker.diagnostics.push(diagnostic.help(help).help(own));
    None
}

/// Whether a scheme in the registry may have this name: names with `/` between them.
pub(crate) fn is_scheme_name(text: &str) -> bool {
    text.len() <= SCHEME_NAME_CHARS_MAX && text.split('/').all(is_name)
}

fn is_name(text: &str) -> bool {
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    text.len() <= NAME_CHARS_MAX
        && text.starts_with(plain)
        && text.chars().all(|character| plain(character) || ".-_".contains(character))
}

fn path(checker: &mut Checker, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    let Some(text) = node.text() else { return wrong_type(checker, kind, node, key) };
    if text.is_empty() || text.contains('\0') || text.chars().count() > PATH_CHARS_MAX {
        checker.report("out-of-range", format!("`{key}` is no usable path"), node.place, "");
        return None;
    }
    let text = path_text(checker.folder(node.place), text);
    Some(Node::new(Value::Text(text), node.place))
}

fn choice(checker: &mut Checker, choices: &[Choice], kind: Kind, node: &Node, key: &str) -> Option<Node> {
    let Some(text) = node.text() else { return wrong_type(checker, kind, node, key) };
    if choices.iter().any(|choice| choice.name == text) {
        return Some(node.clone());
    }
    let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
    let diagnostic = Diagnostic::new("unknown-name", format!("`{key}` cannot be `{text}`"));
    checker.diagnostics.push(with_names(at(diagnostic, node.place, ""), text, &names));
    None
}

fn pair(checker: &mut Checker, min: i64, max: i64, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    let one = Kind::Integer { min, max };
    let items = match &node.value {
        Value::Integer(_) => vec![node.clone(), node.clone()],
        Value::List(items) if items.len() == 2 => items.clone(),
        _ => return wrong_type(checker, kind, node, key),
    };
    let first = check_value(checker, one, &items[0], key)?;
    let second =
        if node.integer().is_some() { first.clone() } else { check_value(checker, one, &items[1], key)? };
    Some(Node::new(Value::List(vec![first, second]), node.place))
}

fn reals(checker: &mut Checker, range: RealRange, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    let items = match &node.value {
        Value::Integer(_) | Value::Real(_) => vec![node.clone()],
        Value::List(items) if (1..=10_000).contains(&items.len()) => items.clone(),
        _ => return wrong_type(checker, kind, node, key),
    };
    let checked: Vec<Node> =
        items.iter().filter_map(|item| real(checker, range, Kind::Real(range), item, key)).collect();
    (checked.len() == items.len()).then(|| Node::new(Value::List(checked), node.place))
}

fn list(
    checker: &mut Checker,
    of: &Kind,
    (min, max): (usize, usize),
    kind: Kind,
    node: &Node,
    key: &str,
) -> Option<Node> {
    let Some(items) = node.list() else { return wrong_type(checker, kind, node, key) };
    if !(min..=max).contains(&items.len()) {
        return out_of_range(checker, kind, node, key);
    }
    let checked: Vec<Node> = items.iter().filter_map(|item| check_value(checker, *of, item, key)).collect();
    let mut seen = std::collections::BTreeMap::new();
    for item in &checked {
        let Some(text) = item.text() else { continue };
        if let Some(first) = seen.insert(text.to_owned(), item.place) {
            let diagnostic = Diagnostic::new("repeated-item", format!("`{key}` names `{text}` twice"));
            checker.diagnostics.push(at(at(diagnostic, item.place, ""), first, "first here"));
        }
    }
    (checked.len() == items.len()).then(|| Node::new(Value::List(checked), node.place))
}

fn steps(checker: &mut Checker, section: &'static Section, table: &Table, path: &str) -> Table {
    let mut checked = Table::default();
    for entry in &table.entries {
        let dotted = path == DOTTED;
        let words = if dotted { entry.name.split('.').collect() } else { vec![&*entry.name] };
        if !is_step_name(&entry.name) || !words.into_iter().all(is_word) {
            let message = format!("`{}` is no valid name of a step", entry.name.escape_debug());
            let help = if dotted {
                "a layer's name starts with a letter and goes on with letters, digits, `_` and `-`, with single dots between them; at most 64 characters"
            } else {
                "a step's name starts with a letter and goes on with letters, digits, `_` and `-`; at most 64 characters"
            };
            checker.diagnostics.push(at(Diagnostic::new("invalid-name", message).help(help), entry.key, ""));
            continue;
        }
        let key = join(path, &entry.name);
        if let Some(node) = check_value(checker, Kind::Table(section), &entry.node, &key) {
            checked.entries.push(Entry { node, ..entry.clone() });
        }
    }
    checked
}

fn is_step_name(name: &str) -> bool {
    name.len() <= NAME_CHARS_MAX && name.starts_with(|character: char| character.is_ascii_alphabetic())
}

/// What stands between the dots of a layer's name, and the whole of any other step's.
fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|character| character.is_ascii_alphanumeric() || "_-".contains(character))
}

fn wrong_type(checker: &mut Checker, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    let admitted = if let Kind::Text { .. } = kind { "a text".to_owned() } else { expected(kind) };
    let message = format!("`{key}` is {admitted}, not {}", node.value.kind());
    let diagnostic =
        at(Diagnostic::new("wrong-type", message), node.place, format!("found {}", node.value.kind()));
    let quote = matches!(kind, Kind::Text { .. })
        && matches!(node.value, Value::Integer(_) | Value::Real(_) | Value::Date(_));
    checker.diagnostics.push(if quote { diagnostic.help("write it in quotes") } else { diagnostic });
    None
}

fn out_of_range(checker: &mut Checker, kind: Kind, node: &Node, key: &str) -> Option<Node> {
    let message = match node.value {
        Value::Integer(_) | Value::Real(_) => {
            format!("`{key}` is {}, not {}", expected(kind), crate::show::toml_value(&node.value))
        }
        _ => format!("`{key}` is {}", expected(kind)),
    };
    checker.report("out-of-range", message, node.place, "out of range");
    None
}

/// What a kind admits, to go on "`key` is ...".
pub(crate) fn expected(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Integer { min, max: i64::MAX } => format!("an integer from {min}"),
        Kind::Integer { min, max } => format!("an integer from {min} to {max}"),
        Kind::Real(range) => range.to_string(),
        Kind::Text { max } => format!("a text of at most {max} characters"),
        Kind::Name => "a name".to_owned(),
        Kind::Licence => "an SPDX licence expression".to_owned(),
        Kind::Date => "a date or a text".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::NameOrPath(choices) => format!("{} or a path", names(choices)),
        Kind::Choice(choices) => format!("one of {}", names(choices)),
        Kind::IntegerOr { min, max, words } => format!("an integer from {min} to {max}, or {}", names(words)),
        Kind::Pair { min, max } => format!("an integer from {min} to {max}, or an array of two"),
        Kind::Reals(range) => format!("{} or an array of such", expected(Kind::Real(range))),
        Kind::List { of, min, max } => format!("an array of {min} to {max} items, each {}", expected(*of)),
        Kind::Table(_) => "a table".to_owned(),
        Kind::Steps(_) => "a table of named steps".to_owned(),
    }
}

fn names(choices: &[Choice]) -> String {
    choices.iter().map(|choice| format!("\"{}\"", choice.name)).collect::<Vec<_>>().join(", ")
}
