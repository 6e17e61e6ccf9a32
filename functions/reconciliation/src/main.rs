//! Wires the `reconciliation` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (started, sources) = runtime::start_reconciliation()?;
    let runtime::Started { app, metrics, .. } = started;
    runtime::invocation::serve(&*app.clock, async |payload, deadline| {
        reconciliation::handle(&app, &sources, &metrics, &payload, deadline).await
    })
    .await
    .map_err(anyhow::Error::from_boxed)
}
