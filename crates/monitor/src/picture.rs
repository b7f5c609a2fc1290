//! A picture as a few numbers that people can read, and a coarse picture for the embedding.

/// Blocks across and down of the coarse picture.
const GRID: usize = 4;
/// Pixels above are bright.
const BRIGHT: u8 = 127;
/// Pixels below are dark.
const DARK: u8 = 16;
/// Names of three channels.
const COLOURS: [&str; 3] = ["red", "green", "blue"];

/// The names of the statistics of a picture of `channels` colours.
pub(crate) fn statistics(channels: usize) -> Vec<String> {
    let single = [
        "brightness",
        "contrast",
        "bright_share",
        "dark_share",
        "edge_energy",
        "centre_x",
        "centre_y",
        "spread_x",
        "spread_y",
    ];
    let colour = |channel: usize| match channels {
        3 => format!("brightness_{}", COLOURS[channel]),
        _ => format!("brightness_{channel}"),
    };
    let colours = if channels > 1 { channels } else { 0 };
    single.into_iter().map(str::to_owned).chain((0..colours).map(colour)).collect()
}

/// The names of the blocks of a picture of this size.
pub(crate) fn blocks(height: usize, width: usize) -> Vec<String> {
    let (down, across) = (GRID.min(height), GRID.min(width));
    (0..down).flat_map(|row| (0..across).map(move |column| format!("block_{row}_{column}"))).collect()
}

/// Appends to `summary` the statistics and blocks of `pixels` [channels, height, width], in the order of their names.
///
/// Over the mean of the channels, with `p` in 0..=255:
/// `brightness = mean p`, `contrast = sqrt(mean p^2 - (mean p)^2)`, `bright_share` and `dark_share` the shares of `p > 127` and
/// `p < 16`, `edge_energy` the mean of `|p - q|` over all neighbours in a row and in a column. The centre and the spread are
/// the mean and the deviation of the place, weighted with `p` (with `255 - p` where the brightness is over 127: the rarer
/// tone is the drawing), as shares of width and height; a blank picture has its centre in the middle and no spread.
/// A block is the mean of `p` over its part of a grid of 4 x 4.
pub(crate) fn summarise(pixels: &[u8], [channels, height, width]: [usize; 3], summary: &mut Vec<f32>) {
    let area = height * width;
    let grey: std::borrow::Cow<'_, [u8]> = match channels {
        1 => pixels.into(),
        _ => (0..area)
            .map(|at| {
                let sum: u32 = pixels.iter().skip(at).step_by(area).map(|&pixel| u32::from(pixel)).sum();
                (sum / channels as u32) as u8
            })
            .collect::<Vec<_>>()
            .into(),
    };
    let mut sums = Sums::of(&grey, width);
    sums.places(&grey, height, width);
    sums.append(height, width, summary);
    if channels > 1 {
        summary.extend(pixels.chunks_exact(area).map(|channel| (total(channel) as f64 / area as f64) as f32));
    }
    sums.append_blocks(height, width, summary);
}

/// What is summed over the pixels of a picture.
struct Sums {
    squares: u64,
    bright: u64,
    dark: u64,
    edges: u64,
    /// Sum of each column.
    columns: Vec<u32>,
    /// Sums over rows of the row's sum, times its number, times the square of that.
    down: [u64; 3],
    /// Sum of each block.
    blocks: [[u64; GRID]; GRID],
}

impl Sums {
    /// Everything that does not ask where a pixel is, over the whole picture at once: long loops without branches.
    fn of(grey: &[u8], width: usize) -> Self {
        let below = differences(grey, &grey[width.min(grey.len())..]);
        // Neighbours in the flat picture, less those that are the end of one row and the beginning of the next.
        let beside = differences(grey, &grey[1..]);
        let rows = grey.chunks_exact(width);
        let apart: u64 = rows
            .clone()
            .zip(rows.skip(1))
            .map(|(row, next)| u64::from(row[width - 1].abs_diff(next[0])))
            .sum();
        Sums {
            squares: squares(grey),
            bright: count(grey, |pixel| pixel > BRIGHT),
            dark: count(grey, |pixel| pixel < DARK),
            edges: below + beside - apart,
            columns: vec![0; width],
            down: [0; 3],
            blocks: [[0; GRID]; GRID],
        }
    }

