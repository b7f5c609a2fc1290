//! The gradient of batch normalisation of maps, with the gradients that come just before it on the way back: the sum where two
//! paths meet, and that of a ReLU.

use graph::NodeId;

use super::column_sums::{LANES, Terms, sums};
use super::form::{self, Form, Lengths};
use super::norm::cut;
use crate::kernels::batch_norm_gradient::{Before, Passed};
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// With `dz = relu gradient(dy + other)` and `z = (x - mean) * inverse`: `dbias = sum dz`, `dscale = sum dz * z` and
/// `dx = scale * inverse * (dz - dbias / count - z * dscale / count)`.
struct NormGradient {
    dy: Slot,
    other: Option<Slot>,
    sign: Option<Sign>,
    dz: Slot,
    x: Slot,
    scale: Slot,
    /// `None` where nobody needs it.
    dx: Option<Slot>,
    dscale: Slot,
    dbias: Slot,
    /// `[mean, inverse deviation, ..][channel]`.
    moments: Slot,
    lengths: Lengths,
    /// Vectors of channels.
    pieces: Pieces,
}

/// As [`Passed`], in memory.
#[derive(Clone, Copy)]
enum Sign {
    Output(Slot),
    Input { bias: Slot },
}

impl Step for NormGradient {
    fn name(&self) -> String {
        let add = if self.other.is_some() { "add + " } else { "" };
        let relu = if self.sign.is_some() { "relu gradient + " } else { "" };
        format!("{add}{relu}batch norm gradient {}", self.lengths.channels)
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        let sign = self.sign.map(|sign| match sign {
            Sign::Output(slot) | Sign::Input { bias: slot } => slot,
        });
        let reads = [self.dy, self.x, self.scale, self.moments].into_iter().chain(self.other).chain(sign);
        let writes = [self.dz, self.dscale, self.dbias].into_iter().chain(self.dx);
        reads.map(Access::read).chain(writes.map(Access::write)).collect()
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to) = (range.start * ALIGNMENT, range.end * ALIGNMENT);
        let at = |slot: Slot| cx.memory.at(slot);
        let some = |slot: Option<Slot>| slot.map_or(std::ptr::null_mut(), at);
        let (sign, bias) = match self.sign {
            Some(Sign::Output(y)) => (Some(y), None),
            Some(Sign::Input { bias }) => (None, Some(bias)),
            None => (None, None),
        };
        let maps = Maps {
            dy: at(self.dy),
            other: some(self.other),
            sign: some(sign),
            bias: some(bias),
            x: at(self.x),
            scale: at(self.scale),
            moments: at(self.moments),
            dz: at(self.dz),
            dx: some(self.dx),
            dscale: at(self.dscale),
            dbias: at(self.dbias),
            row: self.lengths.padded(),
        };
        let rows = cx.live() * self.lengths.positions;
        // SAFETY: the channels `from..to` of all buffers belong to this piece; parameters are padded to whole vectors.
        unsafe { dispatch!(cx.level => channels::<S>(maps: Maps, rows: usize, from: usize, to: usize)) };
    }
}

/// What the kernel reads and writes; null for what is not there.
#[derive(Clone, Copy)]
struct Maps {
    dy: *const f32,
    other: *const f32,
    /// The output of a ReLU.
    sign: *const f32,
    /// The bias of the normalisation, where the sign of the normalised number tells what a ReLU passed on.
    bias: *const f32,
    x: *const f32,
    scale: *const f32,
    moments: *const f32,
    dz: *mut f32,
    dx: *mut f32,
    dscale: *mut f32,
    dbias: *mut f32,
    /// Elements from one position to the next.
    row: usize,
}

