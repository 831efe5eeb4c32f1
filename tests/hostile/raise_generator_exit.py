raise GeneratorExit("out")
#> outcome: ["failure"]
#> error_type: ["GeneratorExit"]
