//! Tables: classes, numbers, forecasts.

use pipeline::metrics::{Metrics, PartMetrics};
use pipeline::{infer, load_model, read_inputs};
use store::Store;
use tensor::Random;

use crate::support::Project;

const NETWORK: &str = r#"
[preprocess.standardize]
op = "standardize"
[model.layers.hidden]
op = "dense"
units = 8
activation = "tanh"
[model.layers.output]
op = "dense"
[train]
epochs = 30
batch_size = 16
optimizer = { name = "adam", learning_rate = 0.02 }
"#;

/// A table of two columns, a column that never varies, and what follows from them.
fn table(project: &Project, answer: impl Fn(f32, f32) -> String) -> String {
    let random = Random::new(3, "table");
    let mut text = "x,y,same,answer\n".to_owned();
    for row in 0..300 {
        let (x, y) = (random.normal(row, 0) * 50.0, random.normal(row, 1) * 0.01 + 7.0);
        text += &format!("{x},{y},4,{}\n", answer(x, y));
    }
    let file = project.write("table.csv", text);
    format!(
        "[data]\nsource = '{}'\nfeatures = ['x', 'y', 'same']\ntarget = 'answer'\nsplit = {{ train = 0.7, validation = 0.1, test = 0.2 }}\n",
        file.display()
    )
}

#[test]
fn classes_of_a_table() {
    let project = Project::new();
    let data = table(&project, |x, y| if (x > 0.0) == (y > 7.0) { "same" } else { "differ" }.to_owned());
    let text = data + "task = 'classification'\n" + NETWORK + "[evaluate]\nbaseline = 'majority'\n";
    let ran = project.run(&project.scheme(&text, &["model.layers.output.units=classes"]));
    let Metrics { test, baseline, verdict, .. } = &ran.report().metrics;
    assert!(test.value("accuracy").unwrap() > 0.85, "{test:?}");
    assert!(baseline.as_ref().unwrap().accuracy.unwrap() < 0.7);
    assert!(verdict.as_ref().unwrap().contains("small beats the majority"), "{verdict:?}");
    assert!(ran.notices().iter().any(|text| text.contains("`same` does not vary")), "{:?}", ran.notices());
    let PartMetrics::Classification(test) = test else { panic!("classes") };
    let names: Vec<&str> = test.per_class.iter().map(|class| class.class.as_str()).collect();
    assert_eq!(names, ["differ", "same"]);
}

#[test]
fn numbers_of_a_table() {
    let project = Project::new();
    let data = table(&project, |x, y| format!("{}", 1000.0 + 3.0 * x + 2000.0 * (y - 7.0)));
    let text = data + "task = 'regression'\n" + NETWORK;
    let ran = project.run(&project.scheme(&text, &["model.layers.output.units=targets"]));
    let PartMetrics::Regression(test) = &ran.report().metrics.test else { panic!("numbers") };
    assert!(test.r2.unwrap() > 0.95, "{test:?}");
    assert!(test.rmse > 1.0 && test.directional_accuracy.is_none(), "{test:?}");

    let store = Store::open(&project.store()).unwrap();
    let model = load_model(&store, "small").unwrap();
    let inputs = read_inputs(&model, &[project.path("table.csv")]).unwrap();
    let answers = infer(&model, &inputs, 1).unwrap();
    assert_eq!(answers.len(), 300);
    assert!(answers.iter().all(|answer| answer.label.is_none() && answer.value.unwrap().abs() < 3000.0));
}

#[test]
fn the_shipped_forecast_stands_beside_the_naive_one() {
    let project = Project::new();
    let resolved =
        scheme::resolve("stock".as_ref(), &["train.epochs=4".to_owned()], &scheme::MemoryFiles::default());
    let ran = project.run(&resolved.result.unwrap());
    let Metrics { test, baseline, verdict, selected, .. } = &ran.report().metrics;
    assert_eq!(selected, &["rmse", "mae", "r2", "directional_accuracy"]);
    let (model, naive) = (test.value("rmse").unwrap(), baseline.as_ref().unwrap().rmse.unwrap());
    assert!(model < 5.0 * naive && naive > 1.0, "{model} and {naive}");
    assert!(test.value("directional_accuracy").unwrap() > 0.3);
    let beats = if model < naive { "stock beats" } else { "stock does not beat" };
    assert!(verdict.as_ref().unwrap().starts_with(beats), "{verdict:?}");
}
