//! Attribute values and items: what may be in them, and what they weigh.
//!
//! Values are kept in one canonical form each (sets sorted, numbers normalised, attributes in order of their names), so
//! that equality of values is equality of forms. How they are stored is in [`crate::compact`].

use crate::number::{Number, NumberError};

/// Most bytes an item may weigh, names and values together.
pub const MAX_ITEM_SIZE: usize = 409_600;
/// Levels of nesting, the attribute itself being the first.
pub const MAX_DEPTH: usize = 32;

/// A type of attribute value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text.
    S,
    /// Number.
    N,
    /// Bytes.
    B,
    /// Set of texts.
    SS,
    /// Set of numbers.
    NS,
    /// Set of byte strings.
    BS,
    /// Map.
    M,
    /// List.
    L,
    /// Truth value.
    Bool,
    /// Null.
    Null,
}

impl Type {
    /// The name on the wire and in most messages: `S`, `BOOL`, …
    pub fn code(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
            Self::SS => "SS",
            Self::NS => "NS",
            Self::BS => "BS",
            Self::M => "M",
            Self::L => "L",
            Self::Bool => "BOOL",
            Self::Null => "NULL",
        }
    }

    /// The name in messages about the clauses ADD and DELETE, which spell types out.
    pub fn word(self) -> &'static str {
        match self {
            Self::S => "STRING",
            Self::N => "NUMBER",
            Self::B => "BINARY",
            Self::SS => "STRING_SET",
            Self::NS => "NUMBER_SET",
            Self::BS => "BINARY_SET",
            Self::M => "MAP",
            Self::L => "LIST",
            Self::Bool => "BOOLEAN",
            Self::Null => "NULL",
        }
    }

    /// The type with this code, if it is one.
    pub fn from_code(code: &str) -> Option<Self> {
        const ALL: [Type; 10] =
            [Type::S, Type::N, Type::B, Type::SS, Type::NS, Type::BS, Type::M, Type::L, Type::Bool, Type::Null];
        ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Why a value as written in a request is refused, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// No type at all was given.
    #[error("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")]
    NoType,
    /// Two types at once.
    #[error(
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
    )]
    ManyTypes,
    /// A number out of range, or no number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// `SS` of nothing. The two blanks are AWS's.
    #[error("One or more parameter values were invalid: An string set  may not be empty")]
    EmptyStringSet,
    /// `NS` of nothing.
    #[error("One or more parameter values were invalid: An number set  may not be empty")]
    EmptyNumberSet,
    /// `BS` of nothing.
    #[error("One or more parameter values were invalid: Binary sets should not be empty")]
    EmptyBinarySet,
    /// `SS` with an empty text in it.
    #[error("One or more parameter values were invalid: An string set may not have a empty string as a member")]
    EmptyStringInSet,
    /// `BS` with an empty byte string in it.
    #[error("One or more parameter values were invalid: Binary sets may not contain null or empty values")]
    EmptyBinaryInSet,
    /// `SS` with the same text twice.
    #[error("One or more parameter values were invalid: Input collection [{0}] contains duplicates.")]
    DuplicateStrings(Box<str>),
    /// `NS` with the same number twice, however written.
    #[error("Input collection contains duplicates")]
    DuplicateNumbers,
    /// `BS` with the same bytes twice; the members are shown in base64. The missing blank is AWS's.
    #[error("One or more parameter values were invalid: Input collection [{0}]of type BS contains duplicates.")]
    DuplicateBinaries(Box<str>),
    /// More than 32 levels.
    #[error(
        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit"
    )]
    TooDeep,
}

/// A set of DynamoDB: never empty, no member twice, order without meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T>(Vec<T>);

impl<T: Ord> Set<T> {
    /// A set of these members, or `None` if there are none. Doubles are dropped: refuse them before, where AWS does.
    pub fn new(mut members: Vec<T>) -> Option<Self> {
        members.sort_unstable();
        members.dedup();
        (!members.is_empty()).then_some(Self(members))
    }

    /// The members in ascending order.
    pub fn members(&self) -> &[T] {
        &self.0
    }

    /// Members of either set.
    pub fn union(self, other: Self) -> Self {
        let mut members = self.0;
        members.extend(other.0);
        members.sort_unstable();
        members.dedup();
        Self(members)
    }

