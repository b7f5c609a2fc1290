//! `heirloom model lineage`: models, schemes and data as a tree, as JSON, as Graphviz.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use store::{Direction, Edge, ModelVersion, Store, StoreError};

use crate::arguments::Lineage;
use crate::failure::Failure;
use crate::{quantities, terminal};

/// Deeper lines are not indented further.
const INDENT_MAX: usize = 16;

/// Shows where a model comes from, or what comes from it.
pub(super) fn lineage(arguments: &Lineage) -> Result<(), Failure> {
    let store = arguments.store.open()?;
    let version = store.resolve(&arguments.model)?;
    let direction = if arguments.descendants { Direction::Descendants } else { Direction::Ancestors };
    let graph = Graph::new(&store, &version, direction)?;
    if arguments.json.wanted {
        terminal::print_json(&graph.document())
    } else if arguments.dot {
        terminal::print(&graph.dot())
    } else {
        terminal::print(&graph.tree())
    }
}

/// Nodes and the steps between them. Steps lead from the child to what it was made from.
struct Graph {
    root: String,
    direction: Direction,
    nodes: Vec<Node>,
    steps: Vec<Step>,
}

struct Node {
    id: String,
    kind: &'static str,
    name: String,
    digest: String,
    recalled: bool,
    aliases: Vec<String>,
    /// Of each proof beside it whether inheriting pays, oldest first.
    proofs: Vec<(String, bool)>,
}

struct Step {
    from: String,
    to: String,
    relation: &'static str,
    facts: Value,
}

impl Graph {
    fn new(store: &Store, version: &ModelVersion, direction: Direction) -> Result<Self, Failure> {
        let lineage = store.lineage(version, direction)?;
        let recalled = store.recalled()?;
        let root = model_id(&version.name, version.version);
        let mut graph = Graph { root, direction, nodes: Vec::new(), steps: Vec::new() };
        let proved = pipeline::has_proofs(store)?;
        for found in &lineage.versions {
            let mut node = model_node(found, recalled.contains(&(found.name.clone(), found.version)));
            let proofs = if proved { pipeline::proofs_of(store, found)? } else { Vec::new() };
            node.proofs = proofs.into_iter().map(|found| (found.scheme, found.proof.pays)).collect();
            graph.nodes.push(node);
        }
        graph.steps.extend(lineage.edges.iter().map(step));
        graph.add_schemes(store, &lineage.versions)?;
        graph.add_data(&lineage.versions);
        Ok(graph)
    }

    /// The schemes that made the models, and what these inherit.
    fn add_schemes(&mut self, store: &Store, versions: &[ModelVersion]) -> Result<(), StoreError> {
        let registered = store.list_schemes()?;
        let mut open: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for version in versions {
            let scheme = registered.iter().find(|each| each.scheme_digest == version.scheme_digest);
            let digest = version.scheme_digest.to_string();
            let id =
                scheme.map_or_else(|| format!("scheme:{digest}"), |scheme| format!("scheme:{}", scheme.id()));
            self.steps.push(Step {
                from: model_id(&version.name, version.version),
                to: id.clone(),
                relation: "trained_by",
                facts: Value::Null,
            });
            match scheme {
                Some(scheme) => open.push(scheme.id()),
                None if seen.insert(id.clone()) => {
                    self.nodes.push(plain_node(id, "scheme", version.scheme_digest.short(), digest));
                }
                None => {}
            }
        }
        while let Some(id) = open.pop() {
            let Some(scheme) = registered.iter().find(|each| each.id() == id) else { continue };
            let node = format!("scheme:{id}");
            if !seen.insert(node.clone()) {
                continue;
            }
            for parent in &scheme.parents {
                let name = parent
                    .version
                    .map_or(parent.name.clone(), |version| format!("{}@{version}", parent.name));
                let to = format!("scheme:{name}");
                if registered.iter().any(|each| each.id() == name) {
                    open.push(name);
                } else if seen.insert(to.clone()) {
                    self.nodes.push(plain_node(to.clone(), "scheme", name, parent.digest.to_string()));
                }
                self.steps.push(Step { from: node.clone(), to, relation: "inherits", facts: Value::Null });
            }
            self.nodes.push(plain_node(node, "scheme", id, scheme.scheme_digest.to_string()));
        }
        Ok(())
    }

    fn add_data(&mut self, versions: &[ModelVersion]) {
        let mut seen = BTreeSet::new();
        for version in versions {
            let digest = version.data_digest;
            let id = format!("data:{digest}");
            if seen.insert(digest) {
                self.nodes.push(plain_node(id.clone(), "data", digest.short(), digest.to_string()));
            }
            self.steps.push(Step {
                from: model_id(&version.name, version.version),
                to: id,
                relation: "trained_on",
                facts: version.metrics.get("test").cloned().unwrap_or(Value::Null),
            });
        }
    }

