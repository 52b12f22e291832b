import asyncio
from pathlib import Path

import qwenbatch

settings = qwenbatch.Settings(max_cost="25", sandbox=True)  # sandbox: no key, no cost


async def edit_photos() -> None:
    items = (qwenbatch.Item(path, "remove the price tag") for path in Path("photos").glob("*.jpg"))
    async with qwenbatch.open("out/photos-tagless", settings) as batch:
        async for outcome in batch.run(items):
            print(outcome.image, outcome.state, outcome.result)
    print(qwenbatch.dollars(batch.summary.cost.spent), batch.summary.stopped_by)


asyncio.run(edit_photos())

# The same, blocking: for scripts and notebooks; a manifest or folder by its path, too.
summary = qwenbatch.run(
    [qwenbatch.Item("photos/rocket.jpg", "remove the price tag")],
    out="out/photos-tagless",
    settings=settings,
    on_outcome=print,
)
print(summary.items.saved, "saved,", summary.edits.paid, "paid now")
