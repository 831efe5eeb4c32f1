class Phoenix:
    born = 0

    def __del__(self):
        Phoenix.born += 1
        Phoenix()


Phoenix()
Phoenix.born > 0
#> outcome: ["completed", "failure"]
