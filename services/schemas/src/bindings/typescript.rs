//! Code in TypeScript 3: `Marshaller.unmarshall(event, AWSEvent)`.

use super::Files;
use super::model::{Class, Field, Model, Type, lower_camel, names, quoted};

/// Words of the language are names of members as well, but for this one.
const RESERVED: &[&str] = &["constructor"];

pub(super) fn files(model: &Model, package: &str) -> Files {
    let folder = package.replace('.', "/");
    let mut out: Files = Vec::new();
    for class in &model.classes {
        out.push((format!("{folder}/{}.ts", class.name), class_file(class)));
    }
    let mut index: String =
        model.classes.iter().map(|class| format!("export {{ {0} }} from \"./{0}\";\n", class.name)).collect();
    index.push_str("export { Marshaller } from \"./marshaller/marshaller\";\n");
    out.push((format!("{folder}/index.ts"), index));
    out.push((format!("{folder}/marshaller/marshaller.ts"), MARSHALLER.to_owned()));
    out
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Text => "string".to_owned(),
        Type::Moment => "Date".to_owned(),
        Type::Number | Type::Integer => "number".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Any => "any".to_owned(),
        Type::List(item) => format!("Array<{}>", type_name(item)),
        Type::Map(value) => format!("{{ [key: string]: {} }}", type_name(value)),
        Type::Class(name) => name.clone(),
    }
}

/// How the marshaller reads a type: a name, a class that is asked for later, or one of these in a list.
fn descriptor(of: &Type) -> String {
    match of {
        Type::Moment => "\"Date\"".to_owned(),
        Type::List(item) => format!("{{ list: {} }}", descriptor(item)),
        Type::Map(value) => format!("{{ map: {} }}", descriptor(value)),
        Type::Class(name) => format!("() => {name}"),
        Type::Text | Type::Number | Type::Integer | Type::Boolean | Type::Any => "\"plain\"".to_owned(),
    }
}

/// The classes that a type names.
fn classes(of: &Type) -> Vec<&str> {
    match of {
        Type::Class(name) => vec![name],
        Type::List(inner) | Type::Map(inner) => classes(inner),
        _ => Vec::new(),
    }
}

fn class_file(class: &Class) -> String {
    let names = names(class, lower_camel, RESERVED);
    let mut imported: Vec<&str> = class.fields.iter().flat_map(|field| classes(&field.of)).collect();
    imported.sort_unstable();
    imported.dedup();
    let imports: String = imported
        .iter()
        .filter(|name| **name != class.name)
        .map(|name| format!("import {{ {name} }} from \"./{name}\";\n"))
        .collect();
    let with: Vec<(&String, &Field)> = names.iter().zip(&class.fields).collect();
    let members: String = with
        .iter()
        .map(|(name, field)| {
            format!("  \"{name}\"{}: {};\n", if field.required { "!" } else { "?" }, type_name(&field.of))
        })
        .collect();
    let map: String = with
        .iter()
        .map(|(name, field)| {
            let key = quoted(&field.key);
            format!("    {{ name: \"{name}\", baseName: {key}, type: {} }},\n", descriptor(&field.of))
        })
        .collect();
    let space = if imports.is_empty() { "" } else { "\n" };
    format!(
        "{imports}{space}export class {} {{\n{members}\n  static attributeTypeMap: Array<{{ name: string; baseName: string; type: any }}> = [\n{map}  ];\n}}\n",
        class.name
    )
}

const MARSHALLER: &str = r#"/** Makes objects of what an event has, and the other way round. */
export class Marshaller {
  /** What `JSON.stringify` takes. */
  static marshall(value: any): any {
    if (value === null || value === undefined || typeof value !== "object") {
      return value;
    }
    if (value instanceof Date) {
      return value.toISOString().replace(/\.000Z$/, "Z");
    }
    if (Array.isArray(value)) {
      return value.map((item) => Marshaller.marshall(item));
    }
    const of = value.constructor.attributeTypeMap;
    const found: { [key: string]: any } = {};
    if (!of) {
      for (const key of Object.keys(value)) {
        found[key] = Marshaller.marshall(value[key]);
      }
      return found;
    }
    for (const attribute of of) {
      if (value[attribute.name] !== undefined) {
        found[attribute.baseName] = Marshaller.marshall(value[attribute.name]);
      }
    }
    return found;
  }

  /** An object of a class from what `JSON.parse` gives. */
  static unmarshall<T>(data: any, type: new () => T): T {
    const made: any = new type();
    for (const attribute of (type as any).attributeTypeMap) {
      if (data[attribute.baseName] !== undefined) {
        made[attribute.name] = Marshaller.read(data[attribute.baseName], attribute.type);
      }
    }
    return made;
  }

  private static read(data: any, type: any): any {
    if (data === null || type === "plain") {
      return data;
    }
    if (type === "Date") {
      return new Date(data);
    }
    if (type.list) {
      return data.map((item: any) => Marshaller.read(item, type.list));
    }
    if (type.map) {
      const found: { [key: string]: any } = {};
      for (const key of Object.keys(data)) {
        found[key] = Marshaller.read(data[key], type.map);
      }
      return found;
    }
    return Marshaller.unmarshall(data, type());
  }
}
"#;
