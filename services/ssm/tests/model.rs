//! Versions and labels against a small model: whatever is put and labelled, both agree.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put(u8),
    /// Label, version.
    Label(usize, Option<i64>),
    Unlabel(usize, i64),
    Delete,
}

const LABELS: [&str; 3] = ["a", "b", "c"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u8>().prop_map(Step::Put),
        4 => (0..3_usize, proptest::option::of(1..6_i64)).prop_map(|(label, version)| Step::Label(label, version)),
        2 => (0..3_usize, 1..6_i64).prop_map(|(label, version)| Step::Unlabel(label, version)),
        1 => Just(Step::Delete),
    ]
}

/// What a parameter is, as its documentation tells it.
#[derive(Default)]
struct Model {
    values: Vec<u8>,
    labels: BTreeMap<&'static str, i64>,
}

impl Model {
    fn newest(&self) -> i64 {
        i64::try_from(self.values.len()).unwrap()
    }

    fn has(&self, version: i64) -> bool {
        (1..=self.newest()).contains(&version)
    }
}

async fn apply(client: &Client, model: &mut Model, step: &Step) {
    match step {
        Step::Put(value) => {
            let input = json!({"Name": "/p", "Value": value.to_string(), "Type": "String", "Overwrite": true});
            model.values.push(*value);
            assert_eq!(ok(client, "PutParameter", input).await["Version"], model.newest());
        }
        Step::Label(label, version) => {
            let mut input = json!({"Name": "/p", "Labels": [LABELS[*label]]});
            version.iter().for_each(|version| input["ParameterVersion"] = json!(version));
            let wanted = version.unwrap_or(model.newest());
            let answer = client.call(SERVICE, "LabelParameterVersion", input).await;
            assert_eq!(answer.status < 300, model.has(wanted), "{step:?}: {}", answer.json);
            if model.has(wanted) {
                model.labels.insert(LABELS[*label], wanted);
            }
        }
        Step::Unlabel(label, version) => {
            let input = json!({"Name": "/p", "Labels": [LABELS[*label]], "ParameterVersion": version});
            let answer = client.call(SERVICE, "UnlabelParameterVersion", input).await;
            assert_eq!(answer.status < 300, model.has(*version), "{step:?}: {}", answer.json);
            model.labels.retain(|name, at| *name != LABELS[*label] || at != version);
        }
        Step::Delete => {
            let answer = client.call(SERVICE, "DeleteParameter", json!({"Name": "/p"})).await;
            assert_eq!(answer.status < 300, !model.values.is_empty());
            *model = Model::default();
        }
    }
}

async fn run(steps: Vec<Step>) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    let mut model = Model::default();
    for step in steps {
        apply(&client, &mut model, &step).await;
        let selectors = (1..6).map(|version| (version.to_string(), Some(version)));
        let labels = LABELS.iter().map(|label| ((*label).to_owned(), model.labels.get(label).copied()));
        for (selector, version) in selectors.chain(labels) {
            let version = version.filter(|version| model.has(*version));
            let read = client.call(SERVICE, "GetParameter", json!({"Name": format!("/p:{selector}")})).await;
            match version {
                Some(version) => {
                    let value = model.values[usize::try_from(version).unwrap() - 1];
                    let found = read.ok()["Parameter"].clone();
                    assert_eq!((&found["Value"], &found["Version"]), (&json!(value.to_string()), &json!(version)));
                }
                None => assert!(read.status >= 400, "{step:?} {selector}: {}", read.json),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn versions_and_labels_are_where_the_model_has_them(steps in proptest::collection::vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
