//! Calls in any order against a small model of who has what: each is answered as the model says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const NAMES: usize = 2;
const POLICIES: usize = 2;

/// A call, by numbers.
#[derive(Debug, Clone, Copy)]
enum Act {
    Create(usize, usize),
    Delete(usize, usize),
    Put(usize, usize),
    Unput(usize, usize),
    Attach(usize, usize, usize),
    Detach(usize, usize, usize),
    Join(usize, usize),
    Leave(usize, usize),
    Hand(usize),
    Take(usize),
    CreatePolicy(usize),
    DeletePolicy(usize),
    Key(usize),
    Rename(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let (word, name, policy) = (0..3_usize, 0..NAMES, 0..POLICIES);
    prop_oneof![
        4 => (word.clone(), name.clone()).prop_map(|(w, n)| Act::Create(w, n)),
        3 => (word.clone(), name.clone()).prop_map(|(w, n)| Act::Delete(w, n)),
        1 => (word.clone(), name.clone()).prop_map(|(w, n)| Act::Put(w, n)),
        1 => (word.clone(), name.clone()).prop_map(|(w, n)| Act::Unput(w, n)),
        2 => (word.clone(), name.clone(), policy.clone()).prop_map(|(w, n, p)| Act::Attach(w, n, p)),
        2 => (word, name.clone(), policy.clone()).prop_map(|(w, n, p)| Act::Detach(w, n, p)),
        2 => (name.clone(), name.clone()).prop_map(|(u, g)| Act::Join(u, g)),
        2 => (name.clone(), name.clone()).prop_map(|(u, g)| Act::Leave(u, g)),
        1 => name.clone().prop_map(Act::Hand),
        1 => name.clone().prop_map(Act::Take),
        3 => policy.clone().prop_map(Act::CreatePolicy),
        2 => policy.prop_map(Act::DeletePolicy),
        1 => name.clone().prop_map(Act::Key),
        1 => name.prop_map(Act::Rename),
    ]
}

const WORDS: [&str; 3] = ["User", "Group", "Role"];

#[derive(Debug, Default)]
struct Has {
    inline: bool,
    attached: BTreeSet<usize>,
    groups: BTreeSet<usize>,
    keys: usize,
    /// How often a user was renamed: its name has so many letters at the end.
    renamed: usize,
}

/// What there is: by kind and number.
#[derive(Debug, Default)]
struct Model {
    all: BTreeMap<(usize, usize), Has>,
    policies: BTreeSet<usize>,
    /// The role in the one instance profile.
    handed: Option<usize>,
}

const MISSING: &str = "NoSuchEntityException";
const THERE: &str = "EntityAlreadyExistsException";
const CONFLICT: &str = "DeleteConflictException";
const LIMIT: &str = "LimitExceededException";

impl Model {
    fn name(&self, word: usize, n: usize) -> String {
        let renamed = self.all.get(&(word, n)).map_or(0, |has| has.renamed);
        format!("{}{n}{}", WORDS[word].to_lowercase(), "x".repeat(renamed))
    }

    /// Changes what there is, or says how the call is refused.
    fn take(&mut self, act: Act) -> Result<(), &'static str> {
        match act {
            Act::Create(w, n) if self.all.contains_key(&(w, n)) => Err(THERE),
            Act::Create(w, n) => {
                self.all.insert((w, n), Has::default());
                Ok(())
            }
            Act::Delete(w, n) => {
                let has = self.all.get(&(w, n)).ok_or(MISSING)?;
                let members = w == 1 && self.all.iter().any(|((w, _), has)| *w == 0 && has.groups.contains(&n));
                let handed = w == 2 && self.handed == Some(n);
                if has.inline || !has.attached.is_empty() || !has.groups.is_empty() || has.keys > 0 || members || handed
                {
                    return Err(CONFLICT);
                }
                self.all.remove(&(w, n));
                Ok(())
            }
            Act::Put(w, n) => self.with(w, n, |has| {
                has.inline = true;
                Ok(())
            }),
            Act::Unput(w, n) => {
                self.with(w, n, |has| if std::mem::take(&mut has.inline) { Ok(()) } else { Err(MISSING) })
            }
            Act::Attach(w, n, p) => {
                let there = self.policies.contains(&p);
                self.with(w, n, |has| {
                    if !there {
                        return Err(MISSING);
                    }
                    has.attached.insert(p);
                    Ok(())
                })
            }
            Act::Detach(w, n, p) => self.with(w, n, |has| if has.attached.remove(&p) { Ok(()) } else { Err(MISSING) }),
            Act::Join(u, g) => {
                self.with(1, g, |_| Ok(()))?;
                self.with(0, u, |has| {
                    has.groups.insert(g);
                    Ok(())
                })
            }
            Act::Leave(u, g) => {
                self.with(1, g, |_| Ok(()))?;
                self.with(0, u, |has| if has.groups.remove(&g) { Ok(()) } else { Err(MISSING) })
            }
            Act::Hand(n) => {
                self.with(2, n, |_| Ok(()))?;
                if self.handed.is_some() {
                    return Err(LIMIT);
                }
                self.handed = Some(n);
                Ok(())
            }
            Act::Take(n) => {
                if self.handed != Some(n) {
                    return Err(MISSING);
                }
                self.handed = None;
                Ok(())
            }
            Act::CreatePolicy(p) => {
                if self.policies.insert(p) {
                    Ok(())
                } else {
                    Err(THERE)
                }
            }
            Act::DeletePolicy(p) if !self.policies.contains(&p) => Err(MISSING),
            Act::DeletePolicy(p) if self.all.values().any(|has| has.attached.contains(&p)) => Err(CONFLICT),
            Act::DeletePolicy(p) => {
                self.policies.remove(&p);
                Ok(())
            }
            Act::Key(n) => self.with(0, n, |has| {
                if has.keys == 2 {
                    return Err(LIMIT);
                }
                has.keys += 1;
                Ok(())
            }),
            Act::Rename(n) => self.with(0, n, |has| {
                has.renamed += 1;
                Ok(())
            }),
        }
    }

