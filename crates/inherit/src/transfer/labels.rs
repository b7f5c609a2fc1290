//! Class names of parent and child that mean the same or only look so.

use std::collections::BTreeMap;

use base::{Diagnostic, Diagnostics};

/// Refuses a class of the child that the parent does not have by this name but by one that differs in case, spacing or
/// joining marks only: nobody can tell whether they are the same class.
pub(crate) fn check_clashes(child: &[String], parent: &[String]) -> Result<(), Diagnostics> {
    let known: BTreeMap<String, &String> = parent.iter().map(|name| (plain(name), name)).collect();
    let mut problems = Diagnostics::default();
    for name in child.iter().filter(|name| !parent.contains(name)) {
        if let Some(other) = known.get(&plain(name)) {
            let message = format!(
                "the class `{name}` of the data and the class `{other}` of the parent differ by case or spacing only"
            );
            problems.push(Diagnostic::new("classes-alike", message).help(format!(
                "if they are the same, write `{other}` in the data; if not, give it a name of its own"
            )));
        }
    }
    problems.or(())
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clashes(child: &[&str], parent: &[&str]) -> usize {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        check_clashes(&own(child), &own(parent)).err().map_or(0, |problems| problems.0.len())
    }

    #[test]
    fn names_that_only_look_different_are_refused() {
        assert_eq!(clashes(&["Cat", "dog "], &["cat", "dog"]), 2);
        assert_eq!(clashes(&["red_fox"], &["Red Fox"]), 1);
        assert_eq!(clashes(&["cat", "Cat"], &["cat"]), 1);
        assert_eq!(clashes(&["cat", "bird"], &["cat", "dog"]), 0);
    }
}
