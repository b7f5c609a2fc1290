//! Element-wise operators on values per example, with broadcasting: as many that follow each other as there are become one step, in
//! which what lies between them stays in the first-level cache.

mod function;
mod operand;

use std::ops::Range;

use graph::{Node, NodeId, ValueId};
use tensor::DType;

use super::few::form::{self, Form, Lengths};
use super::memory::{Lines, Memory, Slot};
use super::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};
use crate::survey::changed_values;
use function::{Function, Two};
use operand::{Grid, Operand, Place, Rows};

/// Numbers of a link's result that are computed before the next link: a quarter of the smallest first-level cache.
const BLOCK: usize = 2048;

/// One function of a chain with its operands.
struct Link {
    function: Function,
    operands: Vec<Operand>,
}

/// Functions each of which takes what the one before has computed; the last one's result is `y`.
struct Chain {
    /// Its operators, for people.
    names: Vec<&'static str>,
    links: Vec<Link>,
    y: Slot,
    /// Features in lanes, positions in maps.
    pieces: Pieces,
    /// Numbers in each of their rows.
    lanes: usize,
    /// The most examples, in maps.
    examples: Option<usize>,
}

impl Chain {
    fn operands(&self) -> impl Iterator<Item = &Operand> {
        self.links.iter().flat_map(|link| &link.operands)
    }
}

impl Step for Chain {
    fn name(&self) -> String {
        format!("{} {}", self.names.join(" + "), self.pieces.total())
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let rows = |access: Access| match self.examples {
            Some(examples) => access.of_rows(examples),
            None => access,
        };
        let own = self.operands().filter_map(Operand::own);
        let own = own.map(|slot| rows(Access::read_own(slot, &self.pieces, self.lanes)));
        let other = self.operands().filter_map(Operand::other).map(Access::read);
        let y = rows(Access::write_own(self.y, &self.pieces, self.lanes));
        own.chain(other).chain([y]).collect()
    }

    // Of a block, all operands are read before its result is written.
    fn in_place(&self) -> Vec<(Slot, Slot)> {
        self.operands().filter_map(|operand| Some((self.y, operand.own()?))).collect()
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let (links, memory, lanes, count) =
            (self.links.as_slice(), cx.memory, self.lanes, self.pieces.total());
        for example in 0..self.examples.map_or(1, |_| cx.live()) {
            let at = memory.at(self.y).wrapping_add(example * count * lanes);
            let to = Grid { at, row: lanes, rows: self.pieces.range(piece), lanes: 0..lanes };
            let rows = Rows { example, count, lanes };
            // SAFETY: the places were made for these operands; the rows of `y` are the piece's.
            unsafe {
                dispatch!(cx.level => run::<S>(links: &[Link], memory: &Memory, rows: Rows, to: Grid));
            }
        }
    }
}

/// Computes the rows and lanes of `to`, block by block.
#[inline(always)]
unsafe fn run<S: Simd>(links: &[Link], memory: &Memory, all: Rows, to: Grid) {
    let mut room = Lines::<BLOCK>::new();
    let (across, down) = match links {
        [_] => (to.lanes.len(), to.rows.len().max(1)),
        _ => (BLOCK.min(to.lanes.len()), BLOCK / BLOCK.min(to.lanes.len())),
    };
    for (rows, lanes) in blocks(&to, down, across) {
        let first = rows.start * across + lanes.start;
        let inside =
            Grid { at: room.at().wrapping_sub(first), row: across, rows: rows.clone(), lanes: lanes.clone() };
        let outside = Grid { at: to.at, row: to.row, rows, lanes };
        // SAFETY: the caller's; the room holds a block.
        unsafe {
            for (index, link) in links.iter().enumerate() {
                let to = if index + 1 == links.len() { &outside } else { &inside };
                let operand = |index: usize| link.operands[index].source(memory, &all, &inside);
                link.function.apply::<S>(operand, to);
            }
        }
    }
}

