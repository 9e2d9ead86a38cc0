//! Compiles the protocol of the service, without asking for a protoc.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("protos");
    println!("cargo:rerun-if-changed={}", root.display());
    let names = ["templates", "gallery", "search", "sweep", "server"];
    let files = protox::compile(names.map(|name| format!("frbench/v1/{name}.proto")), [root])?;
    let descriptors = Path::new(&std::env::var("OUT_DIR")?).join("frbench.v1.binpb");
    std::fs::write(descriptors, prost_bytes(&files))?;
    tonic_prost_build::configure().bytes(".").codec_path("crate::serve::calls::codec::Strict").compile_fds(files)?;
    Ok(())
}

fn prost_bytes(files: &impl prost::Message) -> Vec<u8> {
    files.encode_to_vec()
}
