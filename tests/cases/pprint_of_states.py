import pprint

states = {"light.hall": {"state": "on", "brightness": 120}, "sensor.bath": {"state": "23.5", "unit": "°C"}}
pprint.pprint(states, width=60)
pprint.pformat([list("abc")] * 2, width=10, compact=True)
#> stdout: "{'light.hall': {'brightness': 120, 'state': 'on'},\n 'sensor.bath': {'state': '23.5', 'unit': '°C'}}\n"