/// The rows and lanes of a grid in blocks of so many.
fn blocks(grid: &Grid, down: usize, across: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let (rows, lanes) = (grid.rows.clone(), grid.lanes.clone());
    rows.clone().step_by(down).flat_map(move |row| {
        let rows = row..rows.end.min(row + down);
        let lanes = lanes.clone();
        let end = lanes.end;
        lanes.step_by(across).map(move |lane| (rows.clone(), lane..end.min(lane + across)))
    })
}

/// A link before its operands have memory; `None` is what the link before has computed.
struct Planned {
    function: Function,
    operands: Vec<Option<(ValueId, Place)>>,
}

/// Reads a node as links that take `before`, with values of features `dims` in `form` as results; `None` if it cannot be.
fn plan(
    cx: &Lowering<'_>,
    form: Form,
    node: &Node,
    before: Option<ValueId>,
    dims: &[usize],
) -> Option<Vec<Planned>> {
    let place = if form == Form::Maps { Place::in_maps } else { Place::in_lanes };
    let operand = |value: ValueId| match before {
        Some(before) if before == value => Some(None),
        _ => Some(Some((value, place(cx, value, dims)?))),
    };
    let is_float = |value: ValueId| cx.graph.ty(value).dtype.is_float();
    let inputs = node.inputs.iter().map(|input| input.map(operand));
    let inputs: Vec<_> = inputs.map(Option::flatten).collect();
    if node.op_name() == "Clip" {
        return limits(node, inputs).filter(|_| is_float(node.outputs[0]));
    }
    let function = Function::of(node.op_name())?;
    let operands = inputs.into_iter().collect::<Option<Vec<_>>>()?;
    let floats = match function {
        Function::One(_) | Function::Number(_) => true,
        Function::Two(Two::Equal | Two::Greater) => {
            node.inputs.iter().flatten().all(|&value| is_float(value))
        }
        _ => is_float(node.outputs[0]),
    };
    floats.then(|| vec![Planned { function, operands }])
}

/// The links of a `Clip`: one for each limit that there is.
fn limits(node: &Node, inputs: Vec<Option<Option<(ValueId, Place)>>>) -> Option<Vec<Planned>> {
    let mut inputs = inputs.into_iter();
    let mut x = inputs.next()?;
    let mut links = Vec::new();
    for (index, (limit, function)) in inputs.zip([Two::AtLeast, Two::AtMost]).enumerate() {
        if node.inputs[index + 1].is_some() {
            links.push(Planned { function: Function::Two(function), operands: vec![x?, limit?] });
            x = Some(None);
        }
    }
    (!links.is_empty()).then_some(links)
}

/// Whether the result of a node's links is zero where the gradients among its inputs are.
fn keeps_zeros(cx: &Lowering<'_>, node: &Node, links: &[Planned]) -> bool {
    let changed = changed_values(cx.graph);
    let zero = |index: usize| {
        node.inputs[index].is_some_and(|value| {
            let all = |numbers: &[f32]| numbers.iter().all(|&number| number == 0.0);
            let constant = cx.constant(value).filter(|_| !changed.contains(&value));
            (cx.is_gradient(value) && cx.is_lanes(value))
                || constant.and_then(|constant| constant.get::<f32>()).is_some_and(all)
        })
    };
    links.iter().all(|link| link.function.keeps_zero(zero))
}

/// The links of a node, if its result has memory of its own.
fn links(cx: &Lowering<'_>, form: Form, id: NodeId, before: Option<ValueId>) -> Option<Vec<Planned>> {
    let (node, _) = cx.node(id);
    let output = node.outputs[0];
    let links = plan(cx, form, node, before, &cx.feature_dims(output)?)?;
    (!cx.is_gradient(output) || keeps_zeros(cx, node, &links)).then_some(links)
}

