"""The promises about models that start from others and need whole runs, one function each."""

from session import require

SHARE_MAX = 0.05

HEAD_ONLY = """
format = 2
name = "mnist-head"
inherits = ["mnist"]
[model]
inherit = "mnist@1"
fresh = ["output"]
[train]
epochs = 2
freeze = ["conv*", "hidden"]
"""


def head_only(session):
    """A child of the MNIST model with a head trained anew adds little to the store. Caches, which can be dropped, do not count."""
    scheme = session.folder / "head.toml"
    scheme.write_text(HEAD_ONLY)
    before = stats(session)
    child = session.run(scheme, session.main_store).document()
    added = kept(stats(session)) - kept(before)
    parent = before["logical_bytes"]
    share = added / parent
    require(child["model"] == "mnist-head@1", f"registered as {child['model']}")
    require(share < SHARE_MAX, f"it adds {added} bytes, {share:.1%} of the parent's, under {SHARE_MAX:.0%} promised")
    require(before["versions"] == 1, "the store holds more than the parent")
    return f"{added} bytes, {share:.1%} of the parent's {parent}; accuracy {child['metrics']['test']['accuracy']:.4f}"


def stats(session):
    return session.start("store", "stats", "--json", "--store", session.main_store).document()


def kept(counts):
    """Bytes in the store that are not a cache."""
    return counts["physical_bytes"] - counts["cached_bytes"]
