//! A usage report: read, classified, packed and read back.

use std::num::NonZeroU16;

use app::reading;
use domain::usage::UsageReport;
use domain::usage::packed::{pack, unpack};

/// How much of a report one item holds.
const CHUNK_BYTES: usize = 2000;

/// Reads the body of a message or of `POST /api/usage-reports`.
pub fn read(bytes: &[u8]) {
    let Ok(report) = reading::from_json::<UsageReport>(bytes) else {
        return;
    };
    let again = serde_json::to_vec(&report).unwrap();
    assert_eq!(reading::from_json::<UsageReport>(&again).unwrap(), report);
    for parts in [1, 3] {
        let parts = NonZeroU16::new(parts).unwrap();
        // In the hour's own time: any other is refused at once.
        let Ok(accepted) = report.accept(parts, CHUNK_BYTES, report.hour.start()) else {
            continue;
        };
        let chunks = accepted.parts.values().flatten();
        let computers = chunks.map(|chunk| {
            let packed = pack(chunk);
            let unpacked = unpack(&packed).unwrap();
            assert_eq!(pack(&unpacked), packed);
            assert_eq!(unpacked.len(), chunk.len());
            chunk.len()
        });
        assert_eq!(computers.sum::<usize>(), report.computers.len());
    }
}
