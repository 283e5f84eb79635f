//! AWS SDK for Rust as a program meets it, against the running cloud at AWS_ENDPOINT_URL. Ends at the first untrue thing.

mod bodies;
mod buckets;
mod check;
mod cloud;
mod others;

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use aws_sdk_s3::error::DisplayErrorContext;

async fn run() -> check::Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    // All parts, or those that are named.
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    let cloud = cloud::Cloud::found().await?;
    if is_wanted("buckets") {
        buckets::run(&cloud).await?;
    }
    if is_wanted("tables") {
        others::tables(&cloud).await?;
    }
    if is_wanted("queues") {
        others::queues(&cloud).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(untrue) = run().await {
        println!("UNTRUE: {}", DisplayErrorContext(&*untrue));
        return ExitCode::FAILURE;
    }
    println!("Rust: {} things hold", check::CHECKED.load(Ordering::Relaxed));
    ExitCode::SUCCESS
}
