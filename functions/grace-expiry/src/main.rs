//! Wires the `grace-expiry` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let app = runtime::start()?.app;
    runtime::invocation::serve(&*app.clock, async |payload, deadline| {
        grace_expiry::handle(&app, &payload, deadline).await
    })
    .await
    .map_err(anyhow::Error::from_boxed)
}