    /// Members that the other set lacks; `None` when none is left, for DynamoDB keeps no empty set.
    pub fn difference(self, other: &Self) -> Option<Self> {
        let members: Vec<T> = self.0.into_iter().filter(|member| other.0.binary_search(member).is_err()).collect();
        (!members.is_empty()).then_some(Self(members))
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Text; may be empty unless it is a key.
    S(String),
    /// Number.
    N(Number),
    /// Bytes; may be empty unless it is a key.
    B(Vec<u8>),
    /// Set of texts.
    SS(Set<String>),
    /// Set of numbers.
    NS(Set<Number>),
    /// Set of byte strings.
    BS(Set<Vec<u8>>),
    /// Map.
    M(Item),
    /// List.
    L(Vec<AttributeValue>),
    /// Truth value.
    Bool(bool),
    /// Null.
    Null,
}

impl AttributeValue {
    /// A number from its text.
    ///
    /// # Errors
    /// See [`Number::parse`].
    pub fn number(text: &str) -> Result<Self, ValueError> {
        Ok(Self::N(Number::parse(text)?))
    }

    /// A set of texts.
    ///
    /// # Errors
    /// When it has no members, an empty one, or one twice.
    pub fn string_set(members: Vec<String>) -> Result<Self, ValueError> {
        if members.iter().any(String::is_empty) {
            return Err(ValueError::EmptyStringInSet);
        }
        if has_duplicates(&members) {
            return Err(ValueError::DuplicateStrings(members.join(", ").into()));
        }
        Set::new(members).map(Self::SS).ok_or(ValueError::EmptyStringSet)
    }

    /// A set of numbers.
    ///
    /// # Errors
    /// When it has no members, one that is no number, or one twice.
    pub fn number_set(members: &[String]) -> Result<Self, ValueError> {
        let numbers = members.iter().map(|text| Number::parse(text)).collect::<Result<Vec<_>, _>>()?;
        if has_duplicates(&numbers) {
            return Err(ValueError::DuplicateNumbers);
        }
        Set::new(numbers).map(Self::NS).ok_or(ValueError::EmptyNumberSet)
    }

    /// A set of byte strings.
    ///
    /// # Errors
    /// When it has no members, an empty one, or one twice.
    pub fn binary_set(members: Vec<Vec<u8>>) -> Result<Self, ValueError> {
        if members.iter().any(Vec::is_empty) {
            return Err(ValueError::EmptyBinaryInSet);
        }
        if has_duplicates(&members) {
            let shown: Vec<String> = members.iter().map(|bytes| base64(bytes)).collect();
            return Err(ValueError::DuplicateBinaries(shown.join(", ").into()));
        }
        Set::new(members).map(Self::BS).ok_or(ValueError::EmptyBinarySet)
    }

    /// Its type.
    pub fn kind(&self) -> Type {
        match self {
            Self::S(_) => Type::S,
            Self::N(_) => Type::N,
            Self::B(_) => Type::B,
            Self::SS(_) => Type::SS,
            Self::NS(_) => Type::NS,
            Self::BS(_) => Type::BS,
            Self::M(_) => Type::M,
            Self::L(_) => Type::L,
            Self::Bool(_) => Type::Bool,
            Self::Null => Type::Null,
        }
    }

    /// Bytes it counts for in an item: what it holds, one for a truth value or null, and for a map or list three and
    /// one more for each element.
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::SS(set) => set.members().iter().map(String::len).sum(),
            Self::NS(set) => set.members().iter().map(|number| number.size()).sum(),
            Self::BS(set) => set.members().iter().map(Vec::len).sum(),
            Self::M(map) => 3 + map.len() + map.size(),
            Self::L(list) => 3 + list.len() + list.iter().map(Self::size).sum::<usize>(),
            Self::Bool(_) | Self::Null => 1,
        }
    }

    /// Levels of nesting: one for a scalar, one more around each map or list.
    pub fn depth(&self) -> usize {
        match self {
            Self::M(map) => 1 + map.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::L(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            Self::S(_)
            | Self::N(_)
            | Self::B(_)
            | Self::SS(_)
            | Self::NS(_)
            | Self::BS(_)
            | Self::Bool(_)
            | Self::Null => 1,
        }
    }

    /// Refuses a value nested beyond 32 levels.
    ///
    /// # Errors
    /// [`ValueError::TooDeep`].
    pub fn check_depth(&self) -> Result<(), ValueError> {
        if self.depth() > MAX_DEPTH { Err(ValueError::TooDeep) } else { Ok(()) }
    }
}

