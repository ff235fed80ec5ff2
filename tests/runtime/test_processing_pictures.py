"""Bytes of pictures to tensors: what is taken, what is refused before it costs anything, and where things lie."""

from __future__ import annotations

import contextlib
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgewise.api.processing import Crop, Normalise, Pad, Resize
from edgewise_runtime.engines.base import InputRefusedError
from edgewise_runtime.processing import images
from edgewise_runtime.processing.pictures import MOST, SCANS, Picture, decode
from edgewise_runtime.processing.tensors import Stacking, tables
from tests.runtime.photos import encoded, gradient, pixels, plain

PLENTY = 10**6
UPRIGHT = gradient()
F32 = np.dtype(np.float32)
SIXTY = {"width": 60, "height": 60, "fit": "Within"}


def resize(**options: Any) -> Resize:
    return Resize.model_validate({"width": 4, "height": 4, **options})


def stacking(
    colour: str = "RGB", layout: str = "CHW", dtype: Any = F32, normalise: Normalise | None = None
) -> Stacking:
    channels = 1 if colour == "Grey" else 3
    return Stacking(colour, layout, tables(normalise, channels, np.dtype(dtype)))


def _chunk(name: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


class TestDecoding:
    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_lossless_formats_come_back_as_they_were(self, kind: str) -> None:
        (image,) = decode([encoded(UPRIGHT, kind, lossless=True)], PLENTY)
        assert (pixels(image) == pixels(UPRIGHT)).all()

    def test_a_jpeg_comes_back_nearly_as_it_was(self) -> None:
        (image,) = decode([encoded(plain(32, 16, (200, 100, 50)), "JPEG", quality=95)], PLENTY)
        assert image.size == (32, 16)
        assert np.abs(pixels(image).astype(int) - (200, 100, 50)).max() <= 3

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [("L", (77, 77, 77)), ("1", (0, 0, 0)), ("P", (77, 77, 77)), ("RGBA", (77, 77, 77)), ("LA", (77, 77, 77))],
    )
    def test_every_mode_becomes_rgb(self, mode: str, expected: tuple[int, int, int]) -> None:
        grey = Image.new("L", (3, 2), 77).convert(mode, dither=Image.Dither.NONE)
        (image,) = decode([encoded(grey)], PLENTY)
        assert image.mode == "RGB"
        assert image.getpixel((1, 1)) == expected

    def test_a_cmyk_jpeg_becomes_rgb(self) -> None:
        (image,) = decode([encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG")], PLENTY)
        assert image.getpixel((4, 4)) == (255, 255, 255)

    def test_sixteen_bits_are_scaled_and_not_clipped(self) -> None:
        deep = Image.fromarray(np.full((2, 2), 0x4D00, np.uint16))
        (image,) = decode([encoded(deep)], PLENTY)
        assert image.getpixel((0, 0)) == (0x4D, 0x4D, 0x4D)

    @pytest.mark.parametrize(("orientation", "turned"), [(3, 180), (6, 270), (8, 90)])
    def test_a_phone_held_sideways_gives_an_upright_picture(self, orientation: int, turned: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        (image,) = decode([encoded(UPRIGHT, "PNG", exif=exif)], PLENTY)
        assert (pixels(image) == pixels(UPRIGHT.rotate(turned, expand=True))).all()

    @pytest.mark.parametrize(
        "raw",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"not a picture", id="text"),
            pytest.param(encoded(UPRIGHT, "GIF"), id="GIF"),
            pytest.param(encoded(UPRIGHT, "TIFF"), id="TIFF"),
            pytest.param(encoded(UPRIGHT, "BMP"), id="BMP"),
            pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", id="PostScript, which Pillow would run a program for"),
            pytest.param(b"\x89PNG\r\n\x1a\n", id="a PNG that ends at once"),
            pytest.param(b"\xff\xd8\xff\xe0", id="a JPEG that ends at once"),
        ],
    )
    def test_anything_else_is_refused(self, raw: bytes) -> None:
        with pytest.raises(InputRefusedError, match=r"picture 0 is no JPEG, PNG, WEBP|picture 0 is broken"):
            decode([raw], PLENTY)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_a_picture_that_is_cut_off_is_refused(self, kind: str) -> None:
        raw = encoded(gradient(64, 64), kind)
        with pytest.raises(InputRefusedError, match="picture 1 is"):
            decode([encoded(UPRIGHT), raw[: len(raw) // 2]], PLENTY)

    def test_a_bomb_is_refused_by_its_header(self) -> None:
        head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"\0" * 10**6))
        with pytest.raises(InputRefusedError, match=r"50000 x 50000 pixels; .*maxPixels"):
            decode([bomb], 16_777_216)

    def test_a_bomb_in_a_comment_is_refused(self) -> None:
        plain_, comment = encoded(UPRIGHT), b"Comment\0\0" + zlib.compress(b"a" * 10**6)
        for count, refused in ((1, False), (2, True)):
            raw = plain_[:33] + _chunk(b"zTXt", comment) * count + plain_[33:]
            with pytest.raises(InputRefusedError) if refused else contextlib.nullcontext():
                decode([raw], PLENTY)

    def test_a_jpeg_that_is_drawn_over_and_over_is_refused(self) -> None:
        raw = encoded(gradient(64, 64), "JPEG", progressive=True)
        scan = raw[raw.rindex(b"\xff\xda") : -2]
        assert decode([raw[:-2] + scan * (SCANS - 10) + raw[-2:]], PLENTY)
        for hidden in (b"", b"\xff\x01", b"\xff\xd0", b"\xff\xff"):
            with pytest.raises(InputRefusedError, match="picture 0 is a JPEG of more than 100 scans"):
                decode([raw[:-2] + (hidden + scan) * (SCANS - 9) + raw[-2:]], PLENTY)

    def test_what_stands_in_its_comment_or_behind_its_end_is_no_scan(self) -> None:
        raw = encoded(UPRIGHT, "JPEG", comment=b"\xff\xda\x00\x02" * 200)
        assert decode([raw + b"\xff\xda\x00\x02" * 200], PLENTY)

    def test_the_limit_is_for_all_pictures_of_a_request(self) -> None:
        one = encoded(plain(10, 10))
        assert len(decode([one] * 3, 300)) == 3
        with pytest.raises(InputRefusedError, match="picture 3 has 10 x 10 pixels"):
            decode([one] * 4, 300)

    def test_a_request_holds_only_so_many(self) -> None:
        with pytest.raises(InputRefusedError, match=f"more than {MOST} pictures"):
            decode([encoded(plain(1, 1))] * (MOST + 1), PLENTY)

    @settings(max_examples=300)
    @given(
        kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
        flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
        cut=st.integers(0, 2000),
    )
    def test_whatever_is_wrong_with_it_the_picture_is_at_fault(
        self, kind: str, flips: list[tuple[int, int]], cut: int
    ) -> None:
        raw = bytearray(encoded(gradient(24, 16), kind))
        for at, value in flips:
            raw[at % len(raw)] = value
        with contextlib.suppress(InputRefusedError):
            decode([bytes(raw[: len(raw) - cut % len(raw)])], PLENTY)

    @settings(max_examples=200)
    @given(st.binary(max_size=200))
    def test_no_bytes_do_any_harm(self, raw: bytes) -> None:
        for head in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\xff\0\0\0WEBPVP8 "):
            with pytest.raises(InputRefusedError):
                decode([head + raw], PLENTY)


class TestResizing:
    @pytest.mark.parametrize(
        ("size", "options", "expected"),
        [
            pytest.param((100, 50), {}, (4, 4), id="stretched"),
            pytest.param((100, 50), {"fit": "Within"}, (4, 2), id="within, a wide one"),
            pytest.param((50, 100), {"fit": "Within"}, (2, 4), id="within, a high one"),
            pytest.param((2, 1), {"fit": "Within"}, (4, 2), id="within, made larger"),
            pytest.param((2, 1), {"fit": "Within", "enlarge": False}, (2, 1), id="within, left small"),
            pytest.param((8, 4), {"fit": "Within", "enlarge": False}, (4, 2), id="within, made smaller all the same"),
            pytest.param((100, 50), {"fit": "Cover"}, (8, 4), id="cover"),
            pytest.param((20, 10), {"fit": "Height", "width": 100}, (8, 4), id="a line of text"),
            pytest.param((100, 10), {"fit": "Height", "width": 20}, (20, 4), id="a long line of text is squeezed"),
            pytest.param((1, 1000), {"fit": "Within"}, (1, 4), id="never of no width"),
            pytest.param((90, 40), {**SIXTY, "multipleOf": 32}, (64, 32), id="of 32s"),
            pytest.param((90, 9), {**SIXTY, "multipleOf": 32}, (64, 32), id="of one 32"),
            pytest.param((9, 9), {"width": 30, "height": 20, "multipleOf": 16}, (32, 16), id="stretched to 16s"),
        ],
    )  # fmt: skip
    def test_the_size_it_comes_to(
        self, size: tuple[int, int], options: dict[str, Any], expected: tuple[int, int]
    ) -> None:
        found = images.resized(Picture.whole(plain(*size)), resize(**options))
        assert found.image.size == expected

    def test_it_is_smoothed_where_it_gets_smaller(self) -> None:
        stripes = np.zeros((8, 8, 3), np.uint8)
        stripes[:, ::2] = 200
        small = images.resized(Picture.whole(Image.fromarray(stripes)), resize(width=1, height=1))
        assert abs(int(pixels(small.image)[0, 0, 0]) - 100) <= 12


class TestPaddingAndCropping:
    def test_a_letterbox_has_bars_on_both_sides(self) -> None:
        (boxed,) = images.padded([Picture.whole(plain(4, 2, (9, 9, 9)))], Pad(width=4, height=4, fill=114))
        assert pixels(boxed.image)[:, 0, 0].tolist() == [114, 9, 9, 114]

    def test_it_may_stay_at_the_start(self) -> None:
        (boxed,) = images.padded([Picture.whole(plain(2, 1, (9, 9, 9)))], Pad(width=3, height=1, align="Start"))
        assert pixels(boxed.image)[0, :, 0].tolist() == [9, 9, 0]

    def test_a_side_left_open_is_that_of_the_largest(self) -> None:
        batch = [Picture.whole(plain(33, 48)), Picture.whole(plain(70, 48))]
        assert {p.image.size for p in images.padded(batch, Pad(height=48, multiple_of=32))} == {(96, 48)}
        assert images.padded([], Pad(height=48)) == []

    def test_what_is_larger_than_the_canvas_is_refused(self) -> None:
        with pytest.raises(InputRefusedError, match="5 x 2 pixels does not go onto a canvas of 4 x 4"):
            images.padded([Picture.whole(plain(5, 2))], Pad(width=4, height=4))

    def test_the_middle_is_kept(self) -> None:
        cut = images.cropped(Picture.whole(UPRIGHT), Crop(width=4, height=2))
        assert (pixels(cut.image) == pixels(UPRIGHT)[2:4, 2:6]).all()

    def test_a_crop_beyond_the_edge_is_black_there(self) -> None:
        cut = images.cropped(Picture.whole(plain(2, 2, (7, 7, 7))), Crop(width=4, height=4))
        assert pixels(cut.image)[..., 0].tolist() == [[0] * 4, [0, 7, 7, 0], [0, 7, 7, 0], [0] * 4]


class TestWhereThingsLie:
    @given(
        width=st.integers(2, 300),
        height=st.integers(2, 300),
        to=st.integers(8, 200),
        fit=st.sampled_from(["Within", "Stretch"]),
    )
    def test_the_corners_of_the_picture_are_found_again_after_a_letterbox(
        self, width: int, height: int, to: int, fit: Any
    ) -> None:
        small = images.resized(Picture.whole(plain(width, height)), Resize(width=to, height=to, fit=fit))
        (boxed,) = images.padded([small], Pad(width=to, height=to))
        left, top = (to - small.image.width) // 2, (to - small.image.height) // 2
        ends = [[left, top], [left + small.image.width, top + small.image.height]]
        assert boxed.placed(np.array(ends, np.float32), fraction=False) == pytest.approx(
            np.array([[0, 0], [width, height]]), abs=0.01
        )

    def test_a_point_seen_in_a_crop_is_told_in_the_whole_picture(self) -> None:
        cut = images.cropped(Picture.whole(plain(100, 60)), Crop(width=20, height=20))
        assert cut.placed(np.array([[0, 0], [10, 10]], np.float32), fraction=False).tolist() == [[40, 20], [50, 30]]

    def test_fractions_are_of_the_view(self) -> None:
        small = images.resized(Picture.whole(plain(100, 60)), resize())
        assert small.placed(np.array([[0.5, 0.5]], np.float32), fraction=True).tolist() == [[50, 30]]

    def test_nothing_lies_outside_the_picture(self) -> None:
        seen = Picture.whole(plain(10, 5)).placed(np.array([[-3, 99], [99, -3]], np.float32), fraction=False)
        assert seen.tolist() == [[0, 5], [10, 0]]


class TestStacking:
    def test_channels_first(self) -> None:
        tensor = stacking().stack([Picture.whole(UPRIGHT)])
        assert tensor.shape == (1, 3, 6, 8)
        assert (tensor[0] == pixels(UPRIGHT).transpose(2, 0, 1)).all()

    def test_channels_last_and_reversed(self) -> None:
        tensor = stacking("BGR", "HWC", np.uint8).stack([Picture.whole(UPRIGHT)] * 2)
        assert tensor.shape == (2, 6, 8, 3)
        assert tensor.dtype == np.uint8
        assert (tensor[1] == pixels(UPRIGHT)[..., ::-1]).all()

    def test_grey(self) -> None:
        tensor = stacking("Grey").stack([Picture.whole(plain(2, 2, (50, 50, 50)))])
        assert tensor.tolist() == [[[[50, 50], [50, 50]]]]

    @pytest.mark.parametrize("dtype", [np.float32, np.float16])
    def test_it_normalises_as_the_formula_says(self, dtype: Any) -> None:
        mean, std = ["0.485", "0.456", "0.406"], ["0.229", "0.224", "0.225"]
        tensor = stacking(dtype=dtype, normalise=Normalise(mean=mean, std=std)).stack([Picture.whole(UPRIGHT)])
        wide = pixels(UPRIGHT).astype(np.float64).transpose(2, 0, 1) / 255
        expected = (wide - np.array([[[0.485]], [[0.456]], [[0.406]]])) / np.array([[[0.229]], [[0.224]], [[0.225]]])
        assert np.abs(tensor[0] - expected).max() <= np.finfo(dtype).eps * 4

    def test_whole_numbers_are_rounded_and_held_within_their_range(self) -> None:
        table = tables(Normalise(scale="1", mean=["128"]), 1, np.dtype(np.int8))[0]
        assert (table[0], table[128], table[255]) == (-128, 0, 127)
        assert tables(Normalise(scale="0.5"), 1, np.dtype(np.uint8))[0][200] == 255

    def test_numbers_that_the_datatype_does_not_hold_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"numbers up to 2\.55e\+08, more than float16 holds"):
            tables(Normalise(scale="0.000001"), 1, np.dtype(np.float16))

    def test_means_that_fit_no_channel_are_refused(self) -> None:
        with pytest.raises(ValueError, match="mean has 2 numbers, the model takes 3 channels"):
            tables(Normalise(mean=["1", "2"]), 3, F32)

    def test_pictures_of_different_sizes_do_not_go_into_one_tensor(self) -> None:
        with pytest.raises(InputRefusedError, match="send them one by one"):
            stacking().stack([Picture.whole(plain(2, 2)), Picture.whole(plain(3, 2))])
