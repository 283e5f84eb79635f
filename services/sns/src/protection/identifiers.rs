//! Personal data as patterns and checksums find it.
//!
//! AWS finds much more, by words around it and by what it has learnt. What cannot be found by its form alone is refused by name.
//! Source: "Amazon SNS managed data identifiers" in the developer guide.

use std::net::IpAddr;

use regex::Regex;

/// What finds one kind of data.
#[derive(Debug, Clone)]
pub(super) struct Identifier {
    pub(super) name: String,
    pattern: Regex,
    check: fn(&str) -> bool,
}

fn anything(_: &str) -> bool {
    true
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// The checksum of cards and the like.
fn is_luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, d)| if n % 2 == 1 { if d * 2 > 9 { d * 2 - 9 } else { d * 2 } } else { *d })
        .sum();
    sum.is_multiple_of(10)
}

fn is_card(text: &str) -> bool {
    let digits = digits(text);
    (13..=19).contains(&digits.len()) && matches!(digits.first(), Some(2..=6)) && is_luhn(&digits)
}

fn is_provider(text: &str) -> bool {
    // "80840" stands before the number where its checksum is taken.
    let all: Vec<u32> = [8, 0, 8, 4, 0].into_iter().chain(digits(text)).collect();
    is_luhn(&all)
}

fn is_social_security(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', ' ']).collect();
    let [area, group, serial] = parts.as_slice() else { return false };
    !matches!(*area, "000" | "666") && !area.starts_with('9') && *group != "00" && *serial != "0000"
}

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn is_secret(text: &str) -> bool {
    let has = |is: fn(&char) -> bool| text.chars().any(|c| is(&c));
    text.len() == 40 && has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit)
}

/// Its ninth character is the sum of the others.
fn is_vehicle(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |c: char| match c.to_ascii_uppercase() {
        c @ '0'..='9' => c.to_digit(10),
        c @ 'A'..='H' => Some(u32::from(c) - u32::from('A') + 1),
        c @ 'J'..='N' => Some(u32::from(c) - u32::from('J') + 1),
        'P' => Some(7),
        'R' => Some(9),
        c @ 'S'..='Z' => Some(u32::from(c) - u32::from('S') + 2),
        _ => None,
    };
    let Some(values) = text.chars().map(value).collect::<Option<Vec<_>>>() else { return false };
    let sum: u32 = values.iter().zip(WEIGHTS).map(|(v, w)| v * w).sum();
    let check =
        text.chars().nth(8).map(|c| if c.eq_ignore_ascii_case(&'X') { 10 } else { c.to_digit(10).unwrap_or(11) });
    check == Some(sum % 11)
}

/// The remainder of an IBAN by 97 is one.
fn is_iban(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let Some((head, tail)) = text.split_at_checked(4) else { return false };
    let remainder = tail.chars().chain(head.chars()).try_fold(0u32, |sum, c| {
        let value = c.to_digit(36)?;
        Some(if value > 9 { (sum * 100 + value) % 97 } else { (sum * 10 + value) % 97 })
    });
    remainder == Some(1)
}

/// Name, pattern, check.
type Known = (&'static str, &'static str, fn(&str) -> bool);

