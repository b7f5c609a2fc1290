//! Patterns over tensor names, and rules that turn the child's names into the parent's.

/// Whether `name` matches `pattern`, in which `*` stands for any text; or the layer that a dot follows in it:
/// `conv1` matches `conv1.weight`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let layer = name.rsplit_once('.').map(|(layer, _)| layer);
    star(pattern, name).is_some() || layer.is_some_and(|layer| star(pattern, layer).is_some())
}

/// One renaming rule: `"encoder.*" = "features.*"`. What the star stands for is carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    child: String,
    parent: String,
}

impl Rename {
    /// A rule from the child's pattern to the parent's. Each has at most one star, and the parent's none without the
    /// child's.
    ///
    /// Errors   one sentence that says which it was.
    pub fn new(child: &str, parent: &str) -> Result<Self, String> {
        let stars = |pattern: &str| pattern.matches('*').count();
        match (stars(child), stars(parent)) {
            (0, 0) | (1, 1) => Ok(Rename { child: child.to_owned(), parent: parent.to_owned() }),
            (from, to) => {
                Err(format!("a rule has one `*` on each side or none, and this one has {from} and {to}"))
            }
        }
    }

    /// The child's pattern.
    pub fn child(&self) -> &str {
        &self.child
    }

    /// The parent's name for the child's `name`, if the rule speaks of it. A rule for a layer carries over its tensors:
    /// `conv1` = `stem` makes `conv1.weight` the successor of `stem.weight`.
    pub fn apply(&self, name: &str) -> Option<String> {
        let carry = |middle: &str| self.parent.replacen('*', middle, 1);
        if let Some(middle) = star(&self.child, name) {
            return Some(carry(middle));
        }
        let (layer, tensor) = name.rsplit_once('.')?;
        star(&self.child, layer).map(|middle| format!("{}.{tensor}", carry(middle)))
    }
}

/// What the first star of `pattern` stands for in `name`; the empty text where there is none. `None` if they do not
/// match.
fn star<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    let Some((before, after)) = pattern.split_once('*') else { return (pattern == name).then_some("") };
    let rest = name.strip_prefix(before)?;
    if !after.contains('*') {
        return rest.strip_suffix(after);
    }
    // Further stars: the shortest middle behind which the rest matches.
    (0..=rest.len())
        .filter(|&end| rest.is_char_boundary(end))
        .find(|&end| star(after, &rest[end..]).is_some())
        .map(|end| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expect) in [
            ("conv1.weight", "conv1.weight", true),
            ("conv1", "conv1.weight", true),
            ("conv*", "conv12.bias", true),
            ("*.bias", "conv1.bias", true),
            ("block*.conv*", "block2.conv1.weight", true),
            ("conv", "conv1.weight", false),
            ("dense", "conv1.weight", false),
            ("*", "x", true),
        ] {
            assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        }
    }

    #[test]
    fn rules_carry_what_the_star_stands_for() {
        let rule = |child, parent| Rename::new(child, parent).unwrap();
        assert_eq!(rule("conv*", "block*").apply("conv1.weight").as_deref(), Some("block1.weight"));
        assert_eq!(rule("conv1", "stem").apply("conv1.bias").as_deref(), Some("stem.bias"));
        assert_eq!(rule("a.weight", "b.kernel").apply("a.weight").as_deref(), Some("b.kernel"));
        assert_eq!(rule("conv1", "stem").apply("conv2.bias"), None);
        assert!(Rename::new("a*", "b").is_err());
    }
}