#[inline(always)]
unsafe fn channels<S: Simd>(maps: Maps, rows: usize, from: usize, to: usize) {
    for channel in (from..to).step_by(S::WIDTH) {
        // SAFETY: the caller's.
        unsafe {
            let inverse = maps.moments.add(maps.row + channel);
            let slope = S::mul(S::load(maps.scale.add(channel)), S::load(inverse));
            let mean = S::load(maps.moments.add(channel));
            let [total, moment] = sums::<S, Arriving<S>>(Arriving { maps, channel, mean, slope }, rows);
            let (mut share, mut tilt) = ([0.0f32; LANES], [0.0f32; LANES]);
            for lane in 0..S::WIDTH {
                let inverse = f64::from(*inverse.add(lane));
                let moment = moment[lane] * inverse;
                *maps.dbias.add(channel + lane) = total[lane] as f32;
                *maps.dscale.add(channel + lane) = moment as f32;
                share[lane] = (total[lane] / rows as f64) as f32;
                tilt[lane] = (inverse * moment / rows as f64) as f32;
            }
            if maps.dx.is_null() {
                continue;
            }
            let (share, tilt) = (S::load(share.as_ptr()), S::load(tilt.as_ptr()));
            for row in 0..rows {
                let at = row * maps.row + channel;
                let rest = S::sub(S::load(maps.dz.add(at)), share);
                let centred = S::sub(S::load(maps.x.add(at)), mean);
                S::store(maps.dx.add(at), S::mul(slope, S::mul_sub_from(centred, tilt, rest)));
            }
        }
    }
}

/// For the sums of `dz` and of `dz * (x - mean)`; keeps `dz`.
#[derive(Clone, Copy)]
struct Arriving<S: Simd> {
    maps: Maps,
    channel: usize,
    mean: S::V,
    slope: S::V,
}

impl<S: Simd> Terms<S> for Arriving<S> {
    #[inline(always)]
    unsafe fn at(self, row: usize) -> [S::V; 2] {
        let Arriving { maps, channel, mean, slope } = self;
        let at = row * maps.row + channel;
        // SAFETY: the caller's.
        unsafe {
            let centred = S::sub(S::load(maps.x.add(at)), mean);
            let mut dz = S::load(maps.dy.add(at));
            if !maps.other.is_null() {
                dz = S::add(dz, S::load(maps.other.add(at)));
            }
            if !maps.sign.is_null() {
                dz = S::keep(S::greater(S::load(maps.sign.add(at)), S::splat(0.0)), dz);
            }
            if !maps.bias.is_null() {
                let normal = S::mul_add(slope, centred, S::load(maps.bias.add(channel)));
                dz = S::keep(S::greater(normal, S::splat(0.0)), dz);
            }
            S::store(maps.dz.add(at), dz);
            [dz, centred]
        }
    }
}

/// Lowers `BatchNormalizationGrad` of maps whose way there has kept its `moments`, with the nodes before it.
pub(super) fn lower_with(
    cx: &mut Lowering<'_>,
    id: NodeId,
    before: Before,
    relu: Option<Passed>,
    moments: Option<Slot>,
) -> bool {
    let (graph, moments) = (cx.graph, moments.expect("kept on the way there"));
    let (node, first) = (graph.node(id), graph.node(before.first(id)));
    let [dz, x, scale] = [0, 1, 2].map(|index| node.inputs[index].expect("required"));
    let lengths = Lengths::of(cx, x).expect("a map");
    let dy = form::have(cx, first.inputs[0].expect("required"), Form::Maps);
    let other = before.add.map(|_| form::have(cx, first.inputs[1].expect("required"), Form::Maps));
    let sign = relu.map(|relu| match relu {
        Passed::Output(y) => Sign::Output(form::have(cx, y, Form::Maps)),
        Passed::Input { bias } => Sign::Input { bias: cx.slot(bias) },
    });
    let shared = before.relu.is_some() && (cx.users(dz).len() > 1 || cx.is_kept(dz));
    let dz = match shared {
        true => form::make(cx, dz, Form::Maps),
        false => form::temporary(cx, lengths.positions * lengths.padded()),
    };
    let dx = node.outputs[0];
    let dx = (!cx.users(dx).is_empty() || cx.is_kept(dx)).then(|| form::make(cx, dx, Form::Maps));
    let parameter = |cx: &mut Lowering<'_>, index: usize| match node.outputs.get(index) {
        Some(&value) => cx.slot(value),
        None => cx.temporary(lengths.padded()),
    };
    let (dscale, dbias) = (parameter(cx, 1), parameter(cx, 2));
    let (x, scale) = (form::have(cx, x, Form::Maps), cx.slot(scale));
    let pieces = cut(cx, lengths, 10);
    cx.push(NormGradient { dy, other, sign, dz, x, scale, dx, dscale, dbias, moments, lengths, pieces });
    [before.add, before.relu, Some(id)].into_iter().flatten().for_each(|node| cx.done(node));
    true
}