    fn document(&self) -> Value {
        let nodes = self.nodes.iter().map(|node| {
            let mut document = json!({
                "id": node.id, "kind": node.kind, "name": node.name, "digest": node.digest,
                "recalled": node.recalled,
            });
            if !node.proofs.is_empty() {
                let proofs =
                    node.proofs.iter().map(|(scheme, pays)| json!({ "scheme": scheme, "pays": pays }));
                document["proofs"] = proofs.collect();
            }
            document
        });
        let edges = self.steps.iter().map(|step| {
            let mut edge = json!({ "from": step.from, "to": step.to, "relation": step.relation });
            if !step.facts.is_null() {
                edge["metrics"] = step.facts.clone();
            }
            edge
        });
        json!({ "nodes": nodes.collect::<Vec<_>>(), "edges": edges.collect::<Vec<_>>() })
    }

    fn dot(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut text = String::from("digraph lineage {\n  rankdir = LR;\n");
        for node in &self.nodes {
            let shape = match node.kind {
                "model" => "box",
                "scheme" => "note",
                _ => "cylinder",
            };
            let colour = if node.recalled { ", color = red, fontcolor = red" } else { "" };
            text += &format!(
                "  {} [label = {}, shape = {shape}{colour}];\n",
                quoted(&node.id),
                quoted(&node.name)
            );
        }
        for step in &self.steps {
            let label = step.relation.replace('_', " ");
            text +=
                &format!("  {} -> {} [label = {}];\n", quoted(&step.from), quoted(&step.to), quoted(&label));
        }
        text + "}\n"
    }

    /// What each node leads to in the direction that is shown.
    fn tree(&self) -> String {
        let nodes: BTreeMap<&str, &Node> = self.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut next: BTreeMap<&str, Vec<(&Step, &str)>> = BTreeMap::new();
        for step in &self.steps {
            let (near, far) = match (self.direction, step.relation) {
                (Direction::Descendants, relation)
                    if !["trained_by", "trained_on", "inherits"].contains(&relation) =>
                {
                    (&step.to, &step.from)
                }
                _ => (&step.from, &step.to),
            };
            next.entry(near).or_default().push((step, far));
        }
        let mut text = String::new();
        let mut shown = BTreeSet::new();
        let mut open: Vec<(usize, Option<&Step>, &str)> = vec![(0, None, &self.root)];
        while let Some((depth, step, id)) = open.pop() {
            let Some(node) = nodes.get(id) else { continue };
            let again = !shown.insert(id);
            text += &line(depth, step, node, again);
            if !again {
                let further = next.get(id).into_iter().flatten().rev();
                open.extend(further.map(|(step, far)| (depth + 1, Some(*step), *far)));
            }
        }
        text
    }
}

fn line(depth: usize, step: Option<&Step>, node: &Node, again: bool) -> String {
    let indent = "  ".repeat(depth.min(INDENT_MAX));
    let relation = step.map_or(String::new(), |step| format!("{} ", step.relation.replace('_', " ")));
    let mut notes = Vec::new();
    if node.kind != "model" {
        notes.push(node.kind.to_owned());
    }
    notes.extend(step.and_then(|step| shared(&step.facts)));
    notes.extend(node.aliases.iter().map(|alias| format!("@{alias}")));
    if let Some((scheme, pays)) = node.proofs.last() {
        let outcome = if *pays { "pays" } else { "is not shown to pay" };
        notes.push(format!("proved: inheriting {outcome} for {}", terminal::printable(scheme)));
    }
    if node.recalled {
        notes.push("RECALLED".to_owned());
    }
    if again {
        notes.push("shown above".to_owned());
    }
    let notes = if notes.is_empty() { String::new() } else { format!("  ({})", notes.join(", ")) };
    format!("{indent}{relation}{}{notes}\n", terminal::printable(&node.name))
}

/// How much a child shares with its parent, in words.
fn shared(facts: &Value) -> Option<String> {
    let number = |key: &str| facts.get(key).and_then(Value::as_u64);
    let (shared, changed, fresh) =
        (number("tensors_shared")?, number("tensors_changed")?, number("tensors_fresh")?);
    let share = number("bytes_shared")? as f64 / number("bytes")?.max(1) as f64;
    Some(format!("shares {shared} of {} tensors, {}", shared + changed + fresh, quantities::percent(share)))
}

fn model_id(name: &str, version: u32) -> String {
    format!("model:{name}@{version}")
}

fn model_node(version: &ModelVersion, recalled: bool) -> Node {
    Node {
        id: model_id(&version.name, version.version),
        kind: "model",
        name: version.id(),
        digest: version.digest.to_string(),
        recalled,
        aliases: version.aliases.clone(),
        proofs: Vec::new(),
    }
}

fn plain_node(id: String, kind: &'static str, name: String, digest: String) -> Node {
    Node { id, kind, name, digest, recalled: false, aliases: Vec::new(), proofs: Vec::new() }
}

fn step(edge: &Edge) -> Step {
    Step {
        from: model_id(&edge.child.0, edge.child.1),
        to: model_id(&edge.parent.0, edge.parent.1),
        relation: edge.relation.name(),
        facts: edge.facts.clone(),
    }
}
