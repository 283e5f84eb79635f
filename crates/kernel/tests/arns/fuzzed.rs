//! The body of the fuzz target: text of chance, read as an ARN.

use undercast_kernel::arn::Arn;

/// What is taken apart is the same when it is put together again. `true`: it is one.
pub(crate) fn arn(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some(arn) = Arn::parse(text) else {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let whole = parts.len() == 6 && [1, 2, 5].iter().all(|part| !parts[*part].is_empty());
        assert!(parts[0] != "arn" || !whole, "{text} is one");
        return false;
    };
    assert_eq!(arn.to_string(), text);
    for part in [&arn.partition, &arn.service, &arn.region, &arn.account] {
        assert!(!part.contains(':'), "{text}: {part}");
    }
    assert_eq!(Arn::parse(&arn.to_string()), Some(arn));
    true
}
