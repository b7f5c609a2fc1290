//! From the words of a scheme to those of the data crate.

use data::{Channels, CsvSource, IdxSource, ImagesSource, RowImage, Source, SplitRule, TableFile};
use scheme::{CsvTable, Format, IdxFiles, ImageFolder, ResolvedScheme, Split};

use base::Diagnostic;

use crate::error::RunError;

/// The source of examples that `scheme` names. Panics where the scheme's own checks would have refused.
pub(crate) fn source_of(scheme: &ResolvedScheme) -> Result<Source, RunError> {
    let class_names = scheme.data.class_names.clone().unwrap_or_default();
    match (&scheme.data.format, &scheme.data.source) {
        (Format::Idx(_), scheme::Source::Mnist) => {
            Ok(Source::Embedded { name: "mnist".to_owned(), class_names })
        }
        (Format::Idx(files), _) => Ok(Source::Idx(idx(scheme, files, class_names)?)),
        (Format::Images(folder), scheme::Source::Path(path)) => {
            Ok(Source::Images(images(scheme, folder, path, class_names)?))
        }
        (Format::Csv(table), place) => {
            let file = match place {
                scheme::Source::Stocks | scheme::Source::Digits8x8 => {
                    TableFile::Embedded(place.clone().into())
                }
                scheme::Source::Path(path) => TableFile::Path(path.clone()),
                scheme::Source::Mnist | scheme::Source::Files => return Err(no_source(scheme)),
            };
            Ok(Source::Csv(csv(scheme, table, file, class_names)?))
        }
        _ => Err(no_source(scheme)),
    }
}

fn no_source(scheme: &ResolvedScheme) -> RunError {
    missing(scheme, "data.source", "the data has no source of its format")
}

fn missing(scheme: &ResolvedScheme, key: &str, message: &str) -> RunError {
    let diagnostic = Diagnostic::new("missing-source", message);
    match scheme.span_of(key) {
        Some(span) => diagnostic.at(span, "").into(),
        None => diagnostic.into(),
    }
}

fn idx(scheme: &ResolvedScheme, files: &IdxFiles, class_names: Vec<String>) -> Result<IdxSource, RunError> {
    let (Some(images), Some(labels)) = (&files.images, &files.labels) else {
        return Err(missing(scheme, "data", "IDX data needs both `images` and `labels`"));
    };
    let test = files.test_images.clone().zip(files.test_labels.clone());
    Ok(IdxSource { images: images.clone(), labels: labels.clone(), test, class_names })
}

fn images(
    scheme: &ResolvedScheme,
    folder: &ImageFolder,
    path: &std::path::Path,
    class_names: Vec<String>,
) -> Result<ImagesSource, RunError> {
    Ok(ImagesSource {
        folder: path.to_owned(),
        channels: channels(scheme, "data.channels", folder.channels)?,
        height: folder.height,
        width: folder.width,
        class_names,
    })
}

fn channels(scheme: &ResolvedScheme, key: &str, count: usize) -> Result<Channels, RunError> {
    let colours = Channels::from_count(count);
    colours.ok_or_else(|| missing(scheme, key, "images have 1 channel (grey) or 3 (red, green, blue)"))
}

fn csv(
    scheme: &ResolvedScheme,
    table: &CsvTable,
    file: TableFile,
    class_names: Vec<String>,
) -> Result<CsvSource, RunError> {
    let image = match &table.image {
        None => None,
        Some(image) => Some(RowImage {
            channels: channels(scheme, "data.image.channels", image.channels)?,
            height: image.height,
            width: image.width,
            maximum: image.maximum,
        }),
    };
    Ok(CsvSource {
        file,
        header: table.header,
        features: table.features.clone(),
        target: table.target.clone(),
        task: match table.task {
            scheme::Task::Classification => data::Task::Classification,
            scheme::Task::Regression => data::Task::Regression,
        },
        filter: table
            .filter
            .as_ref()
            .map(|filter| data::Filter { column: filter.column.clone(), equals: filter.equals.clone() }),
        adjust: table.adjust.as_ref().map(|adjust| data::Adjust {
            columns: adjust.columns.clone(),
            numerator: adjust.numerator.clone(),
            denominator: adjust.denominator.clone(),
        }),
        order: table.order.clone(),
        window: table.window,
        horizon: table.horizon,
        target_form: match table.target_form {
            scheme::TargetForm::Value => data::TargetForm::Value,
            scheme::TargetForm::Return => data::TargetForm::Return,
        },
        image,
        class_names,
    })
}

/// How `scheme` divides the examples.
pub(crate) fn split_rule(scheme: &ResolvedScheme) -> SplitRule {
    let fractions = |fractions: &scheme::Fractions| data::Fractions {
        train: fractions.train,
        validation: fractions.validation,
        test: fractions.test,
    };
    match &scheme.data.split {
        Split::Content { fractions: parts, salt } => {
            SplitRule::Content { fractions: fractions(parts), salt: salt.clone() }
        }
        Split::Order { fractions: parts } => SplitRule::Order { fractions: fractions(parts) },
        Split::From { validation_from, test_from } => {
            SplitRule::Keys { validation_from: validation_from.clone(), test_from: Some(test_from.clone()) }
        }
    }
}
