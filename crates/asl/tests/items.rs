//! The items of maps: those of a state's input, of files, and in batches.

use serde_json::{Value, json};
use undercast_asl::{
    BatcherLimits, CsvHeaders, Effective, InputType, Kind, ManifestType, Map, ReaderConfig, batches, manifest,
    read_items,
};

use crate::support::{machine, within};

fn map(more: &Value, distributed: bool) -> Map {
    let mut processor = json!({"StartAt": "I", "States": {"I": {"Type": "Succeed"}}});
    if distributed {
        processor["ProcessorConfig"] = json!({"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"});
    }
    let mut state = json!({"Type": "Map", "ItemProcessor": processor, "End": true});
    for (name, value) in more.as_object().unwrap() {
        state[name] = value.clone();
    }
    let machine = machine(&json!({"StartAt": "M", "States": {"M": state}}));
    let Kind::Map(map) = &machine.first().unwrap().kind else { panic!("no map") };
    (**map).clone()
}

fn items(more: &Value, distributed: bool, input: &Value) -> Result<Value, String> {
    let map = map(more, distributed);
    within(input, &json!({"v": [7]}), |scope| {
        let effective = Effective { selected: input.clone(), value: input.clone() };
        map.items(scope, &effective).map(Value::Array).map_err(|failure| failure.to_string())
    })
}

#[test]
fn items_are_found() {
    let input = json!({"a": [1, 2], "o": {"x": 1}, "n": 5});
    assert_eq!(items(&json!({"ItemsPath": "$.a"}), false, &input), Ok(json!([1, 2])));
    assert_eq!(items(&json!({"ItemsPath": "$v"}), false, &input), Ok(json!([7])));
    assert_eq!(items(&json!({}), false, &json!([3])), Ok(json!([3])));
    assert_eq!(items(&json!({"ItemsPath": "$.o"}), true, &input), Ok(json!([{"Key": "x", "Value": 1}])));
    let refused = |path: &str| Err(format!("States.Runtime: Reference path \"{path}\" must point to array."));
    assert_eq!(items(&json!({"ItemsPath": "$.o"}), false, &input), refused("$.o"));
    assert_eq!(items(&json!({"ItemsPath": "$.n"}), true, &input), refused("$.n"));
    let missing = "States.Runtime: Invalid path '$.z' : No results for path: $['z']";
    assert_eq!(items(&json!({"ItemsPath": "$.z"}), false, &input), Err(missing.to_owned()));
    let jsonata = |value: Value| json!({"QueryLanguage": "JSONata", "Items": value});
    assert_eq!(items(&jsonata(json!("{% $states.input.a %}")), false, &input), Ok(json!([1, 2])));
    assert_eq!(items(&jsonata(json!([1, "{% $states.input.n %}"])), false, &input), Ok(json!([1, 5])));
    assert_eq!(items(&json!({"QueryLanguage": "JSONata"}), false, &json!([9])), Ok(json!([9])));
    let found = items(&jsonata(json!("{% $states.input.n %}")), false, &input);
    assert!(found.unwrap_err().ends_with("Expected 'array', but was 'number' for value: 5"));
}

#[test]
fn items_are_selected() {
    let input = json!({"k": 1});
    let effective = Effective { selected: input.clone(), value: input.clone() };
    let selected = |more: &Value| {
        let map = map(more, false);
        within(&input, &json!({}), |scope| map.item_input(scope, &effective, json!("item")).unwrap())
    };
    assert_eq!(selected(&json!({})), json!("item"));
    assert_eq!(selected(&json!({"ItemSelector": {"s.$": "$$.State.Name", "k.$": "$.k"}})), json!({"s": "S", "k": 1}));
    assert_eq!(selected(&json!({"Parameters": {"k.$": "$.k"}})), json!({"k": 1}));
    let jsonata = json!({"QueryLanguage": "JSONata", "ItemSelector": {"k": "{% $states.input.k %}"}});
    assert_eq!(selected(&jsonata), json!({"k": 1}));
}

