//! Wires the `marketplace-events` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let app = runtime::start(&[])?.app;
    runtime::invocation::serve(&*app.clock, async |payload, deadline| {
        marketplace_events::handle(&app, payload, deadline).await
    })
    .await
    .map_err(anyhow::Error::from_boxed)
}
