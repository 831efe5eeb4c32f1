from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Decimal, getcontext

context = getcontext()
context.prec, context.Emax, context.Emin = MAX_PREC, MAX_EMAX, MIN_EMIN
Decimal(1) / Decimal(3)
#> class: "host denial of service"
#> outcome: ["memory_limit", "failure"]
#> error_type: ["", null, "MemoryError"]
