//! The command line.

mod ask;
mod least;
mod names;
mod progress;
mod show;
mod state;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::settings::Environment;
use crate::up;

/// AWS on your own machine: the real wire protocols, services that really do the work.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Start with `undercast up`, then `eval \"$(undercast env)\"` in another shell, and use `aws` as always."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The running cloud to talk to [default: $AWS_ENDPOINT_URL, else http://localhost:4566]
    #[arg(long, global = true)]
    endpoint: Option<String>,
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a cloud and keep it running until Ctrl-C
    Up(UpArguments),
    /// Say whether a cloud is running, and which services it has
    Status,
    /// Stop the running cloud, finishing what is in flight
    Down,
    /// Say what works, what is ignored, and what is not built
    Report {
        /// Only this service
        service: Option<String>,
    },
    /// Show the latest calls
    Events {
        /// Keep showing calls as they come
        #[arg(long)]
        follow: bool,
        /// How many
        #[arg(long, default_value_t = 20)]
        count: usize,
        /// As JSON in the form in which CloudTrail delivers them
        #[arg(long, conflicts_with = "follow")]
        cloudtrail: bool,
    },
    /// Show what would have left this machine for people: e-mails, short messages, notifications of phones
    Inbox {
        /// Only this kind
        #[arg(long, value_parser = ["email", "sms", "push"])]
        kind: Option<String>,
        /// Only what goes to this address, number or device
        #[arg(long)]
        to: Option<String>,
        /// Empty it
        #[arg(long, conflicts_with_all = ["kind", "to"])]
        clear: bool,
    },
    /// Publish records of names, which validate domains; show them, take them back
    Names {
        #[command(subcommand)]
        action: NamesAction,
    },
    /// Explain one call: what it asked, who asked, how it was decided
    Why {
        /// Its request id, as the answer's headers named it
        request_id: String,
    },
    /// Write the smallest policy for what a role or user was seen doing
    LeastPrivilege(LeastPrivilegeArguments),
    /// Read, set, freeze or advance the cloud's clock
    Clock {
        #[command(subcommand)]
        action: Option<ClockAction>,
    },
    /// Inject faults: throttles, errors, latency, cut connections
    Fault {
        #[command(subcommand)]
        action: FaultAction,
    },
    /// Save the state under a name, list what was saved, bring it back, fork it
    Snapshot {
        #[command(subcommand)]
        action: SnapshotAction,
    },
    /// Empty the cloud, while it runs
    Reset {
        /// Only what is this account's
        #[arg(long)]
        account: Option<String>,
    },
    /// Write the state into one file; it holds every key and secret of this cloud
    Export {
        /// The file to write
        file: PathBuf,
        /// Only what is this account's
        #[arg(long)]
        account: Option<String>,
    },
    /// Replace the state by an exported one
    Import {
        /// The file to read
        file: PathBuf,
        /// Only what is this account's
        #[arg(long)]
        account: Option<String>,
    },
    /// Print where the CA certificate is, and how clients are told of it
    Ca {
        /// The data directory
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Print the exports that point AWS clients here
    Env,
    /// Say what this machine can run, and what to install for the rest
    Doctor,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How a cloud is started.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Address and port to listen on [default: 127.0.0.1:4566]
    #[arg(long)]
    pub(crate) listen: Option<String>,
    /// Directory of the state [default: $UNDERCAST_DATA, else the platform's data directory]
    #[arg(long, conflicts_with = "ephemeral")]
    pub(crate) data: Option<PathBuf>,
    /// Keep nothing
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Whether policies are enforced, only noted, or not asked
    #[arg(long, value_enum, default_value_t = Iam::Enforce)]
    pub(crate) iam: Iam,
    /// Whether access keys that were not issued here are accepted
    #[arg(long, value_enum, default_value_t = Auth::Open)]
    pub(crate) auth: Auth,
    /// Make every ignored member an error
    #[arg(long)]
    pub(crate) strict: bool,
    /// Whether DynamoDB's tables are held to their throughput [default: $UNDERCAST_DYNAMODB_LIMITS, else on]
    #[arg(long, value_enum)]
    pub(crate) dynamodb_limits: Option<Limits>,
    /// Whether Kinesis's shards are held to their throughput [default: $UNDERCAST_KINESIS_LIMITS, else on]
    #[arg(long, value_enum)]
    pub(crate) kinesis_limits: Option<Limits>,
    /// Whether certificates that validate domains by DNS find their records published, or wait until somebody does
    /// (`undercast names put`)
    #[arg(long, value_enum, default_value_t = Names::Publish)]
    pub(crate) acm_names: Names,
    /// Only these services, by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) services: Vec<String>,
    /// Directory of scripts: boot.d, start.d, ready.d, shutdown.d [default: /etc/localstack/init]
    #[arg(long)]
    pub(crate) init: Option<PathBuf>,
    /// What is logged: error, warn, info, debug, trace, or directives [default: info]
    #[arg(long)]
    pub(crate) log: Option<String>,
}

