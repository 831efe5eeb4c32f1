row = [1, 2]
table = [row, row, (row, {"row": row})]
table
#> value: [[1, 2], [1, 2], [[1, 2], {"row": [1, 2]}]]
