"""The wire: the request's body, the answer as read, the client, and the one that fetches results.

Only `client`, `fetch` and what those two import need aiohttp.
"""
