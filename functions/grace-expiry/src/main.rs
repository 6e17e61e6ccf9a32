//! Wires the `grace-expiry` function.

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let runtime::Started { app, metrics, .. } =
        runtime::start(&[runtime::Api::Agreement, runtime::Api::Entitlement])?;
    runtime::invocation::serve(&*app.clock, async |payload, deadline| {
        grace_expiry::handle(&app, &metrics, &payload, deadline).await
    })
    .await
    .map_err(anyhow::Error::from_boxed)
}
