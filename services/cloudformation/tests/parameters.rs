//! Values given for parameters.

use undercast_cloudformation::template::ParameterValue;

use crate::support::{given, template};

fn accept(parameter: &str, value: &str) -> Result<ParameterValue, String> {
    let template = template(&format!("Parameters:\n  P: {parameter}\nResources:\n  Q: {{Type: X}}\n"));
    let values = template.parameters(&given(&[("P", value)])).map_err(|error| error.to_string())?;
    values.get("P").cloned().ok_or_else(|| "no value".to_owned())
}

#[test]
fn constraints() {
    let one = |text: &str| Ok(ParameterValue::One(text.into()));
    let list = |items: &[&str]| Ok(ParameterValue::List(items.iter().map(|item| (*item).to_owned()).collect()));
    let no = |text: &str| Err(text.to_owned());
    let cases = [
        ("{Type: String, AllowedValues: [prod, dev]}", "dev", one("dev")),
        ("{Type: String, AllowedValues: [prod, dev]}", "test", no("Parameter 'P' must be one of AllowedValues")),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc", one("abc")),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc1", no("Parameter 'P' must match pattern [a-z]+")),
        ("{Type: String, AllowedPattern: '(?!x).*|y'}", "xa", no("Parameter 'P' must match pattern (?!x).*|y")),
        (
            "{Type: String, AllowedPattern: '[a'}",
            "a",
            no("Parameter 'P' has an AllowedPattern that cannot be used: [a"),
        ),
        (
            "{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: lower case only}",
            "A",
            no("Parameter 'P' failed to satisfy constraint: lower case only"),
        ),
        ("{Type: String, MinLength: 3}", "ab", no("Parameter 'P' must contain at least 3 characters")),
        ("{Type: String, MaxLength: '4'}", "abcde", no("Parameter 'P' must contain at most 4 characters")),
        ("{Type: Number}", "ten", no("Parameter 'P' must be a number.")),
        ("{Type: Number, MinValue: 1}", "0", no("Parameter 'P' must be a number not less than 1")),
        ("{Type: Number, MaxValue: 9.5}", "10", no("Parameter 'P' must be a number not greater than 9.5")),
        ("{Type: Number}", "1.5", one("1.5")),
        ("{Type: List<Number>}", "80, 443", list(&["80", "443"])),
        ("{Type: List<Number>}", "80,x", no("Parameter 'P' must be a number.")),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,b", list(&["a", "b"])),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c", no("Parameter 'P' must be one of AllowedValues")),
        ("{Type: 'AWS::EC2::VPC::Id'}", "vpc-1", one("vpc-1")),
        ("{Type: 'List<AWS::EC2::Subnet::Id>'}", "s-1,s-2", list(&["s-1", "s-2"])),
        (
            "{Type: 'AWS::SSM::Parameter::Value<String>'}",
            "/x",
            no("Unable to fetch parameters [/x] from parameter store for this account."),
        ),
    ];
    for (parameter, value, expected) in cases {
        assert_eq!(accept(parameter, value), expected, "{parameter} with {value}");
    }
}

#[test]
fn missing_unknown_and_default() {
    let template = template(
        "Parameters:\n  A: {Type: String}\n  B: {Type: Number, Default: 5, NoEcho: true}\n  C: {Type: String}\nResources:\n  Q: {Type: X}\n",
    );
    let ask = |values: &[(&str, &str)]| template.parameters(&given(values)).map_err(|error| error.to_string());
    assert_eq!(ask(&[]).map(|_| ()), Err("Parameters: [A, C] must have values".into()));
    assert_eq!(ask(&[("A", "1"), ("X", "2")]).map(|_| ()), Err("Parameters: [X] do not exist in the template".into()));
    let values = ask(&[("C", "c"), ("A", "a")]);
    let names: Vec<String> = values.iter().flat_map(|values| values.keys().cloned()).collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert!(template.parameters["B"].no_echo);
    // A pattern that goes back and forth without end is given up, not waited for.
    let slow = accept("{Type: String, AllowedPattern: '(?=a)(a+)+\\1b'}", &"a".repeat(200));
    assert!(slow.is_err());
}