fn has_duplicates<T: Ord>(members: &[T]) -> bool {
    let mut sorted: Vec<&T> = members.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair.first() == pair.last())
}

/// Base64 with padding, as AWS shows bytes in messages.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4_usize {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Attributes in order of their names. Also the form of a map value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    attributes: Vec<(String, AttributeValue)>,
}

impl Item {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many attributes.
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.find(name).ok().and_then(|at| self.attributes.get(at)).map(|(_, value)| value)
    }

    /// The value of an attribute, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut AttributeValue> {
        let at = self.find(name).ok()?;
        self.attributes.get_mut(at).map(|(_, value)| value)
    }

    /// Sets an attribute and gives back what it was.
    pub fn insert(&mut self, name: impl Into<String> + AsRef<str>, value: AttributeValue) -> Option<AttributeValue> {
        match self.find(name.as_ref()) {
            Ok(at) => self.attributes.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.attributes.insert(at, (name.into(), value));
                None
            }
        }
    }

    /// Takes an attribute away.
    pub fn remove(&mut self, name: &str) -> Option<AttributeValue> {
        self.find(name).ok().map(|at| self.attributes.remove(at).1)
    }

    /// The attributes in order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Bytes it weighs by AWS's count: the names and the values.
    pub fn size(&self) -> usize {
        self.attributes.iter().map(|(name, value)| name.len() + value.size()).sum()
    }

    /// Refuses an item with an attribute nested beyond 32 levels.
    ///
    /// # Errors
    /// [`ValueError::TooDeep`].
    pub fn check_depth(&self) -> Result<(), ValueError> {
        self.attributes.iter().try_for_each(|(_, value)| value.check_depth())
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.attributes.binary_search_by(|(own, _)| own.as_str().cmp(name))
    }
}

impl FromIterator<(String, AttributeValue)> for Item {
    /// Sorts once; of two attributes with one name the later stays, as with a JSON object's members.
    fn from_iter<I: IntoIterator<Item = (String, AttributeValue)>>(attributes: I) -> Self {
        let mut attributes: Vec<_> = attributes.into_iter().collect();
        if !attributes.is_sorted_by(|a, b| a.0 < b.0) {
            attributes.reverse();
            attributes.sort_by(|a, b| a.0.cmp(&b.0));
            attributes.dedup_by(|later, kept| later.0 == kept.0);
        }
        Self { attributes }
    }
}