    /// Sums by row, column and block.
    fn places(&mut self, grey: &[u8], height: usize, width: usize) {
        let (down, across) = (GRID.min(height), GRID.min(width));
        let mut columns = vec![0u32; width];
        for (y, row) in grey.chunks_exact(width).enumerate() {
            columns.iter_mut().zip(row).for_each(|(sum, &pixel)| *sum += u32::from(pixel));
            let (whole, place) = (total(row), y as u64);
            self.down =
                [self.down[0] + whole, self.down[1] + whole * place, self.down[2] + whole * place * place];
            let band = y * down / height;
            if (y + 1) * down / height > band {
                for (block, sum) in self.blocks[band].iter_mut().take(across).enumerate() {
                    let part = &columns[edge(block, across, width)..edge(block + 1, across, width)];
                    *sum = part.iter().map(|&sum| u64::from(sum)).sum();
                }
                self.columns.iter_mut().zip(&mut columns).for_each(|(all, sum)| *all += std::mem::take(sum));
            }
        }
    }

    fn append(&self, height: usize, width: usize, summary: &mut Vec<f32>) {
        let area = (height * width) as f64;
        let mean = self.down[0] as f64 / area;
        let contrast = (self.squares as f64 / area - mean * mean).max(0.0).sqrt();
        let pairs = (height * (width - 1) + width * (height - 1)).max(1) as f64;
        let across = self.columns.iter().enumerate().fold([0u64; 3], |sums, (x, &sum)| {
            let (x, sum) = (x as u64, u64::from(sum));
            [sums[0] + sum, sums[1] + sum * x, sums[2] + sum * x * x]
        });
        let inverted = mean > f64::from(BRIGHT);
        let (centre_x, spread_x) = moments(across, width, height, inverted);
        let (centre_y, spread_y) = moments(self.down, height, width, inverted);
        let [bright, dark] = [self.bright, self.dark].map(|count| count as f64 / area);
        let edges = self.edges as f64 / pairs;
        let all = [mean, contrast, bright, dark, edges, centre_x, centre_y, spread_x, spread_y];
        summary.extend(all.map(|value| value as f32));
    }

    fn append_blocks(&self, height: usize, width: usize, summary: &mut Vec<f32>) {
        let (down, across) = (GRID.min(height), GRID.min(width));
        for (band, row) in self.blocks.iter().enumerate().take(down) {
            // The rows y with y * down / height == band.
            let rows = (0..height).filter(|y| y * down / height == band).count();
            for (block, &sum) in row.iter().enumerate().take(across) {
                let columns = edge(block + 1, across, width) - edge(block, across, width);
                summary.push((sum as f64 / (rows * columns).max(1) as f64) as f32);
            }
        }
    }
}

fn edge(block: usize, blocks: usize, length: usize) -> usize {
    block * length / blocks
}

/// Pixels whose sum has 16 bits, and whose squares have 32 together: short sums fill the processor's lanes best.
const PART: usize = 256;

/// Sum of all pixels.
fn total(pixels: &[u8]) -> u64 {
    pixels.chunks(PART).map(|part| u64::from(part.iter().map(|&pixel| u16::from(pixel)).sum::<u16>())).sum()
}

/// Sum of the squares of all pixels.
fn squares(pixels: &[u8]) -> u64 {
    let square = |&pixel: &u8| u32::from(u16::from(pixel) * u16::from(pixel));
    pixels.chunks(PART).map(|part| u64::from(part.iter().map(square).sum::<u32>())).sum()
}

/// How many pixels are such; a count of 255 has 8 bits.
fn count(pixels: &[u8], holds: impl Fn(u8) -> bool) -> u64 {
    pixels
        .chunks(255)
        .map(|part| u64::from(part.iter().map(|&pixel| u8::from(holds(pixel))).sum::<u8>()))
        .sum()
}

/// Sum of `|left - right|` over the length of `right`, which is the shorter one.
fn differences(left: &[u8], right: &[u8]) -> u64 {
    let parts = left[..right.len()].chunks(PART).zip(right.chunks(PART));
    let part = |(left, right): (&[u8], &[u8])| -> u16 {
        left.iter().zip(right).map(|(&left, &right)| u16::from(left.abs_diff(right))).sum()
    };
    parts.map(|pair| u64::from(part(pair))).sum()
}

