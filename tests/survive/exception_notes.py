error = ValueError("noted")
for n in range(100_000):
    error.add_note("n" * 100)
notes = [error]
notes.append(notes)
error.__notes__ = [notes, error, *error.__notes__]
raise error
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
