import heapq
import sys
from collections import defaultdict


def dijkstra(graph, start):
    distances = {node: sys.maxsize for node in graph}
    distances[start] = 0
    heap = [(0, start)]
    previous = {}
    while heap:
        distance, node = heapq.heappop(heap)
        if distance > distances[node]:
            continue
        for neighbour, weight in graph[node].items():
            candidate = distance + weight
            if candidate < distances[neighbour]:
                distances[neighbour] = candidate
                previous[neighbour] = node
                heapq.heappush(heap, (candidate, neighbour))
    return distances, previous


graph = defaultdict(dict)
for a, b, w in [("A", "B", 4), ("A", "C", 1), ("C", "B", 2), ("B", "D", 5), ("C", "D", 8)]:
    graph[a][b] = w
    graph[b][a] = w
distances, previous = dijkstra(graph, "A")
path, node = [], "D"
while node:
    path.append(node)
    node = previous.get(node)
print(dict(distances), path[::-1])
#> stdout: "{'A': 0, 'B': 3, 'C': 1, 'D': 8} ['A', 'C', 'B', 'D']\n"
