try:
    devices = [{"id": 1, "domain": "light"}]
    {"summary": [device["name"] for device in devices]}
except Exception as e:
    {"error": f"{type(e).__name__}: {e}"}
#> value: {"error": "KeyError: 'name'"}
