//! Adaptive average pooling, in operators that ONNX has.

use graph::Attributes;
use scheme::Grid;
use tensor::Tensor;

use super::builder::Builder;
use super::layers::{Refused, need_rank, pair};

/// `[batch, channels, height, width]` to `[batch, channels, size]`: nothing where the image has that size, `AveragePool`
/// where it is a multiple of it, `Expand` for a single pixel, and otherwise a product with the share of each input row
/// in each output row, and the same for columns.
pub(super) fn add(
    builder: &mut Builder<'_>,
    name: &str,
    output: &str,
    grid: &Grid,
) -> Result<&'static str, Refused> {
    need_rank(builder, 3, "images [batch, channels, height, width]")?;
    let [_, height, width] = builder.shape()[..] else { unreachable!("the rank is 3") };
    let (input, size) = ([height, width], grid.size);
    let multiple = (0..2).all(|axis| input[axis] >= size[axis] && input[axis] % size[axis] == 0);
    if input == size {
        return Ok(WORD);
    }
    if multiple {
        let patch = [height / size[0], width / size[1]];
        let attributes =
            Attributes::from([("kernel_shape".to_owned(), pair(patch)), ("strides".to_owned(), pair(patch))]);
        builder.node(name, output, "AveragePool", attributes, &[])?;
    } else if input == [1, 1] {
        let shape = vec![1, 1, size[0] as i64, size[1] as i64]; // at most 1024 each
        let shape = builder.graph.constant(&format!("{name}.shape"), Tensor::new([4], shape));
        builder.node(name, output, "Expand", Attributes::new(), &[shape])?;
    } else {
        add_products(builder, name, output, input, size)?;
    }
    builder.charge_value()?;
    Ok(WORD)
}

const WORD: &str = "adaptive_average_pool";

/// `rows · x · columns`: [height', height] · [batch, channels, height, width] · [width, width'].
fn add_products(
    builder: &mut Builder<'_>,
    name: &str,
    output: &str,
    input: [usize; 2],
    size: [usize; 2],
) -> Result<(), Refused> {
    let [rows, columns] = [0, 1].map(|axis| shares(input[axis], size[axis]));
    let columns: Vec<f32> = (0..input[1] * size[1])
        .map(|index| columns[(index % size[1]) * input[1] + index / size[1]]) // transposed
        .collect();
    let rows = Tensor::new([size[0], input[0]], rows);
    let rows = builder.graph.constant(&format!("{name}.rows"), rows);
    let columns = Tensor::new([input[1], size[1]], columns);
    let columns = builder.graph.constant(&format!("{name}.columns"), columns);
    let attributes = Attributes::new();
    builder.value =
        builder.graph.push(&format!("{name}.means"), "MatMul", attributes, &[rows, builder.value])?; // [batch, channels, height', width]
    builder.charge_value()?;
    builder.node(name, output, "MatMul", Attributes::new(), &[columns])?; // [batch, channels, height', width']
    Ok(())
}

/// The share of each of `input` places in each of `output` means, row by row: mean `i` is over the places from
/// `⌊i · input / output⌋` to below `⌈(i + 1) · input / output⌉`.
fn shares(input: usize, output: usize) -> Vec<f32> {
    let row = |index: usize| {
        let (start, end) = (index * input / output, ((index + 1) * input).div_ceil(output));
        (0..input)
            .map(move |place| if (start..end).contains(&place) { 1.0 / (end - start) as f32 } else { 0.0 })
    };
    (0..output).flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_pytorch() {
        let third = 1.0 / 3.0;
        for (input, output, expect) in [
            (2, 4, vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]),
            (3, 2, vec![0.5, 0.5, 0.0, 0.0, 0.5, 0.5]),
            (5, 2, vec![third, third, third, 0.0, 0.0, 0.0, 0.0, third, third, third]),
            (2, 3, vec![1.0, 0.0, 0.5, 0.5, 0.0, 1.0]),
            (1, 2, vec![1.0, 1.0]),
        ] {
            assert_eq!(shares(input, output), expect, "{input} to {output}");
        }
    }
}