    fn with<T>(
        &mut self,
        word: usize,
        n: usize,
        change: impl FnOnce(&mut Has) -> Result<T, &'static str>,
    ) -> Result<T, &'static str> {
        change(self.all.get_mut(&(word, n)).ok_or(MISSING)?)
    }

    fn call(&self, act: Act) -> (String, Json) {
        let document = allow("sqs:*", "*");
        let arn = |p: usize| format!("arn:aws:iam::000000000000:policy/policy{p}");
        let of = |w: usize, n: usize| json!({format!("{}Name", WORDS[w]): self.name(w, n)});
        let with = |mut all: Json, more: Json| {
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        match act {
            Act::Create(2, n) => {
                let trust = trust(&json!({"Service": "ec2.amazonaws.com"}));
                ("CreateRole".to_owned(), with(of(2, n), json!({"AssumeRolePolicyDocument": trust})))
            }
            Act::Create(w, n) => (format!("Create{}", WORDS[w]), of(w, n)),
            Act::Delete(w, n) => (format!("Delete{}", WORDS[w]), of(w, n)),
            Act::Put(w, n) => (
                format!("Put{}Policy", WORDS[w]),
                with(of(w, n), json!({"PolicyName": "own", "PolicyDocument": document})),
            ),
            Act::Unput(w, n) => (format!("Delete{}Policy", WORDS[w]), with(of(w, n), json!({"PolicyName": "own"}))),
            Act::Attach(w, n, p) => (format!("Attach{}Policy", WORDS[w]), with(of(w, n), json!({"PolicyArn": arn(p)}))),
            Act::Detach(w, n, p) => (format!("Detach{}Policy", WORDS[w]), with(of(w, n), json!({"PolicyArn": arn(p)}))),
            Act::Join(u, g) => ("AddUserToGroup".to_owned(), with(of(0, u), of(1, g))),
            Act::Leave(u, g) => ("RemoveUserFromGroup".to_owned(), with(of(0, u), of(1, g))),
            Act::Hand(n) => {
                ("AddRoleToInstanceProfile".to_owned(), with(of(2, n), json!({"InstanceProfileName": "ip"})))
            }
            Act::Take(n) => {
                ("RemoveRoleFromInstanceProfile".to_owned(), with(of(2, n), json!({"InstanceProfileName": "ip"})))
            }
            Act::CreatePolicy(p) => {
                ("CreatePolicy".to_owned(), json!({"PolicyName": format!("policy{p}"), "PolicyDocument": document}))
            }
            Act::DeletePolicy(p) => ("DeletePolicy".to_owned(), json!({"PolicyArn": arn(p)})),
            Act::Key(n) => ("CreateAccessKey".to_owned(), of(0, n)),
            Act::Rename(n) => {
                ("UpdateUser".to_owned(), with(of(0, n), json!({"NewUserName": format!("{}x", self.name(0, n))})))
            }
        }
    }

    /// Nothing that was refused has left a trace.
    async fn compare(&self, client: &Client) {
        let names = |w: usize| -> BTreeSet<String> {
            self.all.keys().filter(|(word, _)| *word == w).map(|(w, n)| self.name(*w, *n)).collect()
        };
        let all = client.call("iam", "GetAccountAuthorizationDetails", json!({})).await.ok();
        for (w, list) in [(0, "UserDetailList"), (1, "GroupDetailList"), (2, "RoleDetailList")] {
            let found = all[list].as_array().unwrap();
            let found: BTreeSet<String> =
                found.iter().map(|e| e[format!("{}Name", WORDS[w])].as_str().unwrap().to_owned()).collect();
            assert_eq!(found, names(w));
        }
        for ((w, n), has) in &self.all {
            let (word, name) = (WORDS[*w], self.name(*w, *n));
            let input = json!({format!("{word}Name"): name});
            let attached = client.call("iam", &format!("ListAttached{word}Policies"), input).await.ok();
            assert_eq!(attached["AttachedPolicies"].as_array().unwrap().len(), has.attached.len());
        }
        for n in 0..NAMES {
            let members = self.all.iter().filter(|((w, _), has)| *w == 0 && has.groups.contains(&n)).count();
            if self.all.contains_key(&(1, n)) {
                let shown = client.call("iam", "GetGroup", json!({"GroupName": self.name(1, n)})).await.ok();
                assert_eq!(shown["Users"].as_array().unwrap().len(), members);
            }
        }
    }
}

async fn play(acts: Vec<Act>) {
    let cloud = Cloud::start(services()).await;
    let client = cloud.client();
    client.call("iam", "CreateInstanceProfile", json!({"InstanceProfileName": "ip"})).await.ok();
    let mut model = Model::default();
    for act in acts {
        let (operation, input) = model.call(act);
        let wanted = model.take(act);
        let answer = client.call("iam", &operation, input.clone()).await;
        match wanted {
            Ok(()) => assert_eq!(answer.status, 200, "{operation} {input}: {}", answer.json),
            Err(code) => assert_eq!(answer.json["code"], code, "{operation} {input}: {}", answer.json),
        }
    }
    model.compare(&client).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn calls_in_any_order_are_answered_as_the_model_says(acts in prop::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(acts));
    }
}
