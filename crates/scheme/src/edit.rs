//! Takes settings out of a scheme's text and leaves every other byte alone.

use std::ops::Range;

use toml_edit::{InlineTable, Value};

use crate::dotted::join_path;
use crate::layout::{Piece, PieceKind, pieces};

/// A replacement in a text.
type Splice = (Range<usize>, String);

/// `text` without the settings at and below `keys`, and without the elements `unset` of its array
/// `unset`.
///
/// A setting takes the comment behind it and those directly above it along; a table that is left
/// empty loses its header. What cannot be taken out alone (an element of `[[tables]]`) stays.
pub(crate) fn without(text: &str, keys: &[Vec<String>], unset: &[String]) -> String {
    let pieces = pieces(text);
    let mut gone = vec![false; pieces.len()];
    let mut splices = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let PieceKind::Setting { path, value } = &piece.kind else { continue };
        let path = &join_path(path);
        let below: Vec<&[String]> = keys.iter().filter_map(|key| key.strip_prefix(path.as_slice())).collect();
        let whole = keys.iter().any(|key| path.starts_with(key));
        let left = if path == &["unset"] && !unset.is_empty() {
            without_elements(&text[value.clone()], unset)
        } else if below.is_empty() || whole {
            (!whole).then(|| text[value.clone()].to_owned())
        } else {
            without_inner(&text[value.clone()], &below)
        };
        match left {
            Some(left) if left == text[value.clone()] => {}
            Some(left) => splices.push((value.clone(), left)),
            None => gone[index] = true,
        }
    }
    remove_empty_tables(&pieces, &mut gone);
    remove_comments(&pieces, &mut gone);
    remove_gaps(&pieces, &mut gone);
    splices.extend(
        pieces
            .iter()
            .zip(&gone)
            .filter(|(_, gone)| **gone)
            .map(|(piece, _)| (piece.range.clone(), String::new())),
    );
    spliced(text, splices)
}

/// `text` with each range replaced; the ranges do not overlap.
pub(crate) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| range.start);
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for (range, replacement) in splices {
        out.push_str(&text[at..range.start]);
        out.push_str(&replacement);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Headers below which something was taken out and nothing is left.
fn remove_empty_tables(pieces: &[Piece], gone: &mut [bool]) {
    let headers = pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| matches!(piece.kind, PieceKind::Header { array: false, .. }));
    for (index, _) in headers {
        let settings: Vec<usize> = (index + 1..pieces.len())
            .take_while(|at| !matches!(pieces[*at].kind, PieceKind::Header { .. }))
            .filter(|at| matches!(pieces[*at].kind, PieceKind::Setting { .. }))
            .collect();
        if !settings.is_empty() && settings.iter().all(|at| gone[*at]) {
            gone[index] = true;
        }
    }
}

/// The comments directly above what is taken out.
fn remove_comments(pieces: &[Piece], gone: &mut [bool]) {
    for index in (1..pieces.len()).rev() {
        if gone[index]
            && pieces[index - 1].kind == PieceKind::Comment
            && pieces[index].kind != PieceKind::Blank
        {
            gone[index - 1] = true;
        }
    }
}

/// The blank lines above a table that is taken out.
fn remove_gaps(pieces: &[Piece], gone: &mut [bool]) {
    for index in 0..pieces.len() {
        if !(gone[index] && matches!(pieces[index].kind, PieceKind::Header { .. })) {
            continue;
        }
        let above = (0..index).rev().skip_while(|at| pieces[*at].kind == PieceKind::Comment && gone[*at]);
        for at in above.take_while(|at| pieces[*at].kind == PieceKind::Blank).collect::<Vec<_>>() {
            gone[at] = true;
        }
    }
}

/// An inline table without what stands at `paths`; `None` if nothing is left or it is no table.
fn without_inner(fragment: &str, paths: &[&[String]]) -> Option<String> {
    let mut value: Value = fragment.parse().ok()?;
    let table = value.as_inline_table_mut()?;
    paths.iter().for_each(|path| remove_inner(table, path));
    (!table.is_empty()).then(|| value.to_string().trim().to_owned())
}

fn remove_inner(table: &mut InlineTable, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let inner = table.get_mut(first).and_then(Value::as_inline_table_mut);
    if let (Some(inner), false) = (inner, rest.is_empty()) {
        remove_inner(inner, rest);
        if !inner.is_empty() {
            return;
        }
    } else if !rest.is_empty() && !table.get(first).is_some_and(|value| value.is_str()) {
        return;
    }
    let last = table.iter().last().is_some_and(|(name, _)| name == first);
    let Some(removed) = table.remove(first) else { return };
    let suffix = removed.decor().suffix().cloned();
    if let (true, Some(suffix), Some((_, value))) = (last, suffix, table.iter_mut().last()) {
        value.decor_mut().set_suffix(suffix);
    }
}

/// An array of texts without `elements`; `None` if nothing is left.
fn without_elements(fragment: &str, elements: &[String]) -> Option<String> {
    let mut value: Value = fragment.parse().ok()?;
    let array = value.as_array_mut()?;
    let first = array.get(0).and_then(|value| value.decor().prefix().cloned());
    array.retain(|value| !value.as_str().is_some_and(|text| elements.iter().any(|each| each == text)));
    if let (Some(prefix), Some(value)) = (first, array.get_mut(0)) {
        value.decor_mut().set_prefix(prefix);
    }
    (!array.is_empty()).then(|| value.to_string().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, keys: &[&str], unset: &[&str], expect: &str) {
        let keys: Vec<Vec<String>> =
            keys.iter().map(|key| key.split('.').map(str::to_owned).collect()).collect();
        let unset: Vec<String> = unset.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(without(text, &keys, &unset), expect);
    }

    #[test]
    fn a_setting_goes_with_its_comments() {
        let text = "# top\n\n[train]\n# why\nepochs = 5  # few\nseed=1   # kept\n";
        check(text, &["train.epochs"], &[], "# top\n\n[train]\nseed=1   # kept\n");
        check(text, &[], &[], text);
    }

    #[test]
    fn a_table_left_empty_goes_too() {
        let text = "a = 1\n\n# about t\n[t]\nx = 1\ny = 2\n\n[u]\nz = 3\n";
        check(text, &["t"], &[], "a = 1\n\n[u]\nz = 3\n");
        check(text, &["t.x", "t.y", "u.z"], &[], "a = 1\n");
        check(text, &["t.x"], &[], "a = 1\n\n# about t\n[t]\ny = 2\n\n[u]\nz = 3\n");
    }

    #[test]
    fn inline_and_dotted_forms() {
        let text = "o = { name = \"adam\", rate = 1 }\nt.u.x = 1\nt.u.y = 2\n";
        check(text, &["o.rate"], &[], "o = { name = \"adam\" }\nt.u.x = 1\nt.u.y = 2\n");
        check(text, &["o.name"], &[], "o = { rate = 1 }\nt.u.x = 1\nt.u.y = 2\n");
        check(text, &["o.name", "o.rate", "t.u.x"], &[], "t.u.y = 2\n");
        check("optimizer = \"sgd\"\nb = 1\n", &["optimizer.name"], &[], "b = 1\n");
    }

    #[test]
    fn elements_of_unset() {
        let text = "unset = [\"a.b\", \"c\"] # x\n";
        check(text, &[], &["a.b"], "unset = [\"c\"] # x\n");
        check(text, &[], &["c"], "unset = [\"a.b\"] # x\n");
        check(text, &[], &["a.b", "c"], "");
    }
}
