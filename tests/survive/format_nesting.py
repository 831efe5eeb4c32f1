caught = []
for template in ("{:{:{:{}}}}", "{:{}}" * 5000, "{:>99999999999}", "{0" + "[0]" * 50_000 + "}"):
    try:
        len(template.format(*[[1]] * 10_000))
    except (ValueError, RecursionError, TypeError, IndexError) as error:
        caught.append(type(error).__name__)
len(caught)
#> class: "host denial of service"
#> outcome: ["completed"]
#> value: 4
