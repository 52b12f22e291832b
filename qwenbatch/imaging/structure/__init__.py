"""One module a format: each walks its format's structure to the end without decoding a pixel.

Each has `outline(window) -> Outline`, which raises PictureError for what is cut off or damaged.
"""
