"""What new versions and new images cost on real nodes whose links are bad. Called by `make bench-ota`; raises the test
cluster for it, and takes it down.
"""

from tests.bench.figures import Figure, Report
from tests.stage import bad_links, examples, new_image
from tests.stage.product import Product, raise_curtain

CHANGES = 3


def figures(report: Report) -> None:
    product = raise_curtain()
    try:
        examples.serve_digits(product)
        _bad_links(report, bad_links.update(product))
        examples.serve_digits(product)
        _new_images(report, product)
    finally:
        product.cluster.down()


def _bad_links(report: Report, outcome: bad_links.Outcome) -> None:
    every = outcome.courses.values()
    report.settings["bad links"] = (
        f"{bad_links.RATE / 1e6:g} Mbit/s, {bad_links.LOSS:.0%} loss and {1000 * bad_links.DELAY:g} ms a way, cut at "
        f"{', '.join(f'{share:.0%}' for share in bad_links.CUTS)} of {bad_links.SIZE / 2**20:g} MiB for "
        f"{bad_links.AWAY:g} s, in which the server forgets the connection"
    )
    name = f"update of {len(every)} real nodes over bad links"
    report.add(Figure(f"{name}: until the last one serves it", [outcome.seconds], "s"))
    given = [course.given for course in every]
    report.add(Figure(f"{name}: bytes from the model server / the file's", given, "", "less", 1.1, max))
    carried = [course.carried for course in every]
    report.add(Figure(f"{name}: all that the links carried, TCP's repeats too / the file's", carried, "", summary=max))
    failed = [float(course.answers.failed) for course in every]
    asked = sum(course.answers.sent for course in every)
    report.add(Figure(f"{name}: failed requests on the devices, of {asked}", [sum(failed)], "requests", "less", 0.0))


def _new_images(report: Report, product: Product) -> None:
    """Each has a layer that the device lacks."""
    report.settings["image changes"] = (
        f"one device behind {new_image.RATE / 1e6:g} Mbit/s, a layer of {new_image.MORE / 2**20:g} MiB to pull, asked "
        f"{new_image.ASKED:g} times a second by a pod beside it; an outage is what failed"
    )
    changes = [new_image.change(product, seed) for seed in range(CHANGES)]
    outages = [change.outage for change in changes]
    report.add(Figure("outage of a device while its image changes, 2 Mbit/s", outages, "s", "less", 10.0, max))
    first = [100.0 * change.was_there for change in changes]
    report.add(
        Figure("image changes where the pod was replaced once the image was there", first, "%", "more", 100.0, min)
    )