impl IntoIterator for Item {
    type Item = (String, AttributeValue);
    type IntoIter = std::vec::IntoIter<(String, AttributeValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.attributes.into_iter()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any value within AWS's rules, not very deep.
    pub(crate) fn any_value() -> impl Strategy<Value = AttributeValue> {
        let text = || "[a-cé\0]{0,6}";
        let number = || (-9_999_i64..9_999, -3_i32..4).prop_map(|(n, e)| Number::parse(&format!("{n}e{e}")).unwrap());
        let bytes = || proptest::collection::vec(any::<u8>(), 1..5);
        let leaf = prop_oneof![
            text().prop_map(AttributeValue::S),
            number().prop_map(AttributeValue::N),
            bytes().prop_map(AttributeValue::B),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null),
            proptest::collection::vec("[a-c]{1,3}", 1..4).prop_map(|m| AttributeValue::SS(Set::new(m).unwrap())),
            proptest::collection::vec(number(), 1..4).prop_map(|m| AttributeValue::NS(Set::new(m).unwrap())),
            proptest::collection::vec(bytes(), 1..4).prop_map(|m| AttributeValue::BS(Set::new(m).unwrap())),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
                proptest::collection::vec(("[a-d]{1,2}", inner), 0..4)
                    .prop_map(|entries| AttributeValue::M(entries.into_iter().collect())),
            ]
        })
    }

    prop_compose! {
        pub(crate) fn any_item()(entries in proptest::collection::vec(("[a-e]{1,2}", any_value()), 0..6)) -> Item {
            entries.into_iter().collect()
        }
    }

    fn texts(members: &[&str]) -> Vec<String> {
        members.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sets_are_refused_in_the_words_of_aws() {
        let said = |result: Result<AttributeValue, ValueError>| result.unwrap_err().to_string();
        let invalid = |what: &str| format!("One or more parameter values were invalid: {what}");
        assert_eq!(said(AttributeValue::string_set(vec![])), invalid("An string set  may not be empty"));
        assert_eq!(said(AttributeValue::number_set(&[])), invalid("An number set  may not be empty"));
        assert_eq!(said(AttributeValue::binary_set(vec![])), invalid("Binary sets should not be empty"));
        assert_eq!(
            said(AttributeValue::string_set(texts(&["a", ""]))),
            invalid("An string set may not have a empty string as a member")
        );
        assert_eq!(
            said(AttributeValue::string_set(texts(&["b", "a", "b"]))),
            invalid("Input collection [b, a, b] contains duplicates.")
        );
        assert_eq!(said(AttributeValue::number_set(&texts(&["1", "1.0"]))), "Input collection contains duplicates");
        assert_eq!(
            said(AttributeValue::number_set(&texts(&["1", "b"]))),
            "The parameter cannot be converted to a numeric value: b"
        );
        assert_eq!(
            said(AttributeValue::binary_set(vec![b"b".to_vec(), b"b".to_vec()])),
            invalid("Input collection [Yg==, Yg==]of type BS contains duplicates.")
        );
        assert_eq!(
            said(AttributeValue::binary_set(vec![b"b".to_vec(), vec![]])),
            invalid("Binary sets may not contain null or empty values")
        );
    }

    #[test]
    fn sets_have_no_order() {
        assert_eq!(
            AttributeValue::number_set(&texts(&["10", "9", "1e1"])).map_err(|e| e.to_string()),
            Err("Input collection contains duplicates".into())
        );
        assert_eq!(
            AttributeValue::number_set(&texts(&["10", "9"])),
            AttributeValue::number_set(&texts(&["9", "10.0"]))
        );
        assert_eq!(AttributeValue::string_set(texts(&["b", "a"])), AttributeValue::string_set(texts(&["a", "b"])));
    }

    #[test]
    fn sizes_are_counted_as_aws_counts() {
        let item: Item = [
            ("pk".to_owned(), AttributeValue::S("é".into())),
            ("l".to_owned(), AttributeValue::L(vec![AttributeValue::Null, AttributeValue::number("-42").unwrap()])),
            ("m".to_owned(), AttributeValue::M(Item::from_iter([("k".to_owned(), AttributeValue::Bool(true))]))),
        ]
        .into_iter()
        .collect();
        assert_eq!(item.size(), (2 + 2) + (1 + 3 + 2 + 1 + 3) + (1 + 3 + 1 + 1 + 1));
    }

    #[test]
    fn thirty_two_levels_are_allowed() {
        let wrapped = |times: usize| {
            (0..times).fold(AttributeValue::S("leaf".into()), |value, _| {
                AttributeValue::M(Item::from_iter([("n".to_owned(), value)]))
            })
        };
        assert_eq!(wrapped(31).check_depth(), Ok(()));
        assert_eq!(wrapped(32).check_depth(), Err(ValueError::TooDeep));
    }

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    proptest! {
        #[test]
        fn an_item_behaves_like_an_ordered_map(ops in proptest::collection::vec(("[a-c]{1,2}", any::<Option<bool>>()), 0..20)) {
            let mut item = Item::new();
            let mut model = std::collections::BTreeMap::new();
            for (name, value) in ops {
                match value {
                    Some(value) => {
                        let value = AttributeValue::Bool(value);
                        prop_assert_eq!(item.insert(name.as_str(), value.clone()), model.insert(name, value));
                    }
                    None => prop_assert_eq!(item.remove(&name), model.remove(&name)),
                }
            }
            prop_assert!(item.iter().eq(model.iter().map(|(name, value)| (name.as_str(), value))));
        }

        #[test]
        fn of_two_attributes_with_one_name_the_later_stays(entries in proptest::collection::vec(("[a-c]", any::<bool>()), 0..8)) {
            let entries: Vec<_> = entries.into_iter().map(|(n, b)| (n, AttributeValue::Bool(b))).collect();
            let model: std::collections::BTreeMap<_, _> = entries.clone().into_iter().collect();
            prop_assert!(Item::from_iter(entries).into_iter().eq(model));
        }
    }
}
