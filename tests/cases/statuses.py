"""Per kind a status that sets every field."""

from __future__ import annotations

CONDITION = {
    "type": "Ready",
    "status": "False",
    "reason": "RollingOut",
    "message": "3 of 5 nodes serve digits-1a2b3c",
    "observedGeneration": 4,
    "lastTransitionTime": "2026-01-31T23:59:59Z",
}
MEASUREMENT = {
    "model": "digits", "variant": "int8", "sha256": "0123456789ab",
    "latency": "2.4ms", "fastest": "1.9ms", "throughput": "410.5", "devices": 2,
}  # fmt: skip
DEPLOYMENT_STATUS = {
    "observedGeneration": 4,
    "conditions": [CONDITION],
    "url": "http://digits.default.svc:8000",
    "localURL": "http://10.43.0.7:8000",
    "release": {
        "stable": "digits-1a2b3c", "target": "digits-4d5e6f", "previous": "digits-0",
        "rejected": ["digits-9"], "retried": "digits-8",
        "signers": [{"model": "digits", "key": "9f2c01ab34cd"}],
    },
    "nodes": {"matched": 5, "ready": 4, "updated": 3, "offline": 1, "failed": 0, "unplaced": 1},
    "rollout": {
        "release": "digits-4d5e6f",
        "pods": "pods-0a1b2c3d",
        "startedAt": "2026-01-31T23:00:00Z",
        "replaced": 1,
        "wave": 1,
        "waves": 3,
        "waveStartedAt": "2026-01-31T23:59:59.123456+01:00",
        "soakEndsAt": "2026-02-01T00:09:59Z",
        "evidence": "412 requests, 0 errors",
        "reason": "soaking",
    },
    "moves": [
        {"from": "generic-arm64", "to": "coral-usb", "nodes": 5, "moved": 3, "trying": ["pi-4"],
         "triedAt": "2026-01-31T23:59:59Z", "attempt": "digits-1a2b3c/9f2c01ab34", "refused": "pi-3 does not serve",
         "wave": 1, "waves": 3, "startedAt": "2026-01-31T23:00:00Z", "waveStartedAt": "2026-01-31T23:30:00Z",
         "soakEndsAt": "2026-02-01T00:09:59Z", "reason": "Soaking: it soaks"},
    ],
    "profiles": [
        {"name": "coral-usb", "variant": "digits/int8", "workload": "digits-coral-usb", "nodes": 2, "ready": 2,
         "reason": "", "measured": [MEASUREMENT]},
    ],
    "unplaced": [{"node": "pi-1", "reason": "digits needs 3Gi, raspberry-pi-4 has 2Gi"}],
    "servedBy": "Gateway",
    "gateway": {
        "workload": "digits-gateway",
        "ready": 1,
        "tookOverAt": "2026-01-31T23:59:59Z",
        "gaveBackAt": "2026-01-30T23:59:59Z",
        "turningSince": "2026-02-01T00:09:59Z",
        "reason": "",
    },
    "plan": {"sequence": 7, "followed": 3},
    "images": {"coral-usb": "registry.example/edgewise/runtime:coral"},
}  # fmt: skip
MODEL_STATUS = {"observedGeneration": 1, "conditions": [CONDITION], "revision": "digits-1a2b3c"}
PROFILE_STATUS = {"observedGeneration": 1, "conditions": [CONDITION], "nodes": 2}
