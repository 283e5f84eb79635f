//! Versions and labels against a small model: whatever is put and moved, both agree.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// Version, value, labels.
    Put(usize, u8, Vec<usize>),
    /// Label, from, to.
    Shift(usize, Option<usize>, Option<usize>),
}

const LABELS: &[&str] = &["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "mine"];
const VERSIONS: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let version = 0..VERSIONS;
    let maybe = proptest::option::of(0..VERSIONS);
    prop_oneof![
        2 => (version, 0..2_u8, proptest::collection::vec(0..LABELS.len(), 1..3)).prop_map(|(v, x, l)| Step::Put(v, x, l)),
        3 => (0..LABELS.len(), maybe.clone(), maybe).prop_map(|(l, from, to)| Step::Shift(l, from, to)),
    ]
}

/// What a secret is, as its documentation tells it.
#[derive(Default)]
struct Model {
    values: BTreeMap<usize, u8>,
    labels: BTreeMap<&'static str, usize>,
}

impl Model {
    fn attach(&mut self, label: &'static str, version: usize) {
        let before = self.labels.insert(label, version);
        if let Some(before) = before.filter(|before| label == "AWSCURRENT" && *before != version) {
            self.labels.insert("AWSPREVIOUS", before);
        }
    }

    /// Whether it is done.
    fn put(&mut self, version: usize, value: u8, labels: &[usize]) -> bool {
        if let Some(there) = self.values.get(&version) {
            return *there == value;
        }
        if self.values.is_empty() {
            self.attach("AWSCURRENT", version);
        }
        self.values.insert(version, value);
        labels.iter().for_each(|label| self.attach(LABELS[*label], version));
        true
    }

    fn shift(&mut self, label: usize, from: Option<usize>, to: Option<usize>) -> bool {
        let label = LABELS[label];
        let has = self.labels.get(label).copied();
        if to.is_some_and(|to| !self.values.contains_key(&to)) || (from.is_none() && to.is_none()) {
            return false;
        }
        if to.is_some() && has == to {
            return true;
        }
        if has != from {
            return false;
        }
        match to {
            Some(to) => self.attach(label, to),
            None if label == "AWSCURRENT" => return false,
            None => drop(self.labels.remove(label)),
        }
        true
    }

    fn stages(&self) -> BTreeMap<String, Vec<&'static str>> {
        let mut all: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
        self.labels.iter().for_each(|(label, version)| all.entry(token(*version)).or_default().push(label));
        all
    }
}

async fn run(steps: Vec<Step>) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    ok(&client, "CreateSecret", json!({"Name": "s", "ClientRequestToken": token(99)})).await;
    let mut model = Model::default();
    for step in steps {
        let (operation, input, done) = match &step {
            Step::Put(version, value, labels) => {
                let names: Vec<&str> = labels.iter().map(|label| LABELS[*label]).collect();
                let input = json!({"SecretId": "s", "ClientRequestToken": token(*version), "SecretString": value.to_string(),
                    "VersionStages": names});
                ("PutSecretValue", input, model.put(*version, *value, labels))
            }
            Step::Shift(label, from, to) => {
                let mut input = json!({"SecretId": "s", "VersionStage": LABELS[*label]});
                from.iter().for_each(|from| input["RemoveFromVersionId"] = json!(token(*from)));
                to.iter().for_each(|to| input["MoveToVersionId"] = json!(token(*to)));
                ("UpdateSecretVersionStage", input, model.shift(*label, *from, *to))
            }
        };
        let answer = client.call(SERVICE, operation, input).await;
        assert_eq!(answer.status < 300, done, "{step:?}: {}", answer.json);
        let shown = describe(&client, "s").await;
        let stages = shown.get("VersionIdsToStages").cloned().unwrap_or_else(|| json!({}));
        assert_eq!(stages, json!(model.stages()), "{step:?}");
        for (label, version) in &model.labels {
            let read = ok(&client, "GetSecretValue", json!({"SecretId": "s", "VersionStage": label})).await;
            assert_eq!(read["SecretString"], model.values[version].to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn labels_are_where_the_model_has_them(steps in proptest::collection::vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
