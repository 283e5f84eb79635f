//! Random passwords.
//!
//! Source: GetRandomPassword in the API reference: which characters there are, and what is asked for where nothing is said.

use undercast_kernel::{Cx, Result};

use crate::api;
use crate::error::parameter;

const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// The length where none is said.
const USUAL: i64 = 32;

/// The characters of each type that a password is made of.
fn types(input: &api::GetRandomPasswordInput) -> Vec<String> {
    let excluded = input.exclude_characters.as_deref().unwrap_or("");
    let all = [
        (LOWERCASE, input.exclude_lowercase),
        (UPPERCASE, input.exclude_uppercase),
        (NUMBERS, input.exclude_numbers),
        (PUNCTUATION, input.exclude_punctuation),
    ];
    let included = all.into_iter().filter(|(_, without)| *without != Some(true));
    let left = included.map(|(letters, _)| letters.chars().filter(|c| !excluded.contains(*c)).collect::<String>());
    left.filter(|letters| !letters.is_empty()).collect()
}

/// Makes a password. It has one of each type at least, unless that is not wanted.
pub(crate) fn random(cx: &Cx, input: &api::GetRandomPasswordInput) -> Result<api::GetRandomPasswordOutput> {
    let length = usize::try_from(input.password_length.unwrap_or(USUAL)).unwrap_or(0);
    let types = types(input);
    let mut alphabet = types.concat();
    let space = !input.exclude_characters.as_deref().unwrap_or("").contains(' ');
    if input.include_space == Some(true) && space {
        alphabet.push(' ');
    }
    if alphabet.is_empty() {
        return Err(parameter("There are no characters left that the password could be made of."));
    }
    let mut letters = Vec::new();
    if input.require_each_included_type != Some(false) {
        if length < types.len() {
            return Err(parameter("Password length is too short based on the required types."));
        }
        letters.extend(types.iter().flat_map(|of| cx.random().text(1, of).into_bytes()));
    }
    letters.extend(cx.random().text(length - letters.len(), &alphabet).into_bytes());
    // Those that must be there stand anywhere.
    for last in (1..letters.len()).rev() {
        let other = usize::try_from(cx.random().below(last as u64 + 1)).unwrap_or(0);
        letters.swap(last, other);
    }
    let password = letters.into_iter().map(char::from).collect();
    Ok(api::GetRandomPasswordOutput { random_password: Some(password) })
}
