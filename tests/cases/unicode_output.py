rooms = {"Küche": "🔥", "Bad": "💧", "寝室": "😴"}
for name, icon in rooms.items():
    print(icon, name)
grad = "21,5 °C"
[grad, len("👩‍👩‍👧"), "ﬁ".upper(), "Straße".casefold(), "İ".lower() == "i̇", "naïve".encode("ascii", "replace").decode()]
#> value: ["21,5 °C", 5, "FI", "strasse", true, "na?ve"]
#> stdout: "🔥 Küche\n💧 Bad\n😴 寝室\n"