/// The node that takes `value`, if it can follow in the same step, with its links.
fn next(cx: &Lowering<'_>, form: Form, value: ValueId) -> Option<(NodeId, Vec<Planned>)> {
    let user = cx.only_user(value).filter(|&user| cx.is_open(user) && !cx.is_settled(user))?;
    let node = cx.graph.node(user);
    let others = node.inputs.iter().flatten().filter(|&&input| input != value);
    let follows = cx.feature_dims(node.outputs[0]) == cx.feature_dims(value)
        && others.into_iter().all(|&other| cx.is_computed(other));
    follows.then(|| links(cx, form, user, Some(value))).flatten().map(|links| (user, links))
}

/// Lowers an element-wise operator, of whose operands at least one has a value per example, with those behind it.
pub(crate) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let Some((names, planned, output)) = chain(cx, Form::Lanes, id) else { return false };
    let (lanes, features) = (cx.lanes, cx.features(output).expect("a value per example"));
    // Cut as what is read row by row.
    let mut operands = planned.iter().flat_map(|link| &link.operands).flatten();
    let own = operands.find(|(_, place)| matches!(place, Place::Own)).map(|&(value, _)| value);
    let cut_as = own.or(cx.graph.node(id).inputs[0]).expect("required");
    let pieces = cx.cut(cut_as, features, features * lanes * work(&planned));
    let links = placed(cx, planned, |cx, value, _| cx.slot(value));
    cx.set_cut(output, pieces.clone());
    let y = cx.slot(output);
    cx.push(Chain { names, links, y, pieces, lanes, examples: None });
    true
}

/// The same in a plan for few examples whose constants stay as they are, if an operand lies in maps.
pub(super) fn lower_maps(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let mut operands = cx.graph.node(id).inputs.iter().flatten();
    if !operands.any(|&value| form::is_map(cx, value)) {
        return false;
    }
    let Some((names, planned, output)) = chain(cx, Form::Maps, id) else { return false };
    let lengths = Lengths::of(cx, output).expect("a value per example");
    let lanes = lengths.padded();
    let pieces = Pieces::of(lengths.positions, lengths.positions * lanes * work(&planned));
    let links = placed(cx, planned, |cx, value, place| match place {
        Place::Own | Place::OfExample => form::have(cx, value, Form::Maps),
        Place::OneRow => {
            let mut numbers = cx.constant(value).expect("constant").cast(DType::F32).values::<f32>().to_vec();
            numbers.resize(lanes, 0.0);
            cx.filled(numbers)
        }
        Place::OneNumber | Place::Rows(_) | Place::Numbers(_) => cx.slot(value),
    });
    let y = form::make(cx, output, Form::Maps);
    cx.push(Chain { names, links, y, pieces, lanes, examples: Some(form::batch(cx)) });
    true
}

/// The node with as many behind it as there may be, which are done then: their operators, their links, and the value that comes out.
fn chain(
    cx: &mut Lowering<'_>,
    form: Form,
    id: NodeId,
) -> Option<(Vec<&'static str>, Vec<Planned>, ValueId)> {
    let mut planned = links(cx, form, id, None)?;
    let (node, op) = cx.node(id);
    let (mut names, mut output) = (vec![op], node.outputs[0]);
    while let Some((user, more)) = next(cx, form, output) {
        let (node, op) = cx.node(user);
        names.push(op);
        planned.extend(more);
        output = node.outputs[0];
        cx.done(user);
    }
    Some((names, planned, output))
}

/// Operations for each number.
fn work(links: &[Planned]) -> usize {
    links.iter().map(|link| link.function.work()).sum()
}

/// Links with memory for their operands, which `slot` finds.
fn placed<'g>(
    cx: &mut Lowering<'g>,
    links: Vec<Planned>,
    slot: impl Fn(&mut Lowering<'g>, ValueId, &Place) -> Slot,
) -> Vec<Link> {
    let mut operand = |operand| match operand {
        None => Operand::Before,
        Some((value, place)) => Operand::Value { slot: slot(cx, value, &place), place },
    };
    let links = links.into_iter();
    links
        .map(|link| Link {
            function: link.function,
            operands: link.operands.into_iter().map(&mut operand).collect(),
        })
        .collect()
}
