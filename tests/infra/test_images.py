"""What is kept of strangers' images: the picture as it is meant to be seen, and nothing else."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from app.domain.errors import ImageInvalid, ImageTooLarge
from app.infra import images
from app.infra.images import clean
from tests.pictures import SECRET, opened, photo, picture

RED, BLUE = (200, 30, 30), (20, 20, 220)


def red_of(image):
    """Return how red the first pixel is."""
    return image.convert("RGB").getchannel("R").getpixel((0, 0))


def cleaned(file, most=1_000_000):
    """Clean an image's file."""
    return clean(io.BytesIO(file), most)


@pytest.mark.parametrize(
    ("came", "kept"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/png")]
)
def test_each_known_format_is_made_anew_with_a_thumbnail(came, kept):
    found = cleaned(picture(came, (1000, 500)))
    file, thumbnail = opened(found.file), opened(found.thumbnail)
    assert (found.media_type, found.width, found.height) == (kept, 1000, 500)
    assert (Image.MIME[file.format or ""], file.size) == (kept, (1000, 500))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (400, 200))
    assert abs(red_of(file) - RED[0]) <= 6


def test_a_photo_is_turned_upright_and_forgets_where_it_was_taken():
    assert photo().count(SECRET) == 3
    found = cleaned(photo())
    assert (found.width, found.height) == opened(found.file).size == (6, 8)
    for file in (found.file, found.thumbnail):
        assert SECRET not in file
        assert not opened(file).getexif()
        assert not {"exif", "comment", "icc_profile"} & set(opened(file).info)


def test_texts_and_profiles_of_a_png_go_and_its_transparency_stays():
    chunk = b"tEXtComment\0" + SECRET
    text = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = picture(mode="RGBA", colour=(*RED, 77), icc_profile=profile)
    found = cleaned(file[:33] + text + file[33:])
    assert SECRET not in found.file
    assert opened(found.file).info == {}
    assert opened(found.file).getpixel((0, 0)) == (*RED, 77)
    assert opened(found.thumbnail).getchannel("A").getpixel((0, 0)) == 77


@pytest.mark.parametrize(
    ("file", "pixel"),
    [
        (picture(mode="P", colour=0, transparency=0), (0, 0, 0, 0)),
        (picture(mode="1", colour=1), 255),
        (picture(mode="LA", colour=(9, 50)), (9, 9, 9, 50)),
        (picture(mode="I;16", colour=0x8000), 128),
        (picture("JPEG", mode="L", colour=9), 9),
        (picture("JPEG", mode="CMYK", colour=(0, 0, 0, 255)), (0, 0, 0)),
        (picture(icc_profile=b"no profile"), RED),
    ],
)
def test_every_kind_of_pixel_looks_as_it_did(file, pixel):
    assert opened(cleaned(file).file).getpixel((0, 0)) == pixel


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_of_what_moves_the_first_frame_stays(format_):
    file = picture(format_, save_all=True, append_images=[Image.new("RGB", (8, 6), BLUE)], duration=50)
    assert getattr(opened(file), "n_frames", 1) == 2
    kept = opened(cleaned(file).file)
    assert getattr(kept, "n_frames", 1) == 1
    assert red_of(kept) > 150


def test_what_webp_has_no_room_for_becomes_a_png(monkeypatch):
    def encoded(image, format_):
        if format_ == "WEBP" and max(image.size) > images.THUMBNAIL_PIXELS:
            raise ValueError("encoding error 6")
        return plainly(image, format_)

    plainly = images.encoded
    monkeypatch.setattr(images, "encoded", encoded)
    found = cleaned(picture("WEBP", (500, 10)))
    assert (found.media_type, opened(found.file).format, opened(found.file).size) == ("image/png", "PNG", (500, 10))


def bomb(width, height):
    """Return the head of a PNG with so many pixels, and nothing behind it."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


@pytest.mark.parametrize(("width", "height"), [(1001, 1000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_by_the_head_alone(width, height):
    empty = b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(ImageTooLarge):
        cleaned(bomb(width, height) + empty)


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"no image",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        picture("BMP"),
        picture("TIFF"),
        photo()[:300],
        picture("PNG", (300, 300))[:-40],
        picture("WEBP")[:-10],
        b"GIF89a",
        bomb(0, 5),
        picture()[:40] + b"\0" * 50,
    ],
)
def test_what_is_no_whole_image_is_refused(file):
    with pytest.raises(ImageInvalid):
        cleaned(file)
