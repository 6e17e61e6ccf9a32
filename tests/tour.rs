//! The README's scripted tour of the main job, against a stack of its own.

use local::Config;
use tokio::process::Command;

use crate::logs::Stack;
use crate::project;

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_tour_runs_to_its_end() {
    let stack = Stack::start(Config::default()).await.unwrap();
    let output = Command::new("python3")
        .arg("tests/tour")
        .args([&stack.seller_url, &stack.aws_url])
        .current_dir(project::root())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.ends_with("tour complete\n"));
    stack.stop().await;
}
