//! Winograd's algorithms for 3×3 windows, and F(2×2, 3×3) of them: two by two outputs of a 3×3 convolution from four by four inputs with 16 products instead of
//! 36 (Winograd 1980; Lavin and Gray 2015, arXiv:1509.09308).
//!
//! `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A`. The transforms here are those of the paper; they use additions and halves only, and
//! the error of a result stays that of the direct sum. Each is applied along the height first, then along the width.
//! Larger tiles are in [`super::winograd_four`].

use super::memory::Slot;
use super::simd::{Simd, dispatch};
use super::winograd_four::Four;
use crate::lower::Lowering;
use crate::step::{Access, Context, Pieces, Step};

/// Products of a tile.
pub(crate) const PRODUCTS: usize = 16;
/// Elements between the places of two products, so that the 16 of them do not meet in one set of the first-level cache.
pub(super) const APART: usize = 64;

/// `Bᵀ d` for one column of four.
#[inline(always)]
unsafe fn input_line<S: Simd>(d: [S::V; 4]) -> [S::V; 4] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe { [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3])] }
}

/// `G g` for one column of three.
#[inline(always)]
unsafe fn weight_line<S: Simd>(g: [S::V; 3]) -> [S::V; 4] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe {
        let half = S::splat(0.5);
        let ends = S::add(g[0], g[2]);
        [g[0], S::mul(half, S::add(ends, g[1])), S::mul(half, S::sub(ends, g[1])), g[2]]
    }
}

/// `Aᵀ m` for one column of four.
#[inline(always)]
unsafe fn output_line<S: Simd>(m: [S::V; 4]) -> [S::V; 2] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe { [S::add(S::add(m[0], m[1]), m[2]), S::sub(S::sub(m[1], m[2]), m[3])] }
}

/// `A y` for one column of two: the way back through [`output_line`].
#[inline(always)]
unsafe fn gradient_line<S: Simd>(y: [S::V; 2]) -> [S::V; 4] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe { [y[0], S::add(y[0], y[1]), S::sub(y[0], y[1]), S::sub(S::splat(0.0), y[1])] }
}

/// `Gᵀ u` for one column of four: the way back through [`weight_line`].
#[inline(always)]
unsafe fn weight_gradient_line<S: Simd>(u: [S::V; 4]) -> [S::V; 3] {
    // SAFETY: the caller is compiled for the instruction set.
    unsafe {
        let half = S::splat(0.5);
        let sum = S::mul(half, S::add(u[1], u[2]));
        [S::add(u[0], sum), S::mul(half, S::sub(u[1], u[2])), S::add(sum, u[3])]
    }
}

/// A transform of `N × N` numbers to `M × M`, by one along lines.
macro_rules! square {
    ($(#[$about:meta])* $name:ident, $line:ident, $n:literal, $m:literal) => {
        $(#[$about])*
        ///
        /// # Safety
        ///
        /// The caller is compiled for the instruction set.
        #[inline(always)]
        pub(crate) unsafe fn $name<S: Simd>(from: [[S::V; $n]; $n]) -> [[S::V; $m]; $m] {
            // SAFETY: the caller's.
            unsafe {
                let zero = S::splat(0.0);
                let mut high = [[zero; $n]; $m];
                for x in 0..$n {
                    let column = $line::<S>(std::array::from_fn(|y| from[y][x]));
                    for y in 0..$m {
                        high[y][x] = column[y];
                    }
                }
                let mut to = [[zero; $m]; $m];
                for y in 0..$m {
                    to[y] = $line::<S>(high[y]);
                }
                to
            }
        }
    };
}
pub(super) use square;

square!(
    /// `Bᵀ d B`.
    input, input_line, 4, 4
);
square!(
    /// `G g Gᵀ`.
    weight, weight_line, 3, 4
);
square!(
    /// `Aᵀ m A`.
    output, output_line, 4, 2
);
square!(
    /// `A y Aᵀ`.
    gradient, gradient_line, 2, 4
);
square!(
    /// `Gᵀ u G`.
    weight_gradient, weight_gradient_line, 4, 3
);

/// The transforms of tiles of `M × M` outputs, made of `N × N` products.
///
/// # Safety
///
/// The caller of each is compiled for the instruction set.
pub(super) trait Transforms<const N: usize, const M: usize>: Copy {
    /// Whether the transformed mirrored window has the transformed window's products, elsewhere.
    const MIRRORS: bool;

    /// `Bᵀ d B`.
    unsafe fn input<S: Simd>(d: [[S::V; N]; N]) -> [[S::V; N]; N];
    /// `G g Gᵀ`.
    unsafe fn weight<S: Simd>(g: [[S::V; 3]; 3]) -> [[S::V; N]; N];
    /// `Aᵀ m A`.
    unsafe fn output<S: Simd>(m: [[S::V; N]; N]) -> [[S::V; M]; M];
}

/// F(2×2, 3×3).
#[derive(Clone, Copy)]
pub(super) struct Two;

impl Transforms<4, 2> for Two {
    const MIRRORS: bool = true;

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [[S::V; 4]; 4]) -> [[S::V; 4]; 4] {
        // SAFETY: the caller's.
        unsafe { input::<S>(d) }
    }

    #[inline(always)]
    unsafe fn weight<S: Simd>(g: [[S::V; 3]; 3]) -> [[S::V; 4]; 4] {
        // SAFETY: the caller's.
        unsafe { weight::<S>(g) }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [[S::V; 4]; 4]) -> [[S::V; 2]; 2] {
        // SAFETY: the caller's.
        unsafe { output::<S>(m) }
    }
}

/// The product that the mirrored 3×3 window has in the place of product `index`: mirroring exchanges the ends of `G g`.
pub(super) const fn mirrored(index: usize) -> usize {
    const fn end(at: usize) -> usize {
        match at {
            0 => 3,
            3 => 0,
            inner => inner,
        }
    }
    end(index / 4) * 4 + end(index % 4)
}

/// How a map is cut into squares of outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    /// Outputs of a tile along each axis.
    pub(super) side: usize,
    /// Height and width of the map that is read.
    pub(super) input: [usize; 2],
    /// Height and width of the map that is made.
    pub(super) output: [usize; 2],
    /// Zeros before the map that is read.
    pub(super) before: [usize; 2],
}

