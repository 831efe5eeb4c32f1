def read(room):
    try:
        return int("warm")
    except ValueError as error:
        error.add_note(f"while reading {room}")
        raise


try:
    read("hall")
except ValueError as error:
    error.__notes__
#> value: ["while reading hall"]
