from concurrent.futures import ThreadPoolExecutor, as_completed


def fetch(url):
    if "bad" in url:
        raise ValueError(f"cannot fetch {url}")
    return url, len(url)


urls = ["http://a.example", "http://bad.example", "http://long.example/path"]
results, errors = {}, []
with ThreadPoolExecutor(max_workers=4) as pool:
    futures = {pool.submit(fetch, url): url for url in urls}
    for future in as_completed(futures):
        try:
            url, size = future.result()
            results[url] = size
        except ValueError as error:
            errors.append(str(error))
print(sorted(results.items()), errors)

with ThreadPoolExecutor() as pool:
    print(list(pool.map(pow, [2, 3, 4], [5, 2, 3])), sum(pool.map(len, ["a", "bb"])))
#> stdout: "[('http://a.example', 16), ('http://long.example/path', 24)] ['cannot fetch http://bad.example']\n[32, 9, 64] 3\n"