impl Tiles {
    pub(super) fn count(&self) -> usize {
        self.output[0].div_ceil(self.side) * self.columns()
    }

    fn columns(&self) -> usize {
        self.output[1].div_ceil(self.side)
    }

    /// The first output row and column of a tile of `M` outputs a side: a constant, so that nothing is divided by it.
    #[inline(always)]
    pub(super) fn corner<const M: usize>(&self, tile: usize) -> [usize; 2] {
        let columns = self.output[1].div_ceil(M);
        [M * (tile / columns), M * (tile % columns)]
    }

    /// As [`Tiles::turned`], for two by two outputs.
    ///
    /// # Safety
    ///
    /// As [`Tiles::turned`].
    #[inline(always)]
    pub(super) unsafe fn transformed<S: Simd>(
        &self,
        x: *const f32,
        tile: usize,
        lanes: usize,
        lane: usize,
    ) -> [[S::V; 4]; 4] {
        // SAFETY: the caller's.
        unsafe { self.turned::<S, Two, 4, 2>(x, tile, lanes, lane) }
    }

    /// `Bᵀ d B` of a tile of the map at `x`, vectors of `lanes` lanes from `lane` on; what lies outside of the map is zero.
    ///
    /// # Safety
    ///
    /// `x` is the first element of a map of these lengths; the caller is compiled for the instruction set.
    #[inline(always)]
    pub(super) unsafe fn turned<S: Simd, T: Transforms<N, M>, const N: usize, const M: usize>(
        &self,
        x: *const f32,
        tile: usize,
        lanes: usize,
        lane: usize,
    ) -> [[S::V; N]; N] {
        let corner = self.corner::<M>(tile);
        let first = [0, 1].map(|axis| corner[axis].wrapping_sub(self.before[axis]));
        // SAFETY: only places inside of the map are read.
        unsafe {
            let mut window = [[S::splat(0.0); N]; N];
            for (dy, row) in window.iter_mut().enumerate() {
                let y = first[0].wrapping_add(dy);
                if y >= self.input[0] {
                    continue;
                }
                for (dx, value) in row.iter_mut().enumerate() {
                    let column = first[1].wrapping_add(dx);
                    if column < self.input[1] {
                        let place = x.add((y * self.input[1] + column) * lanes + lane);
                        S::prefetch(place.wrapping_add(self.input[0] * self.input[1] * lanes));
                        *value = S::load(place);
                    }
                }
            }
            T::input::<S>(window)
        }
    }
}

/// `u[product][i][o] = (G w[i, ·][o] Gᵀ)[product]`, of the windows or of the mirrored windows.
struct Weights {
    w: Slot,
    w_stride: usize,
    u: Slot,
    shape: Transformed,
    /// Input channels.
    pieces: Pieces,
}

/// How transformed weights lie: `[product][input channel][output channel]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transformed {
    /// Outputs of a tile along each axis.
    pub(super) side: usize,
    /// Whether they are of the mirrored windows.
    pub(super) mirrored: bool,
    pub(super) channels_in: usize,
    /// Elements from one input channel to the next.
    pub(super) stride: usize,
}

