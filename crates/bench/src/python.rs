//! A Python function, cold and warm.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use undercast_engines::runtimes::{Language, discover, usual_places};
use undercast_wire::text;

use crate::Failed;
use crate::load::{self, must};
use crate::signed::{Client, Key};
use crate::{cloud, table};

const FUNCTIONS: &str = "/2015-03-31/functions";
const ROLE: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";

/// Measures it, where the binary runs functions and there is a Python.
pub(crate) fn measure(binary: &Path) -> Result<(), Failed> {
    let Some((version, spawn)) = interpreter() else {
        table::single("Python function", "not measured", "there is no python3");
        return Ok(());
    };
    let server = cloud::start(binary, None)?;
    let key = Key::test();
    let client = Client { address: server.address, key: &key };
    let (status, _) = load::ask(server.address, &client.signed("lambda", "GET", &format!("{FUNCTIONS}/"), &[], b"")?)?;
    if status != 200 {
        table::single("Python function", "not measured", "this binary runs no functions");
        return Ok(());
    }
    let role = format!("Action=CreateRole&Version=2010-05-08&RoleName=bench&AssumeRolePolicyDocument={ROLE}");
    must(server.address, &client.form("iam", &role)?)?;
    let mut cold = Vec::new();
    for number in 0..5 {
        create(&client, number, &version)?;
        cold.push(invoke(&client, number)?);
    }
    let warm: Result<Vec<Duration>, Failed> = (0..50).map(|_| invoke(&client, 4)).collect();
    let (cold, warm) = (middle(cold), middle(warm?));
    let limit = spawn + 30.0;
    let verdict = format!("limit: interpreter's {spawn:.0} ms and 30 ms: {}", table::at_most(cold, limit, " ms"));
    table::single("Python function, cold", &format!("{cold:.1} ms"), &verdict);
    let verdict = format!("limit 2 ms: {}", table::at_most(warm, 2.0, " ms"));
    table::single("Python function, warm, over its handler", &format!("{warm:.2} ms"), &verdict);
    Ok(())
}

/// The one in the middle, in milliseconds.
fn middle(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |t| t.as_secs_f64() * 1e3)
}

/// The newest Python, which is found as functions find theirs: its runtime's name, and how many milliseconds it takes to
/// do nothing.
fn interpreter() -> Option<(String, f64)> {
    let places = usual_places(std::env::var_os("PATH").as_deref(), std::env::home_dir().as_deref());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let found = runtime.block_on(discover(&places));
    let python = found.into_iter().filter(|r| r.language == Language::Python).max_by_key(|r| r.version)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        Command::new(&python.program).args(["-c", "pass"]).stdin(Stdio::null()).status().ok()?;
        times.push(began.elapsed());
    }
    Some((format!("python{}.{}", python.version.major, python.version.minor), middle(times)))
}

fn create(client: &Client<'_>, number: usize, runtime: &str) -> Result<(), Failed> {
    let code = text::base64(&archive("f.py", b"def handler(event, context):\n    return event\n"));
    let body = format!(
        r#"{{"FunctionName":"bench{number}","Runtime":"{runtime}","Role":"arn:aws:iam::000000000000:role/bench","Handler":"f.handler","Code":{{"ZipFile":"{code}"}}}}"#
    );
    let json = [("content-type", "application/json")];
    must(client.address, &client.signed("lambda", "POST", FUNCTIONS, &json, body.as_bytes())?)?;
    let asked = client.signed("lambda", "GET", &format!("{FUNCTIONS}/bench{number}/configuration"), &[], b"")?;
    for _ in 0..500 {
        if must(client.address, &asked)?.contains("\"Active\"") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(Failed::Said("the function does not become active".to_owned()))
}

fn invoke(client: &Client<'_>, number: usize) -> Result<Duration, Failed> {
    let path = format!("{FUNCTIONS}/bench{number}/invocations");
    let request = client.signed("lambda", "POST", &path, &[], br#"{"a":1}"#)?;
    let began = Instant::now();
    let answer = must(client.address, &request)?;
    let took = began.elapsed();
    let right = answer.split_whitespace().collect::<String>() == r#"{"a":1}"#;
    if right { Ok(took) } else { Err(Failed::Said(format!("the function answers {answer}"))) }
}

/// A zip file with one file in it, not compressed.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(0).to_le_bytes();
    let name_length = u16::try_from(name.len()).unwrap_or(0).to_le_bytes();
    // Version, flags, method, time and date, then what both of its headers share.
    let mut shared = vec![10, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x58];
    shared.extend(crc32fast::hash(content).to_le_bytes());
    shared.extend(length);
    shared.extend(length);
    shared.extend(name_length);
    shared.extend([0, 0]);
    let mut out = [b"PK\x03\x04", shared.as_slice(), name.as_bytes(), content].concat();
    let start = u32::try_from(out.len()).unwrap_or(0);
    // A comment, disk, inner and outer attributes (a file for all to read), and where the file begins.
    let directory =
        [b"PK\x01\x02\x14\x03", shared.as_slice(), &[0; 6], &[0, 0, 0xa4, 0x81], &[0; 4], name.as_bytes()].concat();
    let directory_length = u32::try_from(directory.len()).unwrap_or(0);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(directory_length.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}
