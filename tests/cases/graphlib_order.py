from graphlib import CycleError, TopologicalSorter

needs = {"movie": {"blinds", "lights"}, "lights": {"power"}, "blinds": {"power"}}
order = list(TopologicalSorter(needs).static_order())
try:
    list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
except CycleError as error:
    cycle = len(error.args[1])
[order[0], sorted(order[1:3]), order[3], cycle]
#> value: ["power", ["blinds", "lights"], "movie", 3]