const KNOWN: &[Known] = &[
    ("AwsSecretKey", r"[A-Za-z0-9/+=]{40,}", is_secret),
    ("BankAccountNumber-DE", r"\bDE\d{2}(?: ?\d{4}){4} ?\d{2}\b", is_iban),
    ("BankAccountNumber-ES", r"\bES\d{2}(?: ?\d{4}){5}\b", is_iban),
    ("BankAccountNumber-FR", r"\bFR\d{2}(?: ?[0-9A-Z]{4}){5} ?[0-9A-Z]{3}\b", is_iban),
    ("BankAccountNumber-GB", r"\bGB\d{2} ?[A-Z]{4}(?: ?\d{4}){3} ?\d{2}\b", is_iban),
    ("BankAccountNumber-IT", r"\bIT\d{2} ?[A-Z]\d{3}(?: ?[0-9A-Z]{4}){4} ?[0-9A-Z]{3}\b", is_iban),
    ("CreditCardNumber", r"\b\d(?:[ -]?\d){12,18}\b", is_card),
    ("EmailAddress", r"(?i)\b[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b", anything),
    ("IndividualTaxIdentificationNumber-US", r"\b9\d{2}[- ](?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])[- ]\d{4}\b", anything),
    ("IpAddress", r"(?i)\b\d{1,3}(?:\.\d{1,3}){3}\b|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}", is_ip),
    ("NationalProviderId-US", r"\b[12]\d{9}\b", is_provider),
    ("OpenSshPrivateKey", r"-----BEGIN OPENSSH PRIVATE KEY-----[\s\S]*?-----END OPENSSH PRIVATE KEY-----", anything),
    ("PgpPrivateKey", r"-----BEGIN PGP PRIVATE KEY BLOCK-----[\s\S]*?-----END PGP PRIVATE KEY BLOCK-----", anything),
    ("PhoneNumber-US", r"(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\) ?|\b[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}\b", anything),
    (
        "PkcsPrivateKey",
        r"-----BEGIN (?:(?:RSA|EC|DSA|ENCRYPTED) )?PRIVATE KEY-----[\s\S]*?-----END (?:(?:RSA|EC|DSA|ENCRYPTED) )?PRIVATE KEY-----",
        anything,
    ),
    ("PuttyPrivateKey", r"PuTTY-User-Key-File-[23]:[\s\S]*?Private-MAC: [0-9a-f]+", anything),
    ("Ssn-US", r"\b\d{3}[- ]\d{2}[- ]\d{4}\b", is_social_security),
    ("VehicleIdentificationNumber", r"(?i)\b[A-HJ-NPR-Z0-9]{17}\b", is_vehicle),
];

impl Identifier {
    /// One of AWS's own; `None`: it cannot be found by its form.
    pub(super) fn known(name: &str) -> Option<Self> {
        let (name, pattern, check) = KNOWN.iter().find(|(known, ..)| *known == name)?;
        Some(Self { name: (*name).to_owned(), pattern: Regex::new(pattern).ok()?, check: *check })
    }

    /// One of the user's. `None`: it is no regular expression that is understood.
    pub(super) fn custom(name: &str, pattern: &str) -> Option<Self> {
        Some(Self { name: name.to_owned(), pattern: Regex::new(pattern).ok()?, check: anything })
    }

    /// Where a text has such data: ranges of bytes.
    pub(super) fn find(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        self.pattern.find_iter(text).filter(|found| (self.check)(found.as_str())).map(|found| found.range()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_found_by_its_form() {
        for (name, good, bad) in [
            ("AwsSecretKey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("BankAccountNumber-DE", "DE89 3704 0044 0532 0130 00", "DE88 3704 0044 0532 0130 00"),
            ("BankAccountNumber-ES", "ES9121000418450200051332", "ES9021000418450200051332"),
            ("BankAccountNumber-FR", "FR1420041010050500013M02606", "FR1420041010050500013M02607"),
            ("BankAccountNumber-GB", "GB29NWBK60161331926819", "GB28NWBK60161331926819"),
            ("BankAccountNumber-IT", "IT60X0542811101000000123456", "IT61X0542811101000000123456"),
            ("CreditCardNumber", "4539 1488 0343 6467", "4539 1488 0343 6468"),
            ("EmailAddress", "jane.doe@example.com", "jane.doe@example"),
            ("IndividualTaxIdentificationNumber-US", "912-70-1234", "912-40-1234"),
            ("IpAddress", "2001:db8::1", "300.1.1.1"),
            ("NationalProviderId-US", "1234567893", "1234567890"),
            ("PhoneNumber-US", "(415) 555-2671", "15-2671"),
            ("Ssn-US", "123-45-6789", "666-45-6789"),
            ("VehicleIdentificationNumber", "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),
            (
                "OpenSshPrivateKey",
                "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n-----END OPENSSH PRIVATE KEY-----",
                "PRIVATE KEY",
            ),
            ("PgpPrivateKey", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----", "BLOCK"),
            ("PkcsPrivateKey", "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----", "RSA"),
            ("PuttyPrivateKey", "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-MAC: 0f", "PuTTY"),
        ] {
            let identifier = Identifier::known(name).expect(name);
            let text = format!("before {good} after");
            let found: Vec<&str> = identifier.find(&text).into_iter().map(|r| &text[r]).collect();
            assert_eq!(found, [good], "{name}");
            assert!(identifier.find(&format!("before {bad} after")).is_empty(), "{name}");
        }
        assert!(Identifier::known("Name").is_none());
    }
}
