//! Convolutions of a few examples: a tile is up to twelve positions by two vectors of output channels, fed by one broadcast
//! number per position and one vector of weights per vector of channels.

use std::ops::Range;

use graph::{NodeId, ValueId};

use super::ahead::Ahead;
use super::epilogue::{Chain, Epilogue, Finish};
use super::form::{self, Form, Lengths, Strides};
use super::pack::{self, BLOCK, Blocks, INPUTS};
use super::places::{Place, Places, Taps};
use crate::kernels::geometry::Geometry;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y[position][o] = epilogue(sum over blocks of input channels, taps, channels of x[tap's place][c] w[o][c][tap])`.
struct Direct {
    x: Slot,
    strides: Strides,
    w: Slot,
    y: Slot,
    epilogue: Epilogue,
    geometry: Geometry,
    places: Places,
    /// Cut of the strips of all blocks of output channels, block by block.
    pieces: Pieces,
}

impl Step for Direct {
    fn name(&self) -> String {
        let Geometry { channels_in, channels_out, kernel: [height, width], output, .. } = &self.geometry;
        let [rows, columns] = output;
        let epilogue = self.epilogue.name();
        format!("conv {channels_in} to {channels_out} {height}x{width} at {rows}x{columns}{epilogue}")
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn operations(&self) -> u64 {
        self.geometry.work(1) as u64
    }

    fn access(&self) -> Vec<Access> {
        let mut access = vec![Access::read(self.x), Access::read(self.w), Access::write(self.y)];
        access.extend(self.epilogue.access());
        access
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        self.run_all(piece..piece + 1, false, cx);
    }

    /// The strips of all pieces one after the other, so that it is known which weights are next.
    fn run_all(&self, pieces: Range<usize>, _: bool, cx: &Context<'_>) {
        let range = self.pieces.span(pieces);
        let (from, to) = (range.start, range.end);
        let job = Job {
            x: cx.memory.at(self.x),
            strides: self.strides,
            w: cx.memory.at(self.w),
            y: cx.memory.at(self.y),
            finish: self.epilogue.at(cx.memory),
            geometry: &self.geometry,
            places: &self.places,
            examples: cx.live(),
        };
        // SAFETY: the geometry was inferred from these buffers' shapes; the strips `from..to` are the pieces'.
        unsafe { dispatch!(cx.level => strips::<S>(job: Job<'_>, from: usize, to: usize)) };
    }
}

/// What the kernels read and write.
#[derive(Clone, Copy)]
struct Job<'a> {
    x: *const f32,
    strides: Strides,
    w: *const f32,
    y: *mut f32,
    finish: Finish,
    geometry: &'a Geometry,
    places: &'a Places,
    examples: usize,
}

#[inline(always)]
unsafe fn strips<S: Simd>(job: Job<'_>, from: usize, to: usize) {
    let (count, geometry) = (job.places.strips.len(), job.geometry);
    let blocks = Blocks::of(geometry.channels_out);
    let mut first = from;
    while first < to {
        let block = first / count;
        let last = to.min((block + 1) * count);
        let width = blocks.width(block);
        let mut ahead = if last < to { ahead_of(job, block + 1) } else { Ahead::nothing(job.w) };
        for example in 0..job.examples {
            for strip in first - block * count..last - block * count {
                let strip = &job.places.strips[strip];
                let (taps, places) = (&job.places.taps[strip.taps], &job.places.places[strip.places.clone()]);
                // SAFETY: the caller's; the weights of a block lie behind those of the blocks before.
                unsafe {
                    let row = Row {
                        x: job.x.add(example * job.strides.example),
                        w: job.w.add(block * BLOCK * geometry.taps()),
                        w_step: width,
                        channel: block * BLOCK,
                        example,
                    };
                    block_of_places::<S>(job, row, taps, places, &mut ahead);
                }
            }
        }
        first = last;
    }
}

/// What is fetched while the block before `next` is computed: the weights of `next`.
fn ahead_of(job: Job<'_>, next: usize) -> Ahead {
    let geometry = job.geometry;
    let blocks = Blocks::of(geometry.channels_out);
    let start = next * BLOCK * geometry.taps();
    let products = job.places.taps() * geometry.channels_per_group() * job.examples;
    Ahead::of(job.w.wrapping_add(start), blocks.width(next) * geometry.taps(), products)
}

/// Where a tile stands: its example and its block of output channels.
#[derive(Clone, Copy)]
struct Row {
    x: *const f32,
    w: *const f32,
    /// Elements from one input channel's weights to the next's: the block's channels.
    w_step: usize,
    channel: usize,
    example: usize,
}

/// Calls `$tile` with the number of places at hand as a constant.
macro_rules! by_count {
    ($places:expr, $count:ident => $tile:expr; $($n:literal)*) => {
        match $places.len() {
            $($n => {
                const $count: usize = $n;
                $tile
            })*
            count => unreachable!("{count} places are no tile"),
        }
    };
}

pub(super) use by_count;

/// One strip by one block of output channels, in as many tiles as the registers ask for.
#[inline(always)]
unsafe fn block_of_places<S: Simd>(job: Job<'_>, row: Row, taps: &Taps, places: &[Place], ahead: &mut Ahead) {
    // SAFETY: the caller's.
    unsafe {
        if S::WIDTH == ALIGNMENT {
            match row.w_step {
                BLOCK => {
                    by_count!(places, P => tile::<S, P, 2>(job, row, taps, places, ahead); 1 2 3 4 5 6 7 8 9 10 11 12)
                }
                _ => {
                    by_count!(places, P => tile::<S, P, 1>(job, row, taps, places, ahead); 1 2 3 4 5 6 7 8 9 10 11 12)
                }
            }
        } else {
            let tiles = places.len().div_ceil(6);
            for half in (0..row.w_step).step_by(ALIGNMENT) {
                let row = Row { w: row.w.add(half), channel: row.channel + half, ..row };
                for at in 0..tiles {
                    let places = &places[at * places.len() / tiles..(at + 1) * places.len() / tiles];
                    by_count!(places, P => tile::<S, P, 2>(job, row, taps, places, ahead); 1 2 3 4 5 6);
                }
            }
        }
    }
}

/// `P` positions by `J` vectors of output channels.
#[inline(always)]
unsafe fn tile<S: Simd, const P: usize, const J: usize>(
    job: Job<'_>,
    row: Row,
    taps: &Taps,
    places: &[Place],
    ahead: &mut Ahead,
) {
    let Geometry { kernel, dilation, input, .. } = job.geometry;
    let (inputs, position) = (job.geometry.channels_per_group(), job.strides.position);
    // SAFETY: the caller's; taps are those inside of the map.
    unsafe {
        let x: [*const f32; P] = std::array::from_fn(|p| row.x.add(places[p].input as usize * position));
        let (mut sums, columns) = ([[S::splat(0.0); J]; P], &taps.columns);
        for from in (0..inputs).step_by(INPUTS) {
            let count = INPUTS.min(inputs - from);
            let w = row.w.add(from * kernel[0] * kernel[1] * row.w_step);
            // Taps side by side are one run where their numbers lie one behind the other.
            let (runs, run) = match dilation[1] == 1 && position == inputs && inputs <= INPUTS {
                true => (columns.len().min(1), columns.len() * count),
                false => (columns.len(), count),
            };
            for (down, ky) in taps.rows.clone().enumerate() {
                for right in 0..runs {
                    let place = down * dilation[0] * input[1] + right * dilation[1];
                    let w = w.add((ky * kernel[1] + columns.start + right) * count * row.w_step);
                    let mut x = x;
                    for p in 0..P {
                        x[p] = x[p].add(place * position + from);
                    }
                    products::<S, P, J>(&mut sums, &x, run, w, row.w_step, ahead);
                }
            }
        }
        let map = job.geometry.positions() * row.example;
        let channels = Blocks::of(job.geometry.channels_out).channels;
        for p in 0..P {
            let at = (map + places[p].output as usize) * channels + row.channel;
            for j in 0..J {
                let vector = j * S::WIDTH;
                let value = job.finish.apply::<S>(sums[p][j], row.channel + vector, at + vector);
                S::store(job.y.add(at + vector), value);
            }
        }
    }
}

/// `sums[p][j] += sum over c < count of x[p][c] w[c w_step + j WIDTH ..]`.
///
/// # Safety
///
/// All those elements can be read.
#[inline(always)]
pub(super) unsafe fn products<S: Simd, const P: usize, const J: usize>(
    sums: &mut [[S::V; J]; P],
    x: &[*const f32; P],
    count: usize,
    w: *const f32,
    w_step: usize,
    ahead: &mut Ahead,
) {
    let (mut w, mut fetched) = (w, ahead.at);
    for c in 0..count {
        // SAFETY: the caller's; what is fetched ahead is only a hint.
        unsafe {
            S::prefetch_far(fetched);
            let mut weights = [S::splat(0.0); J];
            for j in 0..J {
                weights[j] = S::load(w.add(j * S::WIDTH));
            }
            for p in 0..P {
                let number = S::splat(*x[p].add(c));
                for j in 0..J {
                    sums[p][j] = S::mul_add(number, weights[j], sums[p][j]);
                }
            }
        }
        w = w.wrapping_add(w_step);
        fetched = fetched.wrapping_add(ahead.step);
    }
    ahead.at = fetched;
}

/// A convolution that these kernels may take.
pub(super) struct Convolution {
    pub(super) x: ValueId,
    pub(super) weight: ValueId,
    pub(super) bias: Option<ValueId>,
    pub(super) geometry: Geometry,
}

impl Convolution {
    /// Reads a `Conv` node of constant weights.
    pub(super) fn of(cx: &Lowering<'_>, id: NodeId) -> Option<Self> {
        let (node, _) = cx.node(id);
        let (x, weight) = (node.inputs[0]?, node.inputs[1]?);
        let kernel = cx.constant(weight)?.shape().get(2..)?.to_vec();
        let (input, output) = (cx.feature_dims(x)?, cx.feature_dims(node.outputs[0])?);
        let geometry = Geometry::of(node, &input, &output, &kernel)?;
        let bias = node.inputs.get(2).copied().flatten();
        let constant = bias.is_none_or(|bias| cx.constant(bias).is_some());
        constant.then_some(Convolution { x, weight, bias, geometry })
    }
}

/// Lowers a `Conv` of one group, with what follows it.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let Some(conv) = Convolution::of(cx, id).filter(|conv| conv.geometry.groups == 1) else { return false };
    let Convolution { x, weight, bias, geometry } = conv;
    let Some(places) = Places::of(&geometry) else { return false };
    let chain = Chain::behind(cx, cx.graph.node(id).outputs[0]);
    // The few channels of an image are not padded: the numbers of neighbouring taps lie one behind the other.
    let form = match (form::is_row(cx, x), geometry.channels_in) {
        (true, 1) => Form::Rows,
        (true, 2..INPUTS) => Form::Pixels,
        _ => Form::Maps,
    };
    let strides = form.strides(Lengths::of(cx, x).expect("read above"), cx.lanes);
    let w = pack::direct(cx.constant(weight).expect("a constant, as read above"), &geometry);
    let (w, x) = (cx.filled(w), form::have(cx, x, form));
    let output = chain.output;
    let bias = bias.and_then(|bias| cx.constant(bias)).cloned();
    let epilogue = chain.lower_sum(cx, bias.as_ref());
    let y = form::make(cx, output, Form::Maps);
    let costs: Vec<usize> = (0..places.strips.len()).map(|strip| places.cost(strip)).collect();
    let pieces = Pieces::weighed(&costs, Blocks::of(geometry.channels_out).count(), geometry.work(1));
    cx.push(Direct { x, strides, w, y, epilogue, geometry, places, pieces });
    true
}