/// Mean and deviation of the place along `length` lines of `breadth` pixels, from the sums of `p`, `p x` and `p x^2`.
fn moments(sums: [u64; 3], length: usize, breadth: usize, inverted: bool) -> (f64, f64) {
    let mut sums = sums.map(|sum| sum as f64);
    if inverted {
        let (n, full) = (length as f64, 255.0 * breadth as f64);
        let blank = [n, n * (n - 1.0) / 2.0, n * (n - 1.0) * (2.0 * n - 1.0) / 6.0];
        sums = std::array::from_fn(|power| full * blank[power] - sums[power]);
    }
    if sums[0] <= 0.0 {
        return (0.5, 0.0);
    }
    let centre = sums[1] / sums[0];
    let spread = (sums[2] / sums[0] - centre * centre).max(0.0).sqrt();
    ((centre + 0.5) / length as f64, spread / length as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pixels: &[u8], shape: [usize; 3]) -> Vec<(String, f32)> {
        let mut summary = Vec::new();
        summarise(pixels, shape, &mut summary);
        let names: Vec<String> = statistics(shape[0]).into_iter().chain(blocks(shape[1], shape[2])).collect();
        assert_eq!(names.len(), summary.len());
        names.into_iter().zip(summary).collect()
    }

    fn check(pixels: &[u8], shape: [usize; 3], expect: &[(&str, f32)]) {
        let found = named(pixels, shape);
        for (name, value) in expect {
            let (_, is) = found.iter().find(|(known, _)| known == name).expect("a statistic");
            assert!((is - value).abs() < 1e-5 * value.abs().max(1.0), "{name} is {is}, not {value}");
        }
    }

    #[test]
    fn a_stroke_has_a_place_and_a_width() {
        let mut pixels = [0u8; 64]; // [1, 8, 8]
        for row in 2..6 {
            pixels[row * 8 + 1] = 200;
            pixels[row * 8 + 2] = 200;
        }
        let edges = (2.0 * 4.0 * 200.0 + 2.0 * 2.0 * 200.0) / (2.0 * 8.0 * 7.0);
        let expect = [
            ("brightness", 25.0),
            ("bright_share", 0.125),
            ("dark_share", 0.875),
            ("edge_energy", edges),
            ("centre_x", 2.0 / 8.0),
            ("centre_y", 0.5),
            ("spread_x", 0.5 / 8.0),
            ("block_1_0", 100.0),
            ("block_0_0", 0.0),
        ];
        check(&pixels, [1, 8, 8], &expect);
        // The same drawing in dark on bright.
        let inverted = pixels.map(|pixel| 255 - pixel);
        check(&inverted, [1, 8, 8], &[("centre_x", 2.0 / 8.0), ("centre_y", 0.5), ("spread_x", 0.5 / 8.0)]);
    }

    /// Sums over the flat picture are those of plain loops over rows and columns.
    #[test]
    fn sums_agree_with_plain_loops() {
        for (height, width) in [(28, 28), (1, 9), (9, 1), (5, 7), (6, 3)] {
            let pixels: Vec<u8> = (0..height * width).map(|pixel| (pixel * 97 % 251) as u8).collect();
            let at = |y: usize, x: usize| f64::from(pixels[y * width + x]);
            let (mut edges, mut pairs, mut blocks) = (0.0, 0.0, vec![Vec::new(); GRID * GRID]);
            for y in 0..height {
                for x in 0..width {
                    let near = [(y + 1, x), (y, x + 1)].into_iter().filter(|&(y, x)| y < height && x < width);
                    for (below, beside) in near {
                        (edges, pairs) = (edges + (at(y, x) - at(below, beside)).abs(), pairs + 1.0);
                    }
                    let across =
                        (0..GRID.min(width)).find(|block| x < edge(block + 1, GRID.min(width), width));
                    blocks[y * GRID.min(height) / height * GRID + across.expect("a block")].push(at(y, x));
                }
            }
            let mean = |values: &Vec<f64>| (values.iter().sum::<f64>() / values.len() as f64) as f32;
            check(&pixels, [1, height, width], &[("edge_energy", (edges / f64::max(pairs, 1.0)) as f32)]);
            for (place, values) in blocks.iter().enumerate().filter(|(_, values)| !values.is_empty()) {
                let name = format!("block_{}_{}", place / GRID, place % GRID);
                check(&pixels, [1, height, width], &[(&name, mean(values))]);
            }
        }
    }

    #[test]
    fn blank_pictures_and_colours() {
        for blank in [0, 255] {
            let middle = [("centre_x", 0.5), ("spread_y", 0.0), ("contrast", 0.0), ("edge_energy", 0.0)];
            check(&[blank; 35], [1, 5, 7], &middle);
        }
        check(&[10, 10, 20, 20, 60, 60], [3, 1, 2], &[("brightness", 30.0), ("brightness_blue", 60.0)]);
        check(&[9], [1, 1, 1], &[("brightness", 9.0), ("block_0_0", 9.0)]);
    }
}
