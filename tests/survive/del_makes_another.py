class Phoenix:
    born = 0

    def __del__(self):
        Phoenix.born += 1
        Phoenix()


Phoenix()
Phoenix.born > 0
#> class: "host denial of service"
#> outcome: ["completed", "failure"]
