//! The commands of `./x`.

mod clients;
mod demo;
mod fresh;
mod fuzz;
mod promises;
mod shell;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use shell::{Failed, say};

const HELP: &str = "usage: ./x COMMAND

  demo [--once] [--debug]   build, start a cloud, deploy examples/search, feed it, search; --once checks the answer and stops
  build                     build the release binary
  bench [s3|dynamodb|messaging|store|decisions] how fast the release binary is, beside what could not be faster; takes a minute or two
  test                      everything that CI runs
  clients [cli|boto3|js|java|rust|second…]
                            of that, the AWS CLI, the SDKs and other people's clients against a cloud of their own
  promises                  run all tests and strike out of uncovered-*.txt what they see
  sim [--seed N] [--seeds COUNT] [--steps K]
                            simulate SQS over the kernel with faults and crashes, against a model; a seed replays
  sim s3 [--seed N] [--seeds COUNT] [--steps K]
                            play S3 against a model of a versioned bucket, with crashes
  mutants [--sample N] [--seed S]
                            make SQS wrong, one thing at a time: its tests must notice at least 90 %
  fuzz [--seconds N] [TARGET…]
                            feed every reader of the wire bytes that chance makes, 60 s each
  tidy                      the rules of this code base
  fmt                       format the code
  models                    make models/ anew from the pinned packages
  expand SERVICE            print the code that is generated for a service
  new service NAME          begin a service crate
  new operation SERVICE.OP  begin an operation
  doctor                    what this machine can run, and what to install for the rest
  help                      this";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("./x: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), Failed> {
    match words {
        ["demo", flags @ ..] => demo::run(flags),
        ["build"] => tools::build(true).map(|path| say(&format!("built {}", path.display()))),
        ["bench", what @ ..] => tools::bench(what),
        ["test"] => test::run(),
        ["sim", options @ ..] => tools::sim(options),
        ["mutants", options @ ..] => tools::mutants(options),
        ["clients", words @ ..] => clients::run(words),
        ["promises"] => promises::run(),
        ["fuzz", words @ ..] => fuzz::run(words),
        ["tidy"] => tidy::run(),
        ["fmt"] => shell::run("cargo", &["fmt", "--all"]),
        ["models"] => shell::run("python3", &["models/make.py"]),
        ["expand", service] => fresh::expand(service),
        ["new", "service", name] => fresh::service(name),
        ["new", "operation", name] => fresh::operation(name),
        ["doctor"] => tools::doctor(),
        ["help" | "--help" | "-h"] => {
            say(HELP);
            Ok(())
        }
        _ => Err(Failed::Usage(HELP)),
    }
}
