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
    let mut sums = Sums::new(width);
    for (y, row) in grey.chunks_exact(width).enumerate() {
        let above = (y > 0).then(|| &grey[(y - 1) * width..y * width]);
        sums.add(y, height, row, above);
    }
    sums.append(height, width, summary);
    if channels > 1 {
        summary.extend(pixels.chunks_exact(area).map(|channel| {
            (channel.iter().map(|&pixel| u64::from(pixel)).sum::<u64>() as f64 / area as f64) as f32
        }));
    }
    sums.append_blocks(height, width, summary);
}

/// What is summed over the rows of a picture.
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
    fn new(width: usize) -> Self {
        Sums {
            squares: 0,
            bright: 0,
            dark: 0,
            edges: 0,
            columns: vec![0; width],
            down: [0; 3],
            blocks: [[0; GRID]; GRID],
        }
    }

    fn add(&mut self, y: usize, height: usize, row: &[u8], above: Option<&[u8]>) {
        let count = |holds: fn(u8) -> bool| row.iter().map(|&pixel| u32::from(holds(pixel))).sum::<u32>();
        self.squares += u64::from(row.iter().map(|&pixel| u32::from(pixel) * u32::from(pixel)).sum::<u32>());
        self.bright += u64::from(count(|pixel| pixel > BRIGHT));
        self.dark += u64::from(count(|pixel| pixel < DARK));
        self.edges += differences(&row[1..], row) + above.map_or(0, |above| differences(row, above));
        self.columns.iter_mut().zip(row).for_each(|(sum, &pixel)| *sum += u32::from(pixel));
        let (across, band) = (GRID.min(row.len()), y * GRID.min(height) / height);
        let mut whole = 0;
        for (block, sum) in self.blocks[band].iter_mut().take(across).enumerate() {
            let part = &row[edge(block, across, row.len())..edge(block + 1, across, row.len())];
            let part: u64 = u64::from(part.iter().map(|&pixel| u32::from(pixel)).sum::<u32>());
            (*sum, whole) = (*sum + part, whole + part);
        }
        let place = y as u64;
        self.down =
            [self.down[0] + whole, self.down[1] + whole * place, self.down[2] + whole * place * place];
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

/// Sum of `|left - right|` over the common length.
fn differences(left: &[u8], right: &[u8]) -> u64 {
    left.iter().zip(right).map(|(&left, &right)| u32::from(left.abs_diff(right))).sum::<u32>().into()
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
            assert!((is - value).abs() < 1e-5, "{name} is {is}, not {value}");
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
