//! Beginning something new, and looking at what is generated.

use std::path::{Path, PathBuf};

use crate::shell::{Failed, read, root, say, write};

fn service_folder(name: &str) -> PathBuf {
    root().join("services").join(name)
}

/// Prints the generated code of a service.
pub(crate) fn expand(name: &str) -> Result<(), Failed> {
    let model = read(&root().join("models").join(format!("{name}.json")))?;
    let config = read(&service_folder(name).join("api.toml"))?;
    let code =
        undercast_codegen::generate(name, &model, &config, Path::new("")).map_err(|e| Failed::Check(e.to_string()))?;
    say(&code);
    Ok(())
}

/// Begins a service crate.
pub(crate) fn service(name: &str) -> Result<(), Failed> {
    let folder = service_folder(name);
    if !root().join("models").join(format!("{name}.json")).exists() {
        return Err(Failed::Check(format!("there is no model models/{name}.json; services are called as there")));
    }
    if folder.exists() {
        return Err(Failed::Check(format!("services/{name} is there already")));
    }
    let template = read(&service_folder("sts").join("Cargo.toml"))?;
    write(&folder.join("Cargo.toml"), &template.replace("undercast-sts", &format!("undercast-{name}")))?;
    let build = read(&service_folder("sts").join("build.rs"))?;
    write(&folder.join("build.rs"), &build.replace("\"sts\"", &format!("\"{name}\"")))?;
    write(&folder.join("api.toml"), "operations = []\n")?;
    let lib = format!(
        "//! Say here what {name} is, its tables, its limits.\n\npub mod api {{\n    //! The API, generated from its model.\n    include!(concat!(env!(\"OUT_DIR\"), \"/api.rs\"));\n}}\n"
    );
    write(&folder.join("src/lib.rs"), &lib)?;
    say(&format!(
        "services/{name} is begun. Next: read docs/adding-a-service.md, then `./x new operation {name}.<Operation>`."
    ));
    Ok(())
}

/// The list with one more, before the first that comes after it: lists are in order.
fn listed(text: &str, operation: &str) -> String {
    let list =
        text.split_once("operations = [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    let next = list.split('"').skip(1).step_by(2).find(|name| *name > operation);
    match next {
        Some(next) => text.replacen(&format!("\"{next}\""), &format!("\"{operation}\",\n    \"{next}\""), 1),
        None => text.replacen("operations = [", &format!("operations = [\n    \"{operation}\","), 1),
    }
}

/// Begins an operation: it is listed, so that the compiler says what is missing.
pub(crate) fn operation(name: &str) -> Result<(), Failed> {
    let Some((service, operation)) = name.split_once('.') else {
        return Err(Failed::Check(format!("`{name}` is not SERVICE.OPERATION, such as sqs.SendMessage")));
    };
    let path = service_folder(service).join("api.toml");
    let text = read(&path)?;
    if text.contains(&format!("\"{operation}\"")) {
        return Err(Failed::Check(format!("{name} is listed already")));
    }
    let listed = listed(&text, operation);
    let model = read(&root().join("models").join(format!("{service}.json")))?;
    undercast_codegen::generate(service, &model, &listed, Path::new("")).map_err(|e| Failed::Check(e.to_string()))?;
    write(&path, &listed)?;
    say(&format!(
        "{name} is listed. Next: `cargo check -p undercast-{service}` names the method to write; then a case in services/{service}/tests/conformance."
    ));
    Ok(())
}
