"""Images for tests, as strangers send them."""

import io

from PIL import Image

SECRET = b"52.5163N 13.3777E"


def picture(format_="PNG", size=(8, 6), *, mode="RGB", colour=(200, 30, 30), **options) -> bytes:
    """Return an image's file, of one colour; `options` are pillow's."""
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, format_, **options)
    return file.getvalue()


def photo() -> bytes:
    """Return a JPEG as a phone writes it, 8 wide and 6 high: taken sideways, with a place, a comment, and something behind it."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    exif[0x010E] = SECRET.decode()
    return picture("JPEG", exif=exif, comment=SECRET) + SECRET


def opened(file: bytes) -> Image.Image:
    """Return the image of a file, decoded."""
    image = Image.open(io.BytesIO(file))
    image.load()
    return image
