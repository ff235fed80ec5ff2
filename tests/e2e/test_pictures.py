"""Pictures in, text and labels out, on devices: the real OCR models as one pipeline, the digits as pictures."""

from tests.stage import examples
from tests.stage.product import Product


def test_a_pipeline_reads_a_scanned_page(digits: Product) -> None:
    page = examples.pipeline(digits)
    texts = [line.text for line in page.lines]
    assert "Region-based segmentation" in texts
    assert len(texts) >= 5
    for pod in digits.pods("ocr").values():
        assert len(pod["spec"]["containers"]) == 1
    digits.kubectl("delete", "edgedeployment", "ocr")


def test_a_picture_sent_by_curl_is_a_seven(digits: Product) -> None:
    said = examples.pictures(digits)
    assert said["label"][0] == "seven"
    digits.kubectl("delete", "edgedeployment", "digit-pictures")
