"""Images of strangers: told by their content, bounded by their head, and made anew, so that nothing but the picture is left.

What comes out was decoded and encoded here: upright, in sRGB, the first frame alone, without EXIF, comments, profiles, previews
or whatever else was hidden in the file. It takes memory (8 bytes a pixel, of a WebP 16) and time: so it runs
on two threads of its own.
"""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, Final

from PIL import Image, ImageCms, ImageOps

from app.domain.errors import ImageInvalid, ImageTooLarge

THUMBNAIL_PIXELS = 400  # of the longer side, at most
THUMBNAIL_TYPE = "image/webp"
OPTIONS: Final[dict[str, dict[str, int]]] = {
    "PNG": {"compress_level": 3},  # 6 would cost twice the CPU for a few hundredths of the size
    "JPEG": {"quality": 90},
    "WEBP": {"quality": 90, "method": 4},
}
OPENED: Final = ("PNG", "JPEG", "WEBP", "GIF")
WRITTEN: Final[dict[str | None, tuple[str, str]]] = {  # the format and the type of what is kept, by the format that came
    "PNG": ("PNG", "image/png"),
    "JPEG": ("JPEG", "image/jpeg"),
    "MPO": ("JPEG", "image/jpeg"),  # a JPEG with more pictures behind the first, as phones write them
    "WEBP": ("WEBP", THUMBNAIL_TYPE),
    "GIF": ("PNG", "image/png"),  # one frame of it: smaller so, and as exact
}
WORKERS: Final = ThreadPoolExecutor(2, thread_name_prefix="images")

Image.MAX_IMAGE_PIXELS = None  # the limit is ours, below: pillow's own only warns until twice its size


@dataclass(frozen=True, slots=True)
class Picture:
    """An image as it is kept, and a small one of it; sizes in pixels, as it is shown."""

    media_type: str
    width: int
    height: int
    file: bytes
    thumbnail: bytes  # WebP


async def cleaned(file: IO[bytes], *, most_pixels: int) -> Picture:
    """Return what is kept of an uploaded image.

    Raises:
        ImageInvalid: it is no PNG, JPEG, WebP or GIF, or it is broken.
        ImageTooLarge: its head promises more pixels than that.
    """
    return await asyncio.get_running_loop().run_in_executor(WORKERS, clean, file, most_pixels)


def clean(file: IO[bytes], most_pixels: int) -> Picture:
    """Do the same, in this thread."""
    try:
        plain, (format_, media_type) = decoded(file, most_pixels)
        try:
            kept = encoded(plain, format_)
        except ValueError:  # WebP has no room for some pictures of many pixels and much detail
            format_, media_type = WRITTEN["PNG"]
            kept = encoded(plain, format_)
        width, height = plain.size
        plain.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        return Picture(media_type, width, height, kept, encoded(plain, "WEBP"))
    except ImageTooLarge:
        raise
    except Exception as error:  # decoders raise whatever they stumble over in a stranger's bytes
        raise ImageInvalid from error


def decoded(file: IO[bytes], most_pixels: int) -> tuple[Image.Image, tuple[str, str]]:
    """Return a file's picture, and how it is written; what decoding took of memory is free again."""
    with Image.open(file, formats=OPENED) as image:
        if image.width * image.height > most_pixels:
            raise ImageTooLarge(f"The image has {image.width:,} x {image.height:,} pixels; {most_pixels:,} are allowed.")
        return plain_picture(image), WRITTEN[image.format]


def plain_picture(image: Image.Image) -> Image.Image:
    """Return the pixels alone, as they are meant to be seen."""
    if image.mode.startswith("I"):  # 16 bits of grey, which a plain conversion would cut off at 255
        image = image.convert("I").point(lambda grey: grey * (1 / 256)).convert("L")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = in_mode("RGBA", upright)
    elif upright.mode not in {"1", "L", "CMYK"}:
        upright = in_mode("RGB", upright)
    plain = in_srgb(upright, image.info.get("icc_profile"))
    if plain.mode not in {"L", "RGB", "RGBA"}:
        plain = in_mode("L" if plain.mode == "1" else "RGB", plain)
    plain.info.clear()  # encoders write some of it
    return plain


def in_mode(mode: str, image: Image.Image) -> Image.Image:
    """Return an image with this kind of pixels: the same one where it has them."""
    return image if image.mode == mode and "transparency" not in image.info else image.convert(mode)


def in_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """Return the same colours without the profile that explained them; a broken one explains nothing."""
    if not profile or image.mode in {"1", "L"}:
        return image
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        found = ImageCms.profileToProfile(image, source, target, outputMode="RGBA" if image.mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return found or image


def encoded(image: Image.Image, format_: str) -> bytes:
    """Return an image's file."""
    file = io.BytesIO()
    image.save(file, format_, **OPTIONS[format_])
    return file.getvalue()
