//! Code in Java 8, which Jackson reads and writes: `Marshaller.unmarshalEvent(input, OrderPlaced.class)`.

use super::Files;
use super::model::{Class, Field, Model, Type, lower_camel, names, quoted};

const RESERVED: &[&str] = &[
    "abstract",
    "assert",
    "boolean",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "class",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extends",
    "final",
    "finally",
    "float",
    "for",
    "goto",
    "if",
    "implements",
    "import",
    "instanceof",
    "int",
    "interface",
    "long",
    "native",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "short",
    "static",
    "strictfp",
    "super",
    "switch",
    "synchronized",
    "this",
    "throw",
    "throws",
    "transient",
    "true",
    "false",
    "try",
    "void",
    "volatile",
    "while",
];

pub(super) fn files(model: &Model, package: &str) -> Files {
    let folder = package.replace('.', "/");
    let event = model.detail().is_some();
    let mut out: Files = Vec::new();
    for class in &model.classes {
        // The event of a bus is one for all details.
        let generic = event && class.name == "AWSEvent";
        out.push((format!("{folder}/{}.java", class.name), class_file(class, package, generic)));
    }
    out.push((format!("{folder}/marshaller/Marshaller.java"), marshaller(package, event)));
    out
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Text => "String".to_owned(),
        Type::Moment => "Date".to_owned(),
        Type::Number => "BigDecimal".to_owned(),
        Type::Integer => "Long".to_owned(),
        Type::Boolean => "Boolean".to_owned(),
        Type::Any => "Object".to_owned(),
        Type::List(item) => format!("List<{}>", type_name(item)),
        Type::Map(value) => format!("Map<String, {}>", type_name(value)),
        Type::Class(name) => name.clone(),
    }
}

fn capital(name: &str) -> String {
    name[..1].to_ascii_uppercase() + &name[1..]
}

fn class_file(class: &Class, package: &str, generic: bool) -> String {
    let names = names(class, lower_camel, RESERVED);
    let of = |field: &Field| if generic && field.key == "detail" { "T".to_owned() } else { type_name(&field.of) };
    let (mut fields, mut methods) = (String::new(), String::new());
    for (name, field) in names.iter().zip(&class.fields) {
        let (of, accessor) = (of(field), capital(name));
        // `getClass` is every object's.
        let getter = if accessor == "Class" { "getClass_".to_owned() } else { format!("get{accessor}") };
        let key = quoted(&field.key);
        fields.push_str(&format!("  @JsonProperty({key})\n  private {of} {name};\n\n"));
        methods.push_str(&format!(
            "\n  @JsonIgnore\n  public {of} {getter}() {{\n    return {name};\n  }}\n\n  @JsonIgnore\n  public void set{accessor}({of} {name}) {{\n    this.{name} = {name};\n  }}\n"
        ));
    }
    let parameter = if generic { "<T>" } else { "" };
    let any = if generic { "<?>" } else { "" };
    let equal: String =
        names.iter().map(|name| format!("\n        && Objects.equals(this.{name}, that.{name})")).collect();
    let equal = if equal.is_empty() {
        "that != null".to_owned()
    } else {
        equal.trim_start().trim_start_matches("&& ").to_owned()
    };
    format!(
        "package {package};\n\nimport com.fasterxml.jackson.annotation.JsonIgnore;\nimport com.fasterxml.jackson.annotation.JsonIgnoreProperties;\nimport com.fasterxml.jackson.annotation.JsonInclude;\nimport com.fasterxml.jackson.annotation.JsonProperty;\nimport java.io.Serializable;\nimport java.math.BigDecimal;\nimport java.util.Date;\nimport java.util.List;\nimport java.util.Map;\nimport java.util.Objects;\n\n@JsonIgnoreProperties(ignoreUnknown = true)\n@JsonInclude(JsonInclude.Include.NON_NULL)\npublic class {0}{parameter} implements Serializable {{\n  private static final long serialVersionUID = 1L;\n\n{fields}  public {0}() {{\n  }}\n{methods}\n  @Override\n  public boolean equals(Object other) {{\n    if (!(other instanceof {0})) {{\n      return false;\n    }}\n    {0}{any} that = ({0}{any}) other;\n    return {equal};\n  }}\n\n  @Override\n  public int hashCode() {{\n    return Objects.hash({1});\n  }}\n}}\n",
        class.name,
        names.join(", "),
    )
}

fn marshaller(package: &str, event: bool) -> String {
    let (import, method) = if event {
        let method = "\n  public static <T> AWSEvent<T> unmarshalEvent(InputStream input, Class<T> type) throws IOException {\n    return MAPPER.readValue(input, MAPPER.getTypeFactory().constructParametricType(AWSEvent.class, type));\n  }\n";
        (format!("import {package}.AWSEvent;\n"), method)
    } else {
        (String::new(), "")
    };
    format!(
        "package {package}.marshaller;\n\nimport com.fasterxml.jackson.databind.ObjectMapper;\nimport com.fasterxml.jackson.databind.SerializationFeature;\nimport com.fasterxml.jackson.databind.util.StdDateFormat;\nimport java.io.IOException;\nimport java.io.InputStream;\nimport java.io.OutputStream;\n{import}\npublic class Marshaller {{\n  private static final ObjectMapper MAPPER = new ObjectMapper()\n      .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)\n      .setDateFormat(new StdDateFormat());\n\n  public static void marshal(OutputStream output, Object value) throws IOException {{\n    MAPPER.writeValue(output, value);\n  }}\n\n  public static <T> T unmarshal(InputStream input, Class<T> type) throws IOException {{\n    return MAPPER.readValue(input, type);\n  }}\n{method}}}\n"
    )
}
