//! Small data and schemes that learn in a moment.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};

use crate::place::Place;

/// An IDX file: big-endian magic and lengths, then bytes.
pub(crate) fn idx(magic: u32, lengths: &[u32], values: &[u8]) -> Vec<u8> {
    let header = [magic].iter().chain(lengths).flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    [header, values.to_vec()].concat()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A grey square whose left part is bright in class 0 and dark in class 1; `number` makes it differ from others.
pub(crate) fn pixels(class: u8, number: usize, side: usize) -> Vec<u8> {
    (0..side * side)
        .map(|place| {
            let bright = (place % side < side / 2) == (class == 0);
            let grain = ((place * 7 + number * 13) % 31) as u8;
            if bright { 220 + grain } else { grain }
        })
        .collect()
}

pub(crate) fn png(class: u8, number: usize, side: usize) -> Vec<u8> {
    let values = pixels(class, number, side);
    let image =
        GrayImage::from_fn(side as u32, side as u32, |x, y| Luma([values[y as usize * side + x as usize]]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, ImageFormat::Png).expect("memory");
    bytes.into_inner()
}

/// A folder `photos` with 40 images each of a cat and a dog.
pub(crate) fn photos(place: &Place) {
    for (class, name) in ["cat", "dog"].into_iter().enumerate() {
        for number in 0..40 {
            place.write(&format!("photos/{name}/{number}.png"), png(class as u8, number, 16));
        }
    }
}

/// A table `houses.csv` of 300 houses.
pub(crate) fn houses(place: &Place) {
    let mut text = "area,rooms,year,price\n".to_owned();
    for house in 0..300usize {
        let (area, rooms, year) = (40 + house * 37 % 160, 1 + house * 11 % 7, 1950 + house * 29 % 70);
        text += &format!("{area},{rooms},{year},{}\n", 900 * area + 5000 * rooms + 100 * (year - 1950));
    }
    place.write("houses.csv", text);
}

/// A scheme `houses.toml` for that table.
pub(crate) const HOUSES: &str = "\
inherits = [\"tabular/regressor\"]
[data]
source = \"houses.csv\"
features = [\"area\", \"rooms\", \"year\"]
target = \"price\"
[train]
epochs = 3
";

/// The table and its scheme.
pub(crate) fn houses_scheme(place: &Place) {
    houses(place);
    place.write("houses.toml", HOUSES);
}

/// A scheme `schemes/mnist.toml` that can stand in for the real one: 28 x 28 grey pixels, two digits, one epoch.
pub(crate) fn small_mnist(place: &Place) {
    let labels: Vec<u8> = (0..200).map(|number| (number % 2) as u8).collect();
    let images: Vec<u8> =
        labels.iter().enumerate().flat_map(|(number, &label)| pixels(label, number, 28)).collect();
    place.write("schemes/images.idx", idx(2051, &[200, 28, 28], &images));
    place.write("schemes/labels.idx", idx(2049, &[200], &labels));
    let scheme = "\
inherits = [\"vision/classifier\"]
[data]
format = \"idx\"
images = \"images.idx\"
labels = \"labels.idx\"
[train]
epochs = 1
";
    place.write("schemes/mnist.toml", scheme);
}
