//! Code in Go: `orderplaced.UnmarshalEvent(input)`.

use super::Files;
use super::model::{Class, Model, Type, names, quoted, snake, upper_camel};

pub(super) fn files(model: &Model, package: &str) -> Files {
    let folder = package.replace('.', "/");
    let package = package.rsplit('.').next().unwrap_or("schema");
    let mut out: Files = vec![(format!("{folder}/marshaller.go"), marshaller(package, &model.root))];
    for class in &model.classes {
        // Without underscores, behind which Go looks for tests and for names of systems.
        let mut file = snake(&class.name).replace('_', "");
        while out.iter().any(|(path, _)| *path == format!("{folder}/{file}.go")) {
            file.push('2');
        }
        out.push((format!("{folder}/{file}.go"), class_file(class, package)));
    }
    out
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Text => "string".to_owned(),
        Type::Moment => "time.Time".to_owned(),
        Type::Number => "float64".to_owned(),
        Type::Integer => "int64".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Any => "interface{}".to_owned(),
        Type::List(item) => format!("[]{}", type_name(item)),
        Type::Map(value) => format!("map[string]{}", type_name(value)),
        Type::Class(name) => exported(name),
    }
}

/// Only names that begin with a capital are seen from outside.
fn exported(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_uppercase()) { name.to_owned() } else { format!("X{name}") }
}

/// A property that may be missing is a pointer, where nothing else says that it is.
fn field_type(of: &Type, required: bool) -> String {
    let name = type_name(of);
    let absent = matches!(of, Type::Any | Type::List(_) | Type::Map(_));
    // A class may have itself as a part.
    let pointer = matches!(of, Type::Class(_)) || !(required || absent);
    if pointer { format!("*{name}") } else { name }
}

/// Whether a tag can say a name.
///
/// Source: the documentation of `encoding/json`, Marshal.
fn can_be_named(key: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "!#$%&()*+-./:;<=>?@[]^_{|}~ ".contains(c);
    !key.is_empty() && key != "-" && key.chars().all(allowed)
}

fn has_moment(of: &Type) -> bool {
    match of {
        Type::Moment => true,
        Type::List(inner) | Type::Map(inner) => has_moment(inner),
        _ => false,
    }
}

fn class_file(class: &Class, package: &str) -> String {
    let names = names(class, upper_camel, &[]);
    let import =
        if class.fields.iter().any(|field| has_moment(&field.of)) { "import (\n\t\"time\"\n)\n\n" } else { "" };
    let mut fields = String::new();
    for (name, field) in names.iter().zip(&class.fields) {
        let of = field_type(&field.of, field.required);
        let absent = if field.required { "" } else { ",omitempty" };
        if can_be_named(&field.key) {
            fields.push_str(&format!("\t{name} {of} `json:\"{}{absent}\"`\n", field.key));
        } else {
            let key = quoted(&field.key);
            fields.push_str(&format!("\t// encoding/json knows no way to say {key}\n\t{name} {of} `json:\"-\"`\n"));
        }
    }
    format!("package {package}\n\n{import}type {} struct {{\n{fields}}}\n", exported(&class.name))
}

fn marshaller(package: &str, root: &str) -> String {
    let root = exported(root);
    format!(
        "package {package}\n\nimport (\n\t\"encoding/json\"\n)\n\n// Marshal writes an event.\nfunc Marshal(event interface{{}}) ([]byte, error) {{\n\treturn json.Marshal(event)\n}}\n\n// UnmarshalEvent reads an event.\nfunc UnmarshalEvent(input []byte) ({root}, error) {{\n\tvar event {root}\n\terr := json.Unmarshal(input, &event)\n\treturn event, err\n}}\n"
    )
}
