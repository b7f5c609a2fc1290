//! Some classes, a few labels, pictures in a table, pictures of another size.

use std::collections::BTreeSet;

use graph::{evaluate, onnx};
use pipeline::{Flow, RunOptions, export_onnx, infer, load_model, plan_transfer, read_inputs, who_saw};
use scheme::ResolvedScheme;
use store::{Store, StoreAddress};
use tensor::Random;

use crate::support::{CONVOLUTIONAL, Project, options};

#[test]
fn a_few_labels_leave_the_rest_unseen() {
    let project = Project::new();
    let text = format!("{}examples_per_class = 4\n{CONVOLUTIONAL}", project.digits());
    let ran = project.run(&project.scheme(&text, &[]));
    let data = &ran.report().data;
    assert_eq!((data.train, data.validation, data.test, data.unused), (12, 0, 60, 188));
    assert!(ran.notices().is_empty(), "{:?}", ran.notices());

    // The list of what the model has seen holds 12 + 60 records of the 260.
    let store = Store::open(&project.store()).unwrap();
    let seen = |part: &str| {
        let path = project.path(&format!("{part}-images"));
        let found = who_saw(&store, path.to_str().unwrap()).unwrap().found;
        found.into_iter().map(|one| one.digest).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((seen("train"), seen("test")), (12, 60));

    // Another seed draws others, so `prepare` is not taken from the store; without the key it would be.
    let other = project.run(&project.scheme(&text, &["seed=2"]));
    assert!(other.worked().contains(&"prepare"), "{:?}", other.worked());
    let whole = format!("{}{CONVOLUTIONAL}", project.digits());
    project.run(&project.scheme(&whole, &["train.epochs=1"])).report();
    let again = project.run(&project.scheme(&whole, &["train.epochs=1", "seed=2"]));
    assert!(!again.worked().contains(&"prepare"), "{:?}", again.worked());
}

#[test]
fn more_labels_to_choose_by_than_to_learn_from_are_told() {
    let project = Project::new();
    let text = format!("{}examples_per_class = 4\n{CONVOLUTIONAL}", project.digits());
    let split = "data.split={train=0.5, validation=0.5}";
    let notices = |more: &str| {
        let ran = project.run(&project.scheme(&text, &[split, more]));
        ran.notices().iter().filter(|text| text.contains("choose the epoch")).count()
    };
    assert_eq!(notices("train.epochs=1"), 1);
    assert_eq!(notices("train.keep=\"last\""), 0, "they choose nothing");
}

#[test]
fn labels_that_are_not_there_point_at_the_scheme() {
    let project = Project::new();
    let text = format!("{}{CONVOLUTIONAL}", project.digits());
    let check = |set: &str, code: &str, message: &str| {
        let scheme = project.scheme(&text, &[set]);
        let ran = project.run(&scheme);
        let (codes, found) = ran.diagnostics();
        assert!(codes.iter().all(|found| *found == code), "{codes:?}");
        assert!(found.contains(message), "{found}");
        let Err(pipeline::RunError::Diagnostics(found)) = &ran.result else { panic!("diagnostics") };
        let key = set.split('=').next().unwrap();
        assert_eq!(found.0[0].labels[0].at, base::Location::Source(scheme.span_of(key).unwrap()));
    };
    check("data.examples_per_class=70", "too-few-examples", "class `c` has 66 examples in the training part");
    check("data.examples_per_class=1000", "too-few-examples", "fewer than the 1000 asked for");
}

/// A table `small.csv` of 60 pictures of 4 x 4, levels 0 to 16, of the three classes of [`Project::digits`].
fn small_pictures(project: &Project) -> String {
    let random = Random::new(5, "small");
    let line = |image: usize| {
        let pixel = |at: usize| {
            let (row, column) = (at / 4, at % 4);
            let bright = [row < 2 && column < 2, row >= 2, row < 2 && column >= 2][image % 3];
            random.below(image as u64, at as u64, 8) + if bright { 8 } else { 0 }
        };
        let levels: Vec<String> = (0..16).map(|at| pixel(at).to_string()).collect();
        format!("{},{}\n", levels.join(","), ["a", "b", "c"][image % 3])
    };
    let path = project.write("small.csv", (0..60).map(line).collect::<String>());
    format!(
        "[data]\nsource = '{}'\nheader = false\ntarget = \"17\"\ntask = \"classification\"\n\
         image = {{ height = 4, width = 4, maximum = 16 }}\nsplit = {{ train = 0.6, test = 0.4 }}\n\
         classes = [\"c\", \"a\", \"b\"]\nexamples_per_class = 3\n",
        path.display()
    )
}

const FRAME: &str = "[preprocess.frame]\nop = \"resize\"\nsize = 8\npad = [1, 0]\n[preprocess.scale]\nop = \"scale\"\ndivide_by = 255\n";

/// A project with the model `parent`, and the scheme of its child `small`, which sees pictures of another size.
fn family() -> (Project, ResolvedScheme) {
    let project = Project::new();
    let parent = format!("name = \"parent\"\n{}{CONVOLUTIONAL}", project.digits());
    project.run(&project.scheme(&parent, &[])).report();
    let data = small_pictures(&project);
    let text = format!("{data}{FRAME}[model]\ninherit = \"parent\"\n[train]\nepochs = 2\nbatch_size = 4\n");
    let scheme = project.scheme(&text, &[]);
    (project, scheme)
}

#[test]
fn pictures_of_another_size_take_the_parents_layers() {
    let (project, scheme) = family();
    let planned = plan_transfer(&scheme, &StoreAddress::Folder(project.store()), &project.store());
    let planned = planned.unwrap().expect("it has a parent");
    assert_eq!(planned.inherited_share, 1.0);
    let actions: Vec<&str> = planned.tensors.iter().map(|tensor| tensor.action.words()).collect();
    assert_eq!(actions, ["copied", "copied", "rows by class name", "rows by class name"]);

    let ran = project.run(&scheme);
    let data = &ran.report().data;
    assert_eq!((&data.example_shape[..], data.train, &data.classes.concat()[..]), (&[1, 4, 4][..], 9, "cab"));

    // The exported file takes the pictures as they are, and answers as the model does.
    let store = Store::open(&project.store()).unwrap();
    let model = load_model(&store, "small").unwrap();
    let inputs = read_inputs(&model, &[project.path("small.csv")]).unwrap();
    assert_eq!(inputs[0].1.shape(), [60, 1, 4, 4]);
    let answers = infer(&model, &inputs, 1).unwrap();
    let bytes = export_onnx(&store, &store.model("small").unwrap()).unwrap();
    let exported = onnx::read(&bytes, "model.onnx".as_ref()).unwrap();
    let given = evaluate(&exported.graph, &[inputs[0].1.clone()]).unwrap();
    for (answer, row) in answers.iter().zip(given[0].values::<f32>().chunks_exact(3)) {
        for ((class, found), expect) in answer.probabilities.iter().zip(row) {
            assert!((found - expect).abs() < 1e-5, "{class}: {found} and {expect}");
        }
    }
}

#[test]
fn resized_pictures_give_the_same_bytes_on_any_number_of_threads() {
    let digest = |threads| {
        let (project, scheme) = family();
        let ran = project
            .run_with(&scheme, &project.store(), RunOptions { threads, ..options() }, |_| Flow::Continue);
        ran.report().digest.clone()
    };
    assert_eq!(digest(1), digest(3));
}
