raise GeneratorExit("out")
#> class: "self denial of service"
#> outcome: ["failure"]
#> error_type: ["GeneratorExit"]