#[test]
fn limits_of_batches_are_reckoned() {
    let input = json!({"n": 3, "z": 0, "t": "x"});
    let effective = Effective { selected: input.clone(), value: input.clone() };
    let limits = |batcher: Value| {
        let batcher = map(&json!({"ItemBatcher": batcher}), true).item_batcher.unwrap();
        within(&input, &json!({}), |scope| batcher.limits(scope, &effective).map_err(|failure| failure.to_string()))
    };
    let both = limits(json!({"MaxItemsPerBatchPath": "$.n", "MaxInputBytesPerBatch": 100}));
    assert_eq!(both, Ok(BatcherLimits { items: Some(3), bytes: Some(100) }));
    let zero = "States.Runtime: MaxItemsPerBatch must be a positive integer, but was: 0";
    assert_eq!(limits(json!({"MaxItemsPerBatchPath": "$.z"})), Err(zero.to_owned()));
    let text = "States.Runtime: The MaxItemsPerBatchPath parameter cannot be parsed as a long value: $.t == x";
    assert_eq!(limits(json!({"MaxItemsPerBatchPath": "$.t"})), Err(text.to_owned()));
}

fn read(kind: InputType, bytes: &str, config: ReaderConfig, most: Option<u64>) -> Result<Value, String> {
    let config = ReaderConfig { input_type: Some(kind), ..config };
    read_items(bytes.as_bytes(), &config, most).map(Value::Array).map_err(|failure| failure.to_string())
}

#[test]
fn csv_is_read() {
    let csv = |text: &str, config, most| read(InputType::Csv, text, config, most);
    let first = ReaderConfig::default;
    assert_eq!(csv("a,b\n1,\"x, y\"\n2,\n", first(), None), Ok(json!([{"a": "1", "b": "x, y"}, {"a": "2", "b": ""}])));
    assert_eq!(csv("a,b\r\n1\r\n1,2,3\r\n", first(), None), Ok(json!([{"a": "1", "b": ""}, {"a": "1", "b": "2"}])));
    assert_eq!(csv("\u{feff}a\n\"l1\nl2\"\n\n3\n", first(), None), Ok(json!([{"a": "l1\nl2"}, {"a": "3"}])));
    assert_eq!(csv("a\n1\n2\n3\n", first(), Some(2)), Ok(json!([{"a": "1"}, {"a": "2"}])));
    assert_eq!(csv("", first(), None), Ok(json!([])));
    let given = |delimiter| ReaderConfig {
        csv_headers: CsvHeaders::Given(vec!["x".to_owned(), "y".to_owned()]),
        csv_delimiter: Some(delimiter),
        ..ReaderConfig::default()
    };
    assert_eq!(csv("1|2\n", given('|'), None), Ok(json!([{"x": "1", "y": "2"}])));
    assert_eq!(csv("1\t2\n", given('\t'), None), Ok(json!([{"x": "1", "y": "2"}])));
    let broken = read_items(b"a\n\xff\n", &ReaderConfig { input_type: Some(InputType::Csv), ..first() }, None);
    assert!(broken.unwrap_err().to_string().starts_with("States.ItemReaderFailed: The CSV file cannot be read"));
}

