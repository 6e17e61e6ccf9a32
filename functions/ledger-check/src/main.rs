//! Wires the `ledger-check` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let runtime::Started { app, metrics, .. } = runtime::start(&[])?;
    runtime::invocation::serve(&*app.clock, async |payload, deadline| {
        ledger_check::handle(&app, &metrics, &payload, deadline).await
    })
    .await
    .map_err(anyhow::Error::from_boxed)
}
