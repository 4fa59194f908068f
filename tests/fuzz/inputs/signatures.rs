//! Signatures of webhooks.

use tidegate_model::UnixMs;
use tidegate_policy::signature::{Signed, SigningSecret, verify};
use tidegate_testkit::doubles::erp::webhook::sign_body;

/// What is said of a secret that is none: nothing of it.
const FAULTS: [&str; 2] = [
    "a webhook secret is `whsec_` and base64",
    "a webhook secret has 24 to 64 bytes",
];

/// A secret and a signature of any form. What we sign verifies, and nothing else does.
pub fn signature(data: &[u8]) {
    let mut lines = data.splitn(5, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (secret, id, timestamp, header, body) = (line(), line(), line(), line(), line());
    let now = UnixMs(
        timestamp
            .parse::<i64>()
            .map_or(0, |s| s.saturating_mul(1_000)),
    );
    let secrets = match SigningSecret::try_new(&secret) {
        Ok(known) => vec![known, SigningSecret::decoy()],
        Err(fault) => {
            let told = fault.to_string();
            assert!(FAULTS.contains(&told.as_str()), "{told}");
            vec![SigningSecret::decoy()]
        }
    };
    let signed = |signature: &str| {
        let delivery = Signed {
            id: &id,
            timestamp: &timestamp,
            signature,
            body: body.as_bytes(),
        };
        verify(delivery, &secrets, now)
    };
    let ours = timestamp
        .parse::<i64>()
        .ok()
        .filter(|seconds| seconds.to_string() == timestamp && seconds.checked_mul(1_000).is_some())
        .filter(|_| secrets.len() > 1)
        .and_then(|seconds| sign_body(body.clone(), &secret, &id, seconds).ok())
        .map(|ours| ours.headers[3].1.clone());
    if let Some(ours) = &ours {
        assert!(signed(ours), "what another implementation signs verifies");
    }
    if signed(&header) {
        let ours = ours.unwrap_or_default();
        assert!(header.contains(&ours), "{header} is not {ours}");
    }
}