#[test]
fn json_is_read() {
    let json_at = |text: &str, pointer: Option<&str>, most| {
        let config = ReaderConfig { items_pointer: pointer.map(str::to_owned), ..ReaderConfig::default() };
        read(InputType::Json, text, config, most)
    };
    assert_eq!(json_at("[1, {\"a\": 2}]", None, None), Ok(json!([1, {"a": 2}])));
    assert_eq!(json_at("[1, 2, 3]", None, Some(2)), Ok(json!([1, 2])));
    assert_eq!(json_at("{\"a\": {\"b\": [1]}}", Some("/a/b"), None), Ok(json!([1])));
    assert_eq!(json_at("{\"a\": 1}", None, None), Ok(json!([{"Key": "a", "Value": 1}])));
    let failed = |why: &str| Err(format!("States.ItemReaderFailed: {why}"));
    let pointer = "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.";
    assert_eq!(json_at("{\"a\": 1}", Some("/b"), None), failed(pointer));
    assert_eq!(json_at("{\"a\": 1}", Some("/a"), None), failed("Attempting to map over non-iterable node."));
    assert!(json_at("oops", None, None).is_err());
    let lines = |text: &str, most| read(InputType::JsonLines, text, ReaderConfig::default(), most);
    assert_eq!(lines("{\"a\":1}\r\n\n[2]\n", None), Ok(json!([{"a": 1}, [2]])));
    assert_eq!(lines("1\n2\n3", Some(2)), Ok(json!([1, 2])));
    assert!(lines("1\noops\n", None).unwrap_err().starts_with("States.ItemReaderFailed: Line 2 is no JSON"));
    assert_eq!(
        read(InputType::Parquet, "", ReaderConfig::default(), None),
        failed("Undercast does not read Parquet as the items of a Map.")
    );
    let manifest = failed("A manifest names files, and holds no items itself.");
    assert_eq!(read(InputType::Manifest, "", ReaderConfig::default(), None), manifest);
}

#[test]
fn manifests_are_read() {
    let inventory = json!({
        "destinationBucket": "arn:aws:s3:::list", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "data/1.csv.gz", "size": 5, "MD5checksum": "x"}, {"key": "data/2.csv.gz"}],
    });
    let found = manifest(inventory.to_string().as_bytes(), ManifestType::S3Inventory).unwrap();
    assert_eq!(found.columns, ["Bucket", "Key", "Size"]);
    let files: Vec<_> = found.files.iter().map(|file| format!("{}/{}", file.bucket, file.key)).collect();
    assert_eq!(files, ["list/data/1.csv.gz", "list/data/2.csv.gz"]);
    for (name, value) in [
        ("fileFormat", json!("ORC")),
        ("files", json!(1)),
        ("destinationBucket", json!(null)),
        ("fileSchema", json!(null)),
    ] {
        let mut broken = inventory.clone();
        broken[name] = value;
        let failure = manifest(broken.to_string().as_bytes(), ManifestType::S3Inventory).unwrap_err();
        assert_eq!(failure.error, "States.ItemReaderFailed", "{name}");
    }
    let athena = manifest(b"s3://b/k/1.csv\ns3://b/k/2.csv\n", ManifestType::AthenaData).unwrap();
    assert_eq!((athena.files.len(), &*athena.files[1].bucket, &*athena.files[1].key), (2, "b", "k/2.csv"));
    let failure = manifest(b"http://x\n", ManifestType::AthenaData).unwrap_err();
    assert_eq!(failure.cause, "'http://x' is not the URI of an S3 object.");
}

#[test]
fn batches_have_limits() {
    let numbers = |n: u64| (0..n).map(Value::from).collect::<Vec<_>>();
    let by_items = BatcherLimits { items: Some(2), bytes: None };
    let found = batches(numbers(5), by_items, Some(&json!({"f": 1}))).unwrap();
    assert_eq!(
        found,
        [
            json!({"BatchInput": {"f": 1}, "Items": [0, 1]}),
            json!({"BatchInput": {"f": 1}, "Items": [2, 3]}),
            json!({"BatchInput": {"f": 1}, "Items": [4]}),
        ]
    );
    // {"Items":[0,1,2]} has 17 bytes.
    let by_bytes = BatcherLimits { items: None, bytes: Some(17) };
    let found = batches(numbers(4), by_bytes, None).unwrap();
    assert_eq!(found, [json!({"Items": [0, 1, 2]}), json!({"Items": [3]})]);
    assert_eq!(batches(Vec::new(), by_items, None).unwrap(), Vec::<Value>::new());
    let failure = batches(vec![json!("too long for it")], by_bytes, None).unwrap_err();
    assert_eq!(failure.error, "States.ItemReaderFailed");
}
