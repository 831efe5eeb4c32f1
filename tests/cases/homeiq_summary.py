try:
    import json
    from collections import Counter

    devices = [{"id": n, "domain": ["light", "sensor", "switch"][n % 3], "on": n % 2 == 0} for n in range(10)]
    by_domain = Counter(device["domain"] for device in devices)
    result = {
        "summary": f"{len(devices)} devices in {len(by_domain)} domains",
        "by_domain": dict(by_domain),
        "on": [device["id"] for device in devices if device["on"]],
    }
    json.loads(json.dumps(result))
except Exception as e:
    {"error": str(e)}
#> value: {"summary": "10 devices in 3 domains", "by_domain": {"light": 4, "sensor": 3, "switch": 3}, "on": [0, 2, 4, 6, 8]}
