print("nothing to do")
"the value stays"
raise SystemExit(0)
#> value: "the value stays"
#> stdout: "nothing to do\n"
