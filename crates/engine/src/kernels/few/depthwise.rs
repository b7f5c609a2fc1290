//! Depthwise convolutions of a few examples: each channel is a lane of its own.

use graph::NodeId;
use tensor::DType;

use super::conv::Convolution;
use super::epilogue::{Chain, Epilogue, Finish};
use super::form::{self, Form};
use super::pack::padded;
use super::places::{Place, Places, STRIP, Strip};
use crate::kernels::geometry::Geometry;
use crate::kernels::memory::{ALIGNMENT, Slot};
use crate::kernels::simd::{Simd, dispatch};
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// `y[position][c] = epilogue(sum over taps of x[tap's place][c] w[c][tap])`.
struct Depthwise {
    x: Slot,
    /// `[tap][channel]`.
    w: Slot,
    y: Slot,
    epilogue: Epilogue,
    geometry: Geometry,
    places: Places,
    pieces: Pieces,
}

impl Step for Depthwise {
    fn name(&self) -> String {
        let Geometry { channels_out, kernel: [height, width], output: [rows, columns], .. } = &self.geometry;
        format!("conv {channels_out} each {height}x{width} at {rows}x{columns}{}", self.epilogue.name())
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
        let channels = self.geometry.channels_out.next_multiple_of(ALIGNMENT);
        let [height, width] = self.geometry.input;
        let job = Job {
            x: cx.memory.at(self.x),
            w: cx.memory.at(self.w),
            y: cx.memory.at(self.y),
            finish: self.epilogue.at(cx.memory),
            geometry: &self.geometry,
            channels,
        };
        for example in 0..cx.live() {
            // SAFETY: the map of this example lies inside of the buffer.
            let job = unsafe { Job { x: job.x.add(example * height * width * channels), ..job } };
            for strip in &self.places.strips[self.pieces.range(piece)] {
                let (places, first) = (&self.places, example * self.geometry.positions());
                // SAFETY: the geometry was inferred from these buffers' shapes; the strip is the piece's.
                unsafe {
                    dispatch!(cx.level => one_strip::<S>(job: Job<'_>, places: &Places, strip: &Strip, first: usize));
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Job<'a> {
    x: *const f32,
    w: *const f32,
    y: *mut f32,
    finish: Finish,
    geometry: &'a Geometry,
    channels: usize,
}

/// One strip of positions, vector by vector of channels; `first` is the number of the example's first position.
#[inline(always)]
unsafe fn one_strip<S: Simd>(job: Job<'_>, places: &Places, strip: &Strip, first: usize) {
    let Geometry { kernel, dilation, input, .. } = job.geometry;
    let taps = &places.taps[strip.taps];
    let places: &[Place] = &places.places[strip.places.clone()];
    for channel in (0..job.channels).step_by(S::WIDTH) {
        // SAFETY: the caller's; taps are those inside of the map.
        unsafe {
            let mut sums = [S::splat(0.0); STRIP];
            for (down, ky) in taps.rows.clone().enumerate() {
                for (right, kx) in taps.columns.clone().enumerate() {
                    let w = S::load(job.w.add((ky * kernel[1] + kx) * job.channels + channel));
                    let tap = down * dilation[0] * input[1] + right * dilation[1];
                    for (sum, place) in sums.iter_mut().zip(places) {
                        let x = job.x.add((place.input as usize + tap) * job.channels + channel);
                        *sum = S::mul_add(S::load(x), w, *sum);
                    }
                }
            }
            for (&sum, place) in sums.iter().zip(places) {
                let at = (first + place.output as usize) * job.channels + channel;
                S::store(job.y.add(at), job.finish.apply::<S>(sum, channel, at));
            }
        }
    }
}

/// Lowers a `Conv` of as many groups as channels, with what follows it.
pub(super) fn lower(cx: &mut Lowering<'_>, id: NodeId) -> bool {
    let each = |geometry: &Geometry| {
        geometry.groups == geometry.channels_in && geometry.groups == geometry.channels_out
    };
    let Some(conv) = Convolution::of(cx, id).filter(|conv| each(&conv.geometry)) else { return false };
    let Convolution { x, weight, bias, geometry } = conv;
    let Some(places) = Places::of(&geometry) else { return false };
    let chain = Chain::behind(cx, cx.graph.node(id).outputs[0]);
    let weight = cx.constant(weight).expect("a constant, as read above").cast(DType::F32);
    let weight = weight.values::<f32>();
    let taps = geometry.taps();
    let packed = (0..taps).flat_map(|tap| padded(weight.iter().skip(tap).step_by(taps).copied()));
    let w = cx.filled(packed.collect());
    let x = form::have(cx, x, Form::Maps);
    let output = chain.output;
    let bias = bias.and_then(|bias| cx.constant(bias)).cloned();
    let epilogue = chain.lower_sum(cx, bias.as_ref());
    let y = form::make(cx, output, Form::Maps);
    let costs: Vec<usize> = (0..places.strips.len()).map(|strip| places.cost(strip)).collect();
    let pieces = Pieces::weighed(&costs, 1, geometry.work(1) * 4);
    cx.push(Depthwise { x, w, y, epilogue, geometry, places, pieces });
    true
}
