import statistics as st

values = [21.5, 22.0, 19.5, 22.0, 30.0]
line = st.linear_regression([1, 2, 3, 4], [2, 4, 6, 8])
[
    st.mean(values), st.median(values), st.mode(values), round(st.stdev(values), 4), st.quantiles([1, 2, 3, 4, 5], n=4),
    st.fmean(values, weights=[1, 1, 1, 1, 0]), line.slope, line.intercept, st.correlation([1, 2, 3], [3, 2, 1]), round(st.NormalDist(20, 2).cdf(22), 4),
]
#> value: [23.0, 22.0, 22.0, 4.0466, [1.5, 3.0, 4.5], 21.25, 2.0, 0.0, -1.0, 0.8413]
