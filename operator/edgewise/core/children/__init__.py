"""The objects an EdgeDeployment and an EdgeModel own: pure builders, full intent, one deterministic name each."""