/// Whose policy, and from what.
#[derive(Debug, Args)]
struct LeastPrivilegeArguments {
    /// The role: its name, or its ARN
    #[arg(long, required_unless_present = "user", conflicts_with = "user")]
    role: Option<String>,
    /// The user: its name, or its ARN
    #[arg(long)]
    user: Option<String>,
    /// The account of the name
    #[arg(long, default_value = "000000000000")]
    account: String,
    /// Only what was done since then: a moment such as 2027-01-01T00:00:00Z, or a span such as 90s, 15m, 36h or 400d
    #[arg(long)]
    since: Option<String>,
    /// How the present policies differ: what they allow and nobody used, what they allow by wildcards, what they lack
    #[arg(long)]
    diff: bool,
}

/// What the authoriser's answer means.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Iam {
    /// No means no
    Enforce,
    /// What would be denied is noted and done
    Audit,
    /// Nobody is asked
    Off,
}

/// Whether something is held to its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Limits {
    /// What is more is refused
    On,
    /// Whatever is asked is let in
    Off,
}

/// Who publishes the records that validate domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    /// Whoever asks for them
    Publish,
    /// The user, in their own time
    Wait,
}

/// What becomes of unknown keys.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Auth {
    /// They are the root user of an account
    Open,
    /// They are refused
    Strict,
}

#[derive(Debug, Subcommand)]
enum ClockAction {
    /// Print the time
    Get,
    /// Stop the clock
    Freeze,
    /// Let it run on
    Resume,
    /// Set it
    Set {
        /// A moment: 2027-01-01T00:00:00Z
        to: String,
    },
    /// Move it ahead, doing everything that falls due on the way
    Advance {
        /// A span: 90s, 15m, 36h, 400d
        by: String,
    },
}

#[derive(Debug, Subcommand)]
enum SnapshotAction {
    /// Save the state as it is now, while the cloud runs
    Save {
        /// Its name; one of the same name is replaced
        name: String,
        /// Only what is this account's
        #[arg(long)]
        account: Option<String>,
    },
    /// Replace the state by a saved one
    Load {
        /// Its name
        name: String,
        /// Only what is this account's
        #[arg(long)]
        account: Option<String>,
    },
    /// Show what was saved
    List,
    /// Remove a saved state
    Remove {
        /// Its name
        name: String,
    },
    /// Make a data directory out of a saved state, for a second cloud: `undercast up --data DIRECTORY --listen …`
    Fork {
        /// Its name
        name: String,
        /// A directory that is not there yet
        directory: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum NamesAction {
    /// Show the records
    List,
    /// Publish a record
    Put {
        /// The name
        name: String,
        /// CNAME or CAA
        kind: String,
        /// Its values
        #[arg(required = true)]
        values: Vec<String>,
    },
    /// Take the records of a name back
    Delete {
        /// The name
        name: String,
        /// Only those of a kind
        kind: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum FaultAction {
    /// Show the rules
    List,
    /// Add a rule
    Add(FaultArguments),
    /// Remove a rule, or all of them
    Remove {
        /// Its id; all rules when there is none
        id: Option<String>,
    },
}

#[derive(Debug, Args)]
struct FaultArguments {
    /// Only this service
    #[arg(long)]
    service: Option<String>,
    /// Only this operation
    #[arg(long)]
    operation: Option<String>,
    /// Only this account
    #[arg(long)]
    account: Option<String>,
    /// Only this region
    #[arg(long)]
    region: Option<String>,
    /// Only what stands in this zone, with `dead`
    #[arg(long)]
    zone: Option<String>,
    /// What share of the calls
    #[arg(long, default_value_t = 1.0)]
    probability: f64,
    /// throttle, abort, dead (with --region or --zone), unlinked:REGION or far:REGION:MILLISECONDS (with --region),
    /// latency:MILLISECONDS, or error:CODE:STATUS[:MESSAGE]
    effect: String,
}

type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Runs what the command line says.
pub(crate) fn run(cli: Cli) -> Outcome {
    let environment = Environment::read();
    let endpoint = cli.endpoint.clone().unwrap_or_else(|| environment.endpoint());
    match cli.command {
        Command::Up(arguments) => {
            log(arguments.log.as_deref().or(environment.log.as_deref()));
            runtime()?.block_on(up::run(arguments, environment))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Ca { data } => show::ca(&data.unwrap_or_else(|| environment.data_directory())),
        Command::Env => show::env(&endpoint),
        Command::Doctor => runtime()?.block_on(show::doctor(cli.json)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "undercast", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        command => runtime()?.block_on(ask::run(command, &endpoint, cli.json)),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn log(directives: Option<&str>) {
    let filter = tracing_subscriber::EnvFilter::try_new(directives.unwrap_or("info"));
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr).init();
}

/// Tells what went wrong and, line by line, why.
pub(crate) fn complain(error: &dyn Error) {
    let mut out = std::io::stderr().lock();
    // There is nowhere left to complain to when this fails.
    let _ = writeln!(out, "undercast: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        let _ = writeln!(out, "  because: {source}");
        cause = source.source();
    }
}

/// Writes a line for a person or a pipe.
pub(crate) fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")
}
