import copy

house = {"rooms": [{"name": "hall", "tags": {"a"}}], "self": None}
house["self"] = house
shallow, deep = copy.copy(house), copy.deepcopy(house)
house["rooms"][0]["name"] = "bath"
[shallow["rooms"][0]["name"], deep["rooms"][0]["name"], deep["self"] is deep, deep["rooms"][0]["tags"] is not house["rooms"][0]["tags"]]
#> value: ["bath", "hall", true, true]
