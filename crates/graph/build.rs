//! Generates the ONNX message types, and the table by which their size is bounded before they are decoded.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

use protox::Compiler;
use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/onnx.proto");
    let mut compiler = Compiler::new(["proto"])?;
    compiler.open_file("onnx.proto")?;
    // Comments would become doc comments, and their examples doc tests.
    prost_build::Config::new()
        .disable_comments(["."])
        // Rare and large: without boxes every attribute takes 1.6 kB.
        .boxed(".onnx.AttributeProto.t")
        .boxed(".onnx.AttributeProto.sparse_tensor")
        .boxed(".onnx.AttributeProto.tp")
        .compile_fds(compiler.file_descriptor_set())?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("layout.rs"), layout(&compiler.descriptor_pool())?)?;
    Ok(())
}

/// The table of all messages: for each its name and its fields with number and kind.
fn layout(pool: &DescriptorPool) -> Result<String, std::fmt::Error> {
    let names: Vec<String> = pool.all_messages().map(|message| message.full_name().to_owned()).collect();
    let kind = |field: &FieldDescriptor| match field.kind() {
        Kind::Message(message) => {
            let index = names.iter().position(|name| name == message.full_name());
            format!("FieldKind::Message({})", index.expect("every message is listed"))
        }
        Kind::String | Kind::Bytes => "FieldKind::Bytes".to_owned(),
        _ => "FieldKind::Number".to_owned(),
    };
    let mut text = String::from("static LAYOUT: &[MessageLayout] = &[\n");
    for message in pool.all_messages() {
        write!(text, "    MessageLayout {{ name: \"{}\", fields: &[", message.full_name())?;
        for field in message.fields() {
            write!(text, "({}, {}), ", field.number(), kind(&field))?;
        }
        text.push_str("] },\n");
    }
    text.push_str("];\n");
    Ok(text)
}