impl Transformed {
    /// For two by two outputs, and a weight whose rows are `w_stride` apart.
    pub(super) fn new(channels_in: usize, w_stride: usize) -> Self {
        Transformed { side: 2, mirrored: false, channels_in, stride: w_stride }
    }

    /// What a step that uses them is called.
    pub(super) fn name(&self) -> &'static str {
        if self.side == 4 { "winograd 4x4" } else { "winograd" }
    }

    /// Products of a tile.
    pub(super) fn products(&self) -> usize {
        (self.side + 2) * (self.side + 2)
    }

    /// Elements from one product to the next.
    pub(super) fn product(&self) -> usize {
        self.channels_in * self.stride
    }

    pub(super) fn len(&self) -> usize {
        self.products() * self.product()
    }
}

impl Step for Weights {
    fn name(&self) -> String {
        let Transformed { side, mirrored, channels_in, .. } = self.shape;
        let side = if side == 4 { " 4x4" } else { "" };
        format!("winograd weights {channels_in}{side}{}", if mirrored { ", mirrored" } else { "" })
    }

    fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    fn access(&self) -> Vec<Access> {
        vec![Access::read_own(self.w, &self.pieces, 9 * self.w_stride), Access::write(self.u)]
    }

    fn run(&self, piece: usize, cx: &Context<'_>) {
        let range = self.pieces.range(piece);
        let (from, to, stride, shape) = (range.start, range.end, self.w_stride, self.shape);
        let (w, u) = (cx.memory.at(self.w).cast_const(), cx.memory.at(self.u));
        // SAFETY: the input channels `from..to` of both buffers are the piece's.
        unsafe {
            if shape.side == 4 {
                dispatch!(cx.level => transform_for_four::<S>(w: *const f32, u: *mut f32, stride: usize,
                    shape: Transformed, from: usize, to: usize));
            } else {
                dispatch!(cx.level => transform_for_two::<S>(w: *const f32, u: *mut f32, stride: usize,
                    shape: Transformed, from: usize, to: usize));
            }
        }
    }
}

#[inline(always)]
unsafe fn transform_for_two<S: Simd>(
    w: *const f32,
    u: *mut f32,
    stride: usize,
    shape: Transformed,
    from: usize,
    to: usize,
) {
    // SAFETY: the caller's.
    unsafe { transform_weights::<S, Two, 4, 2>(w, u, stride, shape, from, to) }
}

#[inline(always)]
unsafe fn transform_for_four<S: Simd>(
    w: *const f32,
    u: *mut f32,
    stride: usize,
    shape: Transformed,
    from: usize,
    to: usize,
) {
    // SAFETY: the caller's.
    unsafe { transform_weights::<S, Four, 6, 4>(w, u, stride, shape, from, to) }
}

#[inline(always)]
unsafe fn transform_weights<S: Simd, T: Transforms<N, M>, const N: usize, const M: usize>(
    w: *const f32,
    u: *mut f32,
    stride: usize,
    shape: Transformed,
    from: usize,
    to: usize,
) {
    let tap = |y: usize, x: usize| if shape.mirrored { 8 - (3 * y + x) } else { 3 * y + x };
    for channel in from..to {
        for column in (0..stride).step_by(S::WIDTH) {
            // SAFETY: the caller's; rows are whole vectors.
            unsafe {
                let w = w.add(channel * 9 * stride + column);
                let window =
                    std::array::from_fn(|y| std::array::from_fn(|x| S::load(w.add(tap(y, x) * stride))));
                let products = T::weight::<S>(window);
                for index in 0..N * N {
                    let to = u.add(index * shape.product() + channel * shape.stride + column);
                    S::store(to, products[index / N][index % N]);
                }
            }
        }
    }
}

/// The transformed weight of `w` for tiles of `side` by `side` outputs, forwards or backwards, made by a step of its own the
/// first time it is asked for.
pub(super) fn transformed_weight(
    cx: &mut Lowering<'_>,
    w: Slot,
    channels_in: usize,
    w_stride: usize,
    side: usize,
    backward: bool,
) -> (Slot, Transformed) {
    let mirrors = if side == 4 { Four::MIRRORS } else { Two::MIRRORS };
    let shape =
        Transformed { side, mirrored: backward && !mirrors, ..Transformed::new(channels_in, w_stride) };
    let (u, fresh) = cx.derived(w, (side, shape.mirrored), shape.len());
    if fresh {
        let pieces = Pieces::of(channels_in, channels_in * w_stride * 60);
        cx.push(Weights { w, w_stride, u, shape, pieces });
    }
    (u, shape)
}
