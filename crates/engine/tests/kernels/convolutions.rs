//! Convolutions that reach the kernels that small cases do not.

use graph::{Case, Graph};

/// Convolutions wide enough for every kernel there is: Winograd's with ragged tiles, channels and blocks of channels, the
/// direct ones with strides, dilations, few channels and many groups.
pub(crate) fn cases() -> Vec<(&'static str, Case)> {
    type Form<'a> = (&'a str, [usize; 5], usize, &'a [(&'a str, &'a [i64])]);
    let one: (&str, &[i64]) = ("pads", &[1, 1, 1, 1]);
    let forms: [Form<'_>; 9] = [
        // channels in and out, height, width, kernel; groups; what else
        ("winograd", [16, 20, 5, 6, 3], 1, &[one]),
        ("winograd_wide", [17, 40, 4, 4, 3], 1, &[("pads", &[1, 2, 2, 0])]),
        ("winograd_deep", [260, 16, 4, 4, 3], 1, &[one]),
        ("direct", [19, 34, 4, 5, 3], 1, &[one, ("strides", &[2, 1])]),
        ("few_channels", [3, 18, 9, 8, 3], 1, &[one, ("dilations", &[1, 2])]),
        ("pointwise", [24, 9, 3, 3, 1], 1, &[("strides", &[2, 2])]),
        ("tiny_maps", [33, 130, 2, 2, 3], 1, &[one]),
        (
            "apart",
            [9, 17, 7, 6, 2],
            1,
            &[("strides", &[3, 1]), ("dilations", &[2, 3]), ("pads", &[1, 0, 2, 3])],
        ),
        ("depthwise", [18, 18, 5, 4, 3], 18, &[one]),
    ];
    let attributes = |case: Case, (_, lengths, groups, more): Form<'_>| {
        let case = case.attribute("kernel_shape", [lengths[4] as i64; 2]).attribute("group", groups as i64);
        more.iter().fold(case, |case, (name, values)| case.attribute(name, values.to_vec()))
    };
    let mut cases = Vec::new();
    for form in forms {
        let (name, [channels, filters, height, width, kernel], groups, _) = form;
        let (x, w) = ([2, channels, height, width], [filters, channels / groups, kernel, kernel]);
        let name: &'static str = name.to_owned().leak();
        let conv = attributes(Case::new(name).smooth(&x, 0).smooth(&w, 1).smooth(&[filters], 2), form);
        let graph_of = |case: &Case| {
            let mut graph = Graph::new("shape");
            let inputs: Vec<_> = (0..2)
                .map(|index| {
                    let tensor = case.inputs[index].as_ref().expect("given");
                    graph.constant("input", tensor.clone())
                })
                .collect();
            let y = graph.push("y", "Conv", case.attributes.clone(), &inputs).expect("well formed");
            graph.ty(y).shape.lengths().expect("known")
        };
        let y = graph_of(&conv);
        cases.push(("Conv", conv));
        let spatial = [height as i64, width as i64];
        let back = Case::new(name).smooth(&y, 3).smooth(&w, 1).attribute("input_shape", spatial);
        cases.push(("ConvGradInput", attributes(back, form)));
        let weight = Case::new(name).smooth(&y, 3).smooth(&x, 0);
        cases.push(("ConvGradWeight", attributes(weight, form)));
    }
    cases
}
